//! WebSocket frames (RFC 6455 §5) of a connection whose upgrade is done: whole messages of one type, no extensions.
//!
//! ```text
//!  socket ─▶ input ─▶ poll_event ─▶ message        send ─▶ output ─▶ socket
//! ```
//!
//! A link needs no more than this. Whole frames are taken out of the read buffer without a copy, the buffer is the
//! caller's to size and to free, and an idle connection holds no memory here: a client keeps room from one large message
//! to the next, until it sends a smaller one.

mod follower;
mod head;
mod mask;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::limits::{HANDSHAKE_BYTES_MAX, HANDSHAKE_FRAMES_MAX};
use crate::output::Output;
pub use follower::Follower;
use head::{HEAD_BYTES_MAX, Head, HeadError, Kind};

/// Octets of a control frame's payload. (RFC 6455 §5.5)
const CONTROL_BYTES_MAX: usize = 125;

/// Octets of a message whose frame's room is kept for the next one, until a smaller message says that no more such come.
const LARGE_BYTES: usize = 16 * 1024;

/// Which end of the connection this is.
pub enum Role {
    /// The end that dialled, whose frames are masked. Each call gives a key that nobody can foresee. (RFC 6455 §5.3)
    Client(Box<dyn FnMut() -> [u8; 4] + Send>),
    /// The end that was dialled.
    Server,
}

impl core::fmt::Debug for Role {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if matches!(self, Self::Server) { "Server" } else { "Client" })
    }
}

/// What both ends of a connection send. (RFC 6455 §5.6)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageType {
    /// Octets.
    Binary,
    /// Octets that should be UTF-8: whoever reads them finds out.
    Text,
}

/// A server's close frame. (RFC 6455 §5.5.1)
#[must_use]
pub fn close_frame(code: u16, reason: &'static str) -> Bytes {
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    let mut frame = BytesMut::with_capacity(HEAD_BYTES_MAX + payload.len());
    head::write(Kind::Close, payload.len(), None, |piece| frame.put_slice(piece));
    frame.put_slice(&payload);
    frame.freeze()
}

/// What came from the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebSocketEvent {
    /// A whole message.
    Message(Bytes),
    /// The peer sends a message of the other type. Nothing follows.
    WrongType,
    /// The peer closes the connection. Nothing follows.
    Closed,
    /// The peer broke a rule of the framing. Nothing follows.
    Broken(FramingError),
}

/// The rules of RFC 6455 §5 that a peer can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FramingError {
    /// A bit or an opcode that no extension gave a meaning. (§5.2)
    #[error("a WebSocket frame with reserved bits or an unknown opcode")]
    Reserved,
    /// A length in more octets than it needs, or past 63 bits. (§5.2)
    #[error("a WebSocket frame whose length is not canonical")]
    Length,
    /// A client's frame without a mask, or a server's with one. (§5.1)
    #[error("a WebSocket frame masked by the wrong end")]
    Mask,
    /// A control frame that is fragmented or longer than 125 octets. (§5.5)
    #[error("a WebSocket control frame that is fragmented or too long")]
    Control,
    /// A continuation of nothing, or a new message inside another one. (§5.4)
    #[error("a WebSocket fragment out of order")]
    Fragment,
    /// A message longer than this end takes. (§10.4)
    #[error("a WebSocket message that is too long")]
    TooLong,
    /// More frames than a handshake has a use for. (§10.4)
    #[error("too many WebSocket frames in a handshake")]
    TooManyFrames,
}

impl FramingError {
    /// What a close frame says of it. (§7.4.1)
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::TooLong => 1009,
            Self::TooManyFrames => 1008,
            Self::Reserved | Self::Length | Self::Mask | Self::Control | Self::Fragment => 1002,
        }
    }
}

/// One end of a WebSocket connection.
#[derive(Debug)]
pub struct WebSocket {
    role: Role,
    /// What messages are.
    kind: Kind,
    message_bytes_max: usize,
    /// Frames that may still come in the handshake; none if that is over.
    frames_left: Option<u32>,
    /// What came so far of a message that comes in several frames, or in a handshake in several pieces.
    fragments: Option<BytesMut>,
    /// What has not come of a frame whose beginning is in `fragments`.
    rest: Option<Head>,
    /// The latest ping that was not answered: only that one needs to be. (RFC 6455 §5.5.3)
    ping: Option<Bytes>,
    /// Nothing of what comes is read any more.
    is_over: bool,
    is_closed_here: bool,
    output: Output,
    /// Room for the next masked frame, while they are large.
    room: BytesMut,
}

impl WebSocket {
    /// A connection whose upgrade is done, with messages of one type, that takes those of at most
    /// `message_bytes_max` octets.
    #[must_use]
    pub fn new(role: Role, message_type: MessageType, message_bytes_max: usize) -> Self {
        let kind = match message_type {
            MessageType::Binary => Kind::Binary,
            MessageType::Text => Kind::Text,
        };
        Self {
            role,
            kind,
            message_bytes_max,
            frames_left: None,
            fragments: None,
            rest: None,
            ping: None,
            is_over: false,
            is_closed_here: false,
            output: Output::default(),
            room: BytesMut::new(),
        }
    }

    /// One whose peer has said nothing yet, so that nobody knows who it is: until [`WebSocket::establish`] it takes what a
    /// handshake needs, which is messages of at most [`HANDSHAKE_BYTES_MAX`] octets and [`HANDSHAKE_FRAMES_MAX`] frames in
    /// all. What comes of a message is taken out of the read buffer at once, which holds no more than a piece of a frame's
    /// head or a control frame when [`WebSocket::poll_event`] gives `None`.
    #[must_use]
    pub fn in_handshake(role: Role, message_type: MessageType) -> Self {
        let frames_left = Some(HANDSHAKE_FRAMES_MAX);
        Self { frames_left, ..Self::new(role, message_type, HANDSHAKE_BYTES_MAX) }
    }

    /// The handshake is over: from now on messages may have `message_bytes_max` octets, and as many frames as they like.
    pub fn establish(&mut self, message_bytes_max: usize) {
        self.frames_left = None;
        self.message_bytes_max = message_bytes_max;
    }

    /// Octets that are held of a message that is not whole.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.fragments.as_ref().map_or(0, BytesMut::len)
    }

    /// Takes what stands at the front of `input`, which is everything that was read and not taken yet. `None` until
    /// more is read, and for ever after the last event: what still comes is thrown away.
    pub fn poll_event(&mut self, input: &mut BytesMut) -> Option<WebSocketEvent> {
        while !self.is_over {
            let room = input.capacity();
            let (rest, head) = match self.rest.take() {
                Some(rest) => (Some(rest), rest),
                None => match self.next_head(input) {
                    Ok(Some(head)) => (None, head),
                    Ok(None) => return None,
                    Err(event) => return Some(event),
                },
            };
            let Some(head) = self.available_part(head, input.len()) else {
                self.rest = rest;
                return None;
            };
            if rest.is_none()
                && let Err(error) = self.count_frame()
            {
                return Some(self.fail(error));
            }
            input.advance(head.octets);
            let mut payload = input.split_to(head.payload);
            if let Some(key) = head.mask {
                mask::apply(&mut payload, key);
            }
            // A small message that is kept does not pin a large buffer.
            if head.payload < room / 4 {
                payload = BytesMut::from(&payload[..]);
            }
            if let Some(event) = self.on_frame(&head, payload) {
                return Some(event);
            }
        }
        input.clear();
        None
    }

    /// The head of the frame at the front of `input`, checked, or what is wrong with it.
    fn next_head(&mut self, input: &[u8]) -> Result<Option<Head>, WebSocketEvent> {
        let head = match Head::parse(input) {
            Ok(head) => head,
            Err(HeadError::Incomplete) => return Ok(None),
            Err(HeadError::Broken(error)) => return Err(self.fail(error)),
        };
        if let Err(error) = self.check(&head) {
            return Err(self.fail(error));
        }
        if matches!(head.kind, Kind::Binary | Kind::Text) && head.kind != self.kind {
            self.is_over = true;
            return Err(WebSocketEvent::WrongType);
        }
        Ok(Some(head))
    }

    /// What can be taken now of a frame, if so much of it is read: all of it, or in a handshake the beginning of a message's
    /// frame, as if it were a fragment; then the other fragment is still to come.
    fn available_part(&mut self, head: Head, available: usize) -> Option<Head> {
        if available >= head.size() {
            return Some(head);
        }
        let payload = available.saturating_sub(head.octets);
        let is_message = matches!(head.kind, Kind::Continuation | Kind::Binary | Kind::Text);
        if self.frames_left.is_none() || !is_message || payload == 0 {
            return None;
        }
        let mut mask = head.mask;
        if let Some(key) = &mut mask {
            key.rotate_left(payload % 4);
        }
        let lacking = head.payload.saturating_sub(payload);
        self.rest = Some(Head { kind: Kind::Continuation, mask, payload: lacking, octets: 0, ..head });
        Some(Head { is_final: false, payload, ..head })
    }

    fn count_frame(&mut self) -> Result<(), FramingError> {
        if let Some(left) = &mut self.frames_left {
            *left = left.checked_sub(1).ok_or(FramingError::TooManyFrames)?;
        }
        Ok(())
    }

    /// Octets that the frame at the front of `input` still lacks; zero if it is not known, or if it is whole.
    #[must_use]
    pub fn lacks(&self, input: &[u8]) -> usize {
        // What is longer than a message is refused and never read.
        let head = self.rest.map_or_else(|| Head::parse(input), Ok);
        let lacks = head.map_or(0, |head| head.size().saturating_sub(input.len()));
        lacks.min(self.message_bytes_max)
    }

    /// Puts a message into the output. Nothing goes out after [`WebSocket::close`].
    pub fn send(&mut self, message: Bytes) {
        self.put(self.kind, message);
    }

    /// Puts a close frame into the output, once. (RFC 6455 §5.5.1)
    pub fn close(&mut self, code: u16) {
        self.put(Kind::Close, Bytes::copy_from_slice(&code.to_be_bytes()));
        self.is_closed_here = true;
    }

    /// What waits to be written.
    pub fn output(&mut self) -> &mut Output {
        if self.output.is_empty()
            && let Some(ping) = self.ping.take()
        {
            self.put(Kind::Pong, ping);
        }
        &mut self.output
    }

    fn check(&self, head: &Head) -> Result<(), FramingError> {
        if head.mask.is_some() != matches!(self.role, Role::Server) {
            return Err(FramingError::Mask);
        }
        match head.kind {
            Kind::Ping | Kind::Pong | Kind::Close => {
                if !head.is_final || head.payload > CONTROL_BYTES_MAX {
                    return Err(FramingError::Control);
                }
            }
            Kind::Continuation | Kind::Binary | Kind::Text => {
                if (head.kind == Kind::Continuation) != self.fragments.is_some() {
                    return Err(FramingError::Fragment);
                }
                let before = self.fragments.as_ref().map_or(0, BytesMut::len);
                if head.payload > self.message_bytes_max.saturating_sub(before) {
                    return Err(FramingError::TooLong);
                }
            }
        }
        Ok(())
    }

    fn on_frame(&mut self, head: &Head, payload: BytesMut) -> Option<WebSocketEvent> {
        match head.kind {
            Kind::Binary | Kind::Text if head.is_final => {
                return Some(WebSocketEvent::Message(payload.freeze()));
            }
            Kind::Binary | Kind::Text => {
                // A hello that does not come whole has all the room of one at once: what it would grow through is lost to
                // many an allocator.
                let room = self.frames_left.map_or(payload.len(), |_| self.message_bytes_max);
                let mut whole = BytesMut::with_capacity(room);
                whole.extend_from_slice(&payload);
                self.fragments = Some(whole);
            }
            Kind::Continuation => {
                let mut whole = self.fragments.take().unwrap_or_default();
                whole.extend_from_slice(&payload);
                if head.is_final {
                    return Some(WebSocketEvent::Message(whole.freeze()));
                }
                self.fragments = Some(whole);
            }
            Kind::Ping => self.ping = Some(Bytes::copy_from_slice(&payload)),
            Kind::Close => {
                self.is_over = true;
                self.put(Kind::Close, Bytes::copy_from_slice(payload.get(..2).unwrap_or_default()));
                self.is_closed_here = true;
                return Some(WebSocketEvent::Closed);
            }
            Kind::Pong => {}
        }
        None
    }

    fn fail(&mut self, error: FramingError) -> WebSocketEvent {
        self.close(error.close_code());
        self.is_over = true;
        WebSocketEvent::Broken(error)
    }

    fn put(&mut self, kind: Kind, payload: Bytes) {
        if self.is_closed_here {
            return;
        }
        match &mut self.role {
            Role::Server => {
                head::write(kind, payload.len(), None, |piece| self.output.text(piece));
                self.output.payload(payload);
            }
            Role::Client(next_key) => {
                let key = next_key();
                let is_large = payload.len() >= LARGE_BYTES;
                let last = core::mem::take(&mut self.room);
                let mut frame = if is_large { last } else { BytesMut::new() };
                // Room of the last frame, if it has gone out: the processor has it at hand.
                frame.reserve(HEAD_BYTES_MAX + payload.len());
                head::write(kind, payload.len(), Some(key), |piece| frame.put_slice(piece));
                mask::put(&mut frame, &payload, key);
                self.output.payload(frame.split().freeze());
                if is_large {
                    self.room = frame;
                }
            }
        }
    }
}
