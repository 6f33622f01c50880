//! The two ways in which frames stand in messages. What they mean is the same.

use alloc::boxed::Box;
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{Frame, Frames, json, varint};
use crate::error::Misbehaviour;
use crate::limits::{MESSAGE_BYTES_MAX, TEXT_BYTES_MAX};
use crate::websocket::MessageType;

/// Whether this program has the JSON profile. One without it accepts no session in that.
const HAS_JSON: bool = cfg!(feature = "json");

/// How the frames of a link are written. The telephone chooses, by the WebSocket subprotocol that it offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Profile {
    /// `telephone.v1`: many frames in one binary message, for speed.
    #[default]
    Binary,
    /// `telephone.v1.json`: one frame in one text message, for scripts, browsers and people.
    Json,
}

impl Profile {
    /// The WebSocket subprotocol that names it.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Binary => "telephone.v1",
            Self::Json => "telephone.v1.json",
        }
    }

    /// The first profile that a client offers: `offers` are the values of its `Sec-WebSocket-Protocol` fields.
    pub fn of_offers<'a>(offers: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut tokens = offers.into_iter().flat_map(|list| list.split(|octet| *octet == b','));
        tokens.find_map(|token| {
            let names = |profile: &Self| profile.subprotocol().as_bytes() == token.trim_ascii();
            [Self::Binary, Self::Json].into_iter().filter(|one| HAS_JSON || *one == Self::Binary).find(names)
        })
    }

    /// What its messages are.
    #[must_use]
    pub const fn message_type(self) -> MessageType {
        match self {
            Self::Binary => MessageType::Binary,
            Self::Json => MessageType::Text,
        }
    }

    /// Octets of one message, at most.
    #[must_use]
    pub const fn message_bytes_max(self) -> usize {
        match self {
            Self::Binary => MESSAGE_BYTES_MAX,
            Self::Json => TEXT_BYTES_MAX,
        }
    }

    /// A message of one frame that acknowledges so many numbered messages.
    #[must_use]
    pub fn write(self, ack: u64, frame: &Frame) -> Bytes {
        match self {
            Self::Binary => {
                let mut out = BytesMut::with_capacity(varint::size(ack) + frame.size());
                varint::put(&mut out, ack);
                frame.put(&mut out);
                out.freeze()
            }
            Self::Json if HAS_JSON => json::write(ack, frame).into(),
            Self::Json => Bytes::new(),
        }
    }

    /// Reads a message: what it acknowledges, and its frames.
    ///
    /// # Errors
    /// What rule the message breaks. Those of the binary profile break theirs one by one, as [`Frames`] yields them.
    pub fn read(self, message: Bytes) -> Result<(u64, Frames), Misbehaviour> {
        match self {
            Self::Binary => Frames::of(message),
            Self::Json if HAS_JSON => {
                json::read(&message).map(|(ack, frame)| (ack, Frames::one(Box::new(frame))))
            }
            Self::Json => Err(Misbehaviour::UnknownFrame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_profile_that_is_offered_is_chosen() {
        let rows: [(&[&str], Option<Profile>); 7] = [
            (&["telephone.v1"], Some(Profile::Binary)),
            (&["telephone.v1.json"], Some(Profile::Json)),
            (&["chat,telephone.v1.json , telephone.v1"], Some(Profile::Json)),
            (&["chat", "telephone.v1", "telephone.v1.json"], Some(Profile::Binary)),
            (&["telephone.v2", "Telephone.v1"], None),
            (&[""], None),
            (&[], None),
        ];
        for (offers, profile) in rows {
            assert_eq!(
                Profile::of_offers(offers.iter().map(|offer| offer.as_bytes())),
                profile,
                "{offers:?}"
            );
        }
    }
}
