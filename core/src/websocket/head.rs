//! The head of a frame: what it is, how long, and under which mask. (RFC 6455 §5.2)

use super::FramingError;

/// Octets of the longest head.
pub(super) const HEAD_BYTES_MAX: usize = 14;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Kind {
    const fn opcode(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    const fn of(opcode: u8) -> Option<Self> {
        Some(match opcode {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }
}

/// A frame's head that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) is_final: bool,
    pub(super) mask: Option<[u8; 4]>,
    /// Octets of the payload.
    pub(super) payload: usize,
    /// Octets of the head itself.
    pub(super) octets: usize,
}

/// Why there is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadError {
    /// It goes on in what was not read yet.
    Incomplete,
    Broken(FramingError),
}

impl Head {
    /// Reads the head at the front of `input`.
    pub(super) fn parse(input: &[u8]) -> Result<Self, HeadError> {
        let broken = |error| Err(HeadError::Broken(error));
        let [first, second, rest @ ..] = input else { return Err(HeadError::Incomplete) };
        // The second octet tells how long the head is, but a wrong first one is wrong already.
        let Some(kind) = Kind::of(first & 0x0F).filter(|_| first & 0x70 == 0) else {
            return broken(FramingError::Reserved);
        };
        let (length, rest, least) = match second & 0x7F {
            126 => {
                let (octets, rest) = rest.split_first_chunk::<2>().ok_or(HeadError::Incomplete)?;
                (u64::from(u16::from_be_bytes(*octets)), rest, 126)
            }
            127 => {
                let (octets, rest) = rest.split_first_chunk::<8>().ok_or(HeadError::Incomplete)?;
                (u64::from_be_bytes(*octets), rest, 1 << 16)
            }
            short => (u64::from(short), rest, 0),
        };
        if length < least || length >> 63 != 0 {
            return broken(FramingError::Length);
        }
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            let (key, rest) = rest.split_first_chunk::<4>().ok_or(HeadError::Incomplete)?;
            (Some(*key), rest)
        };
        Ok(Self {
            kind,
            is_final: first & 0x80 != 0,
            mask,
            payload: usize::try_from(length).unwrap_or(usize::MAX),
            octets: input.len() - rest.len(),
        })
    }

    /// Octets of the whole frame.
    pub(super) const fn size(&self) -> usize {
        self.payload.saturating_add(self.octets)
    }
}

/// Writes the head of a frame that is a whole message, in pieces.
pub(super) fn write(kind: Kind, payload: usize, key: Option<[u8; 4]>, mut put: impl FnMut(&[u8])) {
    let first = 0x80 | kind.opcode();
    let is_masked = if key.is_some() { 0x80 } else { 0 };
    if let Some(short) = u8::try_from(payload).ok().filter(|short| *short < 126) {
        put(&[first, is_masked | short]);
    } else if let Ok(medium) = u16::try_from(payload) {
        let [high, low] = medium.to_be_bytes();
        put(&[first, is_masked | 126, high, low]);
    } else {
        put(&[first, is_masked | 127]);
        put(&(payload as u64).to_be_bytes());
    }
    if let Some(key) = key {
        put(&key);
    }
}
