//! Rooms as their clients ask for them: `/client[/rest]?room=ID[&query]`.
//!
//! The room says where a request goes; what is left of the target is what the application sees.

use alloc::string::String;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes, BytesMut};

use crate::http1::members;
use crate::message::RequestHead;
use crate::mount::Mount;
use crate::target;

/// Another name of the tunnel path, where rooms are served.
pub const AGENT_PATH: &str = "/agent";
/// The path of a room's clients, with all below it.
const CLIENT_PATH: &[u8] = b"/client";
/// The parameter that names the room.
const ROOM: &[u8] = b"room";
/// The parameter with a client's token.
const TOKEN: &[u8] = b"token";
/// What a subprotocol begins with that is a client's token: the one place where a browser's WebSocket can put it
/// besides the URL.
const TOKEN_SUBPROTOCOL: &[u8] = b"telephone.token.";

/// A request for a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The room.
    pub mount: Mount,
    /// The target as the application sees it: without `/client` and without the room, the rest octet by octet.
    pub target: Bytes,
}

/// Why a request for a room cannot be routed: always the client's fault (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VisitError {
    /// No `room` in the query.
    #[error("the query names no room")]
    NoRoom,
    /// Two, of which each reader could take another one.
    #[error("the query names more than one room")]
    SeveralRooms,
    /// What stands there is no name of a room.
    #[error("the query's room has no valid name")]
    Name,
}

/// Whether a canonical target is that of a room's client: `/client` or something below it.
#[must_use]
pub fn is_visit(target: &[u8]) -> bool {
    rest_of_path(target).is_some()
}

/// What stands behind `/client` in the path.
fn rest_of_path(target: &[u8]) -> Option<&[u8]> {
    let rest = target::path(target).strip_prefix(CLIENT_PATH)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

/// Takes the canonical target of a room's client apart.
///
/// # Errors
/// The query does not name one room.
///
/// ```
/// use telephone_core::room::visit;
/// let visit = visit(b"/client/doc?a=1&room=r1&b").unwrap();
/// assert_eq!((visit.mount.as_str(), &visit.target[..]), ("room:r1", &b"/doc?a=1&b"[..]));
/// ```
pub fn visit(target: &[u8]) -> Result<Visit, VisitError> {
    let (mut rooms, others): (Vec<_>, Vec<_>) =
        parameters(target).partition(|one| value(one, ROOM).is_some());
    let room = rooms.pop().and_then(|one| value(one, ROOM)).ok_or(VisitError::NoRoom)?;
    if !rooms.is_empty() {
        return Err(VisitError::SeveralRooms);
    }
    let name = core::str::from_utf8(room).map_err(|_| VisitError::Name)?;
    let mount: Mount = (String::from("room:") + name).parse().map_err(|_| VisitError::Name)?;
    let path = rest_of_path(target).unwrap_or_default();
    // A target that begins with two slashes would name a host (RFC 3986 §4.2), and browsers read a backslash as one.
    let slashes = path.iter().take_while(|octet| matches!(octet, b'/' | b'\\')).count();
    let path = [b"/", path.get(slashes..).unwrap_or_default()].concat();
    Ok(Visit { mount, target: with_query(&path, &others) })
}

/// The parameters of a target's query, octet by octet, empty ones too.
fn parameters(target: &[u8]) -> impl Iterator<Item = &[u8]> {
    let query = target.get(target::path(target).len()..).unwrap_or_default();
    query.strip_prefix(b"?").into_iter().flat_map(|query| query.split(|&octet| octet == b'&'))
}

/// The value of a parameter that has this name.
fn value<'a>(parameter: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = parameter.strip_prefix(name)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"=") }
}

fn with_query(path: &[u8], parameters: &[&[u8]]) -> Bytes {
    let mut target = BytesMut::from(path);
    for (index, parameter) in parameters.iter().enumerate() {
        target.put_u8(if index == 0 { b'?' } else { b'&' });
        target.put_slice(parameter);
    }
    target.freeze()
}

/// Takes the token of a room's client out of its request: a subprotocol `telephone.token.JWT`, or else the parameter
/// `token`, or else `Authorization: Bearer JWT`. Others of these stay, for they are the application's.
pub fn take_token(head: &mut RequestHead) -> Option<Bytes> {
    take_subprotocol(head).or_else(|| take_parameter(head)).or_else(|| take_authorization(head))
}

fn take_subprotocol(head: &mut RequestHead) -> Option<Bytes> {
    const FIELD: &str = "sec-websocket-protocol";
    let offered = head.headers.all(FIELD).flat_map(members);
    let (tokens, others): (Vec<&[u8]>, Vec<_>) =
        offered.partition(|offer| offer.starts_with(TOKEN_SUBPROTOCOL));
    let token = tokens.first().and_then(|token| token.strip_prefix(TOKEN_SUBPROTOCOL))?;
    let (token, others) = (Bytes::copy_from_slice(token), others.join(&b", "[..]));
    head.headers.remove(FIELD);
    if !others.is_empty() {
        head.headers.push("Sec-WebSocket-Protocol", others);
    }
    Some(token)
}

fn take_parameter(head: &mut RequestHead) -> Option<Bytes> {
    let (tokens, others): (Vec<&[u8]>, Vec<_>) =
        parameters(&head.target).partition(|one| value(one, TOKEN).is_some());
    let token = Bytes::copy_from_slice(value(tokens.first()?, TOKEN)?);
    head.target = with_query(target::path(&head.target), &others);
    Some(token)
}

fn take_authorization(head: &mut RequestHead) -> Option<Bytes> {
    const FIELD: &str = "authorization";
    const SCHEME: &[u8] = b"bearer ";
    let credentials = head.headers.first(FIELD)?;
    let (scheme, token) = credentials.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let token = Bytes::copy_from_slice(token.trim_ascii());
    head.headers.remove(FIELD);
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Headers;

    fn head(target: &'static str, fields: &[(&str, &str)]) -> RequestHead {
        RequestHead {
            method: Bytes::from_static(b"GET"),
            target: Bytes::from_static(target.as_bytes()),
            headers: fields.iter().copied().collect(),
            length: None,
            upgrade: None,
            wants_trailers: false,
        }
    }

    #[test]
    fn clients_of_rooms_come_to_their_path_and_below() {
        for target in ["/client", "/client?room=a", "/client/", "/client/a/b?c"] {
            assert!(is_visit(target.as_bytes()), "{target}");
        }
        for target in ["/", "/clients", "/a/client", "/Client", "/client;x", "*"] {
            assert!(!is_visit(target.as_bytes()), "{target}");
        }
    }

    #[test]
    fn the_application_sees_the_rest_of_path_and_query_octet_by_octet() {
        for (target, seen) in [
            ("/client?room=r", "/"),
            ("/client/?room=r", "/"),
            ("/client/a%2Fb/?x=%7e&room=r&&y", "/a%2Fb/?x=%7e&&y"),
            ("/client?rooms=1&room=r&aroom=2&x?=3", "/?rooms=1&aroom=2&x?=3"),
            ("/client?room=r&", "/?"),
            ("/client//evil.example?room=r", "/evil.example"),
        ] {
            let visit = visit(target.as_bytes()).expect(target);
            assert_eq!((visit.mount.as_str(), &visit.target[..]), ("room:r", seen.as_bytes()), "{target}");
        }
    }

    #[test]
    fn a_target_without_one_named_room_is_refused() {
        for (target, error) in [
            ("/client", VisitError::NoRoom),
            ("/client/doc?Room=r&x=room", VisitError::NoRoom),
            ("/client?room", VisitError::Name),
            ("/client?room=", VisitError::Name),
            ("/client?room=a/doc", VisitError::Name),
            ("/client?room=%61", VisitError::Name),
            ("/client?room=a&room=a", VisitError::SeveralRooms),
            ("/client?room=a&room", VisitError::SeveralRooms),
        ] {
            assert_eq!(visit(target.as_bytes()), Err(error), "{target}");
        }
    }

    #[test]
    fn a_token_is_found_in_each_of_its_places_and_is_gone_from_there() {
        let mut none = head("/?t=1", &[("Authorization", "Basic x"), ("Sec-WebSocket-Protocol", "a, b")]);
        let before = none.clone();
        assert_eq!(take_token(&mut none), None);
        assert_eq!(none, before);

        let fields =
            [("Sec-WebSocket-Protocol", "y, telephone.token.a.b-_"), ("sec-websocket-protocol", "z")];
        let mut subprotocol = head("/?token=its.own.one", &fields);
        assert_eq!(take_token(&mut subprotocol).as_deref(), Some(&b"a.b-_"[..]));
        assert_eq!(subprotocol, head("/?token=its.own.one", &[("Sec-WebSocket-Protocol", "y, z")]));

        let mut alone = head("/", &[("Sec-WebSocket-Protocol", "telephone.token.t")]);
        assert_eq!(take_token(&mut alone).as_deref(), Some(&b"t"[..]));
        assert_eq!(alone.headers, Headers::new());

        let mut parameter = head("/doc?a&token=t.t&b=", &[("Authorization", "Bearer x")]);
        assert_eq!(take_token(&mut parameter).as_deref(), Some(&b"t.t"[..]));
        assert_eq!(parameter, head("/doc?a&b=", &[("Authorization", "Bearer x")]));

        let mut authorization = head("/", &[("authorization", "BEARER  t"), ("A", "b")]);
        assert_eq!(take_token(&mut authorization).as_deref(), Some(&b"t"[..]));
        assert_eq!(authorization, head("/", &[("A", "b")]));
    }
}
