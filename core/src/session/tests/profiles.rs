//! The profiles mean the same: what two ends do to each other does not depend on how they write it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;
use proptest::prelude::*;

use super::pair::{
    OnLink as _, Pair, events, frames, http, lone, misbehaviour, read, request, response, said, speaking, tcp,
};
use crate::error::{LeaveCode, Misbehaviour, Reset, ResetCode, Touched};
use crate::limits::{ACK_DELAY, SessionLimits};
use crate::message::Headers;
use crate::session::{Event, LinkId, Role, Session, StreamId};
use crate::time::Timestamp;
use crate::wire::{Frame, Opening, Profile};

const NOW: Timestamp = Timestamp::ZERO;

/// One thing that an application does, or that happens.
#[derive(Debug, Clone)]
enum Step {
    Open { is_tcp: bool, has_length: bool, is_ended: bool },
    Respond { status: u16, is_ended: bool },
    Write(usize),
    End { has_trailers: bool },
    Reset,
    Stop,
    Read,
    Release,
    Renew,
    Pass(u64),
    Cut,
    Leave,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(is_tcp, has_length, is_ended)| Step::Open { is_tcp, has_length, is_ended }),
        4 => (prop_oneof![Just(103_u16), Just(200), Just(304)], any::<bool>())
            .prop_map(|(status, is_ended)| Step::Respond { status, is_ended }),
        6 => (0..70_000_usize).prop_map(Step::Write),
        2 => any::<bool>().prop_map(|has_trailers| Step::End { has_trailers }),
        1 => Just(Step::Reset),
        1 => Just(Step::Stop),
        5 => Just(Step::Read),
        1 => Just(Step::Release),
        1 => Just(Step::Renew),
        1 => (0..20_000_u64).prop_map(Step::Pass),
        1 => Just(Step::Cut),
        1 => Just(Step::Leave),
    ]
}

/// Two ends that speak one profile, and what came of what they did.
struct World {
    pair: Pair,
    held: [Vec<StreamId>; 2],
    /// What each end read of each stream.
    read: BTreeMap<(usize, StreamId), Vec<u8>>,
    told: Vec<String>,
}

impl World {
    fn new(profile: Profile) -> Self {
        let limits = SessionLimits { stream_floor: 1000, streams: 5, ..SessionLimits::default() };
        let pair = Pair::speaking(profile, &limits, &limits, limits.resume_window);
        Self { pair, held: [Vec::new(), Vec::new()], read: BTreeMap::new(), told: Vec::new() }
    }

    fn session(&mut self, end: usize) -> &mut Session {
        if end == 0 { &mut self.pair.telephone } else { &mut self.pair.plugboard }
    }

    fn is_whole(&self) -> bool {
        [&self.pair.telephone, &self.pair.plugboard].iter().all(|session| session.closed().is_none())
    }

    fn act(&mut self, end: usize, pick: usize, step: &Step) {
        let now = self.pair.now;
        let picked = self.held[end].get(pick % self.held[end].len().max(1)).copied();
        let is_whole = self.is_whole();
        let session = self.session(end);
        match (step, picked) {
            (Step::Open { is_tcp, has_length, is_ended }, _) => {
                let mut head = request("POST");
                head.length = has_length.then_some(5_000);
                let opening = if *is_tcp { tcp() } else { http(head) };
                let opened = session.open(opening, *is_ended, now);
                self.held[end].extend(opened.ok());
            }
            (Step::Respond { status, is_ended }, Some(id)) => {
                let answered = session.send(id).respond(response(*status), *is_ended);
                self.told.push(format!("{answered:?}"));
            }
            (Step::Write(count), Some(id)) => {
                let octets: Vec<u8> = (0..*count).map(|at| (at / 7) as u8).collect();
                let written = session.send(id).write(&mut octets.into());
                self.told.push(format!("{written:?}"));
            }
            (Step::End { has_trailers }, Some(id)) => {
                let mut trailers = Headers::new();
                if *has_trailers {
                    trailers.push("Checksum", [0x80, b'"', b'\\']);
                }
                session.send(id).end(trailers);
            }
            (Step::Reset, Some(id)) => {
                session.send(id).reset(Reset { code: ResetCode::TimedOut, touched: Touched::Yes });
            }
            (Step::Stop, Some(id)) => session.recv(id).stop(ResetCode::Other(300)),
            (Step::Read, Some(id)) => self.read(end, id),
            (Step::Release, Some(id)) => {
                session.release(id);
                self.held[end].retain(|held| *held != id);
            }
            (Step::Renew, _) => session.renew(Bytes::from_static(b"d.e.f")),
            (Step::Pass(milliseconds), _) => self.pair.pass(Duration::from_millis(*milliseconds)),
            (Step::Cut, _) if is_whole => {
                self.pair.cut();
                // One that has left, and knows that its peer lacks nothing, is over.
                if self.is_whole() {
                    self.pair.resume();
                }
            }
            (Step::Leave, _) if pick.is_multiple_of(16) => session.leave(LeaveCode::Draining, now),
            (_, _) => {}
        }
        self.settle();
    }

    fn read(&mut self, end: usize, id: StreamId) {
        let now = self.pair.now;
        let session = self.session(end);
        if let Some(head) = session.recv(id).take_head() {
            self.told.push(format!("{end} {id} {head:?}"));
            return;
        }
        let (octets, then) = read(session, id, now);
        self.read.entry((end, id)).or_default().extend(octets);
        self.told.push(format!("{end} {id} {then:?}"));
    }

    /// Everything is carried and acknowledged, and told in an order of its own: how many messages it took is no news.
    fn settle(&mut self) {
        self.pair.pass(2 * ACK_DELAY);
        for end in 0..2 {
            let session = self.session(end);
            let mut news: Vec<String> =
                events(session).iter().map(|event| format!("{end} {event:?}")).collect();
            let accepted: Vec<_> = core::iter::from_fn(|| session.accept()).collect();
            news.push(format!("{accepted:?} {:?}", session.closed()));
            news.sort();
            self.held[end].extend(accepted.iter().map(|accepted| accepted.id));
            self.told.extend(news);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_use_gives_the_same_events_in_both_profiles(
        steps in proptest::collection::vec((0_usize..2, any::<usize>(), any_step()), 0..80),
    ) {
        let mut binary = World::new(Profile::Binary);
        let mut json = World::new(Profile::Json);
        for (end, pick, step) in steps {
            binary.act(end, pick, &step);
            json.act(end, pick, &step);
            prop_assert_eq!(&binary.told, &json.told, "after {:?}", step);
            prop_assert_eq!(&binary.read, &json.read);
        }
    }
}

fn json(role: Role) -> Session {
    let limits = SessionLimits::default();
    speaking(Profile::Json, role, &limits, &limits, 1, Duration::ZERO)
}

/// The texts of what a session has to say.
fn texts(session: &mut Session) -> Vec<String> {
    let text = |message: Bytes| String::from_utf8(message.to_vec()).expect("UTF-8");
    core::iter::from_fn(|| session.say(NOW)).map(text).collect()
}

#[test]
fn a_text_message_holds_one_frame_and_control_goes_first() {
    let mut session = json(Role::Plugboard);
    let id = session.open(http(request("POST")), false, NOW).expect("opened");
    session.send(id).write(&mut Bytes::from_static(b"hello")).expect("written");
    session.send(id).end(Headers::new());
    session.hear(Bytes::from_static(br#"{"type":"ping","data":{"number":9}}"#), NOW);
    let texts = texts(&mut session);
    let kinds: Vec<_> = texts.iter().map(|text| text.split('"').nth(3).expect("a type")).collect();
    assert_eq!(kinds, ["pong", "ping", "http_request", "data", "end"]);
    assert_eq!(texts[3], r#"{"type":"data","data":{"stream":2,"base64":"aGVsbG8="}}"#);
}

#[test]
fn a_large_body_goes_in_frames_of_one_turn_and_streams_take_turns() {
    let mut session = json(Role::Plugboard);
    let ids: Vec<_> = (0..2).map(|_| session.open(tcp(), false, NOW).expect("opened")).collect();
    said_texts(&mut session);
    for id in &ids {
        session.hear(credit(*id, 1 << 20), NOW);
        session.send(*id).write(&mut vec![1; 40_000].into()).expect("written");
    }
    let messages = core::iter::from_fn(|| session.say(NOW));
    let data: Vec<(StreamId, usize)> = messages
        .filter_map(|message| match one(message) {
            Frame::Data { id, octets } => Some((id, octets.len())),
            _ => None,
        })
        .collect();
    let turn = |count| ids.iter().map(move |id| (*id, count));
    let turns: Vec<_> = turn(16_384).chain(turn(16_384)).chain(turn(40_000 - 2 * 16_384)).collect();
    assert_eq!(data, turns);
}

fn credit(id: StreamId, limit: u64) -> Bytes {
    Profile::Json.write(0, &Frame::Credit { id, limit })
}

fn one(message: Bytes) -> Frame {
    let (_, mut frames) = Profile::Json.read(message).expect("our own message");
    frames.next().expect("a frame").expect("our own frame")
}

#[test]
fn a_last_word_goes_behind_the_pong_that_was_due() {
    let mut session = json(Role::Telephone);
    assert_eq!(texts(&mut session).len(), 1, "the first ping");
    session.hear(Profile::Json.write(0, &Frame::Ping(4)), NOW);
    session.leave(LeaveCode::Stopped, NOW);
    let texts = texts(&mut session);
    assert_eq!(texts[0], r#"{"type":"pong","data":{"number":4}}"#);
    assert_eq!(texts[1], r#"{"type":"leave","data":{"code":"stopped","last":0}}"#);
    assert_eq!(texts.len(), 2);
    assert!(session.closed().is_some());
}

#[test]
fn who_breaks_a_rule_of_json_is_sent_away_under_its_name() {
    let rows: [(&'static [u8], Misbehaviour); 5] = [
        (b"{", Misbehaviour::FrameMalformed),
        (br#"{"type":"dance"}"#, Misbehaviour::UnknownFrame),
        (br#"{"type":"auth_error","data":{"code":"busy","reason":""}}"#, Misbehaviour::FrameOutOfPlace),
        (br#"{"type":"ack","ack":99}"#, Misbehaviour::AckAhead),
        (br#"{"type":"data","data":{"stream":9,"base64":""}}"#, Misbehaviour::StreamUnknown),
    ];
    for (text, rule) in rows {
        let mut session = json(Role::Plugboard);
        session.hear(Bytes::from_static(text), NOW);
        assert_eq!(misbehaviour(&mut session, NOW), Some(rule));
    }
    let mut session = json(Role::Plugboard);
    session.hear(vec![b' '; Profile::Json.message_bytes_max() + 1].into(), NOW);
    assert_eq!(misbehaviour(&mut session, NOW), Some(Misbehaviour::MessageSize));
}

#[test]
fn an_agent_that_never_gives_credit_is_sent_whole_bodies() {
    const LENGTH: usize = 1_000_000;
    let limits = SessionLimits { stream_floor: (1 << 53) - 1, ..SessionLimits::default() };
    let mut session =
        speaking(Profile::Json, Role::Plugboard, &SessionLimits::default(), &limits, 1, Duration::ZERO);
    let id = session.open(http(request("PUT")), false, NOW).expect("opened");
    let mut rest = Bytes::from(vec![5; LENGTH]);
    let mut sent = 0;
    while !rest.is_empty() {
        session.send(id).write(&mut rest).expect("written");
        assert!(session.buffered() <= crate::limits::SEND_BURST_BYTES, "memory is bounded by the link alone");
        while let Some(message) = session.say(NOW) {
            if let Frame::Data { octets, .. } = one(message) {
                sent += octets.len();
            }
        }
    }
    assert_eq!(sent, LENGTH);
}

#[test]
fn an_end_that_does_not_resume_hears_no_acknowledgement_alone() {
    let mut session = json(Role::Plugboard);
    said_texts(&mut session);
    let id = session.open(http(request("GET")), true, NOW).expect("opened");
    said_texts(&mut session);
    session.hear(Profile::Json.write(0, &Frame::Head { id, end: true, head: response(200) }), NOW);
    assert_eq!(session.poll_event(), Some(Event::Readable(id)));
    session.handle_timeout(NOW + Duration::from_secs(1));
    assert_eq!(session.say(NOW + Duration::from_secs(1)), None);
    session.handle_disconnect(LinkId::FIRST, NOW);
    assert!(session.closed().is_some(), "it ends with its link");
}

fn said_texts(session: &mut Session) {
    while session.say(NOW).is_some() {}
}

#[test]
fn a_binary_session_still_puts_much_into_one_message() {
    let mut session = lone(Role::Plugboard);
    said(&mut session, NOW);
    for _ in 0..3 {
        session
            .open(Opening::Tcp { mount: Bytes::from_static(b"tcp:1"), from: None }, true, NOW)
            .expect("opened");
    }
    assert_eq!(frames(&session.say(NOW).expect("a message")).len(), 3);
}
