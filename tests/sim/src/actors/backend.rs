//! A backend and the telephone's side of its exchange: what the backend leg's pump and codec do.

use std::time::Duration;

use bytes::Bytes;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::limits::BackendLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::recording::Recorded;
use telephone_core::session::Accepted;
use telephone_core::wire::Opening;

use super::client;
use crate::clock::Micros;
use crate::content::{Content, Direction};
use crate::flow::{Drained, Offered, Sink, Source};
use crate::line::{Alarm, Leg, Place};
use crate::scenario::{BackendFault, Request, Shape};
use crate::stage::{Note, Stage};

/// Where the backend is with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The connection is not there before this moment.
    Connecting(Micros),
    /// The request is being read; the answer's head comes at this moment, if it is known.
    Reading(Option<Micros>),
    /// The head is out, the body follows.
    Answering,
    /// All of the answer is out.
    Answered,
}

/// An exchange that a backend serves.
#[derive(Debug)]
pub struct BackendLeg {
    request: u32,
    source: Source,
    sink: Sink,
    alarm: Alarm,
    step: Step,
    /// When the backend is given up for its silence.
    deadline: Micros,
    is_opaque: bool,
    is_outbound_done: bool,
}

const fn micros(duration: Duration) -> Micros {
    duration.as_micros() as Micros
}

impl BackendLeg {
    fn new(request: u32, plan: &Request, now: Micros) -> Self {
        let (tenant, number) = (u64::from(plan.tenant), u64::from(request));
        let length = match plan.fault {
            BackendFault::DiesAt(at) | BackendFault::HangsAt(at) | BackendFault::EndsAt(at) => at,
            BackendFault::None
            | BackendFault::Refuses
            | BackendFault::ConnectHangs
            | BackendFault::Silent
            | BackendFault::DiesUnanswered => plan.down.length,
        };
        let connected = match plan.fault {
            BackendFault::ConnectHangs => now + micros(BackendLimits::default().connect_timeout),
            _ => now,
        };
        Self {
            request,
            source: Source::new(
                Content::new(tenant, number, Direction::Down),
                u64::from(length),
                plan.down.written,
            ),
            sink: Sink::new(Content::new(tenant, number, Direction::Up), plan.up.read),
            alarm: Alarm::default(),
            step: Step::Connecting(connected),
            deadline: Micros::MAX,
            is_opaque: plan.shape == Shape::Tcp,
            is_outbound_done: false,
        }
    }

    fn pump_connect(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) -> Option<Reset> {
        let Step::Connecting(at) = self.step else { return None };
        if let Some(reset) = session.send(place.stream).stopped() {
            return Some(Reset { touched: Touched::No, ..reset });
        }
        if at > stage.now() {
            self.alarm.set(at, place, stage);
            return None;
        }
        let plan = *stage.request(self.request);
        match plan.fault {
            BackendFault::Refuses => {
                return Some(Reset { code: ResetCode::Unreachable, touched: Touched::No });
            }
            BackendFault::ConnectHangs => {
                return Some(Reset { code: ResetCode::TimedOut, touched: Touched::No });
            }
            _ => {}
        }
        let request = self.request;
        stage.oracle.execute(request, &plan, place.session, place.stream.number());
        stage.note(Note::Executed, u64::from(request), || format!("request {request} is executed"));
        self.step = if plan.shape == Shape::Tcp { Step::Answering } else { Step::Reading(None) };
        if !plan.waits && plan.shape != Shape::Tcp {
            self.answer_in(plan.delay, place, stage);
        }
        self.hear(&plan, place, stage);
        None
    }

    fn answer_in(&mut self, delay: Micros, place: Place, stage: &mut Stage<'_>) {
        self.step = Step::Reading(Some(stage.now() + delay));
        self.rearm(place, stage);
    }

    /// Whatever woke the leg, what it still waits for must wake it too.
    fn rearm(&mut self, place: Place, stage: &mut Stage<'_>) {
        let answers = match self.step {
            Step::Reading(Some(at)) if at > stage.now() => at,
            Step::Connecting(_) | Step::Reading(_) | Step::Answering | Step::Answered => Micros::MAX,
        };
        let at = answers.min(self.deadline);
        if at < Micros::MAX {
            self.alarm.set(at, place, stage);
        }
    }

    /// Something moved: the backend has its patience again, where it will ever need it.
    fn hear(&mut self, plan: &Request, place: Place, stage: &mut Stage<'_>) {
        let limits = BackendLimits::default();
        let patience = match (plan.fault, self.step) {
            (BackendFault::Silent, Step::Reading(_)) => limits.first_byte_timeout,
            (BackendFault::HangsAt(_), Step::Answering) if plan.down.is_declared => limits.idle_timeout,
            _ => return,
        };
        self.deadline = stage.now() + micros(patience);
        self.rearm(place, stage);
    }

    /// What the client's side sends goes to the backend.
    fn pump_up(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) -> Option<Reset> {
        let plan = *stage.request(self.request);
        let is_held = plan.shape == Shape::Upgrade && !self.is_opaque;
        if is_held || self.is_outbound_done || matches!(self.step, Step::Connecting(_)) {
            return None;
        }
        let before = self.sink.taken();
        let drained = self.sink.drain(&mut session.recv(place.stream), stage.now());
        let is_end = matches!(drained, Drained::End(_));
        stage.oracle.came_up(self.request, self.sink.taken(), is_end);
        if self.sink.taken() > before {
            self.hear(&plan, place, stage);
        }
        match drained {
            Drained::Later(at) => self.alarm.set(at, place, stage),
            Drained::Pending | Drained::Head => {}
            Drained::End(seen) => {
                self.is_outbound_done = true;
                self.judge_end(&seen, &plan, stage);
                if plan.waits && self.step == Step::Reading(None) {
                    self.answer_in(plan.delay, place, stage);
                }
            }
            Drained::Reset(reset) => return Some(Reset { touched: Touched::Yes, ..reset }),
            Drained::Wrong(at) => {
                let request = self.request;
                stage.oracle.judge("I8", request, false, || format!("a wrong octet at {at} came up"));
            }
        }
        None
    }

    fn judge_end(&self, seen: &Headers, plan: &Request, stage: &mut Stage<'_>) {
        let has_trailers = !client::is_whole(plan) && plan.shape != Shape::Upgrade;
        let right =
            if has_trailers { client::trailers(self.request, plan, Direction::Up) } else { Headers::new() };
        let request = self.request;
        stage.oracle.judge("I17", request, *seen == right, || format!("trailers {seen:?} came up"));
    }

    /// What the backend says goes to the client's side.
    fn pump_down(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) -> Option<Reset> {
        if !matches!(self.step, Step::Connecting(_))
            && let Some(reset) = session.send(place.stream).stopped()
        {
            return Some(Reset { touched: Touched::Yes, ..reset });
        }
        if self.deadline <= stage.now() {
            return Some(Reset { code: ResetCode::TimedOut, touched: Touched::Yes });
        }
        let plan = *stage.request(self.request);
        if let Step::Reading(Some(at)) = self.step
            && at <= stage.now()
            && plan.fault != BackendFault::Silent
        {
            if plan.fault == BackendFault::DiesUnanswered {
                return Some(Reset { code: ResetCode::BackendFailed, touched: Touched::Yes });
            }
            self.answer(&plan, place, session, stage);
        }
        if self.step == Step::Answering { self.pump_body(&plan, place, session, stage) } else { None }
    }

    fn answer(&mut self, plan: &Request, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) {
        let mut head = ResponseHead {
            status: 103,
            reason: Bytes::new(),
            headers: Headers::new(),
            length: None,
            upgrade: None,
        };
        head.headers.push(&b"X-Request"[..], self.request.to_string());
        let mut send = session.send(place.stream);
        let mut is_fine = true;
        for _ in 0..plan.interims {
            is_fine &= send.interim(head.clone()).is_ok();
        }
        head.status = 200;
        head.length = plan.down.is_declared.then_some(u64::from(plan.down.length));
        let is_ended = plan.shape == Shape::Head;
        if plan.shape == Shape::Upgrade {
            head.status = 101;
            head.length = None;
            head.upgrade = Some(Bytes::from_static(b"websocket"));
        }
        is_fine &= send.respond(head, is_ended).is_ok();
        let request = self.request;
        stage.oracle.judge("I17", request, is_fine, || "a sound answer was refused".into());
        self.is_opaque = plan.shape == Shape::Upgrade;
        self.step = if is_ended { Step::Answered } else { Step::Answering };
        stage.oracle.wrote_down(request, 0, is_ended);
        self.hear(plan, place, stage);
    }

    fn pump_body(
        &mut self,
        plan: &Request,
        place: Place,
        session: &mut Recorded,
        stage: &mut Stage<'_>,
    ) -> Option<Reset> {
        let before = self.source.made();
        let offered = self.source.offer(session.send(place.stream), stage.now());
        if self.source.made() > before {
            self.hear(plan, place, stage);
        }
        let is_whole = offered == Offered::Done && plan.fault == BackendFault::None;
        stage.oracle.wrote_down(self.request, self.source.made(), is_whole);
        match (offered, plan.fault) {
            (Offered::Done, BackendFault::DiesAt(_)) => {
                return Some(Reset { code: ResetCode::Truncated, touched: Touched::Yes });
            }
            (Offered::Done, BackendFault::HangsAt(_)) | (Offered::Blocked, _) => {}
            (Offered::Done, _) => {
                let has_trailers = plan.shape != Shape::Upgrade;
                let trailers = client::trailers(self.request, plan, Direction::Down);
                session.send(place.stream).end(if has_trailers { trailers } else { Headers::new() });
                self.step = Step::Answered;
            }
            (Offered::Later(at), _) => self.alarm.set(at, place, stage),
            (Offered::Stopped(reset), _) => return Some(Reset { touched: Touched::Yes, ..reset }),
        }
        None
    }

    fn step(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) -> Option<Reset> {
        let failed = self.pump_connect(place, session, stage);
        let failed = failed.or_else(|| self.pump_up(place, session, stage));
        let failed = failed.or_else(|| self.pump_down(place, session, stage));
        // A 101 that was just given lets the client's octets in.
        if self.is_opaque { failed.or_else(|| self.pump_up(place, session, stage)) } else { failed }
    }

    fn is_complete(&self) -> bool {
        self.step == Step::Answered && (self.is_outbound_done || !self.is_opaque)
    }
}

/// Which request a stream was opened for, and whether its head is what the client sent.
fn request_of(opening: &Opening, stage: &Stage<'_>) -> Option<u32> {
    let number = match opening {
        Opening::Tcp { mount, .. } => std::str::from_utf8(mount).ok()?.strip_prefix("tcp:")?.parse().ok()?,
        Opening::Http { head: RequestHead { target, .. }, .. } => {
            std::str::from_utf8(target).ok()?.rsplit('/').next()?.parse().ok()?
        }
    };
    ((number as usize) < stage.oracle.records().len()).then_some(number)
}

impl Leg for BackendLeg {
    type Ended = ();

    fn accept(
        accepted: Accepted,
        place: Place,
        session: &mut Recorded,
        stage: &mut Stage<'_>,
    ) -> Option<Self> {
        let Some(request) = request_of(&accepted.opening, stage) else {
            // A plugboard that lies may ask for anything.
            session.send(accepted.id).reset(Reset { code: ResetCode::Refused, touched: Touched::No });
            session.release(accepted.id);
            return None;
        };
        let plan = *stage.request(request);
        let is_honest = !stage.scenario.plugboards[usize::from(plan.plugboard)].is_hostile;
        let (sent, _) = client::opening(request, &plan);
        stage.oracle.judge("I17", request, !is_honest || sent == accepted.opening, || {
            format!("{:?} came of {sent:?}", accepted.opening)
        });
        let tenant = stage.scenario.telephones[place.actor as usize].tenant;
        stage.oracle.judge("I27", request, !is_honest || tenant == plan.tenant, || {
            format!("one of tenant {} came to tenant {tenant}", plan.tenant)
        });
        Some(Self::new(request, &plan, stage.now()))
    }

    fn pump(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) -> Option<()> {
        if let Some(reset) = self.step(place, session, stage) {
            session.send(place.stream).reset(reset);
        } else if !self.is_complete() {
            self.rearm(place, stage);
            return None;
        }
        session.release(place.stream);
        Some(())
    }
}
