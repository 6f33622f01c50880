//! What comes of an input.

use bytes::Bytes;
use serde::Serialize;

use crate::message::ResponseHead;
use crate::session::{
    Accepted, CannotResume, Event, HeadRefused, Incoming, LinkId, OpenError, Stopped, StreamId,
};

/// What a method of [`Session`](crate::session::Session) gave back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Output {
    /// It gives nothing back.
    Nothing,
    /// A message for the link.
    Message(Option<Bytes>),
    /// News for the application.
    Event(Option<Event>),
    /// A stream of ours.
    Opened(Result<StreamId, OpenError>),
    /// A stream of the peer's.
    Accepted(Option<Accepted>),
    /// Octets that could be written.
    Room(usize),
    /// Octets that were written.
    Written(Result<usize, Stopped>),
    /// A head was given.
    Given(Result<(), HeadRefused>),
    /// What stands next in the peer's direction.
    Incoming(Incoming),
    /// An answer's head.
    Head(Option<ResponseHead>),
    /// A new link.
    Resumed(Result<LinkId, CannotResume>),
}
