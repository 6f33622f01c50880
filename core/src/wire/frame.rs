//! Frames: one place that writes each and one that reads it.

use bytes::{Buf as _, BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::hello::{Hello, Refused, Welcome};
use super::mounts::Mounts;
use super::moving::Move;
use super::opening::{self, Opening};
use super::scope::Scope;
use super::site::Site;
use super::stats::Stats;
use super::varint::{Run, VARINT_BYTES_MAX};
use super::{head, varint};
use crate::error::{LeaveCode, Misbehaviour, Reset, ResetCode, Touched};
use crate::message::{Headers, ResponseHead};

/// Octets of the numbers that a frame begins with, at most: its type and length, an id, a limit, a flag.
const NUMBERS_BYTES_MAX: usize = 4 * VARINT_BYTES_MAX + 1;

/// The number of a stream: even if the plugboard opened it, odd if the telephone did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId(u64);

impl StreamId {
    /// A stream's number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl core::fmt::Display for StreamId {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One frame. Those that carry a stream's octets hold slices of the message, not copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The telephone's first frame.
    Hello(Hello),
    /// The plugboard's consent.
    Welcome(Welcome),
    /// The plugboard's refusal.
    Refused(Refused),
    /// Opens a stream.
    Open {
        /// The new stream.
        id: StreamId,
        /// Octets that the acceptor may send on it, an absolute limit.
        grant: u64,
        /// Whether the opener's direction ends here.
        end: bool,
        /// What for.
        opening: Opening,
    },
    /// An answer's head, interim or final.
    Head {
        /// The stream.
        id: StreamId,
        /// Whether the acceptor's direction ends here.
        end: bool,
        /// The head.
        head: ResponseHead,
    },
    /// Octets of a body or a connection.
    Data {
        /// The stream.
        id: StreamId,
        /// The octets.
        octets: Bytes,
    },
    /// The sender's direction is complete.
    End {
        /// The stream.
        id: StreamId,
        /// The trailer section, often empty.
        trailers: Headers,
    },
    /// The sender gives up what it was sending.
    Reset {
        /// The stream.
        id: StreamId,
        /// Why, and whether the backend saw the request.
        reset: Reset,
    },
    /// The sender no longer reads what it was being sent.
    Stop {
        /// The stream.
        id: StreamId,
        /// Why.
        code: ResetCode,
    },
    /// The receiver of this frame may send up to `limit` octets on the stream, counted from its start.
    Credit {
        /// The stream.
        id: StreamId,
        /// The absolute limit.
        limit: u64,
    },
    /// The receiver of this frame may open up to `limit` streams, counted from the session's start.
    Streams {
        /// The absolute limit.
        limit: u64,
    },
    /// Asks for a pong.
    Ping(u64),
    /// Answers a ping with its number.
    Pong(u64),
    /// Carries the acknowledgement at the head of its message.
    Ack,
    /// The sender leaves.
    Leave {
        /// Why.
        code: LeaveCode,
        /// The highest stream of the receiver that the sender took: later ones never started.
        last: u64,
    },
    /// A fresh token.
    Renew {
        /// The JWT's octets.
        token: Bytes,
    },
    /// The fresh token was taken.
    Renewed {
        /// How long it is good for, in seconds.
        expires_in_s: Option<u64>,
    },
    /// Asks for numbers, or tells them.
    Stats(Option<Stats>),
    /// Asks the telephone to have its next session elsewhere, or says that it has.
    Move(Option<Move>),
    /// The mounts that a fresh token left the session.
    Scope(Scope),
    /// Under which URLs the mounts are public.
    Site(Site),
    /// The mounts that the telephone wants from now on: those that it leaves out are withdrawn. A scope answers it.
    Mounts(Mounts),
    /// Which of the plugboard's client connections the stream is for that the next open frame opens: a login runs on it.
    Client {
        /// The stream that is opened next.
        id: StreamId,
        /// The number of the connection among all that this plugboard has had.
        client: u64,
    },
    /// A frame that this version does not know and may skip.
    Skipped {
        /// Its type.
        kind: u64,
    },
}

/// The first frame type that may be skipped.
const SKIPPABLE: u64 = 64;

/// Whether a frame of this type may be skipped.
#[must_use]
pub const fn skippable(kind: u64) -> bool {
    kind >= SKIPPABLE
}

pub(super) mod kind {
    pub(in crate::wire) const HELLO: u64 = 0;
    pub(in crate::wire) const WELCOME: u64 = 1;
    pub(in crate::wire) const REFUSED: u64 = 2;
    pub(in crate::wire) const OPEN: u64 = 3;
    pub(in crate::wire) const HEAD: u64 = 4;
    pub(in crate::wire) const DATA: u64 = 5;
    pub(in crate::wire) const END: u64 = 6;
    pub(in crate::wire) const RESET: u64 = 7;
    pub(in crate::wire) const STOP: u64 = 8;
    pub(in crate::wire) const CREDIT: u64 = 9;
    pub(in crate::wire) const STREAMS: u64 = 10;
    pub(in crate::wire) const PING: u64 = 11;
    pub(in crate::wire) const PONG: u64 = 12;
    pub(in crate::wire) const ACK: u64 = 13;
    pub(in crate::wire) const LEAVE: u64 = 14;
    pub(in crate::wire) const RENEW: u64 = 15;
    pub(in crate::wire) const RENEWED: u64 = 16;
    pub(in crate::wire) const STATS: u64 = 64;
    pub(in crate::wire) const MOVE: u64 = 65;
    pub(in crate::wire) const SCOPE: u64 = 66;
    pub(in crate::wire) const CLIENT: u64 = 67;
    pub(in crate::wire) const SITE: u64 = 68;
    pub(in crate::wire) const MOUNTS: u64 = 69;
}

impl Frame {
    /// The type on the wire.
    #[must_use]
    pub const fn kind(&self) -> u64 {
        match self {
            Self::Hello(_) => kind::HELLO,
            Self::Welcome(_) => kind::WELCOME,
            Self::Refused(_) => kind::REFUSED,
            Self::Open { .. } => kind::OPEN,
            Self::Head { .. } => kind::HEAD,
            Self::Data { .. } => kind::DATA,
            Self::End { .. } => kind::END,
            Self::Reset { .. } => kind::RESET,
            Self::Stop { .. } => kind::STOP,
            Self::Credit { .. } => kind::CREDIT,
            Self::Streams { .. } => kind::STREAMS,
            Self::Ping(_) => kind::PING,
            Self::Pong(_) => kind::PONG,
            Self::Ack => kind::ACK,
            Self::Leave { .. } => kind::LEAVE,
            Self::Renew { .. } => kind::RENEW,
            Self::Renewed { .. } => kind::RENEWED,
            Self::Stats(_) => kind::STATS,
            Self::Move(_) => kind::MOVE,
            Self::Scope(_) => kind::SCOPE,
            Self::Site(_) => kind::SITE,
            Self::Client { .. } => kind::CLIENT,
            Self::Mounts(_) => kind::MOUNTS,
            Self::Skipped { kind } => *kind,
        }
    }

    /// Whether the frame makes its message a numbered one, kept until it is acknowledged.
    #[must_use]
    pub const fn is_numbered(&self) -> bool {
        !matches!(self, Self::Ping(_) | Self::Pong(_) | Self::Ack | Self::Leave { .. })
    }

    /// The stream that the frame belongs to, but for the one that it opens.
    #[must_use]
    pub const fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Head { id, .. }
            | Self::Data { id, .. }
            | Self::End { id, .. }
            | Self::Reset { id, .. }
            | Self::Stop { id, .. }
            | Self::Credit { id, .. } => Some(*id),
            Self::Hello(_)
            | Self::Welcome(_)
            | Self::Refused(_)
            | Self::Open { .. }
            | Self::Streams { .. }
            | Self::Ping(_)
            | Self::Pong(_)
            | Self::Ack
            | Self::Leave { .. }
            | Self::Renew { .. }
            | Self::Renewed { .. }
            | Self::Stats(_)
            | Self::Move(_)
            | Self::Scope(_)
            | Self::Site(_)
            | Self::Mounts(_)
            | Self::Client { .. }
            | Self::Skipped { .. } => None,
        }
    }

    /// Octets of the body.
    fn body_size(&self) -> usize {
        let id_size = |id: &StreamId| varint::size(id.0);
        match self {
            Self::Hello(hello) => postcard_size(hello),
            Self::Welcome(welcome) => postcard_size(welcome),
            Self::Refused(refused) => postcard_size(refused),
            Self::Open { id, grant, opening, .. } => {
                id_size(id) + varint::size(*grant) + 1 + opening::size(opening)
            }
            Self::Head { id, head, .. } => id_size(id) + 1 + head::response_size(head),
            Self::Data { id, octets } => id_size(id) + octets.len(),
            Self::End { id, trailers } => id_size(id) + head::trailers_size(trailers),
            Self::Reset { id, reset } => id_size(id) + varint::size(reset.code.to_wire()) + 1,
            Self::Stop { id, code } => id_size(id) + varint::size(code.to_wire()),
            Self::Credit { id, limit } => id_size(id) + varint::size(*limit),
            Self::Streams { limit } => varint::size(*limit),
            Self::Ping(number) | Self::Pong(number) => varint::size(*number),
            Self::Ack | Self::Skipped { .. } => 0,
            Self::Leave { code, last } => varint::size(code.to_wire()) + varint::size(*last),
            Self::Renew { token } => token.len(),
            Self::Renewed { expires_in_s } => 1 + expires_in_s.map_or(0, varint::size),
            Self::Stats(stats) => postcard_size(stats),
            Self::Move(order) => postcard_size(order),
            Self::Scope(scope) => postcard_size(scope),
            Self::Site(site) => postcard_size(site),
            Self::Mounts(mounts) => postcard_size(mounts),
            Self::Client { id, client } => id_size(id) + varint::size(*client),
        }
    }

    /// Octets of the whole frame in a binary message.
    #[must_use]
    pub fn size(&self) -> usize {
        let body = self.body_size();
        varint::size(self.kind()) + varint::size(body as u64) + body
    }

    /// Appends the frame to a binary message.
    pub fn put(&self, out: &mut BytesMut) {
        let mut numbers = Run::<NUMBERS_BYTES_MAX>::default();
        numbers.put(self.kind());
        numbers.put(self.body_size() as u64);
        self.put_numbers(&mut numbers);
        out.put_slice(numbers.as_slice());
        match self {
            Self::Hello(hello) => put_postcard(out, hello),
            Self::Welcome(welcome) => put_postcard(out, welcome),
            Self::Refused(refused) => put_postcard(out, refused),
            Self::Open { opening, .. } => opening::put(out, opening),
            Self::Head { head, .. } => head::put_response(out, head),
            Self::Data { octets, .. } => out.put_slice(octets),
            Self::End { trailers, .. } => head::put_trailers(out, trailers),
            Self::Renew { token } => out.put_slice(token),
            Self::Renewed { expires_in_s } => put_postcard(out, expires_in_s),
            Self::Stats(stats) => put_postcard(out, stats),
            Self::Move(order) => put_postcard(out, order),
            Self::Scope(scope) => put_postcard(out, scope),
            Self::Site(site) => put_postcard(out, site),
            Self::Mounts(mounts) => put_postcard(out, mounts),
            Self::Reset { .. }
            | Self::Stop { .. }
            | Self::Credit { .. }
            | Self::Streams { .. }
            | Self::Ping(_)
            | Self::Pong(_)
            | Self::Ack
            | Self::Leave { .. }
            | Self::Client { .. }
            | Self::Skipped { .. } => {}
        }
    }

    /// Puts the numbers and flags that the body begins with.
    fn put_numbers(&self, out: &mut Run<NUMBERS_BYTES_MAX>) {
        match self {
            Self::Open { id, grant, end, .. } => {
                out.put(id.0);
                out.put(*grant);
                out.put_u8(u8::from(*end));
            }
            Self::Head { id, end, .. } => {
                out.put(id.0);
                out.put_u8(u8::from(*end));
            }
            Self::Data { id, .. } | Self::End { id, .. } => out.put(id.0),
            Self::Reset { id, reset } => {
                out.put(id.0);
                out.put(reset.code.to_wire());
                out.put_u8(reset.touched.to_wire());
            }
            Self::Stop { id, code } => out.put_pair(id.0, code.to_wire()),
            Self::Credit { id, limit } => out.put_pair(id.0, *limit),
            Self::Streams { limit } => out.put(*limit),
            Self::Ping(number) | Self::Pong(number) => out.put(*number),
            Self::Leave { code, last } => out.put_pair(code.to_wire(), *last),
            Self::Client { id, client } => out.put_pair(id.0, *client),
            Self::Hello(_)
            | Self::Welcome(_)
            | Self::Refused(_)
            | Self::Ack
            | Self::Renew { .. }
            | Self::Renewed { .. }
            | Self::Stats(_)
            | Self::Move(_)
            | Self::Scope(_)
            | Self::Site(_)
            | Self::Mounts(_)
            | Self::Skipped { .. } => {}
        }
    }

    pub(super) fn take_body(kind: u64, mut body: &[u8]) -> Result<Self, Misbehaviour> {
        let frame = match kind {
            kind::HELLO => return take_postcard(body).map(Self::Hello),
            kind::WELCOME => return take_postcard(body).map(Self::Welcome),
            kind::REFUSED => return take_postcard(body).map(Self::Refused),
            kind::RENEWED => {
                return take_postcard(body).map(|expires_in_s| Self::Renewed { expires_in_s });
            }
            kind::STATS => return take_postcard(body).map(Self::Stats),
            kind::MOVE => return take_postcard(body).map(Self::Move),
            kind::SCOPE => return take_postcard(body).map(Self::Scope),
            kind::SITE => return take_postcard(body).map(Self::Site),
            kind::MOUNTS => return take_postcard(body).map(Self::Mounts),
            kind::OPEN => return take_open(body),
            kind::CLIENT => Self::Client { id: take_id(&mut body)?, client: varint::take(&mut body)? },
            kind::RENEW => return Ok(Self::Renew { token: Bytes::copy_from_slice(body) }),
            kind if skippable(kind) => return Ok(Self::Skipped { kind }),
            kind::HEAD => {
                let id = take_id(&mut body)?;
                let end = take_flag(&mut body)?;
                return Ok(Self::Head { id, end, head: head::take_response(body)? });
            }
            kind::END => {
                return Ok(Self::End { id: take_id(&mut body)?, trailers: head::take_trailers(body)? });
            }
            kind::RESET => Self::Reset { id: take_id(&mut body)?, reset: take_reset(&mut body)? },
            kind::STOP => {
                let id = take_id(&mut body)?;
                Self::Stop { id, code: ResetCode::from_wire(varint::take(&mut body)?) }
            }
            kind::CREDIT => Self::Credit { id: take_id(&mut body)?, limit: varint::take(&mut body)? },
            kind::STREAMS => Self::Streams { limit: varint::take(&mut body)? },
            kind::PING => Self::Ping(varint::take(&mut body)?),
            kind::PONG => Self::Pong(varint::take(&mut body)?),
            kind::ACK => Self::Ack,
            kind::LEAVE => {
                let code = LeaveCode::from_wire(varint::take(&mut body)?);
                Self::Leave { code, last: varint::take(&mut body)? }
            }
            _ => return Err(Misbehaviour::UnknownFrame),
        };
        if body.is_empty() { Ok(frame) } else { Err(Misbehaviour::FrameMalformed) }
    }
}

fn take_open(mut body: &[u8]) -> Result<Frame, Misbehaviour> {
    let id = take_id(&mut body)?;
    let grant = varint::take(&mut body)?;
    let end = take_flag(&mut body)?;
    Ok(Frame::Open { id, grant, end, opening: opening::take(body)? })
}

pub(super) fn take_id(body: &mut &[u8]) -> Result<StreamId, Misbehaviour> {
    varint::take(body).map(StreamId)
}

fn take_flag(body: &mut &[u8]) -> Result<bool, Misbehaviour> {
    match body.try_get_u8() {
        Ok(0) => Ok(false),
        Ok(1) => Ok(true),
        Ok(_) => Err(Misbehaviour::FrameMalformed),
        Err(_) => Err(Misbehaviour::FrameTruncated),
    }
}

fn take_reset(body: &mut &[u8]) -> Result<Reset, Misbehaviour> {
    let code = ResetCode::from_wire(varint::take(body)?);
    let octet = body.try_get_u8().map_err(|_| Misbehaviour::FrameTruncated)?;
    let touched = Touched::from_wire(octet).ok_or(Misbehaviour::FrameMalformed)?;
    Ok(Reset { code, touched })
}

pub(super) fn take_octets<'a>(from: &mut &'a [u8], length: u64) -> Result<&'a [u8], Misbehaviour> {
    let length = usize::try_from(length).map_err(|_| Misbehaviour::FrameTruncated)?;
    from.split_off(..length).ok_or(Misbehaviour::FrameTruncated)
}

/// Appends what stands before the octets of a data frame.
pub(crate) fn put_data_head(out: &mut BytesMut, id: StreamId, count: usize) {
    let mut numbers = Run::<NUMBERS_BYTES_MAX>::default();
    numbers.put(kind::DATA);
    numbers.put((varint::size(id.0) + count) as u64);
    numbers.put(id.0);
    out.put_slice(numbers.as_slice());
}

fn postcard_size<T: Serialize>(value: &T) -> usize {
    postcard::experimental::serialized_size(value).unwrap_or(0)
}

fn put_postcard<T: Serialize>(out: &mut BytesMut, value: &T) {
    if let Ok(octets) = postcard::to_allocvec(value) {
        out.put_slice(&octets);
    }
}

/// Reads a structure that must fill `body` in its canonical form.
fn take_postcard<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<T, Misbehaviour> {
    match postcard::take_from_bytes::<T>(body) {
        Ok((value, [])) if postcard_size(&value) == body.len() => Ok(value),
        Ok(_) | Err(_) => Err(Misbehaviour::FrameMalformed),
    }
}
