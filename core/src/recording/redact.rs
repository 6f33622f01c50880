//! What people sent is taken out of a recording, and everything keeps its size: positions, credit and the trace stay
//! what they were.
//!
//! Bodies become zeros; tokens and what [`secrets`] finds in targets, fields and texts become the letter x.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::input::Input;
use super::output::Output;
use super::secrets;
use crate::error::Misbehaviour;
use crate::message::{Headers, ResponseHead};
use crate::session::{Event, Incoming};
use crate::wire::{self, Frame, Frames, Move, Opening, Profile, Refused, varint};

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

pub(crate) fn refusal(of: &mut Refused) {
    text(&mut of.reason);
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
        Frame::Welcome(welcome) => {
            welcome.secret = [0; 16];
            welcome.resume_url.iter_mut().for_each(url);
        }
        Frame::Open { opening: of, .. } => opening(of),
        Frame::Head { head: of, .. } => head(of),
        Frame::Data { octets, .. } => blank(octets),
        Frame::End { trailers, .. } => headers(trailers),
        Frame::Renew { token } => fill(token),
        Frame::Refused(refused) => refusal(refused),
        Frame::Move(Some(order)) => order_to_move(order),
        Frame::Reset { .. }
        | Frame::Stop { .. }
        | Frame::Credit { .. }
        | Frame::Streams { .. }
        | Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::Ack
        | Frame::Leave { .. }
        | Frame::Renewed { .. }
        | Frame::Stats(_)
        | Frame::Move(None)
        | Frame::Scope(_)
        | Frame::Site(_)
        | Frame::Mounts(_)
        | Frame::Client { .. }
        | Frame::Skipped { .. } => {}
    }
}

/// Takes secrets out of what a stream is opened for.
pub(crate) fn opening(of: &mut Opening) {
    if let Opening::Http { head, .. } = of {
        fill_found(&mut head.target, secrets::in_target);
        headers(&mut head.headers);
    }
}

/// Takes secrets out of the head of an answer.
pub(crate) fn head(of: &mut ResponseHead) {
    fill_found(&mut of.reason, |reason| secrets::in_value(b"", reason));
    headers(&mut of.headers);
}

/// Takes secrets out of a field section.
pub(crate) fn headers(of: &mut Headers) {
    if of.is_empty() {
        return;
    }
    let redacted = of.iter().map(|(name, value)| {
        let mut value = value.to_vec();
        if secrets::is_secret_name(name) {
            fill_octets(&mut value);
        } else {
            let found = secrets::in_value(name, &value);
            fill_ranges(&mut value, &found);
        }
        (name, value)
    });
    *of = redacted.collect();
}

/// Takes secrets out of where a telephone is asked to go.
pub(crate) fn order_to_move(of: &mut Move) {
    of.url.iter_mut().for_each(url);
}

fn url(of: &mut String) {
    fill_found_in_string(of, secrets::in_target);
}

fn text(of: &mut String) {
    fill_found_in_string(of, |text| secrets::in_value(b"", text));
}

fn fill_found(of: &mut Bytes, find: impl Fn(&[u8]) -> Vec<Range<usize>>) {
    let found = find(of);
    if !found.is_empty() {
        let mut octets = of.to_vec();
        fill_ranges(&mut octets, &found);
        *of = octets.into();
    }
}

fn fill_found_in_string(of: &mut String, find: impl Fn(&[u8]) -> Vec<Range<usize>>) {
    let found = find(of.as_bytes());
    if found.is_empty() {
        return;
    }
    // The ranges are in order, and each character is sought in the one that is not behind it.
    let mut ranges = found.iter().peekable();
    let mut is_secret = |at: usize| {
        while ranges.next_if(|range| range.end <= at).is_some() {}
        ranges.peek().is_some_and(|range| range.contains(&at))
    };
    // As many bytes for each character, so that it stays text of the same size.
    *of = of.char_indices().fold(String::with_capacity(of.len()), |mut out, (at, character)| {
        if is_secret(at) {
            out.extend(core::iter::repeat_n('x', character.len_utf8()));
        } else {
            out.push(character);
        }
        out
    });
}

fn fill_ranges(octets: &mut [u8], found: &[Range<usize>]) {
    for range in found {
        fill_octets(octets.get_mut(range.clone()).unwrap_or_default());
    }
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
    match of {
        Event::Renewal(token) => fill(token),
        Event::MoveAsked(order) => order_to_move(order),
        Event::RenewalRefused(refused) => refusal(refused),
        Event::Opened
        | Event::Readable(_)
        | Event::Writable(_)
        | Event::RenewalDue
        | Event::Renewed(_)
        | Event::ScopeLeft(_)
        | Event::Site(_)
        | Event::MountsPresented(_)
        | Event::Moved
        | Event::Expired
        | Event::PeerLeaves(_)
        | Event::Closed(_) => {}
    }
}

/// Takes what people sent out of an input.
pub(super) fn input(profile: Profile, of: &mut Input) {
    match of {
        Input::Message { octets, .. } => *octets = message(profile, octets),
        Input::Open { opening: of, .. } => opening(of),
        Input::Write { octets, .. } => blank(octets),
        Input::Interim { head: of, .. } | Input::Respond { head: of, .. } => head(of),
        Input::AskToMove { order } => order_to_move(order),
        Input::RefuseRenewal { refused } => refusal(refused),
        Input::End { trailers, .. } => headers(trailers),
        Input::Renew { token } => fill(token),
        Input::Misbehaviour { .. }
        | Input::Activity { .. }
        | Input::Disconnect { .. }
        | Input::Timeout { .. }
        | Input::Woken { .. }
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
        | Input::ConfirmMove
        | Input::Ping
        | Input::TellScope { .. }
        | Input::TellSite { .. }
        | Input::PresentMounts { .. }
        | Input::AskStats { .. }
        | Input::Resume { .. }
        | Input::Abandon
        | Input::TellClient { .. }
        | Input::LimitMessages { .. } => {}
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
        Output::Head(Some(of)) => head(of),
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
