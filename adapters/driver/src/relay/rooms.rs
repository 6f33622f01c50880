//! Rooms on the public leg: which one a client asks for, and whether it may come in.

use std::sync::Arc;

use futures_lite::future;
use telephone_core::forward::client_address;
use telephone_core::message::{Headers, RequestHead};
use telephone_core::mount::Mount;
use telephone_core::room::{self, AGENT_PATH};
use telephone_core::target;

use super::Inner;
use super::answer::Refused;
use super::loss::client_left;
use super::public::{Client, Request};
use super::registry::Chosen;
use super::verification::{Unverified, verify};
use super::visitors::Admission;
use crate::authority::{AuthError, Authority, Bearer};
use crate::runtime::Runtime;

/// How a relay serves rooms.
#[derive(Debug, Clone, Default)]
pub struct RoomsConfig {
    /// Whether each client must show a token for its room; if not, only where the room's telephone asks for it.
    pub client_tokens: bool,
    /// The origins of web pages whose clients are let in, such as `https://app.example`; if none, those of all.
    pub origins: Vec<String>,
}

/// A client of a room.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) room: Mount,
    /// Once it has shown a token.
    pub(super) admission: Option<Admission>,
}

/// Whether a request is for a path of rooms where telephones connect.
pub(super) fn is_for_telephones(rooms: Option<&RoomsConfig>, head: &RequestHead) -> bool {
    rooms.is_some() && target::path(&head.target) == AGENT_PATH.as_bytes()
}

/// Whether a request is a room's client's.
pub(super) fn is_visit<R: Runtime>(relay: &Inner<R>, head: &RequestHead) -> bool {
    relay.config.rooms.is_some() && room::is_visit(&head.target)
}

/// Turns the request of a room's client into the one that the application gets. Where each client must show a token it
/// is judged here, so that nobody else learns which rooms there are. `Err(None)` if the client left.
pub(super) async fn enter<R: Runtime>(
    relay: &Arc<Inner<R>>,
    client: &mut Client<R>,
    request: &mut Request,
) -> Result<(), Option<Refused>> {
    let Some(config) = &relay.config.rooms else { return Ok(()) };
    // The application gets the rest as it was sent, unless the part that is cut is spelled in its own way.
    let whole = if room::is_visit(&request.sent) { &request.sent } else { &request.head.target };
    let room::Visit { mount: room, target } =
        room::visit(whole).map_err(|error| Some(Refused::from_visit(error)))?;
    if !is_allowed_origin(&config.origins, &request.head.headers) {
        return Err(Some(Refused::foreign_origin()));
    }
    request.head.target = target;
    let admission = match config.client_tokens {
        true => Some(show_token(relay, client, &room, &mut request.head).await?),
        false => None,
    };
    request.visit = Some(Visit { room, admission });
    Ok(())
}

/// Judges the token of a client whose room's telephone asks for one, once. `Err(None)` if the client left.
pub(super) async fn admit<R: Runtime>(
    relay: &Arc<Inner<R>>,
    client: &mut Client<R>,
    request: &mut Request,
    chosen: &Chosen,
) -> Result<(), Option<Refused>> {
    match &mut request.visit {
        Some(visit) if chosen.client_tokens && visit.admission.is_none() => {
            let shown = Box::pin(show_token(relay, client, &visit.room, &mut request.head));
            visit.admission = Some(shown.await?);
            Ok(())
        }
        Some(_) | None => Ok(()),
    }
}

async fn show_token<R: Runtime>(
    relay: &Arc<Inner<R>>,
    client: &mut Client<R>,
    room: &Mount,
    head: &mut RequestHead,
) -> Result<Admission, Option<Refused>> {
    let token = room::take_token(head).unwrap_or_default();
    // A client without one costs no check, and did nothing wrong yet.
    let verified = if token.is_empty() {
        Err(Unverified::Bad(AuthError::Missing))
    } else {
        let address = client_address(&head.headers, client.peer.ip(), &*relay.config.trust);
        let room = room.clone();
        let judge = move |authority: &dyn Authority| match std::str::from_utf8(&token) {
            Ok(token) => authority.verify_client(token, &room),
            Err(_) => Err(AuthError::Malformed("it is not text")),
        };
        let judged = async { Some(verify(relay, address, judge).await) };
        let left = async {
            client_left(relay, client).await;
            None
        };
        future::or(judged, left).await.ok_or(None)?
    };
    let admitted = verified.and_then(|bearer| listed(relay, bearer).map_err(Unverified::Bad));
    admitted.map_err(|unverified| {
        Some(match unverified {
            Unverified::Bad(error) => {
                relay.observer.token_refused(error);
                Refused::from_client_token(error)
            }
            Unverified::Overload(overload) => Refused::from_overload(overload),
        })
    })
}

/// Puts a client on the list of those that a revocation ends, unless one came between its token's verification and that.
fn listed<R: Runtime>(relay: &Inner<R>, bearer: Bearer) -> Result<Admission, AuthError> {
    let admission = relay.visitors.admit(bearer.clone());
    let is_revoked = relay.authority.is_revoked(&bearer.subject, bearer.token_id.as_deref());
    if is_revoked { Err(AuthError::Revoked) } else { Ok(admission) }
}

/// Programs that are no browsers need not say where they come from.
fn is_allowed_origin(allowed: &[String], headers: &Headers) -> bool {
    let is_listed = |origin: &[u8]| allowed.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(origin));
    allowed.is_empty() || headers.all("origin").all(is_listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_origins_are_let_in_and_who_has_none() {
        let allowed = ["https://app.example".to_owned(), "http://localhost:5173".to_owned()];
        let is_in = |origins: &[&str]| {
            let headers: Headers = origins.iter().map(|origin| ("Origin", *origin)).collect();
            is_allowed_origin(&allowed, &headers)
        };
        assert!(is_in(&[]) && is_in(&["https://app.example"]) && is_in(&["http://localhost:5173"]));
        for foreign in
            ["https://app.example.evil", "http://app.example", "null", "https://app.example:8443", ""]
        {
            assert!(!is_in(&[foreign]), "{foreign}");
        }
        assert!(!is_in(&["https://app.example", "https://evil.example"]));
        assert!(is_allowed_origin(&[], &[("Origin", "null")].into_iter().collect()));
    }
}
