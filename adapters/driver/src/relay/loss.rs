//! How a client's connection is lost in the middle of an exchange: it left, it stalled, or others need its place.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::task::Poll;

use telephone_core::cause::Cause;
use telephone_core::http1::{AbortCause, RequestError};

use super::account::Account;
use super::public::Client;
use super::{Inner, report};
use crate::pump::LOOK_INTERVAL;
use crate::runtime::Runtime;
use crate::socket::Socket as _;

/// Octets that are read ahead from a client whose request waits for a session.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// The client's socket broke, or took nothing for too long.
pub(super) fn broken<R: Runtime>(
    relay: &Inner<R>,
    client: &Client<R>,
    account: &mut Account,
) -> ControlFlow<()> {
    account.cause = if has_stalled(relay, client) { Cause::ClientStalled } else { Cause::ClientLeft };
    // What the kernel still holds must not look like all of an answer.
    client.connection.socket.reset_on_drop();
    ControlFlow::Break(())
}

/// Whether no byte of the answer was read for `send-timeout`.
fn has_stalled<R: Runtime>(relay: &Inner<R>, client: &Client<R>) -> bool {
    let since = client.connection.blocked_since;
    since.is_some_and(|since| since + relay.config.http.send_timeout <= relay.runtime.now())
}

/// The client left, or its connection is closed in favour of others.
pub(super) fn client_lost<R: Runtime>(client: &Client<R>, account: &mut Account) -> ControlFlow<()> {
    account.cause = Cause::ClientLeft;
    if client.permit.is_closing() {
        account.cause = Cause::ConnectionShed;
        client.connection.socket.reset_on_drop();
    }
    ControlFlow::Break(())
}

/// The connection is closed in favour of others, in the middle of an exchange. A slow upload is told so.
pub(super) fn shed<R: Runtime>(
    relay: &Inner<R>,
    client: &mut Client<R>,
    account: &mut Account,
) -> ControlFlow<()> {
    if client.permit.is_slow() {
        let is_upload = account.status.is_none();
        let moved = (account.moved.inbound, account.moved.outbound);
        report::slow(relay, (account.client, client.peer), moved);
        if is_upload && client.server.refuse_slow_body() {
            account.abort(AbortCause::Body(RequestError::BodyTimeout));
            return ControlFlow::Continue(());
        }
    }
    client_lost(client, account)
}

/// Reads ahead, up to a bound, while a request waits, and returns when the client is gone or its connection is to be closed.
/// One that only shut down its half may still read: it is gone if its request waits longer than such a one may.
pub(super) async fn client_left<R: Runtime>(relay: &Inner<R>, client: &mut Client<R>) {
    let mut gone_at = None;
    poll_fn(|cx| {
        if client.permit.poll_closing(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let now = relay.runtime.now();
            while client.connection.input.len() < READ_AHEAD_BYTES {
                match client.connection.poll_fill(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => break,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(_)) => {}
                }
            }
            if client.connection.input.len() >= READ_AHEAD_BYTES {
                return Poll::Pending;
            }
            let by = *gone_at.get_or_insert(now + relay.config.http.half_close);
            if by <= now || client.connection.is_reset(cx) {
                return Poll::Ready(());
            }
            if !client.alarm.poll(Some(by.min(now + LOOK_INTERVAL)), now, cx) {
                return Poll::Pending;
            }
        }
    })
    .await;
}
