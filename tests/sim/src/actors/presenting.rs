//! Mounts that telephones present within their sessions, and what their plugboards make of it.

use telephone_core::error::LeaveCode;
use telephone_core::mount::Mount;
use telephone_core::router::{Reduced, SessionKey};
use telephone_core::wire::Mounts;

use super::plugboard::{Held, Plugboard};
use super::telephone::Telephone;
use crate::stage::{Note, Stage};

/// What a telephone wants of its one mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wanted {
    /// Requests.
    #[default]
    Ready,
    /// Requests that no other replica can take: its application is down.
    NotReady,
    /// None.
    Withdrawn,
}

impl Telephone {
    /// Presents its mount anew, on each of its sessions.
    pub fn want(&mut self, wanted: Wanted, stage: &mut Stage<'_>) {
        self.wanted = wanted;
        let mounts = self.presented(stage);
        for served in self.served.iter_mut().chain(&mut self.parting) {
            served.line.session.present_mounts(mounts.clone());
        }
        self.turn(stage);
        self.turn_all_parting(stage);
    }

    pub(super) fn presented(&self, stage: &Stage<'_>) -> Mounts {
        let mount = vec![format!("/t{}", stage.scenario.telephones[self.index as usize].tenant)];
        match self.wanted {
            Wanted::Ready => Mounts { ready: mount, ..Mounts::default() },
            Wanted::NotReady => Mounts { not_ready: mount, ..Mounts::default() },
            Wanted::Withdrawn => Mounts::default(),
        }
    }
}

impl Plugboard {
    /// A telephone presented its mounts: the router judges them, and the scope says what came of it.
    pub(super) fn on_presented(&mut self, key: SessionKey, presented: &Mounts, stage: &mut Stage<'_>) {
        let Some(held) = self.sessions.get(&key) else { return };
        let claim: Option<Mount> = format!("/t{}", held.tenant).parse().ok();
        let parse =
            |texts: &[String]| texts.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Mount>>();
        let not_ready = parse(&presented.not_ready);
        let mounts = [parse(&presented.ready), not_ready.clone()].concat();
        let claims: Vec<Mount> = claim.into_iter().collect();
        let found = self.router.present(key, &mounts, &not_ready, &claims, stage.clock.timestamp());
        let wanted = match (found.mounts.is_empty(), not_ready.is_empty()) {
            (true, _) => Wanted::Withdrawn,
            (false, true) => Wanted::Ready,
            (false, false) => Wanted::NotReady,
        };
        let number = key.number();
        stage
            .note(Note::Handshake, number, || format!("session {number:x} presents its mount as {wanted:?}"));
        if let Some(held) = self.sessions.get_mut(&key) {
            held.wanted = wanted;
            held.line.session.tell_scope(found.mounts.iter().map(ToString::to_string).collect());
        }
        for Reduced { session, left } in found.reduced {
            stage.oracle.check("I35", left.is_empty(), || format!("an older session kept {left:?}"));
            self.dismiss(session, LeaveCode::Replaced, stage);
        }
    }

    /// No request goes to a session whose application is down while another one is ready.
    pub(super) fn judge_readiness(&self, request: u32, key: SessionKey, tenant: u8, stage: &mut Stage<'_>) {
        let is_ready = |held: &Held| held.wanted == Wanted::Ready;
        if self.sessions.get(&key).is_none_or(is_ready) {
            return;
        }
        let now = stage.now();
        let better = self.sessions.iter().find(|(other, held)| {
            is_ready(held) && held.line.session.is_open() && self.may_take(**other, tenant, now).is_ok()
        });
        stage.oracle.judge("B-14", request, better.is_none(), || {
            "it was given to a session that is not ready, though another one is".into()
        });
    }
}
