//! What people sent is taken out of a recording, and everything keeps its size: positions, credit and the trace stay
//! what they were.
//!
//! Bodies become zeros; tokens, secrets, the values of fields that may hold some, and what follows a question mark or a
//! number sign in a target or another field become the letter x.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::input::Input;
use super::output::Output;
use crate::error::Misbehaviour;
use crate::message::Headers;
use crate::session::{Event, Incoming};
use crate::wire::{self, Frame, Frames, Opening, Profile, varint};

/// A field is secret if its name has one of these in it: `Authorization`, `Set-Cookie`, `X-Api-Key` and their like.
///
/// A browser's WebSocket can send a token as a subprotocol alone, so `Sec-WebSocket-Protocol` is one of them. The tokens of
/// proxies in front of an application are called assertions (`Cf-Access-Jwt-Assertion`) or OIDC data (`X-Amzn-Oidc-Data`).
const SECRET_NAMES: [&[u8]; 14] = [
    b"auth",
    b"cookie",
    b"token",
    b"secret",
    b"key",
    b"session",
    b"signature",
    b"credential",
    b"password",
    b"jwt",
    b"assertion",
    b"oidc",
    b"dpop",
    b"websocket-protocol",
];
/// The bodies of frames without text are not longer than this.
const NUMBERS_BYTES_MAX: usize = 32;

/// A message without what people sent. A binary one keeps its size; one of the JSON profile that did not look like ours
/// may change it.
pub(crate) fn message(profile: Profile, message: &Bytes) -> Bytes {
    match profile {
        Profile::Binary => binary(message),
        Profile::Json => json(message),
    }
}

fn json(message: &Bytes) -> Bytes {
    match Profile::Json.read(message.clone()) {
        Ok((ack, frames)) => {
            let mut frames = frames.flatten();
            frames.next().map_or_else(Bytes::new, |mut of| {
                frame(&mut of);
                Profile::Json.write(ack, &of)
            })
        }
        Err(Misbehaviour::UnknownFrame) => Bytes::from_static(br#"{"type":""}"#),
        Err(_) => Bytes::from_static(b" "),
    }
}

fn binary(message: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(message.len());
    let mut rest = &message[..];
    let is_whole = varint::take(&mut rest).is_ok_and(|ack| {
        varint::put(&mut out, ack);
        frames(&mut rest, &mut out)
    });
    if is_whole { out.into() } else { broken(message, &out) }
}

/// Copies frames up to the first that cannot be read. True if there is none.
fn frames(rest: &mut &[u8], out: &mut Vec<u8>) -> bool {
    while !rest.is_empty() {
        let Some((frame, behind)) = split_frame(rest) else { return false };
        if put_frame(frame, out).is_none() {
            return false;
        }
        *rest = behind;
    }
    true
}

/// A frame of a message, from its type to its end.
struct RawFrame<'a> {
    whole: &'a [u8],
    kind: u64,
    body: &'a [u8],
}

fn split_frame(from: &[u8]) -> Option<(RawFrame<'_>, &[u8])> {
    let (kind, rest) = varint::split(from).ok()?;
    let (body, rest) = varint::split_counted(rest)?;
    let whole = from.get(..from.len() - rest.len())?;
    Some((RawFrame { whole, kind, body }, rest))
}

/// Appends a frame without what people sent, as long as before; `None` if no frame can be read from it.
fn put_frame(raw: RawFrame<'_>, out: &mut Vec<u8>) -> Option<()> {
    // Most of what passes is data.
    if raw.kind == wire::DATA {
        let (_, octets) = varint::split(raw.body).ok()?;
        put_blank(raw.whole, octets.len(), out);
        return Some(());
    }
    let mut frames = Frames::of([&[0], raw.whole].concat().into()).ok()?.1;
    let mut of = frames.next()?.ok()?;
    if matches!(of, Frame::Skipped { .. }) {
        // Nobody reads what is in it.
        put_blank(raw.whole, raw.body.len(), out);
        return Some(());
    }
    frame(&mut of);
    let mut redacted = BytesMut::with_capacity(raw.whole.len());
    of.put(&mut redacted);
    debug_assert_eq!((redacted.len(), of.kind()), (raw.whole.len(), raw.kind));
    out.put_slice(&redacted);
    Some(())
}

/// Appends a frame with zeros for its last `count` octets.
fn put_blank(whole: &[u8], count: usize, out: &mut Vec<u8>) {
    let head = whole.len().saturating_sub(count);
    out.put_slice(whole.get(..head).unwrap_or_default());
    out.put_bytes(0, count);
}

/// A message with a frame that cannot be read: behind `sound` octets stands what breaks the same rule, and as little of
/// what came as that takes.
fn broken(message: &Bytes, sound: &[u8]) -> Bytes {
    let rule = broken_rule(message);
    let tail = message.get(sound.len()..).unwrap_or_default();
    let mut last = Bytes::new();
    for kept in [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, NUMBERS_BYTES_MAX] {
        for filler in [0, 0xff] {
            let kept = tail.get(..kept).unwrap_or(tail);
            let mut octets = [sound, kept].concat();
            octets.resize(message.len(), filler);
            last = octets.into();
            if broken_rule(&last) == rule {
                return last;
            }
        }
    }
    last
}

/// Which rule the first frame that cannot be read breaks, and how many can be read before.
fn broken_rule(message: &Bytes) -> (usize, Option<Misbehaviour>) {
    match Frames::of(message.clone()) {
        Err(rule) => (0, Some(rule)),
        Ok((_, frames)) => {
            let mut count = 0;
            for frame in frames {
                match frame {
                    Ok(_) => count += 1,
                    Err(rule) => return (count, Some(rule)),
                }
            }
            (count, None)
        }
    }
}

/// Takes what people sent out of a frame.
fn frame(of: &mut Frame) {
    match of {
        Frame::Hello(hello) => {
            fill_string(&mut hello.token);
            if let Some(resume) = &mut hello.resume {
                resume.secret = [0; 16];
            }
        }
        Frame::Welcome(welcome) => welcome.secret = [0; 16],
        Frame::Open { opening: of, .. } => opening(of),
        Frame::Head { head, .. } => headers(&mut head.headers),
        Frame::Data { octets, .. } => blank(octets),
        Frame::End { trailers, .. } => headers(trailers),
        Frame::Renew { token } => fill(token),
        Frame::Refused(_)
        | Frame::Reset { .. }
        | Frame::Stop { .. }
        | Frame::Credit { .. }
        | Frame::Streams { .. }
        | Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::Ack
        | Frame::Leave { .. }
        | Frame::Renewed { .. }
        | Frame::Stats(_)
        | Frame::Move(_)
        | Frame::Scope(_)
        | Frame::Skipped { .. } => {}
    }
}

/// Takes the query and secret fields out of what a stream is opened for.
pub(crate) fn opening(of: &mut Opening) {
    if let Opening::Http { head, .. } = of {
        if let Some(query) = after_path(&head.target) {
            let mut target = head.target.to_vec();
            fill_octets(target.get_mut(query..).unwrap_or_default());
            head.target = target.into();
        }
        headers(&mut head.headers);
    }
}

/// Takes secret values out of a field section, and queries and fragments out of all others.
pub(crate) fn headers(of: &mut Headers) {
    if of.is_empty() {
        return;
    }
    let redacted = of.iter().map(|(name, value)| {
        let mut value = value.to_vec();
        let from = if is_secret(name) { Some(0) } else { after_path(&value) };
        if let Some(secret) = from.and_then(|from| value.get_mut(from..)) {
            fill_octets(secret);
        }
        (name, value)
    });
    *of = redacted.collect();
}

fn is_secret(name: &[u8]) -> bool {
    let has = |part: &&[u8]| name.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    SECRET_NAMES.iter().any(has)
}

/// Where the query of a URL begins, or the fragment, in which tokens are handed to pages.
fn after_path(text: &[u8]) -> Option<usize> {
    text.iter().position(|octet| matches!(octet, b'?' | b'#')).map(|at| at + 1)
}

/// Puts filler in the place of a token.
pub(crate) fn fill(token: &mut Bytes) {
    let mut octets = token.to_vec();
    fill_octets(&mut octets);
    *token = octets.into();
}

fn fill_string(text: &mut String) {
    *text = core::iter::repeat_n('x', text.len()).collect();
}

/// Puts filler in the place of text that takes as many octets in JSON, and is as sound as before.
fn fill_octets(text: &mut [u8]) {
    for octet in text {
        match octet {
            0..0x20 | b'"' | b'\\' | 0x7f => {}
            0x80.. => *octet = 0xff,
            _ => *octet = b'x',
        }
    }
}

/// Puts zeros in the place of octets.
pub(crate) fn blank(octets: &mut Bytes) {
    *octets = vec![0; octets.len()].into();
}

pub(crate) fn event(of: &mut Event) {
    if let Event::Renewal(token) = of {
        fill(token);
    }
}

/// Takes what people sent out of an input.
pub(super) fn input(profile: Profile, of: &mut Input) {
    match of {
        Input::Message { octets, .. } => *octets = message(profile, octets),
        Input::Open { opening: of, .. } => opening(of),
        Input::Write { octets, .. } => blank(octets),
        Input::Interim { head, .. } | Input::Respond { head, .. } => headers(&mut head.headers),
        Input::End { trailers, .. } => headers(trailers),
        Input::Renew { token } => fill(token),
        Input::Misbehaviour { .. }
        | Input::Activity { .. }
        | Input::Disconnect { .. }
        | Input::Timeout { .. }
        | Input::Transmit { .. }
        | Input::PollEvent
        | Input::Accept
        | Input::Capacity { .. }
        | Input::Reset { .. }
        | Input::Peek { .. }
        | Input::Read { .. }
        | Input::TakeHead { .. }
        | Input::Credit { .. }
        | Input::Consume { .. }
        | Input::Stop { .. }
        | Input::Release { .. }
        | Input::Leave { .. }
        | Input::Authorize { .. }
        | Input::ConfirmRenewal { .. }
        | Input::AskToMove { .. }
        | Input::ConfirmMove
        | Input::TellScope { .. }
        | Input::AskStats { .. }
        | Input::Resume { .. }
        | Input::Abandon => {}
    }
}

/// Takes what people sent out of an output.
pub(super) fn output(profile: Profile, of: &mut Output) {
    match of {
        Output::Message(Some(octets)) => *octets = message(profile, octets),
        Output::Event(Some(of)) => event(of),
        Output::Accepted(Some(accepted)) => opening(&mut accepted.opening),
        Output::Incoming(Incoming::Octets(octets)) => blank(octets),
        Output::Incoming(Incoming::End(trailers)) => headers(trailers),
        Output::Head(Some(head)) => headers(&mut head.headers),
        Output::Incoming(Incoming::Head | Incoming::Reset(_) | Incoming::Pending)
        | Output::Message(None)
        | Output::Event(None)
        | Output::Accepted(None)
        | Output::Head(None)
        | Output::Nothing
        | Output::Opened(_)
        | Output::Room(_)
        | Output::Written(_)
        | Output::Given(_)
        | Output::Resumed(_) => {}
    }
}
