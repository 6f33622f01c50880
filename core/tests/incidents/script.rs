//! What each session was given when it failed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use telephone_core::error::{LeaveCode, Reset, ResetCode, Touched};
use telephone_core::limits::SessionLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::recording::{Recorded, Tape, TapeConfig};
use telephone_core::session::{Incoming, Role, SessionConfig, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Frame, Opening, Profile, Settings, varint};

use super::memory::Memory;

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(30);

fn at(seconds: u32) -> Timestamp {
    Timestamp::ZERO + SECOND * seconds
}

/// A session whose peer is the script, or another one. Without a window it ends with its link.
fn session(role: Role, resume_window: Duration, tape: Option<Tape>) -> Recorded {
    let limits = SessionLimits::default();
    let (peer, profile) = (Settings::of(&limits), Profile::Binary);
    let config = SessionConfig { role, profile, limits, peer, seed: 1, resume_window };
    Recorded::new(config, Timestamp::ZERO, tape)
}

fn tape(memory: &Memory, segment_bytes: usize) -> Option<Tape> {
    let sink = Box::new(memory.clone());
    Some(Tape::new(TapeConfig { about: "incident 1".into(), keeps_contents: false, segment_bytes, sink }))
}

/// A session on a tape of one segment.
fn recorded(role: Role, memory: &Memory) -> Recorded {
    session(role, Duration::ZERO, tape(memory, usize::MAX))
}

fn request(end: bool) -> (Opening, bool) {
    let (method, target) = (Bytes::from_static(b"GET"), Bytes::from_static(b"/api/things"));
    let (headers, length, upgrade) = (Headers::new(), None, None);
    let head = RequestHead { method, target, headers, length, upgrade, wants_trailers: false };
    (Opening::Http { mount: Bytes::from_static(b"/api"), head }, end)
}

fn answer() -> ResponseHead {
    ResponseHead { status: 200, reason: Bytes::new(), headers: Headers::new(), length: None, upgrade: None }
}

fn raw() -> Opening {
    Opening::Tcp { mount: Bytes::from_static(b"tcp:22"), from: None }
}

/// The peer says these frames and acknowledges nothing.
fn hear(session: &mut Recorded, frames: &[Frame], now: Timestamp) {
    let mut out = BytesMut::new();
    varint::put(&mut out, 0);
    frames.iter().for_each(|frame| frame.put(&mut out));
    let link = session.latest_link();
    session.handle_message(link, out.freeze(), now);
}

/// The link takes all that there is to say.
fn say(session: &mut Recorded, now: Timestamp) {
    let link = session.latest_link();
    while session.poll_transmit(link, now).is_some() {}
}

/// Octets of a long message come in.
fn stir(session: &mut Recorded, now: Timestamp) {
    let link = session.latest_link();
    session.handle_activity(link, now);
}

/// Every deadline up to a moment is met, and the link takes what that gives to say.
fn pass(session: &mut Recorded, until: Timestamp) {
    while let Some(next) = session.poll_timeout().filter(|next| *next <= until) {
        session.handle_timeout(next);
        say(session, next);
    }
}

pub(crate) fn guessed_stream(memory: &Memory) {
    let mut plugboard = recorded(Role::Plugboard, memory);
    let (opening, end) = request(true);
    let id = plugboard.open(opening, end, at(0)).expect("a stream");
    // Its open frame still waits.
    hear(&mut plugboard, &[Frame::Credit { id, limit: 1 << 20 }], at(0));
    say(&mut plugboard, at(0));
}

pub(crate) fn grace_counted_twice(memory: &Memory) {
    let mut plugboard = recorded(Role::Plugboard, memory);
    plugboard.authorize(Some(10 * SECOND), at(0));
    say(&mut plugboard, at(0));
    // The process is stopped for 50 s, in which the token ends.
    stir(&mut plugboard, at(50));
    plugboard.handle_timeout(at(50));
    say(&mut plugboard, at(50));
    stir(&mut plugboard, at(70));
    plugboard.handle_timeout(at(70));
    say(&mut plugboard, at(70));
}

pub(crate) fn request_behind_a_token(memory: &Memory) {
    let mut plugboard = recorded(Role::Plugboard, memory);
    plugboard.authorize(Some(10 * SECOND), at(0));
    say(&mut plugboard, at(0));
    // The process is stopped, and the first thing that happens when it goes on is a request.
    let (opening, end) = request(true);
    assert!(plugboard.open(opening, end, at(11)).is_err());
    while plugboard.poll_event().is_some() {}
}

/// Carries messages between two ends until there are none.
fn carry(one: &mut Recorded, other: &mut Recorded, now: Timestamp) {
    loop {
        let links = (one.latest_link(), other.latest_link());
        let (up, down) = (one.poll_transmit(links.0, now), other.poll_transmit(links.1, now));
        if up.is_none() && down.is_none() {
            return;
        }
        if let Some(message) = up {
            other.handle_message(links.1, message, now);
        }
        if let Some(message) = down {
            one.handle_message(links.0, message, now);
        }
    }
}

/// The last segment alone is kept: it begins with a snapshot.
pub(crate) fn last_answer_lost(memory: &Memory) {
    let mut telephone = session(Role::Telephone, WINDOW, tape(memory, 210));
    let mut plugboard = session(Role::Plugboard, WINDOW, None);
    let (opening, end) = request(true);
    plugboard.open(opening, end, at(0)).expect("a stream");
    carry(&mut telephone, &mut plugboard, at(0));
    let id = telephone.accept().expect("the stream").id;
    telephone.leave(LeaveCode::Draining, at(1));
    carry(&mut telephone, &mut plugboard, at(1));
    telephone.send(id).respond(answer(), true).expect("a sound head");
    telephone.release(id);
    // The last answer is on its way when the link breaks.
    say(&mut telephone, at(2));
    for end in [&mut telephone, &mut plugboard] {
        let link = end.latest_link();
        end.handle_disconnect(link, at(2));
    }
    let positions = (plugboard.position(), telephone.position());
    telephone.resume(positions.0, at(3)).expect("it waits");
    plugboard.resume(positions.1, at(3)).expect("it waits");
    carry(&mut telephone, &mut plugboard, at(3));
    while plugboard.poll_event().is_some() {}
    assert!(plugboard.recv(id).take_head().is_some(), "the answer is there");
    plugboard.release(id);
    plugboard.handle_timeout(at(4));
    carry(&mut telephone, &mut plugboard, at(4));
}

pub(crate) fn stop_overwritten(memory: &Memory) {
    let mut telephone = recorded(Role::Telephone, memory);
    let id = StreamId::new(2);
    hear(&mut telephone, &[Frame::Open { id, grant: 16_384, end: false, opening: raw() }], at(0));
    telephone.accept().expect("the stream");
    telephone.recv(id).stop(ResetCode::Cancelled);
    assert!(matches!(telephone.recv(id).read(), Incoming::Reset(_)));
    hear(
        &mut telephone,
        &[Frame::Reset { id, reset: Reset { code: ResetCode::BackendFailed, touched: Touched::Yes } }],
        at(0),
    );
    // What it reads as does not change any more.
    telephone.recv(id).read();
}

pub(crate) fn listener_never_spoke(memory: &Memory) {
    let mut telephone = recorded(Role::Telephone, memory);
    say(&mut telephone, at(0));
    // A message that takes a minute to come.
    for seconds in 1..60 {
        pass(&mut telephone, at(seconds));
        stir(&mut telephone, at(seconds));
    }
}

pub(crate) fn ping_nobody_owed(memory: &Memory) {
    let mut telephone = recorded(Role::Telephone, memory);
    let id = StreamId::new(2);
    hear(&mut telephone, &[Frame::Open { id, grant: 16_384, end: false, opening: raw() }], at(0));
    say(&mut telephone, at(0));
    // The peer speaks; this end pings because it has not, and the peer is not asked for anything.
    for seconds in 1..20 {
        pass(&mut telephone, at(seconds));
        stir(&mut telephone, at(seconds));
    }
    // 10 s behind that ping the link is not dead.
    pass(&mut telephone, at(33));
    stir(&mut telephone, at(34));
    pass(&mut telephone, at(40));
}

pub(crate) fn small_raises(memory: &Memory) {
    let mut telephone = recorded(Role::Telephone, memory);
    let id = telephone.open(raw(), false, at(0)).expect("a stream");
    say(&mut telephone, at(0));
    // Half of its floor is the least by which a peer raises; three hundred times are no flood.
    for raise in 1..=300 {
        hear(&mut telephone, &[Frame::Credit { id, limit: 16_384 / 2 * raise }], at(1));
    }
    say(&mut telephone, at(1));
}

pub(crate) fn end_behind_its_head(memory: &Memory) {
    let mut telephone = recorded(Role::Telephone, memory);
    let (opening, end) = request(true);
    let id = StreamId::new(2);
    hear(&mut telephone, &[Frame::Open { id, grant: 16_384, end, opening }], at(0));
    telephone.accept().expect("the stream");
    telephone.send(id).respond(answer(), false).expect("a sound head");
    say(&mut telephone, at(0));
    telephone.send(id).end(Headers::new());
    say(&mut telephone, at(1));
}
