//! Frames, inputs and outputs in words, for charts and transcripts.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Input, Output};
use crate::session::{Event, Incoming, StreamId};
use crate::wire::{Frame, MountUrl, Mounts, Opening, Profile};

/// A message in words: its acknowledgement in brackets, then its frames, one data frame for those of a stream in a row.
/// A frame that cannot be read is told by the rule that it breaks.
#[must_use]
pub fn message(profile: Profile, message: &Bytes) -> String {
    let (ack, frames) = match profile.read(message.clone()) {
        Ok(read) => read,
        Err(rule) => return format!("[?] {rule}"),
    };
    let mut words = Vec::new();
    let mut data: Option<Data> = None;
    for frame in frames {
        let next = match &frame {
            Ok(Frame::Data { id, octets }) => Some(Data { id: *id, octets: octets.len(), frames: 1 }),
            Ok(_) | Err(_) => None,
        };
        match (&mut data, next) {
            (Some(last), Some(next)) if last.id == next.id => {
                last.octets += next.octets;
                last.frames += 1;
                continue;
            }
            (_, next) => words.extend(core::mem::replace(&mut data, next).map(Data::words)),
        }
        if data.is_none() {
            words.push(frame.map_or_else(|rule| rule.to_string(), |frame| self::frame(&frame)));
        }
    }
    words.extend(data.map(Data::words));
    format!("[{ack}] {}", words.join(" · "))
}

/// Data frames in a row.
struct Data {
    id: StreamId,
    octets: usize,
    frames: usize,
}

impl Data {
    fn words(self) -> String {
        let times = if self.frames > 1 { format!(" in {} frames", self.frames) } else { String::new() };
        format!("data {}, {} octets{times}", self.id, self.octets)
    }
}

/// A frame in words. Of tokens and bodies nothing but their size.
#[must_use]
pub fn frame(frame: &Frame) -> String {
    match frame {
        Frame::Hello(hello) => match &hello.resume {
            None => format!("hello {}", listed(&hello.mounts)),
            Some(resume) => format!("hello, go on with {} behind {}", resume.session, resume.position),
        },
        Frame::Welcome(welcome) => match welcome.resumed {
            None => format!("welcome {}, window {} ms", welcome.session, welcome.resume_window_ms),
            Some(position) => format!("welcome, {} goes on behind {position}", welcome.session),
        },
        Frame::Refused(refused) => format!("refused: {}", refused.reason.escape_debug()),
        Frame::Open { id, end, opening, .. } => {
            format!("open {id}, {}{}", self::opening(opening), ended(*end))
        }
        Frame::Head { id, end, head } => format!("head {id}, {}{}", head.status, ended(*end)),
        Frame::Data { id, octets } => format!("data {id}, {} octets", octets.len()),
        Frame::End { id, .. } => format!("end {id}"),
        Frame::Reset { id, reset } => {
            format!("reset {id}, {:?}, touched {:?}", reset.code, reset.touched).to_lowercase()
        }
        Frame::Stop { id, code } => format!("stop {id}, {code:?}").to_lowercase(),
        Frame::Credit { id, limit } => format!("credit {id}, {limit}"),
        Frame::Streams { limit } => format!("streams {limit}"),
        Frame::Ping(number) => format!("ping {number}"),
        Frame::Pong(number) => format!("pong {number}"),
        Frame::Ack => "ack".into(),
        Frame::Leave { code, last } => format!("leave {code:?}, last {last}").to_lowercase(),
        Frame::Renew { .. } => "renew".into(),
        Frame::Stats(stats) => format!("stats{}", if stats.is_some() { "" } else { "?" }),
        Frame::Move(Some(order)) => format!("move, within {} ms", order.within_ms),
        Frame::Move(None) => "move, done".into(),
        Frame::Scope(scope) => format!("scope {}", listed(&scope.mounts)),
        Frame::Site(site) => format!("site {}", urls(&site.mounts)),
        Frame::Mounts(mounts) => presented(mounts),
        Frame::Client { id, client } => format!("stream {id} is for client {client}"),
        Frame::Renewed { expires_in_s } => format!("renewed, {expires_in_s:?} s"),
        Frame::Skipped { kind } => format!("type {kind}"),
    }
}

fn urls(mounts: &[MountUrl]) -> String {
    let urls: Vec<String> = mounts.iter().map(|one| one.url.clone()).collect();
    listed(&urls)
}

/// What a peer names; whoever prints it has a terminal that obeys to some octets.
fn listed(mounts: &[String]) -> String {
    mounts.join(" ").escape_debug().to_string()
}

fn presented(mounts: &Mounts) -> String {
    format!("mounts {}, not ready {}", listed(&mounts.ready), listed(&mounts.not_ready))
}

fn opening(opening: &Opening) -> String {
    match opening {
        Opening::Http { head, .. } => {
            format!("{} {}", head.method.escape_ascii(), head.target.escape_ascii())
        }
        Opening::Tcp { .. } => "tcp".into(),
    }
}

const fn ended(end: bool) -> &'static str {
    if end { ", end" } else { "" }
}

/// An input in words, as a line of a transcript.
#[must_use]
pub fn input(profile: Profile, input: &Input) -> String {
    match input {
        Input::Message { octets, size, .. } => format!("◀── {} ({size} octets)", message(profile, octets)),
        Input::Misbehaviour { misbehaviour, .. } => format!("◀── {misbehaviour}"),
        Input::Activity { .. } => "◀── octets".into(),
        Input::Disconnect { link, .. } => format!("link {} is gone", link.number()),
        Input::Timeout { .. } => "time has passed".into(),
        Input::Woken { .. } => "the process stood still".into(),
        Input::Transmit { .. } => "the link takes".into(),
        Input::PollEvent => "what is new".into(),
        Input::Open { opening: of, end, .. } => format!("open {}{}", opening(of), ended(*end)),
        Input::Accept => "accept".into(),
        Input::Capacity { id } => format!("stream {id}: room to write"),
        Input::Write { id, octets } => format!("stream {id}: write {} octets", octets.len()),
        Input::Interim { id, head } => format!("stream {id}: interim head {}", head.status),
        Input::Respond { id, head, end } => format!("stream {id}: head {}{}", head.status, ended(*end)),
        Input::End { id, .. } => format!("stream {id}: end"),
        Input::Reset { id, reset } => {
            format!("stream {id}: reset, {:?}, touched {:?}", reset.code, reset.touched)
        }
        Input::Peek { id } => format!("stream {id}: look"),
        Input::Read { id } => format!("stream {id}: read"),
        Input::TakeHead { id } => format!("stream {id}: take the head"),
        Input::Credit { id, count, .. } | Input::Consume { id, count, .. } => {
            format!("stream {id}: {count} octets were taken")
        }
        Input::Stop { id, code } => format!("stream {id}: stop, {code:?}"),
        Input::Release { id } => format!("stream {id}: release"),
        Input::Leave { code, .. } => format!("leave, {code:?}"),
        Input::Renew { .. } => "renew the token".into(),
        Input::Authorize { expires_in, .. } => format!("a token is good for {expires_in:?}"),
        Input::ConfirmRenewal { expires_in, .. } => format!("a fresh token is good for {expires_in:?}"),
        Input::Ping => "ping".into(),
        Input::RefuseRenewal { refused } => {
            format!("refuse the renewal: {}", refused.reason.escape_debug())
        }
        Input::AskToMove { order } => format!("ask to move within {} ms", order.within_ms),
        Input::ConfirmMove => "the telephone has moved".into(),
        Input::TellScope { mounts } => format!("tell the scope {}", listed(mounts)),
        Input::TellSite { mounts } => format!("tell the site {}", urls(mounts)),
        Input::PresentMounts { mounts } => format!("present {}", presented(mounts)),
        Input::AskStats { .. } => "ask for numbers".into(),
        Input::Resume { peer_position, .. } => format!("a new link goes on behind {peer_position}"),
        Input::Abandon => "abandon".into(),
        Input::LimitMessages { bytes, .. } => format!("messages have at most {bytes} bytes of streams"),
        Input::TellClient { id, client } => format!("stream {id}: tell that it is for client {client}"),
    }
}

/// An output in words, behind an arrow; `None` if the input gives nothing back.
#[must_use]
pub fn output(profile: Profile, output: &Output) -> Option<String> {
    let text = match output {
        Output::Nothing => return None,
        Output::Message(Some(octets)) => {
            return Some(format!("──▶ {} ({} octets)", message(profile, octets), octets.len()));
        }
        Output::Message(None) | Output::Event(None) | Output::Accepted(None) | Output::Head(None) => {
            "nothing".into()
        }
        Output::Event(Some(Event::Renewal(_))) => "Renewal".into(),
        Output::Event(Some(event)) => format!("{event:?}"),
        Output::Opened(Ok(id)) => format!("stream {id}"),
        Output::Opened(Err(error)) => error.to_string(),
        Output::Accepted(Some(accepted)) => {
            format!("stream {}, {}", accepted.id, opening(&accepted.opening))
        }
        Output::Room(count) | Output::Written(Ok(count)) => format!("{count} octets"),
        Output::Written(Err(stopped)) => stopped.to_string(),
        Output::Given(Ok(())) => "given".into(),
        Output::Given(Err(error)) => error.to_string(),
        Output::Incoming(Incoming::Octets(octets)) => format!("{} octets", octets.len()),
        Output::Incoming(Incoming::Head) => "a head".into(),
        Output::Incoming(Incoming::End(_)) => "the end".into(),
        Output::Incoming(Incoming::Reset(reset)) => {
            format!("reset, {:?}, touched {:?}", reset.code, reset.touched)
        }
        Output::Incoming(Incoming::Pending) => "nothing yet".into(),
        Output::Head(Some(head)) => format!("status {}", head.status),
        Output::Resumed(Ok(link)) => format!("link {}", link.number()),
        Output::Resumed(Err(error)) => error.to_string(),
    };
    Some(format!("→ {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Refused, RefusedCode, Scope};
    use alloc::vec;

    #[test]
    fn what_a_peer_wrote_cannot_speak_to_a_terminal() {
        let evil = || String::from("\u{1b}]0;owned\u{7}\n");
        let refused = Refused { code: RefusedCode::Busy, reason: evil(), retry_after_ms: None };
        let said = [
            frame(&Frame::Scope(Scope { mounts: vec![evil()] })),
            frame(&Frame::Refused(refused)),
            input(Profile::Binary, &Input::TellScope { mounts: vec![evil()] }),
            input(
                Profile::Binary,
                &Input::TellSite { mounts: vec![MountUrl { mount: evil(), url: evil() }] },
            ),
        ];
        for said in said {
            assert!(said.contains(r"\u{1b}]0;owned\u{7}\n") && !said.contains(char::is_control), "{said}");
        }
    }
}
