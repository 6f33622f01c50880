//! What a stream is opened for.

use alloc::string::{String, ToString as _};
use core::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::frame::take_octets;
use super::{head, rules, varint};
use crate::error::Misbehaviour;
use crate::message::RequestHead;

/// What a stream is opened for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    /// An HTTP exchange that came for `mount`.
    Http {
        /// The mount that the request matched, as it was registered.
        mount: Bytes,
        /// The request's head.
        head: RequestHead,
    },
    /// A raw connection that came for `mount`: octets both ways, no heads.
    Tcp {
        /// The mount, as it was registered.
        mount: Bytes,
        /// Where the connection comes from, if the opener tells.
        from: Option<SocketAddr>,
    },
}

const OPENING_HTTP: u64 = 0;
const OPENING_TCP: u64 = 1;

/// Octets of what is opened, on the wire.
pub(crate) fn size(opening: &Opening) -> usize {
    let mount_size = |mount: &Bytes| varint::size(mount.len() as u64) + mount.len();
    match opening {
        Opening::Http { mount, head } => 1 + mount_size(mount) + head::request_size(head),
        Opening::Tcp { mount, from } => 1 + mount_size(mount) + address(*from).len(),
    }
}

pub(super) fn put(out: &mut BytesMut, opening: &Opening) {
    let (tag, mount) = match opening {
        Opening::Http { mount, .. } => (OPENING_HTTP, mount),
        Opening::Tcp { mount, .. } => (OPENING_TCP, mount),
    };
    varint::put(out, tag);
    varint::put_counted(out, mount);
    match opening {
        Opening::Http { head, .. } => head::put_request(out, head),
        Opening::Tcp { from, .. } => out.put_slice(address(*from).as_bytes()),
    }
}

/// An address as it travels: its one canonical text, or nothing. Raw connections are opened rarely enough for text.
pub(super) fn address(from: Option<SocketAddr>) -> String {
    from.map(|from| from.to_string()).unwrap_or_default()
}

fn take_address(body: &[u8]) -> Result<Option<SocketAddr>, Misbehaviour> {
    if body.is_empty() {
        return Ok(None);
    }
    let text = core::str::from_utf8(body).map_err(|_| Misbehaviour::FrameMalformed)?;
    let from = text.parse().map_err(|_| Misbehaviour::FrameMalformed)?;
    if address(Some(from)) == text { Ok(Some(from)) } else { Err(Misbehaviour::FrameMalformed) }
}

pub(super) fn take(mut body: &[u8]) -> Result<Opening, Misbehaviour> {
    let tag = varint::take(&mut body)?;
    let mount_length = varint::take(&mut body)?;
    let mount = Bytes::copy_from_slice(take_octets(&mut body, mount_length)?);
    let opening = match tag {
        OPENING_HTTP => Opening::Http { mount, head: head::take_request(body)? },
        OPENING_TCP => Opening::Tcp { mount, from: take_address(body)? },
        _ => return Err(Misbehaviour::KindNotGranted),
    };
    rules::check_opening(&opening).map_err(|_| Misbehaviour::FrameMalformed)?;
    Ok(opening)
}
