//! How a plugboard goes that a fresh process follows, as a relay does.
//!
//! ```text
//!   announce   telephones are asked to move, new ones are refused, whoever comes is served
//!   close      nobody comes any more: all have moved, or have had the time
//!   leave      the last request is over, or the time for it: sessions end
//! ```

use telephone_core::error::LeaveCode;
use telephone_core::limits::FAREWELL_TIME;
use telephone_core::wire::Move;

use super::plugboard::{Plugboard, Whereabouts};
use crate::clock::{Event, MILLI, Micros, SECOND};
use crate::oracle::Outcome;
use crate::stage::{Note, Stage};

/// How long balancers are given to notice, at most.
const DELAY_MAX: Micros = SECOND;
/// How long telephones that have not moved are waited for, so that the rest of them has moved before a request that
/// waits for them at the fresh process is given up.
const MOVE_TIME: Micros = 1_500 * MILLI;
/// Over which time telephones are to spread their dials.
const WITHIN_MIN: Micros = 100;
const WITHIN_MAX: Micros = 1_000;

/// How far a plugboard is that goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    /// It listens until then at least, and at most.
    listens: (Micros, Micros),
    is_closed: bool,
    /// What is in flight then is cut off.
    grace_end: Micros,
    left_at: Option<Micros>,
}

impl Plugboard {
    /// Begins to go; what is in flight has so much time.
    pub fn drain(&mut self, grace: Micros, stage: &mut Stage<'_>) {
        let now = stage.now();
        let delay = stage.random.up_to(DELAY_MAX);
        let within = self.ask_to_move(stage);
        let listens = (now + delay, now + delay.max(within) + MOVE_TIME);
        let grace_end = now + delay + grace;
        self.drain = Some(Drain { listens, is_closed: false, grace_end, left_at: None });
        for at in [listens.0, listens.1, grace_end] {
            stage.clock.plan(at, Event::Plugboard(self.index));
        }
    }

    /// Refuses telephones that are new, and asks all others for their next sessions elsewhere: within which time?
    pub fn ask_to_move(&mut self, stage: &mut Stage<'_>) -> Micros {
        self.is_draining = true;
        let within_ms = WITHIN_MIN + stage.random.up_to(WITHIN_MAX - WITHIN_MIN);
        for key in self.keys() {
            if let Some(held) = self.sessions.get_mut(&key) {
                held.line.session.ask_to_move(Move { within_ms, url: None });
            }
            self.turn(key, stage);
        }
        within_ms * MILLI
    }

    /// Whether who comes to its address may come to it.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.drain.is_none_or(|drain| !drain.is_closed)
    }

    /// Nothing more is to go wrong: whoever comes comes to its successor, and what is in flight has all the time it needs.
    pub fn go_in_peace(&mut self) {
        if let Some(drain) = &mut self.drain {
            drain.is_closed = true;
            drain.grace_end = Micros::MAX;
        }
    }

    /// Goes as far as it may by now. True if it is done.
    pub fn go(&mut self, stage: &mut Stage<'_>) -> bool {
        let Some(mut drain) = self.drain else { return false };
        let (now, (earliest, latest)) = (stage.now(), drain.listens);
        let have_moved = self.sessions.values().all(|held| held.has_moved);
        drain.is_closed |= now >= if have_moved { earliest } else { latest };
        let is_late = now >= drain.grace_end;
        let is_over = is_late || (drain.is_closed && self.clients.is_empty());
        drain.is_closed |= is_late;
        let is_leaving = is_over && drain.left_at.is_none();
        if is_leaving {
            drain.left_at = Some(now);
            stage.clock.plan(now + FAREWELL_TIME.as_micros() as Micros, Event::Plugboard(self.index));
        }
        self.drain = Some(drain);
        if is_leaving {
            self.leave(stage);
        }
        let farewell = FAREWELL_TIME.as_micros() as Micros;
        drain.left_at.is_some_and(|at| self.is_empty() || now >= at + farewell)
    }

    /// Leaves all sessions. What is still in flight is cut off.
    fn leave(&mut self, stage: &mut Stage<'_>) {
        let index = self.index;
        stage.note(Note::Moving, u64::from(index), || format!("plugboard {index} leaves"));
        let code = if self.clients.is_empty() { LeaveCode::Draining } else { LeaveCode::Stopped };
        for (request, (whereabouts, _)) in std::mem::take(&mut self.clients) {
            super::exchange::finish(request, Outcome::CutOff, stage);
            match whereabouts {
                Whereabouts::Waiting(ticket) => {
                    self.tickets.remove(&ticket);
                    self.router.cancel(ticket);
                }
                Whereabouts::Carried(key, stream) => self.let_go(key, stream),
            }
        }
        self.dismiss_all(None, code, stage);
    }

    /// Whether it has this wire.
    #[must_use]
    pub fn has(&self, wire: u32) -> bool {
        self.stands.contains_key(&wire)
    }
}
