//! What the frames of a stream say, as objects. Members that say nothing are left out.

use core::net::SocketAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::text::{Base64, Code, Fields, Latin1};
use crate::error::{self, LeaveCode, ResetCode, Touched};
use crate::message::{Headers, RequestHead, ResponseHead};
use crate::wire::{Frame, Opening, StreamId};

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_empty(fields: &Fields) -> bool {
    fields.0.is_empty()
}

fn latin1(octets: &Bytes) -> Latin1 {
    Latin1(octets.clone())
}

/// A frame that says nothing.
#[derive(Serialize)]
pub(super) struct Empty {}

#[derive(Serialize, Deserialize)]
pub(super) struct HttpRequest {
    stream: u64,
    grant: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    end: bool,
    mount: Latin1,
    method: Latin1,
    target: Latin1,
    #[serde(default)]
    headers: Fields,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upgrade: Option<Latin1>,
    #[serde(default, skip_serializing_if = "is_false")]
    wants_trailers: bool,
}

impl HttpRequest {
    pub(super) fn new(id: StreamId, grant: u64, end: bool, mount: &Bytes, head: &RequestHead) -> Self {
        Self {
            stream: id.number(),
            grant,
            end,
            mount: latin1(mount),
            method: latin1(&head.method),
            target: latin1(&head.target),
            headers: Fields(head.headers.clone()),
            length: head.length,
            upgrade: head.upgrade.as_ref().map(latin1),
            wants_trailers: head.wants_trailers,
        }
    }

    pub(super) fn into_frame(self) -> Frame {
        let head = RequestHead {
            method: self.method.0,
            target: self.target.0,
            headers: self.headers.0,
            length: self.length,
            upgrade: self.upgrade.map(|token| token.0),
            wants_trailers: self.wants_trailers,
        };
        let opening = Opening::Http { mount: self.mount.0, head };
        Frame::Open { id: StreamId::new(self.stream), grant: self.grant, end: self.end, opening }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct TcpConnect {
    stream: u64,
    grant: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    end: bool,
    mount: Latin1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<SocketAddr>,
}

impl TcpConnect {
    pub(super) fn new(id: StreamId, grant: u64, end: bool, mount: &Bytes, from: Option<SocketAddr>) -> Self {
        Self { stream: id.number(), grant, end, mount: latin1(mount), from }
    }

    pub(super) fn into_frame(self) -> Frame {
        let opening = Opening::Tcp { mount: self.mount.0, from: self.from };
        Frame::Open { id: StreamId::new(self.stream), grant: self.grant, end: self.end, opening }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct HttpResponse {
    stream: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    end: bool,
    status: u16,
    #[serde(default)]
    reason: Latin1,
    #[serde(default)]
    headers: Fields,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upgrade: Option<Latin1>,
}

impl HttpResponse {
    pub(super) fn new(id: StreamId, end: bool, head: &ResponseHead) -> Self {
        Self {
            stream: id.number(),
            end,
            status: head.status,
            reason: latin1(&head.reason),
            headers: Fields(head.headers.clone()),
            length: head.length,
            upgrade: head.upgrade.as_ref().map(latin1),
        }
    }

    pub(super) fn into_frame(self) -> Frame {
        let head = ResponseHead {
            status: self.status,
            reason: self.reason.0,
            headers: self.headers.0,
            length: self.length,
            upgrade: self.upgrade.map(|token| token.0),
        };
        Frame::Head { id: StreamId::new(self.stream), end: self.end, head }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Data {
    stream: u64,
    base64: Base64,
}

impl Data {
    pub(super) fn new(id: StreamId, octets: &Bytes) -> Self {
        Self { stream: id.number(), base64: Base64(octets.clone()) }
    }

    pub(super) fn into_frame(self) -> Frame {
        Frame::Data { id: StreamId::new(self.stream), octets: self.base64.0 }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct End {
    stream: u64,
    #[serde(default, skip_serializing_if = "is_empty")]
    trailers: Fields,
}

impl End {
    pub(super) fn new(id: StreamId, trailers: &Headers) -> Self {
        Self { stream: id.number(), trailers: Fields(trailers.clone()) }
    }

    pub(super) fn into_frame(self) -> Frame {
        Frame::End { id: StreamId::new(self.stream), trailers: self.trailers.0 }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Reset {
    stream: u64,
    code: Code<ResetCode>,
    touched: Touched,
}

impl Reset {
    pub(super) fn new(id: StreamId, reset: error::Reset) -> Self {
        Self { stream: id.number(), code: Code(reset.code), touched: reset.touched }
    }

    pub(super) fn into_frame(self) -> Frame {
        let reset = error::Reset { code: self.code.0, touched: self.touched };
        Frame::Reset { id: StreamId::new(self.stream), reset }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Stop {
    stream: u64,
    code: Code<ResetCode>,
}

impl Stop {
    pub(super) fn new(id: StreamId, code: ResetCode) -> Self {
        Self { stream: id.number(), code: Code(code) }
    }

    pub(super) fn into_frame(self) -> Frame {
        Frame::Stop { id: StreamId::new(self.stream), code: self.code.0 }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) stream: u64,
    pub(super) client: u64,
}

impl Client {
    pub(super) fn into_frame(self) -> Frame {
        Frame::Client { id: StreamId::new(self.stream), client: self.client }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Credit {
    pub(super) stream: u64,
    pub(super) limit: u64,
}

impl Credit {
    pub(super) fn into_frame(self) -> Frame {
        Frame::Credit { id: StreamId::new(self.stream), limit: self.limit }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Streams {
    pub(super) limit: u64,
}

/// A ping or a pong.
#[derive(Serialize, Deserialize)]
pub(super) struct Number {
    pub(super) number: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Leave {
    code: Code<LeaveCode>,
    last: u64,
}

impl Leave {
    pub(super) const fn new(code: LeaveCode, last: u64) -> Self {
        Self { code: Code(code), last }
    }

    pub(super) fn into_frame(self) -> Frame {
        Frame::Leave { code: self.code.0, last: self.last }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Renew {
    token: Latin1,
}

impl Renew {
    pub(super) fn new(token: &Bytes) -> Self {
        Self { token: latin1(token) }
    }

    pub(super) fn into_frame(self) -> Frame {
        Frame::Renew { token: self.token.0 }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Renewed {
    #[serde(default)]
    pub(super) expires_in_s: Option<u64>,
}
