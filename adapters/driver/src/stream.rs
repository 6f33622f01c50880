//! A stream of a shared session, as a leg holds it.

use std::task::{Context, Poll};

use bytes::Bytes;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::message::{Headers, ResponseHead};
use telephone_core::session::{HeadRefused, Incoming, Stopped, StreamId};

use crate::shared::SharedSession;

/// One stream. Dropping the handle cancels whatever is not over, and gives the peer its slot back: keep
/// it until the other side of the leg is closed.
pub(crate) struct StreamHandle {
    session: SharedSession,
    id: StreamId,
}

impl StreamHandle {
    pub(crate) const fn new(session: SharedSession, id: StreamId) -> Self {
        Self { session, id }
    }

    /// Takes what stands next in the peer's direction; never [`Incoming::Pending`]. Return the credit of
    /// octets with [`StreamHandle::credit`] once their socket took them.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>) -> Poll<Incoming> {
        let read = || self.session.with_link(|session| session.recv(self.id).read());
        match read() {
            Incoming::Pending => {
                self.session.wait_read(self.id, cx);
                // It may have come between the look and the wait.
                match read() {
                    Incoming::Pending => Poll::Pending,
                    other => Poll::Ready(other),
                }
            }
            other => Poll::Ready(other),
        }
    }

    /// Takes a head that [`Incoming::Head`] told of.
    pub(crate) fn take_head(&self) -> Option<ResponseHead> {
        self.session.with_link(|session| session.recv(self.id).take_head())
    }

    /// Whether the peer's direction ended without trailers and every octet of it was consumed.
    pub(crate) fn is_at_end(&self) -> bool {
        self.session.with_link(|session| session.recv(self.id).is_at_end())
    }

    /// Returns the credit of `count` octets that were read.
    pub(crate) fn credit(&self, count: usize) {
        self.session.with(|session, now| session.recv(self.id).credit(count, now));
    }

    /// Octets that can be written now, at least one.
    ///
    /// # Errors
    /// [`Stopped`] once the peer no longer reads.
    pub(crate) fn poll_capacity(&self, cx: &mut Context<'_>) -> Poll<Result<usize, Stopped>> {
        let look = || {
            self.session.with_link(|session| {
                let mut send = session.send(self.id);
                (send.stopped(), send.capacity())
            })
        };
        let answer = |(stopped, capacity): (Option<Reset>, usize)| match stopped {
            Some(reset) => Some(Err(Stopped(reset))),
            None => (capacity > 0).then_some(Ok(capacity)),
        };
        if let Some(ready) = answer(look()) {
            return Poll::Ready(ready);
        }
        self.session.wait_write(self.id, cx);
        answer(look()).map_or(Poll::Pending, Poll::Ready)
    }

    /// Writes what fits of `octets`, usually what [`StreamHandle::poll_capacity`] allowed.
    ///
    /// # Errors
    /// [`Stopped`] once the peer no longer reads.
    pub(crate) fn write(&self, octets: &mut Bytes) -> Result<usize, Stopped> {
        self.session.with(|session, _| session.send(self.id).write(octets))
    }

    /// The peer's word that it no longer reads, if it has said so; waits for it otherwise.
    pub(crate) fn poll_stopped(&self, cx: &mut Context<'_>) -> Poll<Reset> {
        let look = || self.session.with_link(|session| session.send(self.id).stopped());
        if let Some(reset) = look() {
            return Poll::Ready(reset);
        }
        self.session.wait_write(self.id, cx);
        look().map_or(Poll::Pending, Poll::Ready)
    }

    pub(crate) fn interim(&self, head: ResponseHead) -> Result<(), HeadRefused> {
        self.session.with(|session, _| session.send(self.id).interim(head))
    }

    pub(crate) fn respond(&self, head: ResponseHead, end: bool) -> Result<(), HeadRefused> {
        self.session.with(|session, _| session.send(self.id).respond(head, end))
    }

    pub(crate) fn end(&self, trailers: Headers) {
        self.session.with(|session, _| session.send(self.id).end(trailers));
    }

    pub(crate) fn reset(&self, code: ResetCode, touched: Touched) {
        self.session.with(|session, _| session.send(self.id).reset(Reset { code, touched }));
    }

    pub(crate) fn stop(&self, code: ResetCode) {
        self.session.with(|session, _| session.recv(self.id).stop(code));
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.session.release(self.id);
    }
}
