//! The loop of one link: a WebSocket on one side, a shared session on the other.
//!
//! One task reads and writes, so that neither waits for the other: while a message is on its way out
//! the loop goes on reading, and the next message is built only when the last one has gone.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use async_tungstenite::tungstenite::{Error as WsError, Message};
use bytes::Bytes;
use futures_core::Stream as _;
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::future;
use futures_util::Sink as _;
use telephone_core::error::{CloseReason, Misbehaviour};
use telephone_core::limits::MESSAGE_BYTES_MAX;
use telephone_core::session::{Event, LinkId};

use crate::alarm::Alarm;
use crate::runtime::Runtime;
use crate::shared::SharedSession;

/// Messages taken apart before the loop looks at its other sides.
const MESSAGES_A_TURN: usize = 16;
/// How long a link that is over may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// A link's WebSocket, its buffers sized on purpose: tungstenite's defaults allow messages of 64 MiB.
pub(crate) fn web_socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(MESSAGE_BYTES_MAX)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// A socket that counts what it reads, so that a slow large message is not taken for silence.
pub(crate) struct Metered<S> {
    socket: S,
    octets_read: Arc<AtomicU64>,
}

impl<S> Metered<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, octets_read: Arc::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        self.octets_read.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

/// A WebSocket whose upgrade is done.
pub(crate) struct Link<S> {
    socket: WebSocketStream<Metered<S>>,
    octets_read: Arc<AtomicU64>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Link<S> {
    pub(crate) fn new(socket: WebSocketStream<Metered<S>>) -> Self {
        let octets_read = socket.get_ref().octets_read.clone();
        Self { socket, octets_read }
    }

    /// Sends one message of a handshake.
    pub(crate) async fn send(&mut self, message: Bytes) -> Result<(), WsError> {
        future::poll_fn(|cx| Pin::new(&mut self.socket).poll_ready(cx)).await?;
        Pin::new(&mut self.socket).start_send(Message::Binary(message))?;
        future::poll_fn(|cx| Pin::new(&mut self.socket).poll_flush(cx)).await
    }

    /// Receives one message of a handshake.
    pub(crate) async fn receive(&mut self) -> Result<Bytes, WsError> {
        loop {
            let message = future::poll_fn(|cx| Pin::new(&mut self.socket).poll_next(cx)).await;
            match message.ok_or(WsError::ConnectionClosed)?? {
                Message::Binary(octets) => return Ok(octets),
                Message::Close(_) => return Err(WsError::ConnectionClosed),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Text(_) | Message::Frame(_) => {
                    return Err(WsError::Io(io::Error::new(
                        io::ErrorKind::InvalidData,
                        Misbehaviour::MessageType.to_string(),
                    )));
                }
            }
        }
    }

    /// Closes a link whose handshake was refused.
    pub(crate) async fn close<R: Runtime>(mut self, runtime: &R, code: CloseCode) {
        let frame = CloseFrame { code, reason: "".into() };
        let farewell = async {
            // Whether the peer still hears it makes no difference: the socket goes either way.
            let _ = self.socket.close(Some(frame)).await;
        };
        future::or(farewell, runtime.sleep_until(runtime.now() + FAREWELL)).await;
    }

    /// Serves `session` as its link `id`, until the session is over, which is told, or goes on without this
    /// link. What concerns the whole session goes to `on_event`.
    pub(crate) async fn run<R: Runtime>(
        self,
        runtime: &R,
        session: &SharedSession,
        id: LinkId,
        on_event: impl FnMut(Event) + Send,
    ) -> Option<CloseReason> {
        let Self { socket, octets_read } = self;
        let mut link = Loop {
            runtime,
            session,
            id,
            on_event,
            socket,
            octets_read,
            octets_seen: 0,
            is_sending: false,
            alarm: Alarm::new(runtime.clone()),
        };
        let reason = future::poll_fn(|cx| link.poll(cx)).await;
        let link = Link::new(link.socket);
        if reason.is_some() {
            link.close(runtime, close_code(reason)).await;
        } else {
            // The session has better to do than to wait for a link that may be dark.
            let clone = runtime.clone();
            runtime.spawn(async move { link.close(&clone, close_code(None)).await });
        }
        reason
    }
}

/// What the WebSocket's own close frame says, for whoever watches the wire with other tools.
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
        session.take_events().into_iter().for_each(&mut on_event);
        let closed = session.closed();
        if closed.is_some() || session.latest_link() != id {
            return Poll::Ready(closed);
        }
        let has_rung = ring(&mut alarm, runtime, session, cx);
        if !has_rung && !session.register_link(None, cx) {
            return Poll::Pending;
        }
    };
    future::poll_fn(wait).await
}

/// Tells a session of its deadlines that have come. True if there was one.
fn ring<R: Runtime>(
    alarm: &mut Alarm<R>,
    runtime: &R,
    session: &SharedSession,
    cx: &mut Context<'_>,
) -> bool {
    let mut has_rung = false;
    while alarm.poll(session.with_link(|session| session.poll_timeout()), cx) {
        session.with(|session, _| session.handle_timeout(runtime.now()));
        has_rung = true;
    }
    has_rung
}

struct Loop<'a, R: Runtime, S, F> {
    runtime: &'a R,
    session: &'a SharedSession,
    id: LinkId,
    on_event: F,
    socket: WebSocketStream<Metered<S>>,
    octets_read: Arc<AtomicU64>,
    octets_seen: u64,
    /// A message is on its way out.
    is_sending: bool,
    alarm: Alarm<R>,
}

impl<R, S, F> Loop<'_, R, S, F>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: FnMut(Event) + Send,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<CloseReason>> {
        loop {
            let has_more = self.poll_read(cx);
            let is_blocked = self.poll_write(cx);
            self.deliver();
            let closed = self.session.closed();
            if closed.is_some() || self.session.link() != Some(self.id) {
                // A last message that is still on its way out has the time of the farewell.
                return Poll::Ready(closed);
            }
            // Last, for all of the above may bring the deadline forward.
            let has_rung = ring(&mut self.alarm, self.runtime, self.session, cx);
            if has_more {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // Also a blocked link hears that its session moved on.
            let is_due = self.session.register_link(Some(self.id), cx);
            let is_waiting = !is_due || (is_blocked && self.session.link() == Some(self.id));
            if !has_rung && is_waiting {
                return Poll::Pending;
            }
        }
    }

    /// Takes in what has come. True if there may be more. Each message's news go out before the next is
    /// taken: a burst of opens must not find the queue full of those that nobody was told of.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..MESSAGES_A_TURN {
            let polled = Pin::new(&mut self.socket).poll_next(cx);
            self.note_activity();
            let now = self.runtime.now();
            match polled {
                Poll::Pending => return false,
                Poll::Ready(Some(Ok(Message::Binary(octets)))) => {
                    self.session.with_link(|session| session.handle_message(self.id, octets, now));
                    self.deliver();
                }
                Poll::Ready(Some(Ok(Message::Text(_)))) => {
                    let wrong = Misbehaviour::MessageType;
                    self.session.with_link(|session| session.handle_misbehaviour(self.id, wrong, now));
                }
                Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
                Poll::Ready(Some(Ok(Message::Close(_)) | Err(_)) | None) => {
                    return self.lose_link();
                }
            }
        }
        true
    }

    /// Tells the session of octets that came, whole message or not.
    fn note_activity(&mut self) {
        let octets = self.octets_read.load(Ordering::Relaxed);
        if octets != self.octets_seen {
            self.octets_seen = octets;
            let now = self.runtime.now();
            self.session.with_link(|session| session.handle_activity(self.id, now));
        }
    }

    /// Sends what there is to say. True if the socket takes no more for now and will wake the task.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            if self.is_sending {
                match Pin::new(&mut self.socket).poll_flush(cx) {
                    Poll::Pending => return true,
                    Poll::Ready(Ok(())) => self.is_sending = false,
                    Poll::Ready(Err(_)) => return self.lose_link(),
                }
            }
            let now = self.runtime.now();
            let Some(message) = self.session.with_link(|session| session.poll_transmit(self.id, now)) else {
                return false;
            };
            match Pin::new(&mut self.socket).start_send(Message::Binary(message)) {
                Ok(()) => self.is_sending = true,
                Err(_) => return self.lose_link(),
            }
        }
    }

    fn lose_link(&mut self) -> bool {
        self.is_sending = false;
        let now = self.runtime.now();
        self.session.with(|session, _| session.handle_disconnect(self.id, now));
        false
    }

    fn deliver(&mut self) {
        for event in self.session.take_events() {
            (self.on_event)(event);
        }
    }
}
