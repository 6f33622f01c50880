//! One honest end against a peer that says anything: no panic, bounded memory, bounded work.

use alloc::vec;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proptest::prelude::*;

use super::pair::{OnLink as _, http, message, request, response, session, tcp};
use crate::error::{LeaveCode, Reset, ResetCode, Touched};
use crate::limits::{SEND_BUFFER_BYTES, SEND_BURST_BYTES, SessionLimits};
use crate::message::Headers;
use crate::session::{Event, Incoming, Role, Session, StreamId};
use crate::time::Timestamp;
use crate::wire::{Frame, varint};

/// Small limits, so that they are met.
pub(super) fn limits() -> SessionLimits {
    SessionLimits {
        stream_floor: 100,
        stream_window: 1000,
        stream_window_max: 4000,
        session_window: 2000,
        session_window_max: 8000,
        streams: 6,
        unaccepted: 3,
        ..SessionLimits::default()
    }
}

/// Frames that are well formed, with ids that are often in use and numbers that are often at an edge.
fn any_frame() -> impl Strategy<Value = Frame> {
    let id = (0_u64..16).prop_map(StreamId::new);
    let edge = prop_oneof![0_u64..300, Just(u64::MAX), any::<u64>()];
    let code = (0_u64..9).prop_map(ResetCode::from_wire);
    let length = prop_oneof![Just(None), (0_u64..200).prop_map(Some), Just(Some(i64::MAX as u64))];
    let touched = prop_oneof![Just(Touched::No), Just(Touched::Yes), Just(Touched::Unknown)];
    let opening = (length.clone(), any::<bool>()).prop_map(|(length, is_raw)| {
        let mut head = request("PUT");
        head.length = length;
        if is_raw { tcp() } else { http(head) }
    });
    let head = (100_u16..600, length).prop_map(|(status, length)| {
        let mut head = response(if status < 200 { 103 } else { status });
        head.length = length;
        head
    });
    let leave = prop_oneof![9 => Just(LeaveCode::Draining), 1 => Just(LeaveCode::Revoked)];
    prop_oneof![
        4 => (id.clone(), edge.clone(), any::<bool>(), opening)
            .prop_map(|(id, grant, end, opening)| Frame::Open { id, grant, end, opening }),
        4 => (id.clone(), any::<bool>(), head).prop_map(|(id, end, head)| Frame::Head { id, end, head }),
        6 => (id.clone(), 0_usize..300)
            .prop_map(|(id, count)| Frame::Data { id, octets: Bytes::from(vec![7; count]) }),
        2 => id.clone().prop_map(|id| Frame::End { id, trailers: Headers::new() }),
        2 => (id.clone(), code.clone(), touched)
            .prop_map(|(id, code, touched)| Frame::Reset { id, reset: Reset { code, touched } }),
        2 => (id.clone(), code).prop_map(|(id, code)| Frame::Stop { id, code }),
        3 => (id, edge.clone()).prop_map(|(id, limit)| Frame::Credit { id, limit }),
        1 => edge.clone().prop_map(|limit| Frame::Streams { limit }),
        1 => edge.clone().prop_map(Frame::Ping),
        1 => edge.clone().prop_map(Frame::Pong),
        1 => (leave, edge.clone()).prop_map(|(code, last)| Frame::Leave { code, last }),
        1 => Just(Frame::Renew { token: Bytes::from_static(b"token") }),
        1 => edge.prop_map(|life| Frame::Renewed { expires_in_s: Some(life) }),
        1 => (64_u64..200).prop_map(|kind| Frame::Skipped { kind }),
    ]
}

/// What the application does meanwhile.
#[derive(Debug, Clone)]
enum Step {
    Hear(Vec<Frame>),
    HearOctets(Vec<u8>),
    Say,
    Open,
    Answer(usize),
    Write(usize),
    Read(usize),
    Release(usize),
    Pass(u64),
    Wake,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => proptest::collection::vec(any_frame(), 0..6).prop_map(Step::Hear),
        1 => proptest::collection::vec(any::<u8>(), 0..100).prop_map(Step::HearOctets),
        3 => Just(Step::Say),
        2 => Just(Step::Open),
        1 => (0_usize..8).prop_map(Step::Answer),
        1 => (0_usize..8).prop_map(Step::Write),
        2 => (0_usize..8).prop_map(Step::Read),
        2 => (0_usize..8).prop_map(Step::Release),
        1 => (0_u64..3_000_000).prop_map(Step::Pass),
        1 => Just(Step::Wake),
    ]
}

/// An honest end that holds whatever streams it was given.
struct Victim {
    session: Session,
    held: Vec<StreamId>,
    now: Timestamp,
    heard: usize,
    said: usize,
    /// Octets that the application gave cause for: heads, their endings, bodies.
    asked: usize,
}

impl Victim {
    fn new(role: Role) -> Self {
        let session = session(role, &limits(), &limits(), 3);
        Self { session, held: Vec::new(), now: Timestamp::ZERO, heard: 0, said: 0, asked: 200 }
    }

    fn picked(&self, index: usize) -> StreamId {
        self.held.get(index % self.held.len().max(1)).copied().unwrap_or(StreamId::new(1000))
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Hear(frames) => self.hear(message(&frames)),
            Step::HearOctets(octets) => self.hear(Bytes::from(octets)),
            Step::Say => self.say(),
            Step::Open => {
                if let Ok(id) = self.session.open(http(request("GET")), false, self.now) {
                    self.held.push(id);
                    self.asked += 100;
                }
            }
            Step::Answer(index) => {
                let id = self.picked(index);
                self.session.send(id).respond(response(200), false).expect("a sound head");
                self.asked += 100;
            }
            Step::Write(index) => {
                let mut octets = Bytes::from_static(&[1; 5000]);
                let id = self.picked(index);
                self.asked += self.session.send(id).write(&mut octets).unwrap_or(0);
            }
            Step::Read(index) => {
                let id = self.picked(index);
                while self.session.recv(id).take_head().is_some() {}
                if let Incoming::Octets(octets) = self.session.recv(id).peek() {
                    self.session.recv(id).consume(octets.len(), self.now);
                }
            }
            Step::Release(index) => {
                let id = self.picked(index);
                self.session.release(id);
                self.held.retain(|held| *held != id);
            }
            Step::Wake => self.session.handle_woken(Duration::from_secs(5), self.now),
            Step::Pass(micros) => {
                self.now = self.now + Duration::from_micros(micros);
                self.session.handle_timeout(self.now);
                assert!(self.session.poll_timeout().is_none_or(|next| next > self.now)); // I39
            }
        }
        while let Some(event) = self.session.poll_event() {
            if event == Event::Opened {
                self.held.extend(core::iter::from_fn(|| self.session.accept()).map(|accepted| accepted.id));
            }
        }
    }

    fn hear(&mut self, octets: Bytes) {
        self.heard += octets.len();
        self.session.hear(octets, self.now);
    }

    fn say(&mut self) {
        let mut messages = 0;
        while let Some(message) = self.session.say(self.now) {
            self.said += message.len();
            messages += 1;
            assert!(messages < 1000, "a session that never falls silent");
        }
        assert!(!self.session.has_transmit());
    }

    /// Memory and work stay in proportion to limits and to what was heard. [I36, I37]
    fn check(&self) {
        let (window, reserved) = self.session.window();
        assert!(reserved <= window && window <= 8000);
        let streams = || self.session.streams.values();
        let theirs = streams().filter(|stream| !stream.is_ours).count();
        assert!(theirs <= 6 && self.session.unaccepted.len() <= 3);
        let unread: usize = streams().map(|stream| stream.recv.buffer.len()).sum();
        assert!(unread <= 8000 + 100 * self.session.streams.len());
        let unsaid: usize = streams().map(|stream| stream.send.buffer.len()).sum();
        let burst = SEND_BURST_BYTES - SEND_BUFFER_BYTES;
        assert!(unsaid <= SEND_BUFFER_BYTES * self.session.streams.len() + burst);
        assert!(streams().all(|stream| stream.recv.heads.clone().iter_mut().count() <= 9));
        assert!(self.session.news.len() <= 8);
        assert!(self.session.to_send.len() + self.session.control.len() <= 4 * (self.held.len() + 12));
        let bound = self.asked + 10 * self.heard;
        assert!(self.said <= bound, "{} said for {} heard", self.said, self.heard);
    }

    /// The link goes away, the application lets go: nothing is left. [I38]
    fn end(mut self) {
        self.session.lose(self.now);
        for id in core::mem::take(&mut self.held) {
            self.session.release(id);
        }
        super::pair::assert_empty(&self.session);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_in_any_order_neither_break_nor_fill_a_session(
        is_telephone: bool,
        steps in proptest::collection::vec(any_step(), 0..80),
    ) {
        let mut victim = Victim::new(if is_telephone { Role::Telephone } else { Role::Plugboard });
        for step in steps {
            victim.step(step);
            victim.check();
        }
        victim.end();
    }

    #[test]
    fn octets_of_any_kind_do_not_break_a_session(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20),
    ) {
        let mut victim = Victim::new(Role::Plugboard);
        victim.step(Step::Open);
        for octets in messages {
            victim.step(Step::HearOctets(octets));
            victim.check();
        }
        victim.end();
    }

    #[test]
    fn what_decodes_encodes_to_the_same_octets(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
        let mut whole = BytesMut::new();
        varint::put(&mut whole, 0);
        whole.extend_from_slice(&octets);
        assert_canonical(whole.freeze());
    }

    #[test]
    fn what_is_changed_in_one_octet_still_decodes_canonically_or_not_at_all(
        frame in any_frame(),
        at: proptest::sample::Index,
        octet: u8,
    ) {
        let mut octets = message(&[frame]).to_vec();
        let at = at.index(octets.len());
        octets[at] = octet;
        assert_canonical(Bytes::from(octets));
    }
}

/// Every frame that is read is written as the same octets. [I2]
fn assert_canonical(octets: Bytes) {
    let Ok((ack, frames)) = crate::wire::Frames::of(octets.clone()) else { return };
    let mut written = BytesMut::new();
    varint::put(&mut written, ack);
    for frame in frames {
        match frame {
            // Its body was skipped, so that it cannot be written again.
            Ok(Frame::Skipped { .. }) | Err(_) => return,
            Ok(frame) => frame.put(&mut written),
        }
        assert!(octets.starts_with(&written), "{octets:?} became {written:?}");
    }
}
