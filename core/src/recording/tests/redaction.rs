//! What must not be in a recording.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::memory::Memory;
use super::world::{SECRET, World, secret_fields, tape};
use crate::limits::SessionLimits;
use crate::message::{RequestHead, ResponseHead};
use crate::recording::{Ending, Recorded, Replay, redact};
use crate::session::{Role, SessionConfig};
use crate::time::Timestamp;
use crate::wire::{
    Frame, Hello, Move, Opening, Profile, Refused, RefusedCode, Resume, Settings, StreamId, Welcome, varint,
};

fn has_secret(segments: &[Vec<u8>]) -> bool {
    let base64 = b"aHVudGVyM";
    segments.iter().any(|segment| {
        let has = |what: &[u8]| segment.windows(what.len()).any(|window| window == what);
        has(SECRET.as_bytes()) || has(base64)
    })
}

/// In the inputs, and in the snapshots: with a segment for each record everything stands in some snapshot once.
#[test]
fn nothing_that_people_sent_is_in_a_recording_unless_it_was_asked_for() {
    for seed in 0..20 {
        for (keeps_contents, segment_bytes) in [(false, 1), (false, 1 << 22), (true, 1), (true, 1 << 22)] {
            let mut world = World::new(seed, segment_bytes, keeps_contents);
            world.exchange_one_request();
            let recorded = world.finish();
            for segments in &recorded {
                assert_eq!(has_secret(segments), keeps_contents, "seed {seed}, segments of {segment_bytes}");
            }
        }
    }
}

#[test]
fn what_may_be_seen_stays() {
    let mut headers = secret_fields();
    redact::headers(&mut headers);
    assert_eq!(headers.first("x-odd"), Some(&b"\x80\xff"[..]));
    assert_eq!(headers.first("authorization"), Some("x".repeat(7 + SECRET.len()).as_bytes()));
    assert_eq!(headers.first("referer"), Some(&b"https://example.test/?xxxxxxxxx"[..]));
    assert_eq!(headers.first("location"), Some(&b"https://example.test/#xxxxxxxxxxxxxx"[..]));
}

fn hello(resume: Option<Resume>) -> Frame {
    Frame::Hello(Hello {
        token: String::from(SECRET),
        mounts: Vec::new(),
        instance: String::new(),
        epoch: 1,
        agent: String::new(),
        settings: Settings::default(),
        resume,
    })
}

/// Each frame that has text of people's in it, with a secret in each text.
fn frames_with_secrets() -> Vec<Frame> {
    let id = StreamId::new(2);
    let url = std::format!("wss://ann:{SECRET}@relay.test/;v={SECRET}?{SECRET}");
    let target = Bytes::from(std::format!("/a;jsessionid={SECRET}/b?{SECRET}"));
    let request = RequestHead {
        method: "GET".into(),
        target,
        headers: secret_fields(),
        length: None,
        upgrade: Some("websocket".into()),
        wants_trailers: false,
    };
    let answer = |status| ResponseHead {
        status,
        reason: Bytes::from(std::format!("token={SECRET}")),
        headers: secret_fields(),
        length: None,
        upgrade: None,
    };
    let refused = Refused {
        code: RefusedCode::Busy,
        reason: std::format!("dial wss://ann:{SECRET}@relay.test, password={SECRET}é, Bearer {SECRET}"),
        retry_after_ms: None,
    };
    let welcome = Welcome {
        session: 1,
        secret: [7; 16],
        resumed: None,
        resume_url: Some(url.clone()),
        resume_window_ms: 0,
        spread_ms: 0,
        expires_in_s: None,
        settings: Settings::default(),
    };
    std::vec![
        Frame::Open { id, grant: 0, end: true, opening: Opening::Http { mount: "/a".into(), head: request } },
        Frame::Head { id, end: false, head: answer(103) },
        Frame::Head { id, end: true, head: answer(200) },
        Frame::End { id, trailers: secret_fields() },
        Frame::Refused(refused),
        Frame::Welcome(welcome),
        Frame::Move(Some(Move { within_ms: 1, url: Some(url) })),
        Frame::Renew { token: SECRET.into() },
        hello(None),
    ]
}

#[test]
fn no_frame_has_a_secret_in_any_of_its_texts_in_either_profile() {
    for frame in frames_with_secrets() {
        for profile in [Profile::Binary, Profile::Json] {
            let message = profile.write(0, &frame);
            assert!(has_secret(&[message.to_vec()]), "{frame:?}");
            let redacted = redact::message(profile, &message);
            assert!(!has_secret(&[redacted.to_vec()]), "{profile:?} {redacted:?}");
            assert_eq!(redacted.len(), message.len(), "{profile:?} {frame:?}");
            assert_eq!(redact::message(profile, &redacted), redacted, "{profile:?} {frame:?}");
        }
    }
}

#[test]
fn the_host_of_a_url_and_the_words_of_a_refusal_stay() {
    let refusal = frames_with_secrets().into_iter().find(|frame| matches!(frame, Frame::Refused(_)));
    let redacted = redact::message(Profile::Binary, &Profile::Binary.write(0, &refusal.expect("one")));
    let text = String::from_utf8(redacted.to_vec()).expect("text, as before");
    assert!(text.contains("dial wss://xxxxxxxxxxx@relay.test, password=xxxxxxxxx, Bearer xxxxxxx"), "{text}");
}

#[test]
fn a_text_full_of_secrets_is_read_once() {
    let patience = std::time::Duration::from_secs(2);
    let refused = Refused { code: RefusedCode::Busy, reason: "/;é".repeat(16_000), retry_after_ms: None };
    let message = Profile::Binary.write(0, &Frame::Refused(refused));
    let began = std::time::Instant::now();
    let redacted = redact::message(Profile::Binary, &message);
    assert!(began.elapsed() < patience, "{:?}", began.elapsed());
    assert!(redacted.windows(8).any(|window| window == b"/;xx/;xx"));
}

/// An order to move that waits to be said is in the snapshot, too.
#[test]
fn a_snapshot_has_no_secret_of_an_order_to_move() {
    let memory = Memory::default();
    let mut session = super::world::session(tape(&memory, 1, false));
    let url = Some(std::format!("wss://ann:{SECRET}@relay.test/"));
    session.ask_to_move(Move { within_ms: 1, url });
    session.handle_timeout(Timestamp::from_micros(20_000_000));
    drop(session);
    let segments = memory.segments();
    assert!(segments.len() > 1 && !has_secret(&segments));
}

/// What a hostile peer says may hold secrets, too, such as a token in a frame out of place.
#[test]
fn a_session_that_ends_over_a_broken_rule_ends_over_the_same_one_when_it_is_replayed() {
    let data = Frame::Data { id: StreamId::new(2), octets: Bytes::from_static(SECRET.as_bytes()) };
    let resume = Some(Resume { session: 1, secret: [7; 16], position: 0 });
    let wrong = [
        Profile::Binary.write(0, &hello(resume)),
        Profile::Json.write(0, &hello(None)),
        Profile::Binary.write(0, &data),
        Profile::Binary.write(0, &data).slice(..5),
        Bytes::from(std::format!("\0\x05\x7f\x02{SECRET}")),
        Bytes::from([b"\0\x03\x09\x80\x00", SECRET.as_bytes()].concat()),
        Bytes::from(std::format!("\0\x3f\x07{SECRET}")),
        Bytes::from(std::format!("{{\"type\": \"nobody\", \"data\": \"{SECRET}\"}}")),
        Bytes::from(std::format!("{{\"type\": \"renew\", \"data\": {{\"token\": \"{SECRET}\"}}")),
        Bytes::from(SECRET.repeat(30_000)),
    ];
    for (message, profile) in
        wrong.iter().flat_map(|message| [(message, Profile::Binary), (message, Profile::Json)])
    {
        let memory = Memory::default();
        let limits = SessionLimits::default();
        let (peer, resume_window) = (Settings::of(&limits), limits.resume_window);
        let config = SessionConfig { role: Role::Telephone, profile, limits, peer, seed: 1, resume_window };
        let mut session = Recorded::new(config, Timestamp::ZERO, Some(tape(&memory, 1 << 22, false)));
        let link = session.latest_link();
        session.handle_message(link, message.clone(), Timestamp::ZERO);
        while session.poll_transmit(link, Timestamp::ZERO).is_some() {}
        let closed = session.closed();
        assert!(closed.is_some(), "{profile:?} {message:?}");
        drop(session);
        let segments = memory.segments();
        assert!(!has_secret(&segments), "{profile:?} {message:?}");
        let outcome = Replay::new(&segments[0]).expect("a segment of ours").run(&mut ());
        assert_eq!((outcome.closed, outcome.departed_at, outcome.ending), (closed, None, Ending::Whole));
    }
}

/// Whoever writes JSON may write it at greater length: what counts is the size that came.
#[test]
fn json_that_others_wrote_replays_to_the_same_acknowledgements() {
    let memory = Memory::default();
    let limits = SessionLimits::default();
    let (peer, resume_window) = (Settings::of(&limits), limits.resume_window);
    let (role, profile) = (Role::Plugboard, Profile::Json);
    let config = SessionConfig { role, profile, limits, peer, seed: 1, resume_window };
    let mut session = Recorded::new(config, Timestamp::ZERO, Some(tape(&memory, 1 << 22, false)));
    let link = session.latest_link();
    let room = " ".repeat(30_000);
    let open = r#"{"data": {"mount": "tcp:1", "grant": 9, "stream": 1}, "type": "tcp_connect"}"#;
    session.handle_message(link, Bytes::from(open), Timestamp::ZERO);
    let mut said = 0;
    for _ in 0..20 {
        // A secret in base64, and room.
        let data =
            std::format!(r#"{{"type": "data",{room}"data": {{"base64": "aHVudGVyMg==", "stream": 1}}}}"#);
        session.handle_message(link, Bytes::from(data), Timestamp::ZERO);
        said += core::iter::from_fn(|| session.poll_transmit(link, Timestamp::ZERO)).count();
    }
    assert!(said > 5, "an acknowledgement for each 64 KiB and not only {said}");
    drop(session);
    let segments = memory.segments();
    assert!(!has_secret(&segments) && segments[0].len() < 5_000);
    let outcome = Replay::new(&segments[0]).expect("a segment of ours").run(&mut ());
    assert_eq!((outcome.departed_at, outcome.ending), (None, Ending::Whole));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Sound or not, what is redacted has its size and breaks the rule that it broke.
    #[test]
    fn a_binary_message_keeps_its_size_and_its_frames(
        ends in proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
        octets in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let mut out = BytesMut::new();
        varint::put(&mut out, 300);
        Frame::Data { id: StreamId::new(7), octets: SECRET.into() }.put(&mut out);
        Frame::End { id: StreamId::new(7), trailers: secret_fields() }.put(&mut out);
        Frame::Ping(7).put(&mut out);
        hello(None).put(&mut out);
        for (at, octet) in ends.into_iter().zip(octets) {
            *at.get_mut(&mut out) = octet;
        }
        let message = out.freeze();
        let redacted = redact::message(Profile::Binary, &message);
        prop_assert_eq!(redacted.len(), message.len());
        prop_assert_eq!(&redact::message(Profile::Binary, &redacted), &redacted);
        let kinds = |message: &Bytes| {
            let read = Profile::Binary.read(message.clone());
            read.map(|(ack, frames)| (ack, frames.map(|of| of.map(|of| of.kind())).collect::<Vec<_>>()))
        };
        prop_assert_eq!(kinds(&redacted), kinds(&message));
    }
}
