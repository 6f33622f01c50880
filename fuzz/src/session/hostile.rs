//! F4: one honest end, and a peer that says anything.

use arbitrary::{Result, Unstructured};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use telephone_core::limits::SessionLimits;
use telephone_core::message::Headers;
use telephone_core::session::{Event, Incoming, Role, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::wire::varint;

use super::apply::{End, GIVEN_UP};
use super::{assert_empty, opening, response};
use crate::generate;
use crate::memory::Meter;

/// Steps of one run.
const STEPS_MAX: usize = 120;
/// Octets of memory that a session with these limits and no traffic may take, lists and maps included.
const MEMORY_BASE: usize = 64 * 1024;
/// Octets of memory for a stream without a buffer.
const MEMORY_STREAM: usize = 4 * 1024;
/// Octets of memory for an octet that was heard, or that the application gave. [D-20]
const MEMORY_FACTOR: usize = 16;

/// Small limits, so that they are met.
fn limits() -> SessionLimits {
    SessionLimits {
        stream_floor: 100,
        stream_window: 1000,
        stream_window_max: 4000,
        session_window: 2000,
        session_window_max: 8000,
        streams: 6,
        unaccepted: 3,
        replay_bytes: 2000,
        replay_bytes_max: 8000,
        ..SessionLimits::default()
    }
}

/// An honest end that holds whatever streams it was given.
struct Victim {
    end: End,
    now: Timestamp,
    /// Octets that came from the peer and those that the application gave cause for.
    heard: usize,
    asked: usize,
    said: usize,
}

/// F4: a role, and steps: frames and octets from the peer, new links from any position, time, and an
/// application at work. No panic (I1), what is said follows the protocol (I11 to I13), memory and what is said
/// stay in proportion to what was heard (I36, I37), and in the end nothing is left (I38).
pub fn session_hostile(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let is_telephone = source.arbitrary().unwrap_or(false);
    let meter = Meter::start();
    let mut victim = Victim::new(if is_telephone { Role::Telephone } else { Role::Plugboard });
    for _ in 0..STEPS_MAX {
        if source.is_empty() || victim.step(&mut source).is_err() {
            break;
        }
        victim.check(&meter);
    }
    victim.end();
}

impl Victim {
    fn new(role: Role) -> Self {
        let end = End::new(role, &limits(), &limits(), Duration::from_secs(30));
        // A first ping, and what an answer to nothing may take.
        Self { end, now: Timestamp::ZERO, heard: 0, said: 0, asked: 200 }
    }

    fn picked(&self, source: &mut Unstructured<'_>) -> Result<StreamId> {
        let number = usize::from(source.arbitrary::<u8>()?);
        Ok(self.end.picked(number).unwrap_or(StreamId::new(1000)))
    }

    fn step(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        match source.int_in_range(0..=15_u8)? {
            0..=4 => {
                let message = self.message(source)?;
                self.hear(message);
            }
            5 => self.hear(generate::octets(source)?),
            6 => self.say(),
            7 => self.open(source)?,
            8 => self.answer(source)?,
            9 => self.write(source)?,
            10 => self.read(source)?,
            11 => self.give_up(source)?,
            12 => {
                let id = self.picked(source)?;
                self.end.release(id);
            }
            13 => {
                self.now = self.now + Duration::from_millis(u64::from(source.arbitrary::<u16>()?));
                self.end.pass(self.now);
            }
            14 => self.end.lose(self.now),
            _ => self.resume(source)?,
        }
        self.take_news();
        Ok(())
    }

    /// A message of a few frames, whose acknowledgement is often one that can be.
    fn message(&self, source: &mut Unstructured<'_>) -> Result<Bytes> {
        let ack = if source.ratio(7_u8, 8)? {
            source.int_in_range(0..=self.end.tap.position())?
        } else {
            generate::number(source)?
        };
        let mut out = BytesMut::new();
        varint::put(&mut out, ack);
        let count = source.int_in_range(0..=5_u8)?;
        for _ in 0..count {
            generate::frame(source)?.put(&mut out);
        }
        Ok(out.freeze())
    }

    fn hear(&mut self, message: Bytes) {
        self.heard += message.len();
        // As long as more is to be said the peer may yet be told of more credit.
        let is_all_said = !self.end.session.has_transmit();
        let is_heard = self.end.session.link().is_some();
        self.end.hear(message, self.now);
        let has_excess = is_heard && is_all_said && self.end.tap.has_excess();
        assert!(!has_excess || !self.end.session.is_open(), "the first octet past the credit is taken"); // I13
    }

    fn say(&mut self) {
        let mut messages = 0;
        while let Some(message) = self.end.say(self.now) {
            self.said += message.len();
            messages += 1;
            assert!(messages < 1000, "a session that never falls silent");
        }
        assert!(!self.end.session.has_transmit());
    }

    fn open(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        if let Ok(id) =
            self.end.session.open(opening(source.arbitrary()?, None), source.arbitrary()?, self.now)
        {
            self.end.held.push(id);
            self.asked += 100;
        }
        Ok(())
    }

    fn answer(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        let id = self.picked(source)?;
        let status = *source.choose(&[103, 200])?;
        self.end.session.send(id).respond(response(status, None), source.arbitrary()?).expect("a sound head");
        self.asked += 100;
        Ok(())
    }

    fn write(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        let id = self.picked(source)?;
        let mut octets = Bytes::from_static(&[1; 500]);
        self.asked += self.end.session.send(id).write(&mut octets).unwrap_or(0);
        if source.arbitrary()? {
            self.end.session.send(id).end(Headers::new());
        }
        Ok(())
    }

    fn read(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        let id = self.picked(source)?;
        while self.end.session.recv(id).take_head().is_some() {}
        if let Incoming::Octets(octets) = self.end.session.recv(id).peek() {
            self.end.session.recv(id).consume(octets.len(), self.now);
        }
        Ok(())
    }

    fn give_up(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        let id = self.picked(source)?;
        if source.arbitrary()? {
            self.end.session.recv(id).stop(GIVEN_UP.code);
        } else {
            self.end.session.send(id).reset(GIVEN_UP);
        }
        Ok(())
    }

    /// A new link from a position that the peer claims. What goes on says again no more than is kept.
    fn resume(&mut self, source: &mut Unstructured<'_>) -> Result<()> {
        let position = if source.arbitrary()? {
            source.int_in_range(0..=self.end.tap.position())?
        } else {
            generate::number(source)?
        };
        if let Ok(link) = self.end.session.resume(position, self.now) {
            assert!(position <= self.end.tap.position(), "a position ahead of all that was said");
            self.end.resumed(link, position);
            self.asked += self.end.session.kept() + 100;
        }
        Ok(())
    }

    fn take_news(&mut self) {
        while let Some(event) = self.end.session.poll_event() {
            if event == Event::Opened {
                let session = &mut self.end.session;
                self.end.held.extend(std::iter::from_fn(|| session.accept()).map(|accepted| accepted.id));
            }
        }
    }

    /// Memory and work stay in proportion to limits and to what was heard.
    fn check(&self, meter: &Meter) {
        self.end.check();
        let bound = self.asked + 10 * self.heard;
        assert!(self.said <= bound, "{} said for {} heard", self.said, self.heard);
        let held = meter.held();
        let streams = MEMORY_STREAM * self.end.session.stats().streams_open;
        let bound = MEMORY_BASE + streams + MEMORY_FACTOR * (self.asked + self.heard);
        assert!(held <= bound, "{held} octets of memory for {} heard", self.heard);
    }

    /// The peer never comes back, the application lets go: nothing is left.
    fn end(mut self) {
        self.end.lose(self.now);
        if let Some(until) = self.end.session.resumable_until() {
            self.end.pass(until);
        }
        for id in std::mem::take(&mut self.end.held) {
            self.end.session.release(id);
        }
        while self.end.session.poll_event().is_some() {}
        assert!(self.end.session.closed().is_some(), "a session outlives its window");
        assert_empty(&self.end.session);
    }
}
