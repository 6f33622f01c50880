//! A client and the plugboard's side of its exchange: what the public leg's pump and codec do.

use bytes::Bytes;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::message::{Headers, RequestHead};
use telephone_core::recording::Recorded;
use telephone_core::session::Accepted;
use telephone_core::wire::Opening;

use crate::content::{Content, Direction};
use crate::flow::{Drained, Offered, Sink, Source};
use crate::line::{Alarm, Leg, Place};
use crate::scenario::{Request, Shape};
use crate::stage::Stage;

/// How an exchange ends for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Both sides said all that belonged to it.
    Complete,
    /// The telephone's side gave it up.
    Reset(Reset),
}

/// An exchange that a client waits for.
#[derive(Debug)]
pub struct PublicLeg {
    /// The request's number.
    pub request: u32,
    source: Source,
    sink: Sink,
    alarm: Alarm,
    is_opaque: bool,
    is_inbound_done: bool,
    interims: u8,
    /// The status of the answer's head.
    pub status: Option<u16>,
}

/// What a request opens a stream with, and whether nothing follows.
#[must_use]
pub fn opening(number: u32, plan: &Request) -> (Opening, bool) {
    let mount = Bytes::from(format!("/t{}", plan.tenant));
    if plan.shape == Shape::Tcp {
        return (Opening::Tcp { mount: Bytes::from(format!("tcp:{number}")), from: None }, false);
    }
    let mut headers = Headers::new();
    headers.push(&b"Host"[..], &b"example.test"[..]);
    let method: &'static [u8] = match plan.shape {
        Shape::Get | Shape::Upgrade | Shape::Tcp => b"GET",
        Shape::Head => b"HEAD",
        Shape::Put => b"PUT",
        Shape::Post => b"POST",
    };
    let is_upgrade = plan.shape == Shape::Upgrade;
    let is_declared = plan.up.is_declared && !is_upgrade;
    let head = RequestHead {
        method: Bytes::from_static(method),
        target: Bytes::from(format!("/t{}/{number}", plan.tenant)),
        headers,
        length: is_declared.then_some(u64::from(plan.up.length)),
        upgrade: is_upgrade.then_some(Bytes::from_static(b"websocket")),
        wants_trailers: plan.has_trailers,
    };
    (Opening::Http { mount, head }, is_whole(plan))
}

/// Whether a request is all in its head.
#[must_use]
pub const fn is_whole(plan: &Request) -> bool {
    match plan.shape {
        Shape::Get | Shape::Head => true,
        Shape::Put | Shape::Post => plan.up.length == 0 && !plan.has_trailers,
        Shape::Upgrade | Shape::Tcp => false,
    }
}

/// The trailers of one direction, if it has any.
#[must_use]
pub fn trailers(number: u32, plan: &Request, direction: Direction) -> Headers {
    let mut trailers = Headers::new();
    if plan.has_trailers {
        trailers.push(&b"X-Sum"[..], format!("{number}-{direction:?}"));
    }
    trailers
}

impl PublicLeg {
    /// The leg of a request whose stream was just opened.
    #[must_use]
    pub fn new(request: u32, plan: &Request) -> Self {
        let (tenant, number) = (plan.tenant as u64, request as u64);
        let up = Content::new(tenant, number, Direction::Up);
        let down = Content::new(tenant, number, Direction::Down);
        Self {
            request,
            source: Source::new(up, plan.up.length as u64, plan.up.written),
            sink: Sink::new(down, plan.down.read),
            alarm: Alarm::default(),
            is_opaque: matches!(plan.shape, Shape::Tcp),
            is_inbound_done: is_whole(plan),
            interims: 0,
            status: if matches!(plan.shape, Shape::Tcp) { Some(0) } else { None },
        }
    }

    fn pump_up(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) {
        let plan = *stage.request(self.request);
        if self.is_inbound_done || (plan.shape == Shape::Upgrade && !self.is_opaque) {
            return;
        }
        let offered = self.source.offer(session.send(place.stream), stage.now());
        let is_done = offered == Offered::Done;
        stage.oracle.wrote_up(self.request, self.source.made(), is_done);
        match offered {
            Offered::Done => {
                self.is_inbound_done = true;
                session.send(place.stream).end(trailers(self.request, &plan, Direction::Up));
            }
            Offered::Later(at) => self.alarm.set(at, place, stage),
            Offered::Blocked => {}
            // What nobody reads is thrown away; what the other direction says decides.
            Offered::Stopped(_) => self.is_inbound_done = true,
        }
    }

    fn pump_down(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) -> Option<Ended> {
        loop {
            let drained = self.sink.drain(&mut session.recv(place.stream), stage.now());
            let is_end = matches!(drained, Drained::End(_));
            stage.oracle.came_down(self.request, self.sink.taken(), is_end);
            match drained {
                Drained::Pending => return None,
                Drained::Later(at) => {
                    self.alarm.set(at, place, stage);
                    return None;
                }
                Drained::Head => self.on_head(place, session, stage),
                Drained::End(seen) => {
                    self.judge_end(&seen, stage);
                    return self.is_complete().then_some(Ended::Complete);
                }
                Drained::Reset(reset) => return Some(Ended::Reset(reset)),
                Drained::Wrong(at) => {
                    let request = self.request;
                    stage.oracle.judge("I8", request, false, || format!("a wrong octet at {at} came down"));
                    return Some(Ended::Complete);
                }
            }
        }
    }

    const fn is_complete(&self) -> bool {
        !self.is_opaque || self.is_inbound_done
    }

    fn on_head(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) {
        let Some(head) = session.recv(place.stream).take_head() else { return };
        let (request, plan) = (self.request, *stage.request(self.request));
        if head.is_interim() {
            self.interims += 1;
            let (interims, planned) = (self.interims, plan.interims);
            return stage.oracle.judge("I17", request, interims <= planned, || {
                format!("interim head {interims} of {planned}")
            });
        }
        let right = if plan.shape == Shape::Upgrade { 101 } else { 200 };
        let is_first = self.status.replace(head.status).is_none();
        let is_right = head.status == right && is_first && self.interims == plan.interims;
        let is_named =
            head.headers.first("x-request").is_some_and(|name| name == request.to_string().as_bytes());
        stage.oracle.judge("I17", request, is_right && is_named, || format!("{head:?}"));
        self.is_opaque = head.status == 101;
    }

    fn judge_end(&self, seen: &Headers, stage: &mut Stage<'_>) {
        let plan = *stage.request(self.request);
        let has_body = plan.shape != Shape::Head;
        let right = if has_body { trailers(self.request, &plan, Direction::Down) } else { Headers::new() };
        let request = self.request;
        stage.oracle.judge("I17", request, *seen == right, || format!("trailers {seen:?}"));
    }
}

impl Leg for PublicLeg {
    type Ended = Ended;

    fn accept(accepted: Accepted, _: Place, session: &mut Recorded, _: &mut Stage<'_>) -> Option<Self> {
        // No grant of this version lets a telephone open streams.
        session.send(accepted.id).reset(Reset { code: ResetCode::Refused, touched: Touched::No });
        session.release(accepted.id);
        None
    }

    fn pump(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) -> Option<Ended> {
        self.pump_up(place, session, stage);
        if let Some(ended) = self.pump_down(place, session, stage) {
            return Some(ended);
        }
        if !self.is_opaque || self.is_inbound_done {
            return None;
        }
        // A 101 that came just now lets the client's octets go, and their end may be what was missing.
        self.pump_up(place, session, stage);
        self.pump_down(place, session, stage)
    }
}
