//! What a stranger can send before it is known who it is, from either end and in both profiles: a table of messages and
//! frames, each with its verdict. Each row is read whole and byte by byte, and holds no more memory than a handshake may.

mod binary;
mod framing;
mod json;

use bytes::{Bytes, BytesMut};
use telephone_core::error::Misbehaviour;
use telephone_core::handshake::{Answer, Greeting, Reception};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Hello, Profile, Settings};

const NOW: Timestamp = Timestamp::ZERO;

/// The end that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Plugboard,
    Telephone,
}

/// What came of a message.
type Verdict = Result<&'static str, Misbehaviour>;

/// A name, the end that reads, the message, the verdict.
type Row = (&'static str, End, Vec<u8>, Verdict);

/// A name and a message.
type Message = (&'static str, Vec<u8>);

/// Messages that one end reads, with one verdict.
fn rows(end: End, verdict: Verdict, messages: Vec<Message>) -> Vec<Row> {
    messages.into_iter().map(|(name, message)| (name, end, message, verdict)).collect()
}

fn sound_hello() -> Hello {
    Hello {
        token: "a.b.c".into(),
        mounts: vec!["/api".into()],
        instance: "one".into(),
        epoch: 5,
        agent: String::new(),
        settings: Settings::default(),
        resume: None,
    }
}

/// What the end that reads makes of a message.
fn judged(profile: Profile, end: End, message: Vec<u8>) -> Verdict {
    let message = Bytes::from(message);
    match end {
        End::Plugboard => Reception::start(profile, NOW).handle_message(message).map(|_| "hello"),
        End::Telephone => {
            let (_, greeting) = Greeting::start(profile, sound_hello(), NOW);
            greeting.handle_message(message).map(|answer| match answer {
                Answer::Welcome(_) => "welcome",
                Answer::Refused(_) => "refused",
            })
        }
    }
}

fn hold(profile: Profile, rows: Vec<Row>, at_least: usize) {
    assert!(rows.len() >= at_least, "{} rows", rows.len());
    for (name, end, message, verdict) in rows {
        assert_eq!(judged(profile, end, message), verdict, "{name}, read by the {end:?}");
    }
}

/// All of a buffer.
fn whole(bytes: &[u8]) -> BytesMut {
    BytesMut::from(bytes)
}
