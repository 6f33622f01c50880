//! Sessions whose plugboard asked their telephone to move: each goes on beside its successor until it is left.

use bytes::Bytes;
use telephone_core::error::LeaveCode;

use super::issuer::Issuer;
use super::telephone::{Served, Telephone};
use crate::laws;
use crate::stage::{Note, Stage};

/// Sessions of one telephone that go on beside their successor.
pub(super) const PARTING_MAX: usize = 4;

impl Telephone {
    /// Lets go of a session whose plugboard asked for the next one, which is dialled for; both are served.
    pub(super) fn part(&mut self, stage: &mut Stage<'_>) {
        let is_asked = |served: &mut Served| served.asked.is_some() && served.line.wire().is_some();
        let Some(served) = self.served.take_if(is_asked) else { return };
        let now = stage.clock.timestamp();
        if served.has_progressed() {
            self.dialer.handle_progress(now);
        }
        let within = served.asked.as_ref().map(telephone_core::wire::Move::within).unwrap_or_default();
        self.dialer.handle_move(within, now);
        let (index, number) = (self.index, served.line.number);
        stage.note(Note::Moving, number, || format!("telephone {index} is to leave session {number:x}"));
        stage.moved += 1;
        self.parting.push(served);
        if self.parting.len() > PARTING_MAX {
            // Whoever asks again and again is not served on all of them.
            let oldest = &mut self.parting[0].line;
            oldest.leave(LeaveCode::Stopped, stage);
            let number = oldest.number;
            self.turn_parting(number, stage);
        }
        self.advance(stage);
    }

    /// Tells the plugboards that are to be left that the successor is there.
    pub(super) fn confirm_moves(&mut self, stage: &mut Stage<'_>) {
        for one in &mut self.parting {
            one.line.session.confirm_move();
        }
        self.turn_all_parting(stage);
    }

    /// The session among them that uses a wire.
    pub(super) fn parting_on(&self, wire: u32) -> Option<u64> {
        let uses = |one: &&Served| one.line.wire().is_some_and(|(used, _)| used == wire);
        self.parting.iter().find(uses).map(|one| one.line.number)
    }

    /// Lets one of them do what it can. It is over with its link: nobody goes on with it.
    pub(super) fn turn_parting(&mut self, number: u64, stage: &mut Stage<'_>) {
        let Some(at) = self.parting.iter().position(|one| one.line.number == number) else { return };
        let mut turned = self.parting[at].turn(stage);
        if turned.is_renewal_due && self.has_tokens {
            self.renew_token(stage);
            let one = &mut self.parting[at];
            one.line.session.renew(Bytes::from(Issuer::text(self.token)));
            turned = one.turn(stage);
        }
        if turned.closed.is_none() && self.parting[at].line.wire().is_some() {
            return;
        }
        self.parting.remove(at).line.session.abandon();
        let (index, closed) = (self.index, turned.closed);
        stage.note(Note::Closed, number, || {
            format!("telephone {index} is done with session {number:x}: {closed:?}")
        });
        let is_honest = !self.is_deceived(stage);
        let is_misbehaviour = closed.is_some_and(laws::is_misbehaviour);
        stage.oracle.check("I6", !is_honest || !is_misbehaviour, || {
            format!("a session that telephone {index} moved from is over: {closed:?}")
        });
    }

    pub(super) fn turn_all_parting(&mut self, stage: &mut Stage<'_>) {
        let numbers: Vec<u64> = self.parting.iter().map(|one| one.line.number).collect();
        for number in numbers {
            self.turn_parting(number, stage);
        }
    }

    pub(super) fn tick_parting(&mut self, stage: &mut Stage<'_>) {
        for one in &mut self.parting {
            one.line.tick(stage);
        }
        self.turn_all_parting(stage);
    }
}
