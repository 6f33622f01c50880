//! The frames of a message, one after the other.

use alloc::boxed::Box;
use bytes::{Buf as _, Bytes};

use super::frame::{Frame, kind, take_id, take_octets};
use super::varint;
use crate::error::Misbehaviour;

/// The frames of one message, read one at a time.
///
/// After an error it yields nothing more.
#[derive(Debug)]
pub struct Frames {
    rest: Bytes,
    /// The one frame of a message that was read whole.
    whole: Option<Box<Frame>>,
}

impl Frames {
    /// A message of one frame.
    pub(super) const fn one(frame: Box<Frame>) -> Self {
        Self { rest: Bytes::new(), whole: Some(frame) }
    }

    /// Reads the acknowledgement of a binary message and stands before its first frame.
    ///
    /// # Errors
    /// As [`varint::take`].
    pub fn of(mut message: Bytes) -> Result<(u64, Self), Misbehaviour> {
        let (ack, rest) = varint::split(&message)?;
        message.advance(message.len() - rest.len());
        Ok((ack, Self { rest: message, whole: None }))
    }

    fn take_frame(&mut self) -> Result<Frame, Misbehaviour> {
        let mut rest = &self.rest[..];
        let kind = varint::take(&mut rest)?;
        let length = varint::take(&mut rest)?;
        let mut body = take_octets(&mut rest, length)?;
        // Only what a stream carries stays a slice: whoever keeps a head does not keep the message that it came in.
        let frame = if kind == kind::DATA {
            Frame::Data { id: take_id(&mut body)?, octets: self.rest.slice_ref(body) }
        } else {
            Frame::take_body(kind, body)?
        };
        self.rest.advance(self.rest.len() - rest.len());
        Ok(frame)
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, Misbehaviour>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return self.whole.take().map(|frame| Ok(*frame));
        }
        let frame = self.take_frame();
        if frame.is_err() {
            self.rest.clear();
        }
        Some(frame)
    }
}
