//! How a plugboard takes a telephone in: its hello is judged, and a session goes on or begins.

use std::time::Duration;

use bytes::Bytes;
use telephone_core::error::LeaveCode;
use telephone_core::handshake;
use telephone_core::mount::Mount;
use telephone_core::recording::Recorded;
use telephone_core::router::{Identity, Reduced, Registration, ResumeSecret, SessionKey};
use telephone_core::session::{CannotResume, Role, SessionConfig};
use telephone_core::wire::{Hello, Profile, Refused, RefusedCode, Setting, Settings, Welcome};

use super::issuer::{BadToken, Grant};
use super::plugboard::{Held, Plugboard, Stand, session_limits};
use super::presenting::Wanted;
use crate::clock::Micros;
use crate::line::Line;
use crate::net::{Arrival, Side};
use crate::stage::{Note, Stage};

impl Plugboard {
    /// A hello is awaited on this wire, and something came.
    pub(super) fn greet(&mut self, wire: u32, stage: &mut Stage<'_>) {
        while let Some(arrival) = stage.read(wire, Side::Plugboard) {
            match arrival {
                Arrival::Octets => {}
                Arrival::Over => return self.hang_up(wire, stage),
                Arrival::Message(message) => {
                    let Some(Stand::Greeted(reception)) = self.stands.get_mut(&wire) else { return };
                    let hello = reception.take().map(|reception| reception.handle_message(message));
                    match hello {
                        Some(Ok(hello)) => return self.admit(wire, &hello, stage),
                        Some(Err(_)) | None => return self.hang_up(wire, stage),
                    }
                }
            }
        }
    }

    pub(super) fn hang_up(&mut self, wire: u32, stage: &mut Stage<'_>) {
        self.stands.remove(&wire);
        stage.close(wire, Side::Plugboard);
    }

    fn admit(&mut self, wire: u32, hello: &Hello, stage: &mut Stage<'_>) {
        let judged = Self::judge(hello, stage);
        let admitted = judged.and_then(|grant| match self.resume(wire, hello, &grant, stage) {
            Some(resumed) => resumed,
            None => self.register(wire, hello, &grant, stage),
        });
        match admitted {
            Ok(key) => {
                self.settle_line(key, stage);
                self.turn(key, stage);
            }
            Err(code) => {
                stage.note(Note::Handshake, u64::from(wire), || format!("wire {wire} is refused: {code:?}"));
                let refused = Refused { code, reason: String::new(), retry_after_ms: None };
                stage.write(wire, Side::Plugboard, handshake::refuse(Profile::Binary, refused));
                self.hang_up(wire, stage);
            }
        }
    }

    fn judge(hello: &Hello, stage: &mut Stage<'_>) -> Result<Grant, RefusedCode> {
        let grant = stage.issuer.verify(&hello.token, stage.now()).map_err(|error| match error {
            BadToken::Expired => RefusedCode::Expired,
            BadToken::Unknown | BadToken::Revoked => RefusedCode::Forbidden,
        })?;
        let own = own_claim(&grant);
        let claim: Mount = own.parse().map_err(|_| RefusedCode::Malformed)?;
        for text in &hello.mounts {
            let mount: Mount = text.parse().map_err(|_| RefusedCode::Malformed)?;
            if !claim.covers(&mount) {
                return Err(RefusedCode::Forbidden);
            }
            let is_own =
                text.strip_prefix(&own).is_some_and(|below| below.is_empty() || below.starts_with('/'));
            stage.oracle.check("I26", is_own, || format!("a token for {own} was good for {text}"));
        }
        Ok(grant)
    }

    fn identity(grant: &Grant, hello: &Hello) -> Identity {
        Identity::new(format!("tenant-{}", grant.tenant), hello.instance.clone())
    }

    fn resume(
        &mut self,
        wire: u32,
        hello: &Hello,
        grant: &Grant,
        stage: &mut Stage<'_>,
    ) -> Option<Result<SessionKey, RefusedCode>> {
        let resume = hello.resume.as_ref()?;
        let key = self.router.resumable(&Self::identity(grant, hello), resume)?;
        let held = self.sessions.get_mut(&key)?;
        let now = stage.clock.timestamp();
        let link = match held.line.session.resume(resume.position, now) {
            Ok(link) => link,
            Err(CannotResume::Over) => return None,
            Err(CannotResume::Position(_)) => return Some(Err(RefusedCode::Stale)),
        };
        let (owner, greeter) = (held.telephone, stage.connection(wire).telephone);
        stage.oracle.check("I27", owner == greeter, || {
            format!("telephone {greeter} went on with the session of telephone {owner}")
        });
        let is_proven = held.secret == resume.secret;
        stage.oracle.check("I27", is_proven, || "a session went on without its secret".into());
        held.line.heard_at = stage.now();
        held.lost_at = None;
        held.good_until = grant.good_until;
        held.line.session.authorize(lifetime(grant, stage.now()), now);
        let position = held.line.session.position();
        let number = key.number();
        stage.resumed += 1;
        stage.note(Note::Handshake, number, || format!("wire {wire} goes on with session {number:x}"));
        let welcome = welcome(key, Some(position), resume.secret, grant, stage);
        stage.write(wire, Side::Plugboard, welcome);
        if let Some((old, old_link)) = held.line.relink(wire, link) {
            self.stands.insert(old, Stand::Old(key, old_link));
        }
        self.stands.insert(wire, Stand::Used(key));
        Some(Ok(key))
    }

    fn register(
        &mut self,
        wire: u32,
        hello: &Hello,
        grant: &Grant,
        stage: &mut Stage<'_>,
    ) -> Result<SessionKey, RefusedCode> {
        if self.is_draining {
            return Err(RefusedCode::Leaving);
        }
        let now = stage.clock.timestamp();
        let config = SessionConfig {
            role: Role::Plugboard,
            profile: Profile::Binary,
            limits: session_limits(&stage.scenario.plugboard_limits),
            peer: hello.settings.clone(),
            seed: stage.random.next_u64(),
            resume_window: Duration::from_micros(stage.scenario.resume_window),
        };
        self.next_key += 1;
        let key = SessionKey::new(self.next_key);
        let tape = stage.tape(Side::Plugboard, self.index, key.number());
        let mut session = Recorded::new(config, now, tape);
        session.authorize(lifetime(grant, stage.now()), now);
        let secret = secret(stage);
        let mounts: Vec<Mount> = hello.mounts.iter().filter_map(|mount| mount.parse().ok()).collect();
        let claims = vec![own_claim(grant).parse().map_err(|_| RefusedCode::Malformed)?];
        let registration = Registration {
            identity: Self::identity(grant, hello),
            epoch: hello.epoch,
            mounts,
            claims,
            is_partial_enough: hello.settings.has(Setting::Partial),
            secret: ResumeSecret::new(secret),
            sticky: None,
        };
        // The clock of the world, in the unit of its epochs.
        let clock = stage.now() / crate::clock::MILLI * 256;
        let registered = self.router.register(key, registration, clock, now).map_err(|error| error.code())?;
        let held = Held {
            line: Line::new(session, key.number(), Side::Plugboard, self.index, wire, stage.now()),
            telephone: stage.connection(wire).telephone,
            tenant: grant.tenant,
            epoch: hello.epoch,
            instance: hello.instance.clone(),
            good_until: grant.good_until,
            is_suspended: false,
            is_over: false,
            secret,
            lost_at: None,
            load: 0,
            has_moved: false,
            wanted: Wanted::Ready,
        };
        self.sessions.insert(key, held);
        self.stands.insert(wire, Stand::Used(key));
        let number = key.number();
        stage.note(Note::Handshake, number, || format!("wire {wire} begins session {number:x}"));
        stage.write(wire, Side::Plugboard, welcome(key, None, secret, grant, stage));
        for reduced in registered.reduced {
            self.judge_reduced(&reduced, hello.epoch, stage);
            self.dismiss(reduced.session, LeaveCode::Replaced, stage);
        }
        Ok(key)
    }

    /// A process of this epoch takes mounts from others of its identity: from older ones, or from a newer one that takes no
    /// requests. (I35)
    fn judge_reduced(&self, reduced: &Reduced, epoch: u64, stage: &mut Stage<'_>) {
        let Reduced { session, left } = reduced;
        // The one claim of a tenant covers all that it can have.
        stage.oracle.check("I35", left.is_empty(), || format!("an older session kept {left:?}"));
        // One that was revoked takes no requests, though its last word may still be on its link.
        let takes_requests = |held: &Held| held.line.wire().is_some() && held.line.session.is_open();
        let is_dead = |held: &Held| held.epoch <= epoch || !takes_requests(held);
        let is_fair = self.sessions.get(session).is_none_or(is_dead) || cfg!(planted = "older-epoch-fences");
        stage.oracle.check("I35", is_fair, || "an older process replaced one that takes requests".into());
    }
}

/// What the tokens of a tenant claim.
fn own_claim(grant: &Grant) -> String {
    format!("/t{}", grant.tenant)
}

/// How long a session may be given new streams: until no clock can call its token good. (I28)
pub(super) fn lifetime(grant: &Grant, now: Micros) -> Option<Duration> {
    grant.expires_in.map(|_| Duration::from_micros(grant.good_until.saturating_sub(now)))
}

fn secret(stage: &mut Stage<'_>) -> [u8; 16] {
    let mut secret = [0; 16];
    secret[..8].copy_from_slice(&stage.random.next_u64().to_le_bytes());
    secret[8..].copy_from_slice(&stage.random.next_u64().to_le_bytes());
    secret
}

fn welcome(
    key: SessionKey,
    resumed: Option<u64>,
    secret: [u8; 16],
    grant: &Grant,
    stage: &Stage<'_>,
) -> Bytes {
    handshake::welcome(
        Profile::Binary,
        Welcome {
            session: key.number(),
            secret,
            resumed,
            resume_url: None,
            resume_window_ms: stage.scenario.resume_window / crate::clock::MILLI,
            spread_ms: 100,
            expires_in_s: grant.expires_in.map(|left| left.as_secs()),
            settings: Settings::of(&session_limits(&stage.scenario.plugboard_limits))
                .with(Setting::Mounts, 1),
        },
    )
}
