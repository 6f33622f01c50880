//! A stream of a shared session, as a leg holds it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::session::{HeadRefused, Incoming, Stopped, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::timing;

use crate::request_record::{Observed, OnRequest};
use crate::shared::{Owner, SharedSession, Wait};

/// What was taken of a stream.
pub(crate) enum Arrived {
    /// An answer's head; if the flag is set, nothing follows.
    Head(ResponseHead, bool),
    Octets(Bytes),
    End(Headers),
    Reset(Reset),
}

/// How a look at a stream for everything at once ended.
pub(crate) struct Look {
    /// The peer's word that it no longer reads.
    pub(crate) stopped: Option<Reset>,
    /// More may be there than was taken. If not, the task is woken when there is.
    pub(crate) has_more: bool,
}

/// One stream. Dropping the handle cancels whatever is not over, and gives the peer its slot back: keep
/// it until the other side of the leg is closed.
pub(crate) struct StreamHandle {
    session: SharedSession,
    id: StreamId,
    /// Since when the application has the request, if its client asked for timing.
    timed: Option<Timestamp>,
    /// The client connection that it is for, if a login runs on that.
    pub(crate) owner: Option<Owner>,
    /// Who is to be told of the request once it is over.
    observed: Option<Box<Observed>>,
}

impl StreamHandle {
    pub(crate) const fn new(session: SharedSession, id: StreamId) -> Self {
        Self { session, id, timed: None, owner: None, observed: None }
    }

    /// Has the response's head tell how long it took from `now` on.
    pub(crate) const fn time_from(&mut self, now: Timestamp) {
        self.timed = Some(now);
    }

    /// Has the request's end told to `on_request`.
    pub(crate) fn observe(&mut self, on_request: OnRequest, head: &RequestHead) {
        self.observed = Some(Observed::new(on_request, head, self.now()));
    }

    /// Takes what stands next in the peer's direction; never [`Incoming::Pending`]. Return the credit of
    /// octets with [`StreamHandle::credit`] once their socket took them.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>) -> Poll<Incoming> {
        let read = self.session.poll_stream(self.id, Wait::Read, cx, |session| {
            let incoming = session.recv(self.id).read();
            (incoming != Incoming::Pending).then_some(incoming)
        });
        read.map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes all that there is, until `room` octets are taken or the direction has ended, and sees whether the peer
    /// still reads: what [`StreamHandle::poll_read`] and [`StreamHandle::poll_stopped`] do, in one go.
    pub(crate) fn poll_all(&self, room: usize, arrived: &mut Vec<Arrived>, cx: &mut Context<'_>) -> Look {
        let mut stopped = None;
        let found = self.session.poll_stream(self.id, Wait::Both, cx, |session| {
            stopped = session.send(self.id).stopped();
            let mut taken = 0;
            while taken < room {
                let mut recv = session.recv(self.id);
                match recv.read() {
                    Incoming::Pending => return None,
                    Incoming::Head => {
                        let head = recv.take_head()?;
                        let end = !head.is_interim() && recv.is_at_end();
                        arrived.push(Arrived::Head(head, end));
                        if end {
                            break;
                        }
                    }
                    Incoming::Octets(octets) => {
                        taken += octets.len();
                        arrived.push(Arrived::Octets(octets));
                    }
                    Incoming::End(trailers) => {
                        arrived.push(Arrived::End(trailers));
                        break;
                    }
                    Incoming::Reset(reset) => {
                        arrived.push(Arrived::Reset(reset));
                        break;
                    }
                }
            }
            (room > 0).then_some(())
        });
        Look { stopped, has_more: found.is_some() }
    }

    /// Takes a head that [`Incoming::Head`] told of.
    #[cfg(test)]
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

    /// Octets that can be written now, at least one. Another stream that begins to send takes of them: rely on what
    /// [`StreamHandle::write`] took, or [`StreamHandle::poll_write`].
    ///
    /// # Errors
    /// [`Stopped`] once the peer no longer reads.
    pub(crate) fn poll_capacity(&self, cx: &mut Context<'_>) -> Poll<Result<usize, Stopped>> {
        let found = self.session.poll_stream(self.id, Wait::Write, cx, |session| {
            let mut send = session.send(self.id);
            match (send.stopped(), send.capacity()) {
                (Some(reset), _) => Some(Err(Stopped(reset))),
                (None, 0) => None,
                (None, capacity) => Some(Ok(capacity)),
            }
        });
        found.map_or(Poll::Pending, Poll::Ready)
    }

    /// Writes what fits of `octets`, usually what [`StreamHandle::poll_capacity`] allowed.
    ///
    /// # Errors
    /// [`Stopped`] once the peer no longer reads.
    pub(crate) fn write(&self, octets: &mut Bytes) -> Result<usize, Stopped> {
        self.session.act(|session| session.send(self.id).write(octets))
    }

    /// Writes what fits of `octets` as soon as some do, and says how many did.
    ///
    /// # Errors
    /// [`Stopped`] once the peer no longer reads.
    pub(crate) fn poll_write(
        &self,
        octets: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, Stopped>> {
        loop {
            let taken = self.write(octets)?;
            if taken > 0 || octets.is_empty() {
                return Poll::Ready(Ok(taken));
            }
            ready!(self.poll_capacity(cx))?;
        }
    }

    /// The peer's word that it no longer reads, if it has said so; waits for it otherwise.
    pub(crate) fn poll_stopped(&self, cx: &mut Context<'_>) -> Poll<Reset> {
        let found =
            self.session.poll_stream(self.id, Wait::Write, cx, |session| session.send(self.id).stopped());
        found.map_or(Poll::Pending, Poll::Ready)
    }

    pub(crate) fn interim(&self, head: ResponseHead) -> Result<(), HeadRefused> {
        self.session.act(|session| session.send(self.id).interim(head))
    }

    pub(crate) fn respond(&self, mut head: ResponseHead, end: bool) -> Result<(), HeadRefused> {
        if let Some(started) = self.timed {
            timing::tell(&mut head.headers, self.session.now().since(started));
        }
        let status = head.status;
        let responded = self.session.act(|session| session.send(self.id).respond(head, end));
        if let (Some(observed), Ok(())) = (&self.observed, &responded) {
            observed.on_response(status);
        }
        responded
    }

    /// The time of its session's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.session.now()
    }

    pub(crate) fn end(&self, trailers: Headers) {
        self.session.act(|session| session.send(self.id).end(trailers));
    }

    pub(crate) fn reset(&self, code: ResetCode, touched: Touched) {
        if let Some(observed) = &self.observed {
            observed.on_reset(Reset { code, touched });
        }
        self.session.act(|session| session.send(self.id).reset(Reset { code, touched }));
    }

    /// Gives both directions up for one reason: whoever hears of either hears why.
    pub(crate) fn give_up(&self, code: ResetCode, touched: Touched) {
        self.reset(code, touched);
        self.stop(code);
    }

    /// Lets go of the stream, as dropping the handle does: a session that drains does not wait for it any more.
    pub(crate) fn release(&self) {
        self.session.release(self.id);
    }

    pub(crate) fn stop(&self, code: ResetCode) {
        self.session.act(|session| session.recv(self.id).stop(code));
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.release();
        if let Some(observed) = self.observed.take() {
            observed.tell(self.session.now());
        }
    }
}
