//! Tests of the handshake.

use alloc::vec;

use super::*;
use crate::error::Misbehaviour as M;
use crate::limits::SessionLimits;
use crate::wire::{RefusedCode, Settings};

const NOW: Timestamp = Timestamp::ZERO;

fn hello() -> Hello {
    Hello {
        token: "a.b.c".into(),
        mounts: vec!["/api".into()],
        instance: "one".into(),
        epoch: 5,
        agent: "test".into(),
        settings: Settings::of(&SessionLimits::default()),
        resume: None,
    }
}

fn refused() -> Refused {
    Refused { code: RefusedCode::Held, reason: "held".into(), retry_after_ms: Some(7) }
}

fn granted() -> Welcome {
    Welcome {
        session: 1,
        secret: [9; 16],
        resumed: None,
        resume_url: None,
        resume_window_ms: 0,
        spread_ms: 1,
        expires_in_s: None,
        settings: Settings::default(),
    }
}

fn greeting() -> Greeting {
    Greeting::start(Profile::Binary, hello(), NOW).1
}

#[test]
fn a_hello_is_answered_by_a_welcome_or_a_refusal() {
    let (octets, waiting) = Greeting::start(Profile::Binary, hello(), NOW);
    assert_eq!(Reception::start(Profile::Binary, NOW).handle_message(octets), Ok(hello()));
    assert_eq!(waiting.handle_message(welcome(Profile::Binary, granted())), Ok(Answer::Welcome(granted())));
    assert_eq!(greeting().handle_message(refuse(Profile::Binary, refused())), Ok(Answer::Refused(refused())));
}

#[test]
fn a_handshake_has_ten_seconds() {
    assert_eq!(greeting().poll_timeout(), NOW + HANDSHAKE_TIMEOUT);
    assert_eq!(Reception::start(Profile::Binary, NOW).poll_timeout(), NOW + HANDSHAKE_TIMEOUT);
}

#[test]
fn each_end_takes_only_what_the_other_may_say() {
    let from_plugboard =
        Reception::start(Profile::Binary, NOW).handle_message(welcome(Profile::Binary, granted()));
    assert_eq!(from_plugboard, Err(M::FrameOutOfPlace));
    let from_telephone = greeting().handle_message(message(Profile::Binary, &Frame::Hello(hello())));
    assert_eq!(from_telephone, Err(M::FrameOutOfPlace));
    assert_eq!(greeting().handle_message(message(Profile::Binary, &Frame::Ping(1))), Err(M::FrameOutOfPlace));
}

#[test]
fn a_handshake_message_is_one_frame_that_acknowledges_nothing() {
    let one = message(Profile::Binary, &Frame::Hello(hello()));
    let two = [&one[..], &one[1..]].concat();
    assert_eq!(Reception::start(Profile::Binary, NOW).handle_message(two.into()), Err(M::FrameOutOfPlace));
    assert_eq!(
        Reception::start(Profile::Binary, NOW).handle_message(Bytes::from_static(b"\0")),
        Err(M::MessageSize)
    );
    assert_eq!(Reception::start(Profile::Binary, NOW).handle_message(Bytes::new()), Err(M::FrameTruncated));
    let mut acknowledging = one.to_vec();
    acknowledging[0] = 1;
    assert_eq!(Reception::start(Profile::Binary, NOW).handle_message(acknowledging.into()), Err(M::AckAhead));
}

#[test]
fn a_hello_past_its_bounds_is_refused_before_it_is_read() {
    let large = Hello { token: "t".repeat(HANDSHAKE_BYTES_MAX), ..hello() };
    let (octets, _) = Greeting::start(Profile::Binary, large, NOW);
    assert_eq!(Reception::start(Profile::Binary, NOW).handle_message(octets), Err(M::MessageSize));
    let crowded = Hello { mounts: vec!["/".into(); 65], ..hello() };
    let (octets, _) = Greeting::start(Profile::Binary, crowded, NOW);
    assert_eq!(Reception::start(Profile::Binary, NOW).handle_message(octets), Err(M::FrameMalformed));
}

#[test]
fn a_count_that_no_message_could_hold_reserves_no_memory() {
    // An empty token, and 2^64-1 mounts.
    let octets = b"\x00\x00\x0b\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    let heard = Reception::start(Profile::Binary, NOW).handle_message(Bytes::from_static(octets));
    assert_eq!(heard, Err(M::FrameMalformed));
}

#[test]
fn secrets_are_not_printed() {
    let printed = alloc::format!("{:?} {:?}", hello(), granted());
    assert!(!printed.contains("a.b.c") && !printed.contains("secret"), "{printed}");
}
