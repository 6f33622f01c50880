//! One request at a plugboard: routed, waiting, carried, given to another session, over. What the relay's
//! exchange task does.

use telephone_core::error::{CloseReason, Reset, ResetCode, Touched};
use telephone_core::limits::REQUEST_ATTEMPTS_MAX;
use telephone_core::retry;
use telephone_core::router::{Refusal, Route, RouterEvent, SessionKey};
use telephone_core::session::{OpenError, StreamId};
use telephone_core::wire::Opening;

use super::client::{self, Ended, PublicLeg};
use super::plugboard::{Plugboard, Whereabouts};
use crate::clock::{Event, Micros};
use crate::oracle::{Oracle, Outcome};
use crate::stage::{Note, Stage};

/// A request is over.
pub fn finish(request: u32, outcome: Outcome, stage: &mut Stage<'_>) {
    let plan = *stage.request(request);
    stage.note(Note::Outcome, u64::from(request), || format!("request {request}: {outcome:?}"));
    let word = match outcome {
        Outcome::Full => 1,
        Outcome::Refused(status) => 2 + (u64::from(status) << 8),
        Outcome::Aborted => 3,
        Outcome::Left => 4,
        Outcome::CutOff => 5,
    };
    stage.trace.mix(word);
    stage.oracle.finish(request, &plan, outcome);
}

impl Plugboard {
    /// A client sends a request.
    pub fn on_request(&mut self, request: u32, stage: &mut Stage<'_>) {
        self.route(request, 1, stage);
    }

    fn route(&mut self, request: u32, attempt: u32, stage: &mut Stage<'_>) {
        let path = format!("/t{}/{request}", stage.request(request).tenant);
        self.earn();
        match self.router.route(None, path.as_bytes(), stage.clock.timestamp()) {
            Route::To { session, .. } => self.carry(request, attempt, session, stage),
            Route::Park(ticket) => {
                let is_served = self.is_served(stage.request(request).tenant, stage.now());
                stage
                    .oracle
                    .judge("I35", request, !is_served, || "it waits though a session could take it".into());
                self.tickets.insert(ticket, request);
                self.clients.insert(request, (Whereabouts::Waiting(ticket), attempt));
                self.judge_parking(request, stage);
                self.settle_waits(stage);
            }
            Route::Refuse(refusal) => self.refuse(request, refusal, stage),
        }
    }

    /// Whether somebody could take a request of this tenant, as the reference sees it.
    fn is_served(&self, tenant: u8, now: Micros) -> bool {
        self.sessions.iter().any(|(key, held)| {
            held.tenant == tenant && held.line.session.is_open() && self.may_take(*key, tenant, now).is_ok()
        })
    }

    fn refuse(&mut self, request: u32, refusal: Refusal, stage: &mut Stage<'_>) {
        let status = match refusal {
            Refusal::NoSuchMount => 404,
            Refusal::Ambiguous => 400,
            Refusal::NobodyConnected { .. } | Refusal::TokenExpired { .. } | Refusal::TooBusy { .. } => 503,
        };
        let is_served = self.is_served(stage.request(request).tenant, stage.now());
        stage.oracle.judge("I35", request, !is_served && refusal != Refusal::Ambiguous, || {
            format!("it got {refusal:?} though a session could take it")
        });
        self.conclude(request, Outcome::Refused(status), stage);
    }

    fn conclude(&mut self, request: u32, outcome: Outcome, stage: &mut Stage<'_>) {
        self.clients.remove(&request);
        finish(request, outcome, stage);
    }

    /// Settles the waits that ended, and looks at the clock of those that did not.
    pub(super) fn settle_waits(&mut self, stage: &mut Stage<'_>) {
        // What is carried below takes a turn, which comes here again.
        if std::mem::replace(&mut self.is_settling, true) {
            return;
        }
        while let Some(event) = self.router.poll_event() {
            match event {
                RouterEvent::Unparked { ticket, session, .. } => match self.tickets.remove(&ticket) {
                    Some(request) => {
                        let attempt = self.clients.get(&request).map_or(1, |(_, attempt)| *attempt);
                        self.carry(request, attempt, session, stage);
                    }
                    None => self.router.finish(session),
                },
                // The timer below is for the first wait that ends.
                RouterEvent::Rescheduled { .. } => {}
                RouterEvent::Refused { ticket, refusal } => {
                    if let Some(request) = self.tickets.remove(&ticket) {
                        self.refuse(request, refusal, stage);
                    }
                }
            }
        }
        self.is_settling = false;
        if let Some(at) = self.router.poll_timeout().map(telephone_core::time::Timestamp::as_micros)
            && at < self.armed
        {
            self.armed = at;
            stage.clock.plan(at, Event::Plugboard(self.index));
        }
    }

    fn carry(&mut self, request: u32, attempt: u32, key: SessionKey, stage: &mut Stage<'_>) {
        let plan = *stage.request(request);
        let verdict = self.may_take(key, plan.tenant, stage.now());
        self.judge_choice(request, key, plan.tenant, stage);
        self.judge_readiness(request, key, plan.tenant, stage);
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let (opening, is_whole) = client::opening(request, &plan);
        let is_leaving = held.line.is_leaving();
        match held.line.session.open(opening, is_whole, stage.clock.timestamp()) {
            Ok(stream) => {
                stage.oracle.judge("I26", request, verdict.is_ok(), || {
                    format!("it was given to {}", verdict.err().unwrap_or_default())
                });
                stage.oracle.judge("I42", request, !is_leaving, || {
                    "a session took it that its plugboard leaves".into()
                });
                stage.oracle.attempt(request);
                stage.oracle.wrote_up(request, 0, is_whole);
                let number = key.number();
                stage.note(Note::Routed, u64::from(request), || {
                    format!("request {request} goes to session {number:x}, stream {stream}")
                });
                held.load += 1;
                self.clients.insert(request, (Whereabouts::Carried(key, stream), attempt));
                held.line.attach(stream, PublicLeg::new(request, &plan), stage);
                self.turn(key, stage);
            }
            Err(OpenError::Leaving) => {
                self.router.finish(key);
                self.settle_line(key, stage);
                self.again(request, attempt, Outcome::Refused(503), stage);
            }
            Err(OpenError::TooManyStreams) => {
                self.router.finish(key);
                // What is refused before anybody took it tries again, and opens another one.
                let opens_max = stage.scenario.requests.len() as u64 * u64::from(REQUEST_ATTEMPTS_MAX + 1);
                let is_wide =
                    stage.scenario.telephone_limits.streams > opens_max && !self.is_hostile(key, stage);
                stage.oracle.check("I5", !is_wide, || format!("request {request}: no stream is left"));
                self.conclude(request, Outcome::Refused(503), stage);
            }
            Err(OpenError::Head(error)) => {
                self.router.finish(key);
                stage.oracle.violate("I17", || format!("request {request}: {error}"));
            }
        }
    }

    /// No more requests wait for a mount than may.
    fn judge_parking(&self, request: u32, stage: &mut Stage<'_>) {
        let (tenant, most) = (stage.request(request).tenant, stage.scenario.parked_per_mount as usize);
        let waiting = self.tickets.values().filter(|other| stage.request(**other).tenant == tenant).count();
        let is_full = waiting > most && stage.now() > self.knows_all_at.max(self.thawed_at);
        stage.oracle.check("I36", !is_full, || format!("{waiting} requests wait for one mount"));
    }

    /// The least busy session of a mount is chosen.
    fn judge_choice(&self, request: u32, key: SessionKey, tenant: u8, stage: &mut Stage<'_>) {
        let Some(chosen) = self.sessions.get(&key) else { return };
        let now = stage.now();
        let idler = self.sessions.iter().find(|(other, held)| {
            held.tenant == tenant
                && held.load < chosen.load
                && held.wanted == chosen.wanted
                && held.line.session.is_open()
                && self.may_take(**other, tenant, now).is_ok()
        });
        stage.oracle.judge("B-14", request, idler.is_none(), || {
            "it was given to a session that is busier than another one".into()
        });
    }

    fn is_hostile(&self, key: SessionKey, stage: &Stage<'_>) -> bool {
        let held = self.sessions.get(&key);
        held.is_none_or(|held| stage.scenario.telephones[held.telephone as usize].is_hostile)
    }

    fn again(&mut self, request: u32, attempt: u32, outcome: Outcome, stage: &mut Stage<'_>) {
        if attempt >= REQUEST_ATTEMPTS_MAX {
            return self.conclude(request, outcome, stage);
        }
        self.clients.remove(&request);
        self.route(request, attempt + 1, stage);
    }

    /// An exchange is over for its client's side.
    pub(super) fn on_ended(
        &mut self,
        key: SessionKey,
        stream: StreamId,
        leg: &PublicLeg,
        ended: Ended,
        stage: &mut Stage<'_>,
    ) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.load -= 1;
        held.line.session.release(stream);
        let closed = held.line.session.closed();
        self.router.finish(key);
        let request = leg.request;
        let attempt = self.clients.get(&request).map_or(1, |(_, attempt)| *attempt);
        let reset = match ended {
            Ended::Complete => return self.conclude(request, Outcome::Full, stage),
            Ended::Reset(reset) => reset,
        };
        if !self.is_hostile(key, stage) {
            self.judge_reset(request, key, stream, reset, closed, stage);
        }
        if leg.status.is_some() {
            return self.conclude(request, Outcome::Aborted, stage);
        }
        let plan = *stage.request(request);
        let (opening, is_whole) = client::opening(request, &plan);
        let may_repeat = match opening {
            Opening::Http { head, .. } => retry::may_repeat(&head, is_whole, reset),
            Opening::Tcp { .. } => false,
        };
        stage.oracle.judge("I31", request, is_whole || !may_repeat, || {
            "it is repeated, though what was read of its body is gone".into()
        });
        // What never started costs nobody anything.
        let is_free = reset.touched == Touched::No;
        if may_repeat && (is_free || attempt >= REQUEST_ATTEMPTS_MAX || self.has_budget(request, stage)) {
            self.again(request, attempt, Outcome::Refused(503), stage);
        } else {
            self.conclude(request, Outcome::Refused(502), stage);
        }
    }

    /// Whether a reset has a cause that allows it.
    fn judge_reset(
        &mut self,
        request: u32,
        key: SessionKey,
        stream: StreamId,
        reset: Reset,
        closed: Option<CloseReason>,
        stage: &mut Stage<'_>,
    ) {
        stage.oracle.judge_touched(request, reset, key.number(), stream.number());
        let is_left_behind = reset.code == ResetCode::SessionLost && closed == Some(CloseReason::Left);
        stage.oracle.judge("I42", request, !is_left_behind, || {
            "whoever left its session did not let it finish".into()
        });
        let plan = stage.request(request);
        let (limits, requests) = (&stage.scenario.telephone_limits, stage.scenario.requests.len() as u64);
        let is_explained = match reset.code {
            ResetCode::SessionLost => closed.is_some(),
            // The telephone left before it took the stream, or has more waiting than it takes.
            ResetCode::Refused => {
                limits.unaccepted < requests || stage.oracle.is_crossed(key.number(), stream.number())
            }
            code => Oracle::is_backends_fault(plan, code),
        };
        stage.oracle.judge("I34", request, is_explained, || format!("{reset:?} for no reason"));
    }

    /// A session has been without a link for a while: what may be done twice goes to another one.
    pub fn on_stranded(&mut self, number: u64, stage: &mut Stage<'_>) {
        let key = SessionKey::new(number);
        let Some(held) = self.sessions.get(&key).filter(|held| held.line.wire().is_none()) else { return };
        let Ok(mount) = format!("/t{}", held.tenant).parse() else { return };
        if !self.router.has_other(key, &mount) {
            return;
        }
        let legs = held.line.legs().iter().filter(|(_, leg)| leg.status.is_none());
        let requests: Vec<(StreamId, u32)> = legs.map(|(stream, leg)| (*stream, leg.request)).collect();
        for (stream, request) in requests {
            let attempt = self.clients.get(&request).map_or(REQUEST_ATTEMPTS_MAX, |(_, attempt)| *attempt);
            let may_move = match client::opening(request, stage.request(request)) {
                (Opening::Http { head, .. }, is_whole) => retry::may_move(&head, is_whole),
                (Opening::Tcp { .. }, _) => false,
            };
            if may_move && attempt < REQUEST_ATTEMPTS_MAX && self.has_budget(request, stage) {
                self.let_go(key, stream);
                self.again(request, attempt, Outcome::Refused(503), stage);
            }
        }
        self.turn(key, stage);
    }

    /// A session no longer carries a request.
    pub(super) fn let_go(&mut self, key: SessionKey, stream: StreamId) {
        self.router.finish(key);
        if let Some(held) = self.sessions.get_mut(&key) {
            held.load -= 1;
            held.line.detach(stream);
            held.line.session.release(stream);
        }
    }

    /// A client goes away.
    pub fn on_client_leaves(&mut self, request: u32, stage: &mut Stage<'_>) {
        let Some((whereabouts, _)) = self.clients.remove(&request) else { return };
        match whereabouts {
            Whereabouts::Waiting(ticket) => {
                self.tickets.remove(&ticket);
                self.router.cancel(ticket);
                finish(request, Outcome::Left, stage);
                self.settle_waits(stage);
                let (parked, waiting) = (self.router.counts().parked, self.tickets.len());
                stage.oracle.check("I38", parked == waiting, || {
                    format!("{parked} requests are parked, and {waiting} wait")
                });
            }
            Whereabouts::Carried(key, stream) => {
                finish(request, Outcome::Left, stage);
                self.let_go(key, stream);
                self.turn(key, stage);
            }
        }
    }
}
