//! The loop of one link: a WebSocket on one side, a shared session on the other.
//!
//! One task reads and writes, so that neither waits for the other: while a message is on its way out
//! the loop goes on reading, and the next message is built only when the last one has gone.

use std::future::poll_fn;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future;
use telephone_core::error::{CloseReason, Misbehaviour};
use telephone_core::limits::HANDSHAKE_AHEAD_BYTES_MAX;
use telephone_core::log_limit::{LineKind, LineSource};
use telephone_core::send_rate::SendRate;
use telephone_core::session::{Event, LinkId};
use telephone_core::time::Timestamp;
use telephone_core::websocket::{Role, WebSocket, WebSocketEvent};
use telephone_core::wire::Profile;

use crate::alarm::Alarm;
use crate::connection::Connection;
use crate::log::Log;
use crate::runtime::Runtime;
use crate::shared::SharedSession;
use crate::socket::Socket;

/// Messages taken apart before the loop looks at its other sides.
const MESSAGES_A_TURN: usize = 16;
/// Octets of a read while nobody knows who the peer is: most hellos and welcomes are smaller, and the read buffer's room is
/// what a peer can have beside its message.
const HANDSHAKE_READ_BYTES: usize = 4 * 1024;
/// How long a link that is over may take to say goodbye.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// What the WebSocket's own close frame says, for whoever watches the wire with other tools. (RFC 6455 §7.4.1)
#[derive(Debug, Clone, Copy)]
pub(crate) enum CloseCode {
    Normal = 1000,
    Away = 1001,
    Protocol = 1002,
    Policy = 1008,
}

/// A connection whose upgrade to a WebSocket is done. Until its session runs it takes what a handshake needs and no more;
/// what the peer sends beyond that waits in the kernel.
pub(crate) struct Link<S> {
    connection: Connection<S>,
    profile: Profile,
    socket: WebSocket,
}

impl<S: Socket> Link<S> {
    /// The end that dialled: it speaks the binary profile.
    pub(crate) fn dialled(connection: Connection<S>) -> Self {
        Self::new(connection, Role::Client(Box::new(masking_keys())), Profile::Binary)
    }

    /// The end that was dialled.
    pub(crate) fn accepted(connection: Connection<S>, profile: Profile) -> Self {
        Self::new(connection, Role::Server, profile)
    }

    fn new(connection: Connection<S>, role: Role, profile: Profile) -> Self {
        let socket = WebSocket::in_handshake(role, profile.message_type());
        Self { connection, profile, socket }
    }

    /// How its frames are written.
    pub(crate) const fn profile(&self) -> Profile {
        self.profile
    }

    /// Sends one message of a handshake.
    pub(crate) async fn send<R: Runtime>(&mut self, runtime: &R, message: Bytes) -> io::Result<()> {
        self.socket.send(message);
        self.flush(runtime).await
    }

    async fn flush<R: Runtime>(&mut self, runtime: &R) -> io::Result<()> {
        poll_fn(|cx| self.connection.poll_drain(self.socket.output(), runtime.now(), cx)).await
    }

    /// Receives one message of a handshake. What breaks a rule is [`io::ErrorKind::InvalidData`].
    pub(crate) async fn receive(&mut self) -> io::Result<Bytes> {
        let wrong = |error: &dyn std::error::Error| {
            Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
        };
        loop {
            match self.socket.poll_event(&mut self.connection.input) {
                Some(WebSocketEvent::Message(octets)) => return Ok(octets),
                Some(WebSocketEvent::Closed) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Some(WebSocketEvent::WrongType) => return wrong(&Misbehaviour::MessageType),
                Some(WebSocketEvent::Broken(error)) => return wrong(&error),
                None => {}
            }
            // A piece of a head that is left must not keep the room of a whole read.
            self.connection.shrink();
            if poll_fn(|cx| self.connection.poll_fill_most(HANDSHAKE_READ_BYTES, cx)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Octets that were read behind what was received.
    pub(crate) fn ahead(&self) -> usize {
        self.connection.input.len()
    }

    /// Ready when the peer has left, as far as it can be seen: no more is read ahead than a peer may send before it is
    /// answered.
    pub(crate) async fn left(&mut self) {
        self.connection.shrink();
        poll_fn(|cx| {
            loop {
                let room = HANDSHAKE_AHEAD_BYTES_MAX.saturating_sub(self.ahead());
                if room == 0 {
                    return Poll::Pending;
                }
                match ready!(self.connection.poll_fill_most(room, cx)) {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return Poll::Ready(()),
                }
            }
        })
        .await;
    }

    /// Closes a link that is over.
    pub(crate) async fn close<R: Runtime>(mut self, runtime: &R, code: CloseCode) {
        self.socket.close(code as u16);
        let farewell = async {
            // Whether the peer still hears it makes no difference: the socket goes either way.
            let _ = self.flush(runtime).await;
        };
        future::or(farewell, runtime.sleep_until(runtime.now() + FAREWELL)).await;
    }

    /// Serves `session` as its link `id`, until the session is over, which is told, or goes on without this
    /// link. What concerns the whole session goes to `on_event`, each round trip that is measured to `on_round_trip`. `held` is
    /// kept until the socket is closed.
    pub(crate) async fn run<R: Runtime>(
        mut self,
        (runtime, log): (&R, &Log),
        session: &SharedSession,
        id: LinkId,
        (on_event, on_round_trip): (impl FnMut(Event) + Send, impl Fn(Duration) + Send),
        held: impl Send + 'static,
    ) -> Option<CloseReason> {
        self.socket.establish(self.profile.message_bytes_max());
        let (alarm, now) = (Alarm::new(runtime.clone()), runtime.now());
        let (is_sending, send_rate, measured) = (false, SendRate::new(), 0);
        let mut link = Loop {
            runtime,
            log,
            session,
            id,
            on_event,
            on_round_trip,
            link: self,
            now,
            is_sending,
            send_rate,
            measured,
            alarm,
        };
        link.bound_unsent();
        let reason = poll_fn(|cx| link.poll(cx)).await;
        let link = link.link;
        if reason.is_some() {
            link.close(runtime, close_code(reason)).await;
        } else {
            // The session has better to do than to wait for a link that may be dark.
            let clone = runtime.clone();
            runtime.spawn(async move {
                link.close(&clone, close_code(None)).await;
                drop(held);
            });
        }
        reason
    }
}

/// Keys that nobody can foresee (RFC 6455 §5.3): the hashes of a counter under a secret key of the system's.
fn masking_keys() -> impl FnMut() -> [u8; 4] {
    let secret = RandomState::new();
    let mut count = 0_u64;
    move || {
        count += 1;
        let [first, second, third, fourth, ..] = secret.hash_one(count).to_ne_bytes();
        [first, second, third, fourth]
    }
}

fn close_code(reason: Option<CloseReason>) -> CloseCode {
    match reason {
        None | Some(CloseReason::Left | CloseReason::LinkLost | CloseReason::Silent) => CloseCode::Normal,
        Some(CloseReason::Sent(_) | CloseReason::Received(_)) => CloseCode::Away,
        Some(CloseReason::Misbehaved(_)) => CloseCode::Protocol,
    }
}

/// Keeps a session that lost its link `id`: its deadlines come, its events are told. Ready when a newer link took
/// over, or with the reason when the session is over.
pub(crate) async fn wait<R: Runtime>(
    runtime: &R,
    session: &SharedSession,
    id: LinkId,
    mut on_event: impl FnMut(Event) + Send,
) -> Option<CloseReason> {
    let mut alarm = Alarm::new(runtime.clone());
    let wait = |cx: &mut Context<'_>| loop {
        let standing = session.stand(None, cx);
        standing.events.into_iter().for_each(&mut on_event);
        if standing.closed.is_some() || session.latest_link() != id {
            return Poll::Ready(standing.closed);
        }
        if alarm.poll(standing.deadline, runtime.now(), cx) {
            session.act(|session| session.handle_timeout(runtime.now()));
        } else if !standing.has_moved {
            return Poll::Pending;
        }
    };
    poll_fn(wait).await
}

struct Loop<'a, R: Runtime, S, F, T> {
    runtime: &'a R,
    log: &'a Log,
    session: &'a SharedSession,
    id: LinkId,
    on_event: F,
    on_round_trip: T,
    link: Link<S>,
    /// When the task was woken.
    now: Timestamp,
    /// What was put into the output is not all out.
    is_sending: bool,
    send_rate: SendRate,
    /// The number of the round trip that was told last.
    measured: u64,
    alarm: Alarm<R>,
}

impl<R, S, F, T> Loop<'_, R, S, F, T>
where
    R: Runtime,
    S: Socket,
    F: FnMut(Event) + Send,
    T: Fn(Duration) + Send,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<CloseReason>> {
        loop {
            self.now = self.runtime.now();
            let has_more = self.poll_read(cx);
            let is_blocked = self.poll_write(cx);
            // Also a blocked link hears that its session moved on.
            let standing = self.session.stand(Some(self.id), cx);
            standing.events.into_iter().for_each(&mut self.on_event);
            if let Some((number, time)) = standing.round_trip.filter(|(number, _)| *number != self.measured) {
                self.measured = number;
                (self.on_round_trip)(time);
            }
            if standing.has_moved {
                // A last message that is still on its way out has the time of the farewell.
                return Poll::Ready(standing.closed);
            }
            // Last, for all of the above may bring the deadline forward.
            if self.alarm.poll(standing.deadline, self.now, cx) {
                self.session.act(|session| session.handle_timeout(self.runtime.now()));
                continue;
            }
            if has_more || (standing.is_due && !is_blocked) {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
    }

    /// Takes in what has come. True if there may be more. Each message's news go out before the next is
    /// taken: a burst of opens must not find the queue full of those that nobody was told of.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..MESSAGES_A_TURN {
            let Link { connection, socket, .. } = &mut self.link;
            let Some(event) = socket.poll_event(&mut connection.input) else {
                match connection.poll_fill_lacking(socket.lacks(&connection.input), cx) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(count)) if count > 0 => {
                        // A slow large message is not to be taken for silence.
                        self.session.with_link(|session| session.handle_activity(self.id, self.now));
                        continue;
                    }
                    Poll::Ready(Ok(_) | Err(_)) => return self.lose_link(),
                }
            };
            match event {
                WebSocketEvent::Message(octets) => {
                    let events = self.session.receive(self.id, octets, self.now);
                    events.into_iter().for_each(&mut self.on_event);
                }
                WebSocketEvent::WrongType => {
                    let wrong = Misbehaviour::MessageType;
                    self.session.with_link(|session| session.handle_misbehaviour(self.id, wrong, self.now));
                    return false;
                }
                WebSocketEvent::Closed => return self.lose_link(),
                WebSocketEvent::Broken(error) => {
                    let due = self.log.line(LineKind::LinkBroken, LineSource::Process, self.now);
                    if let Some(due) = due {
                        tracing::info!(%error, suppressed = due.suppressed, "a link is of no use");
                    }
                    return self.lose_link();
                }
            }
        }
        true
    }

    /// Sends what there is to say: all of it, for whoever was ready to run when the task was woken has run by now. True
    /// if the socket takes no more for now and will wake the task.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            let Link { connection, socket, .. } = &mut self.link;
            if self.is_sending || !socket.output().is_empty() {
                match connection.poll_drain(socket.output(), self.now, cx) {
                    Poll::Pending => {
                        self.is_sending = true;
                        self.send_rate.handle_blocked();
                        return true;
                    }
                    Poll::Ready(Ok(())) => {
                        // A pong may have waited for its turn.
                        self.is_sending = false;
                        continue;
                    }
                    Poll::Ready(Err(_)) => return self.lose_link(),
                }
            }
            if self.poll_unsent(cx).is_pending() {
                return true;
            }
            let message = self.session.with_link(|session| session.poll_transmit(self.id, self.now));
            let Some(message) = message else {
                self.send_rate.handle_idle();
                return false;
            };
            self.link.socket.send(message);
        }
    }

    /// Ready when the next message waits no longer in the kernel than it may.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Connection { socket, written, .. } = &mut self.link.connection;
        if self.send_rate.is_ahead(*written) {
            return Poll::Ready(());
        }
        if !self.send_rate.is_fast() && socket.poll_unsent(cx).is_pending() {
            self.send_rate.handle_blocked();
            return Poll::Pending;
        }
        if self.send_rate.handle_writable(*written, self.now) {
            self.bound_unsent();
        }
        Poll::Ready(())
    }

    fn bound_unsent(&self) {
        self.link.connection.socket.bound_unsent(self.send_rate.unsent_max());
        let bytes = self.send_rate.message_bytes_max();
        self.session.with_link(|session| session.limit_messages(self.id, bytes));
    }

    fn lose_link(&mut self) -> bool {
        self.is_sending = false;
        self.session.act(|session| session.handle_disconnect(self.id, self.now));
        false
    }
}
