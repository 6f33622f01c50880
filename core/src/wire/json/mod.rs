//! The JSON profile `telephone.v1.json`: one frame in one text message, as an object.
//!
//! ```text
//! {"type": "data", "data": {"stream": 2, "base64": "aGVsbG8="}, "ack": 3}
//! ```
//!
//! The same [`Frame`] is written and read, under the same rules. `type` and `data` are what serde calls adjacently
//! tagged; members may come in any order, and those that nobody knows are ignored.

mod bodies;
pub(super) mod text;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::frame::{Frame, skippable};
use super::opening::Opening;
use super::rules;
use crate::error::Misbehaviour;
use bodies::{
    Client, Credit, Data, Empty, End, HttpRequest, HttpResponse, Leave, Number, Renew, Renewed, Reset, Stop,
    Streams, TcpConnect,
};

/// The names of frames.
mod name {
    pub(super) const HELLO: &str = "auth";
    pub(super) const WELCOME: &str = "auth_success";
    pub(super) const REFUSED: &str = "auth_error";
    pub(super) const OPEN_HTTP: &str = "http_request";
    pub(super) const OPEN_TCP: &str = "tcp_connect";
    pub(super) const HEAD: &str = "http_response";
    pub(super) const DATA: &str = "data";
    pub(super) const END: &str = "end";
    pub(super) const RESET: &str = "error";
    pub(super) const STOP: &str = "stop";
    pub(super) const CREDIT: &str = "credit";
    pub(super) const STREAMS: &str = "streams";
    pub(super) const PING: &str = "ping";
    pub(super) const PONG: &str = "pong";
    pub(super) const ACK: &str = "ack";
    pub(super) const LEAVE: &str = "leave";
    pub(super) const RENEW: &str = "renew";
    pub(super) const RENEWED: &str = "renewed";
    pub(super) const STATS: &str = "stats";
    pub(super) const MOVE: &str = "move";
    pub(super) const SCOPE: &str = "scope";
    pub(super) const SITE: &str = "site";
    pub(super) const CLIENT: &str = "client";
    pub(super) const MOUNTS: &str = "mounts";
    pub(super) const SKIPPED: &str = "unknown";
}

/// A message that is written.
#[derive(Serialize)]
struct Written<'a, T> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    #[serde(skip_serializing_if = "is_zero")]
    ack: u64,
}

/// A message that came: what its frame says is read once its type is known.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    /// The type's number, beside a name that a later version gave it.
    #[serde(default)]
    number: Option<u64>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    ack: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The text of a message of one frame.
pub(super) fn write(ack: u64, frame: &Frame) -> Vec<u8> {
    let text = Writer { ack };
    match frame {
        Frame::Hello(hello) => text.write(name::HELLO, hello),
        Frame::Welcome(welcome) => text.write(name::WELCOME, welcome),
        Frame::Refused(refused) => text.write(name::REFUSED, refused),
        Frame::Open { id, grant, end, opening } => match opening {
            Opening::Http { mount, head } => {
                text.write(name::OPEN_HTTP, &HttpRequest::new(*id, *grant, *end, mount, head))
            }
            Opening::Tcp { mount, from } => {
                text.write(name::OPEN_TCP, &TcpConnect::new(*id, *grant, *end, mount, *from))
            }
        },
        Frame::Head { id, end, head } => text.write(name::HEAD, &HttpResponse::new(*id, *end, head)),
        Frame::Data { id, octets } => text.write(name::DATA, &Data::new(*id, octets)),
        Frame::End { id, trailers } => text.write(name::END, &End::new(*id, trailers)),
        Frame::Reset { id, reset } => text.write(name::RESET, &Reset::new(*id, *reset)),
        Frame::Stop { id, code } => text.write(name::STOP, &Stop::new(*id, *code)),
        Frame::Credit { id, limit } => {
            text.write(name::CREDIT, &Credit { stream: id.number(), limit: *limit })
        }
        Frame::Streams { limit } => text.write(name::STREAMS, &Streams { limit: *limit }),
        Frame::Ping(number) => text.write(name::PING, &Number { number: *number }),
        Frame::Pong(number) => text.write(name::PONG, &Number { number: *number }),
        Frame::Ack => text.envelope(name::ACK, None, None::<&Empty>),
        Frame::Leave { code, last } => text.write(name::LEAVE, &Leave::new(*code, *last)),
        Frame::Renew { token } => text.write(name::RENEW, &Renew::new(token)),
        Frame::Renewed { expires_in_s } => {
            text.write(name::RENEWED, &Renewed { expires_in_s: *expires_in_s })
        }
        Frame::Stats(stats) => text.envelope(name::STATS, None, stats.as_ref()),
        // These came later: who does not know them goes by the number.
        Frame::Move(order) => text.envelope(name::MOVE, Some(frame.kind()), order.as_ref()),
        Frame::Scope(scope) => text.envelope(name::SCOPE, Some(frame.kind()), Some(scope)),
        Frame::Site(site) => text.envelope(name::SITE, Some(frame.kind()), Some(site)),
        Frame::Mounts(mounts) => text.envelope(name::MOUNTS, Some(frame.kind()), Some(mounts)),
        Frame::Client { id, client } => {
            let client = Client { stream: id.number(), client: *client };
            text.envelope(name::CLIENT, Some(frame.kind()), Some(&client))
        }
        Frame::Skipped { kind } => text.envelope(name::SKIPPED, Some(*kind), None::<&Empty>),
    }
}

struct Writer {
    ack: u64,
}

impl Writer {
    fn write<T: Serialize>(self, name: &str, data: &T) -> Vec<u8> {
        self.envelope(name, None, Some(data))
    }

    fn envelope<T: Serialize>(self, name: &str, number: Option<u64>, data: Option<&T>) -> Vec<u8> {
        // None of what is written can fail: no map has keys that are not text, and memory is no writer that breaks.
        serde_json::to_vec(&Written { r#type: name, number, data, ack: self.ack }).unwrap_or_default()
    }
}

/// Reads a message: what it acknowledges, and its frame.
pub(super) fn read(message: &[u8]) -> Result<(u64, Frame), Misbehaviour> {
    // The whole of it, also what is skipped (RFC 6455 §8.1).
    let text = core::str::from_utf8(message).map_err(|_| Misbehaviour::FrameMalformed)?;
    let read: Read<'_> = parse(text)?;
    let data = read.data.map_or("{}", RawValue::get);
    let frame = match &*read.r#type {
        name::HELLO => Frame::Hello(parse(data)?),
        name::WELCOME => Frame::Welcome(parse(data)?),
        name::REFUSED => Frame::Refused(parse(data)?),
        name::OPEN_HTTP => parse::<HttpRequest>(data)?.into_frame(),
        name::OPEN_TCP => parse::<TcpConnect>(data)?.into_frame(),
        name::HEAD => parse::<HttpResponse>(data)?.into_frame(),
        name::DATA => parse::<Data>(data)?.into_frame(),
        name::END => parse::<End>(data)?.into_frame(),
        name::RESET => parse::<Reset>(data)?.into_frame(),
        name::STOP => parse::<Stop>(data)?.into_frame(),
        name::CREDIT => parse::<Credit>(data)?.into_frame(),
        name::STREAMS => Frame::Streams { limit: parse::<Streams>(data)?.limit },
        name::PING => Frame::Ping(parse::<Number>(data)?.number),
        name::PONG => Frame::Pong(parse::<Number>(data)?.number),
        name::ACK => Frame::Ack,
        name::LEAVE => parse::<Leave>(data)?.into_frame(),
        name::RENEW => parse::<Renew>(data)?.into_frame(),
        name::RENEWED => Frame::Renewed { expires_in_s: parse::<Renewed>(data)?.expires_in_s },
        name::STATS => Frame::Stats(read.data.map(|data| parse(data.get())).transpose()?),
        name::MOVE => Frame::Move(read.data.map(|data| parse(data.get())).transpose()?),
        name::SCOPE => Frame::Scope(parse(data)?),
        name::SITE => Frame::Site(parse(data)?),
        name::MOUNTS => Frame::Mounts(parse(data)?),
        name::CLIENT => parse::<Client>(data)?.into_frame(),
        _ => match read.number {
            Some(kind) if skippable(kind) => Frame::Skipped { kind },
            Some(_) | None => return Err(Misbehaviour::UnknownFrame),
        },
    };
    check(&frame).map_err(|_| Misbehaviour::FrameMalformed)?;
    Ok((read.ack, frame))
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Misbehaviour> {
    serde_json::from_str(text).map_err(|_| Misbehaviour::FrameMalformed)
}

/// What the binary profile checks where it reads.
fn check(frame: &Frame) -> Result<(), crate::error::HeadRefused> {
    match frame {
        Frame::Open { opening, .. } => rules::check_opening(opening),
        Frame::Head { head, .. } => rules::check_response(head),
        Frame::End { trailers, .. } => rules::check_fields(trailers),
        Frame::Hello(_)
        | Frame::Welcome(_)
        | Frame::Refused(_)
        | Frame::Data { .. }
        | Frame::Reset { .. }
        | Frame::Stop { .. }
        | Frame::Credit { .. }
        | Frame::Streams { .. }
        | Frame::Ping(_)
        | Frame::Pong(_)
        | Frame::Ack
        | Frame::Leave { .. }
        | Frame::Renew { .. }
        | Frame::Renewed { .. }
        | Frame::Stats(_)
        | Frame::Move(_)
        | Frame::Scope(_)
        | Frame::Site(_)
        | Frame::Mounts(_)
        | Frame::Client { .. }
        | Frame::Skipped { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests;
