//! A session with the wire that it uses and the legs of its streams: what the driver's link loop, its
//! streams and their tasks are.

use std::collections::BTreeMap;

use bytes::Bytes;
use telephone_core::error::LeaveCode;
use telephone_core::recording::Recorded;
use telephone_core::session::{Accepted, Event as News, LinkId, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Frame, Frames};

use crate::clock::{Event, Micros};
use crate::laws;
use crate::net::{Arrival, Side};
use crate::stage::Stage;

/// One side of an exchange, which moves octets between a stream and whoever is behind it.
pub trait Leg: Sized {
    /// How it can end.
    type Ended;

    /// Takes up a stream that the peer opened, or refuses it.
    fn accept(
        accepted: Accepted,
        place: Place,
        session: &mut Recorded,
        stage: &mut Stage<'_>,
    ) -> Option<Self>;

    /// Moves what can be moved now; says so if the exchange is over for this leg.
    fn pump(&mut self, place: Place, session: &mut Recorded, stage: &mut Stage<'_>) -> Option<Self::Ended>;
}

/// Where a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which end of the session.
    pub side: Side,
    /// The index of the actor.
    pub actor: u32,
    /// The session's number.
    pub session: u64,
    /// The stream.
    pub stream: StreamId,
}

/// Wakes a leg: at the earliest moment that was asked for, and not once for each who asked.
#[derive(Debug, Default)]
pub struct Alarm {
    at: Micros,
}

impl Alarm {
    /// Wakes the leg at a moment.
    pub fn set(&mut self, at: Micros, place: Place, stage: &mut Stage<'_>) {
        if self.at > stage.now() && self.at <= at {
            return;
        }
        self.at = at;
        let owner = match place.side {
            Side::Plugboard => crate::clock::Owner::Plugboard(place.actor),
            Side::Telephone => crate::clock::Owner::Telephone(place.actor),
        };
        stage.clock.plan(at, Event::Leg { owner, stream: place.stream.number(), session: place.session });
    }
}

/// A session, its wire and its legs.
#[derive(Debug)]
pub struct Line<L: Leg> {
    /// The session.
    pub session: Recorded,
    /// Its number, the same at both ends.
    pub number: u64,
    side: Side,
    actor: u32,
    /// The wire that it uses now.
    wire: Option<(u32, LinkId)>,
    legs: BTreeMap<StreamId, L>,
    /// The earliest moment at which its clock is looked at.
    armed: Micros,
    /// What concerns the whole session.
    pub news: Vec<News>,
    /// Legs whose exchange is over.
    pub ended: Vec<(StreamId, L, L::Ended)>,
    /// Links that were lost.
    pub cuts: u32,
    /// When octets came last.
    pub heard_at: Micros,
    is_leaving: bool,
    /// The last of the peer's streams that this end took, and the one that it named when it left.
    taken: u64,
    last: Option<u64>,
}

impl<L: Leg> Line<L> {
    /// A session whose first link is a wire.
    #[must_use]
    pub fn new(session: Recorded, number: u64, side: Side, actor: u32, wire: u32, now: Micros) -> Self {
        let wire = session.link().map(|link| (wire, link));
        Self {
            session,
            number,
            side,
            actor,
            wire,
            legs: BTreeMap::new(),
            armed: Micros::MAX,
            news: Vec::new(),
            ended: Vec::new(),
            cuts: 0,
            heard_at: now,
            is_leaving: false,
            taken: 0,
            last: None,
        }
    }

    /// The wire that it uses now, and the link that this wire is to the session.
    #[must_use]
    pub const fn wire(&self) -> Option<(u32, LinkId)> {
        self.wire
    }

    /// The session goes on over a new wire. The one before it is given back.
    pub fn relink(&mut self, wire: u32, link: LinkId) -> Option<(u32, LinkId)> {
        let old = self.wire.replace((wire, link));
        self.cuts += u32::from(old.is_some());
        old
    }

    /// Leaves the session.
    pub fn leave(&mut self, code: LeaveCode, stage: &mut Stage<'_>) {
        if code == LeaveCode::Draining && self.session.is_open() {
            self.is_leaving = true;
            if self.side == Side::Telephone {
                stage.oracle.leave(self.number, self.taken);
            }
        }
        self.session.leave(code, stage.clock.timestamp());
    }

    /// Whether this end left it, and lets streams finish.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// Legs that have not ended.
    #[must_use]
    pub fn legs(&self) -> &BTreeMap<StreamId, L> {
        &self.legs
    }

    const fn place(&self, stream: StreamId) -> Place {
        Place { side: self.side, actor: self.actor, session: self.number, stream }
    }

    /// Gives a stream that was opened its leg.
    pub fn attach(&mut self, stream: StreamId, leg: L, stage: &mut Stage<'_>) {
        self.legs.insert(stream, leg);
        self.pump(stream, stage);
    }

    /// Takes a leg away before its end.
    pub fn detach(&mut self, stream: StreamId) -> Option<L> {
        self.legs.remove(&stream)
    }

    /// Lets one leg move what it can.
    pub fn pump(&mut self, stream: StreamId, stage: &mut Stage<'_>) {
        let place = self.place(stream);
        let Some(leg) = self.legs.get_mut(&stream) else { return };
        if let Some(ended) = leg.pump(place, &mut self.session, stage)
            && let Some(leg) = self.legs.remove(&stream)
        {
            self.ended.push((stream, leg, ended));
        }
    }

    /// Lets all legs move what they can: the process was stopped for a while.
    pub fn pump_all(&mut self, stage: &mut Stage<'_>) {
        let streams: Vec<StreamId> = self.legs.keys().copied().collect();
        for stream in streams {
            self.pump(stream, stage);
        }
    }

    /// Reads, delivers and writes until there is nothing to do. Afterwards look at `news`, at `ended`, and
    /// whether the session is over.
    pub fn turn(&mut self, stage: &mut Stage<'_>) {
        loop {
            let has_read = self.read(stage);
            self.deliver(stage);
            let has_written = self.write(stage);
            self.deliver(stage);
            if !has_read && !has_written {
                break;
            }
        }
        self.notice_unlinked(stage);
        self.arm(stage);
        laws::check_line(&self.session, self.side, stage);
    }

    fn read(&mut self, stage: &mut Stage<'_>) -> bool {
        let Some((wire, link)) = self.wire else { return false };
        let Some(arrival) = stage.read(wire, self.side) else { return false };
        let now = stage.clock.timestamp();
        if arrival != Arrival::Over {
            self.heard_at = stage.now();
        }
        match arrival {
            Arrival::Octets => self.session.handle_activity(link, now),
            Arrival::Message(message) => {
                self.session.handle_activity(link, now);
                self.session.handle_message(link, message, now);
            }
            Arrival::Over => self.unlink(stage),
        }
        true
    }

    /// The wire is gone.
    pub fn unlink(&mut self, stage: &mut Stage<'_>) {
        let Some((wire, link)) = self.wire.take() else { return };
        self.cuts += 1;
        self.session.handle_disconnect(link, stage.clock.timestamp());
        stage.close(wire, self.side);
    }

    /// The session may have given its link up by itself, or be over.
    fn notice_unlinked(&mut self, stage: &mut Stage<'_>) {
        let Some((wire, link)) = self.wire else { return };
        if self.session.link() != Some(link) || self.session.closed().is_some() {
            self.wire = None;
            self.cuts += 1;
            stage.close(wire, self.side);
        }
    }

    fn write(&mut self, stage: &mut Stage<'_>) -> bool {
        let Some((wire, link)) = self.wire else { return false };
        let mut has_written = false;
        while stage.is_writable(wire, self.side) {
            let Some(message) = self.session.poll_transmit(link, stage.clock.timestamp()) else { break };
            if self.is_leaving {
                self.judge_leave(&message, stage);
            }
            stage.write(wire, self.side, message);
            has_written = true;
        }
        has_written
    }

    /// Whoever leaves says once and for all which streams it takes. (I42)
    fn judge_leave(&mut self, message: &Bytes, stage: &mut Stage<'_>) {
        let (side, number) = (self.side, self.number);
        let frames = Frames::of(message.clone()).into_iter().flat_map(|(_, frames)| frames);
        for frame in frames.flatten() {
            let Frame::Leave { code: LeaveCode::Draining, last } = frame else { continue };
            let (taken, earlier) = (self.taken, *self.last.get_or_insert(last));
            stage.oracle.check("I42", earlier == last && taken <= last, || {
                format!("{side:?} leaves session {number:x} with {last}: it took {taken}, and said {earlier}")
            });
        }
    }

    fn deliver(&mut self, stage: &mut Stage<'_>) {
        while let Some(event) = self.session.poll_event() {
            match event {
                News::Readable(stream) | News::Writable(stream) => self.pump(stream, stage),
                News::Opened => self.accept(stage),
                other => self.news.push(other),
            }
        }
    }

    fn accept(&mut self, stage: &mut Stage<'_>) {
        while let Some(accepted) = self.session.accept() {
            let stream = accepted.id;
            let is_taken = self.last.is_none_or(|last| stream.number() <= last);
            stage.oracle.check("I42", is_taken, || format!("{stream} is taken behind {:?}", self.last));
            self.taken = stream.number();
            let place = self.place(stream);
            if let Some(leg) = L::accept(accepted, place, &mut self.session, stage) {
                self.attach(stream, leg, stage);
            }
        }
    }

    /// The session's clock is looked at. True if the moment that was planned has come.
    pub fn tick(&mut self, stage: &mut Stage<'_>) {
        if self.armed <= stage.now() {
            self.armed = Micros::MAX;
        }
        let now = stage.clock.timestamp();
        if self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
            laws::check_timeout(&self.session, now, stage);
        }
    }

    fn arm(&mut self, stage: &mut Stage<'_>) {
        let Some(at) = self.session.poll_timeout().map(Timestamp::as_micros) else { return };
        if at < self.armed {
            self.armed = at;
            let event = match self.side {
                Side::Plugboard => Event::Line { plugboard: self.actor, session: self.number },
                Side::Telephone => Event::Telephone(self.actor),
            };
            stage.clock.plan(at, event);
        }
    }
}
