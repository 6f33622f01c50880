//! The core's HTTP/1.1 server as the pump drives it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use telephone_core::affinity::Binding;
use telephone_core::http1::{AbortCause, Closing, Server, ServerEvent, body_goes_on};
use telephone_core::isolation;
use telephone_core::message::{Headers, ResponseHead};
use telephone_core::mount::Mount;
use telephone_core::output::Output;
use telephone_core::time::Timestamp;
use telephone_core::timing::{self, Stages};
use telephone_core::websocket::{Follower, close_frame};

use super::RelayConfig;
use crate::codec::{Codec, Part};
use crate::flag::Flag;

/// The name of the protocol in `Upgrade`. (RFC 6455 §11.2)
pub(super) const WEB_SOCKET: &str = "websocket";
/// Why the relay closes a WebSocket: a status code, and words for people.
pub(super) type CloseReason = (u16, &'static str);
/// The service went away, and may be there again: clients come back soon. (RFC 6455 §7.4.1, IANA's registry)
pub(super) const TUNNEL_LOST: CloseReason = (1012, "The application's tunnel was lost.");
/// The client breaks a policy: to come back is of no use. (RFC 6455 §7.4.1)
pub(super) const TOKEN_REVOKED: CloseReason = (1008, "The token was revoked.");

/// Why a client's side of an exchange is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientLoss {
    /// The client left, or broke its body: the server knows what becomes of the connection.
    Aborted(AbortCause),
    /// The socket broke.
    Broken,
    /// The telephone's head is no response to this request.
    Unsendable,
    /// The token with which the client came was revoked.
    Revoked,
}

/// The moments of a request that is measured.
pub(super) struct Timing<'a> {
    /// Whether its client asked for them.
    pub(super) is_told: bool,
    /// When it came.
    pub(super) started: Timestamp,
    /// When it had its stream.
    pub(super) opened: Timestamp,
    /// Whether the telephone was asked: if not, what it tells may be its backend's word.
    pub(super) is_asked: bool,
    pub(super) clock: &'a (dyn Fn() -> Timestamp + Sync),
}

impl Timing<'_> {
    /// Where the time went until now; `backend` is what the telephone told.
    fn stages(&self, backend: Option<Duration>) -> Stages {
        let beyond = (self.clock)().since(self.opened);
        Stages { relay: self.opened.since(self.started), beyond, backend: backend.filter(|_| self.is_asked) }
    }
}

/// What a client is to keep, by which its next request finds the same session.
pub(super) struct Bound<'a> {
    pub(super) binding: Binding,
    pub(super) mount: &'a Mount,
    /// Whether the client uses TLS.
    pub(super) is_secure: bool,
}

pub(super) struct PublicCodec<'a> {
    server: &'a mut Server,
    config: &'a RelayConfig,
    draining: &'a Flag,
    /// The application shares its web origin with others, and may not speak for it.
    pub(super) is_isolated: bool,
    /// Where the time of the request went, for a client that asked and for metrics.
    pub(super) timing: Option<Timing<'a>>,
    /// What that was until the final head, if it was measured.
    pub(super) stages: Option<Stages>,
    /// For a client that is bound to its session and has no cookie for it.
    pub(super) binding: Option<Bound<'a>>,
    /// The status of the final head, once it was written.
    pub(super) status: Option<u16>,
    is_opaque: bool,
    /// Where the frames of a WebSocket end that the client is sent.
    frames: Option<Follower>,
    is_answered: bool,
    is_unsendable: bool,
    /// The telephone no longer reads the body: so many octets of it were thrown away since.
    unwanted: Option<u64>,
    /// The answer is complete, and the rest of the request's body is still carried.
    is_body_pending: bool,
    /// The telephone stopped reading before the body was whole.
    is_stopped_short: bool,
    /// The answer says that the request was taken, and not all of its body was read.
    pub(super) is_body_cut: bool,
}

impl<'a> PublicCodec<'a> {
    pub(super) fn new(server: &'a mut Server, config: &'a RelayConfig, draining: &'a Flag) -> Self {
        server.set_body_wanted(true);
        Self {
            server,
            config,
            draining,
            is_isolated: false,
            timing: None,
            stages: None,
            binding: None,
            status: None,
            is_opaque: false,
            frames: None,
            is_answered: false,
            is_unsendable: false,
            unwanted: None,
            is_body_pending: false,
            is_stopped_short: false,
            is_body_cut: false,
        }
    }

    /// Ends a WebSocket with this reason, where that can be said between two frames of it.
    pub(super) fn close_web_socket(&mut self, (code, text): CloseReason) -> bool {
        let may_close = self.frames.as_ref().is_some_and(Follower::may_close);
        if may_close {
            self.server.hang_up(close_frame(code, text));
        }
        may_close
    }

    /// Whether what comes belongs to this exchange.
    const fn expects_input(&self) -> bool {
        !self.is_answered || self.is_opaque || self.is_body_pending
    }

    /// Whether bytes of the request's body are due.
    pub(super) fn awaits_body(&self) -> bool {
        self.expects_input() && self.unwanted.is_none() && self.server.awaits_body()
    }

    /// The answer is complete; the rest of the request may still come.
    fn on_answered(&mut self) {
        self.is_answered = true;
        self.is_body_pending = self.server.is_body_pending();
        // A backend that closes at once stops before its answer arrives.
        self.is_body_cut |= self.is_stopped_short && self.status.is_some_and(body_goes_on);
    }

    /// Whether enough of a body that nobody wants was thrown away.
    fn is_glutted(&self) -> bool {
        self.unwanted.is_some_and(|octets| octets > self.config.http.drain_bytes)
    }
}

impl Codec for PublicCodec<'_> {
    type Lost = ClientLoss;

    fn poll_part(&mut self, input: &mut BytesMut, now: Timestamp) -> Part<ClientLoss> {
        if !self.expects_input() || self.is_glutted() {
            // What comes now belongs to the next request, or is drained.
            return Part::None;
        }
        match self.server.poll_event(input, now) {
            None | Some(ServerEvent::Request { .. }) => Part::None,
            Some(ServerEvent::Body(octets) | ServerEvent::Opaque(octets)) => {
                if let Some(unwanted) = &mut self.unwanted {
                    *unwanted += octets.len() as u64;
                }
                Part::Octets(octets)
            }
            Some(ServerEvent::End(mut trailers)) => {
                self.config.trusted().clear_trailers(&mut trailers);
                Part::End(trailers)
            }
            Some(ServerEvent::OpaqueEnd) => Part::End(Headers::new()),
            Some(ServerEvent::Aborted(cause)) => Part::Lost(ClientLoss::Aborted(cause)),
            Some(ServerEvent::Refused(error)) => Part::Lost(ClientLoss::Aborted(AbortCause::Body(error))),
        }
    }

    fn handle_eof(&mut self) {
        self.server.handle_eof();
    }

    fn handle_broken(&mut self) -> ClientLoss {
        if self.is_unsendable { ClientLoss::Unsendable } else { ClientLoss::Broken }
    }

    fn wants_read(&self) -> bool {
        self.expects_input() && !self.is_glutted() && self.server.wants_read()
    }

    fn is_half_closed(&self) -> bool {
        self.server.is_half_closed()
    }

    fn owes_head(&self) -> bool {
        false
    }

    fn wants_octets(&self) -> bool {
        true
    }

    fn put_head(&mut self, mut head: ResponseHead, end: bool) -> bool {
        let told = timing::take_internal(&mut head.headers);
        if self.is_isolated {
            isolation::clear(&mut head.headers);
        }
        if let Some(timing) = self.timing.as_ref().filter(|_| !head.is_interim()) {
            let stages = timing.stages(told);
            self.stages = Some(stages);
            if timing.is_told {
                head.headers.push("Server-Timing", stages.to_field());
            }
        }
        if let Some(Bound { binding, mount, is_secure }) =
            self.binding.as_ref().filter(|_| !head.is_interim())
            && let Some(cookie) = binding.set_cookie(mount, *is_secure, &head)
        {
            head.headers.push("Set-Cookie", cookie);
        }
        if self.draining.is_raised() {
            self.server.announce_close();
        }
        let is_written = if head.is_interim() {
            self.server.interim(&head).is_ok()
        } else {
            self.server.respond(&head, end).is_ok()
        };
        self.is_unsendable |= !is_written;
        if is_written && !head.is_interim() {
            self.status = Some(head.status);
            self.is_opaque = head.status == 101;
            let protocol = head.upgrade.as_deref().filter(|_| self.is_opaque).unwrap_or_default();
            self.frames = protocol.eq_ignore_ascii_case(WEB_SOCKET.as_bytes()).then(Follower::default);
            if end {
                self.on_answered();
            }
        }
        is_written
    }

    fn put_octets(&mut self, octets: Bytes) {
        if let Some(frames) = &mut self.frames {
            frames.handle(&octets);
        }
        self.server.write(octets);
    }

    fn put_end(&mut self, trailers: &Headers) {
        if !self.is_isolated || trailers.is_empty() {
            self.server.end(trailers);
        } else {
            let mut trailers = trailers.clone();
            isolation::clear(&mut trailers);
            self.server.end(&trailers);
        }
        self.on_answered();
    }

    fn output(&mut self) -> &mut Output {
        self.server.output()
    }

    fn wants_shutdown(&self) -> bool {
        self.is_opaque && self.server.closing() == Closing::AfterOutput
    }

    fn handle_shutdown(&mut self, now: Timestamp) {
        self.server.handle_shutdown(now);
    }

    fn is_complete(&self, inbound: bool, outbound: bool) -> bool {
        outbound && (inbound || !(self.is_opaque || self.is_body_pending))
    }

    fn handle_stopped(&mut self) -> bool {
        self.unwanted.get_or_insert(0);
        self.is_stopped_short |= self.server.awaits_body();
        self.is_body_cut |= std::mem::take(&mut self.is_body_pending);
        self.server.set_body_wanted(false);
        !self.is_opaque
    }

    fn survives_broken_write(&self) -> bool {
        false
    }

    fn handle_backpressure(&mut self, _now: Timestamp) {
        // The server's own clock stands still while it is not asked.
    }

    fn send_timeout(&self) -> Option<Duration> {
        Some(self.config.http.send_timeout)
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        // A body that nobody wants is never late.
        if self.unwanted.is_some() { None } else { self.server.poll_timeout() }
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Option<ClientLoss> {
        // What it means comes as the next part.
        self.server.handle_timeout(now);
        None
    }
}
