//! What ends a stream or a session, and whose fault it was.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Why one direction of a stream was reset. Travels as a varint; unknown codes read as [`ResetCode::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ResetCode {
    /// Nobody wants the rest: the client left, or the handle was dropped.
    Cancelled,
    /// The backend could not be reached.
    Unreachable,
    /// The backend did not answer in time.
    TimedOut,
    /// The backend broke HTTP, or closed in the middle.
    BackendFailed,
    /// A body ended before its declared length, or went past it.
    Truncated,
    /// The peer asked to stop.
    Stopped,
    /// No new stream is taken: too many at once, or the session is leaving.
    Refused,
    /// The session went away under the stream. Never travels.
    SessionLost,
    /// The opener may not open a stream for this: its token does not allow it, or the acceptor does not serve it.
    Denied,
    /// The acceptor has no descriptor left to serve the stream with. Only for a peer that announced that it knows this
    /// code; to others it is [`ResetCode::Refused`].
    Exhausted,
    /// The backend's answer breaks a rule of HTTP. Like the next two only for a peer that announced that it knows it; to
    /// others it is [`ResetCode::BackendFailed`].
    Malformed,
    /// The head or the trailers of the backend's answer are larger than a message carries.
    HeadTooLarge,
    /// The transfer coding of the backend's answer is unknown or broken.
    Coding,
    /// A code that this version does not know.
    Other(u64),
}

impl ResetCode {
    /// The code on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u64 {
        match self {
            Self::Cancelled => 0,
            Self::Unreachable => 1,
            Self::TimedOut => 2,
            Self::BackendFailed => 3,
            Self::Truncated => 4,
            Self::Stopped => 5,
            Self::Refused => 6,
            Self::SessionLost => 7,
            Self::Denied => 8,
            Self::Exhausted => 9,
            Self::Malformed => 10,
            Self::HeadTooLarge => 11,
            Self::Coding => 12,
            Self::Other(code) => code,
        }
    }

    /// The code for a number from the wire.
    #[must_use]
    pub const fn from_wire(code: u64) -> Self {
        match code {
            0 => Self::Cancelled,
            1 => Self::Unreachable,
            2 => Self::TimedOut,
            3 => Self::BackendFailed,
            4 => Self::Truncated,
            5 => Self::Stopped,
            6 => Self::Refused,
            7 => Self::SessionLost,
            8 => Self::Denied,
            9 => Self::Exhausted,
            10 => Self::Malformed,
            11 => Self::HeadTooLarge,
            12 => Self::Coding,
            other => Self::Other(other),
        }
    }

    /// What a plugboard that knows all of these announces as the setting `exhausted`.
    pub const LEVEL: u64 = 2;

    /// What says this to a peer that announced `level`: an older code for one that it would take for a loss without reason.
    pub(crate) const fn at_level(self, level: u64) -> Self {
        match self {
            Self::Exhausted if level == 0 => Self::Refused,
            Self::Malformed | Self::HeadTooLarge | Self::Coding if level < Self::LEVEL => Self::BackendFailed,
            known => known,
        }
    }
}

/// Whether a request reached a backend before its stream was reset. Decides whether it may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Touched {
    /// Not a byte of it was written to a backend. Only the acceptor of a stream may say so.
    No,
    /// At least one byte of it was.
    Yes,
    /// Nobody can tell.
    Unknown,
}

impl Touched {
    /// The byte on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::No => 0,
            Self::Yes => 1,
            Self::Unknown => 2,
        }
    }

    /// What a byte from the wire says, if it says anything.
    #[must_use]
    pub const fn from_wire(octet: u8) -> Option<Self> {
        match octet {
            0 => Some(Self::No),
            1 => Some(Self::Yes),
            2 => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// How one direction of a stream ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reset {
    /// Why.
    pub code: ResetCode,
    /// Whether the backend saw the request.
    pub touched: Touched,
}

/// Why a head cannot cross. The peer would end the session for it, so that it never leaves this end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, Serialize)]
pub enum HeadRefused {
    /// It is larger, or has more fields, than a frame takes.
    #[error("a head does not fit a frame")]
    TooLarge,
    /// It has bytes or field names that heads must not have, such as CR, LF, NUL or framing.
    #[error("a head has octets or fields that must not cross")]
    Malformed,
    /// The peer did not [announce](crate::wire::HeadRules) that it takes such a head.
    #[error(
        "a head that the peer does not take: a status over 599, or a target or an upgrade of a newer version"
    )]
    Unannounced,
}

impl HeadRefused {
    /// What a stream whose answer has such a head is reset with.
    #[must_use]
    pub const fn reset_code(self) -> ResetCode {
        match self {
            Self::TooLarge => ResetCode::HeadTooLarge,
            Self::Malformed | Self::Unannounced => ResetCode::Malformed,
        }
    }
}

/// Why a session leaves, as it travels in the leave frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LeaveCode {
    /// No new streams; those that are open may finish.
    Draining,
    /// A newer process of the same identity took over.
    Replaced,
    /// The token expired and its grace is over.
    Expired,
    /// The token or its subject was revoked.
    Revoked,
    /// The peer broke a rule of the protocol.
    Misbehaved,
    /// The peer sent too much that moves nothing.
    CalmDown,
    /// A fresh token was another subject's, or covers none of the mounts.
    Forbidden,
    /// The sender stops at once: what is open will not go on, and there is nothing to wait for.
    Stopped,
    /// A code that this version does not know: as final as [`LeaveCode::Misbehaved`].
    Other(u64),
}

impl fmt::Display for LeaveCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Draining => "it drains",
            Self::Replaced => "a newer process of the same identity took over",
            Self::Expired => "the token expired",
            Self::Revoked => "the token was revoked",
            Self::Misbehaved => "a rule of the protocol was broken",
            Self::CalmDown => "too many frames moved nothing",
            Self::Forbidden => "the new token is another subject's, or covers none of the mounts",
            Self::Stopped => "it stops",
            Self::Other(code) => return write!(formatter, "for the unknown reason {code}"),
        })
    }
}

impl LeaveCode {
    /// The code on the wire.
    #[must_use]
    pub const fn to_wire(self) -> u64 {
        match self {
            Self::Draining => 0,
            Self::Replaced => 1,
            Self::Expired => 2,
            Self::Revoked => 3,
            Self::Misbehaved => 4,
            Self::CalmDown => 5,
            Self::Forbidden => 6,
            Self::Stopped => 7,
            Self::Other(code) => code,
        }
    }

    /// The code for a number from the wire.
    #[must_use]
    pub const fn from_wire(code: u64) -> Self {
        match code {
            0 => Self::Draining,
            1 => Self::Replaced,
            2 => Self::Expired,
            3 => Self::Revoked,
            4 => Self::Misbehaved,
            5 => Self::CalmDown,
            6 => Self::Forbidden,
            7 => Self::Stopped,
            other => Self::Other(other),
        }
    }
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
pub enum CloseReason {
    /// Both ends agreed: the last stream of a draining session is done.
    #[error("the session ended on purpose")]
    Left,
    /// We sent the peer away.
    #[error("this end ended the session: {0}")]
    Sent(LeaveCode),
    /// The peer sent us away.
    #[error("the peer ended the session: {0}")]
    Received(LeaveCode),
    /// The link broke.
    #[error("the link was lost")]
    LinkLost,
    /// The peer was silent for too long.
    #[error("the peer fell silent")]
    Silent,
    /// The peer broke a rule.
    #[error("the peer broke a rule: {0}")]
    Misbehaved(#[from] Misbehaviour),
}

/// The rules that a peer can break, one variant each. Every one of them ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
pub enum Misbehaviour {
    /// A frame or a varint went past the end of its message.
    #[error("a frame is cut short")]
    FrameTruncated,
    /// A varint was longer than needed or past 64 bits.
    #[error("a varint is not canonical")]
    VarintNotCanonical,
    /// A critical frame type that this version does not know.
    #[error("an unknown critical frame")]
    UnknownFrame,
    /// A frame's body does not decode, or has bytes behind its end.
    #[error("a frame's body is malformed")]
    FrameMalformed,
    /// A message longer than `MESSAGE_BYTES_MAX`, or empty.
    #[error("a message has a forbidden size")]
    MessageSize,
    /// A handshake frame inside a session, or the other way round.
    #[error("a frame out of place")]
    FrameOutOfPlace,
    /// An acknowledgement of messages that were never sent.
    #[error("an acknowledgement of what was not sent")]
    AckAhead,
    /// A stream id of the wrong parity, reused or falling.
    #[error("a stream id out of order")]
    StreamIdOrder,
    /// More streams than were granted.
    #[error("more streams than granted")]
    StreamsExceeded,
    /// A kind of stream that this end did not grant.
    #[error("a kind of stream that was not granted")]
    KindNotGranted,
    /// A frame for a stream that was never opened.
    #[error("a frame for a stream that never was")]
    StreamUnknown,
    /// A frame that the stream's state forbids: data before a head, a second head, data after the end.
    #[error("a frame that the stream's state forbids")]
    StreamState,
    /// Data past the granted credit.
    #[error("data past the credit")]
    CreditExceeded,
    /// A body longer or shorter than its head declared.
    #[error("a body that is not as long as declared")]
    BodyLength,
    /// Too many frames that move nothing.
    #[error("too many frames that move nothing")]
    FreeFrames,
    /// More interim responses than allowed.
    #[error("too many interim responses")]
    TooManyInterims,
    /// A text message on a binary link, or the other way round.
    #[error("a message of the wrong type")]
    MessageType,
}
