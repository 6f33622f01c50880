//! What the pump asks of a codec: the core's HTTP/1.1, seen from either side.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use telephone_core::error::HeadRefused;
use telephone_core::message::{Headers, ResponseHead};
use telephone_core::output::Output;
use telephone_core::time::Timestamp;

/// What a codec took from its socket.
pub(crate) enum Part<L> {
    /// Nothing until more comes.
    None,
    /// An answer's head, and whether it is all.
    Head(ResponseHead, bool),
    /// Octets of a body or of an upgraded connection.
    Octets(Bytes),
    /// The direction is complete.
    End(Headers),
    /// The exchange is lost on this side.
    Lost(L),
}

/// One half of the core's codec, as the pump drives it.
pub(crate) trait Codec {
    /// Why an exchange is lost on the codec's side.
    type Lost;

    /// Takes what it can from the front of `input`.
    fn poll_part(&mut self, input: &mut BytesMut, now: Timestamp) -> Part<Self::Lost>;
    /// The socket's reading direction ended; parts may still follow.
    fn handle_eof(&mut self);
    /// The socket broke.
    fn handle_broken(&mut self) -> Self::Lost;
    /// A head that the codec gave does not fit the stream.
    fn handle_refused_head(&mut self, _refused: HeadRefused) -> Self::Lost {
        self.handle_broken()
    }
    /// Whether reading the socket is of use.
    fn wants_read(&self) -> bool;
    /// Whether the socket's peer shut down its half and is still written to: only an error of the socket says then that the
    /// peer has left.
    fn is_half_closed(&self) -> bool {
        false
    }
    /// Whether a head must come from the socket before octets: the stream takes it without room.
    fn owes_head(&self) -> bool;
    /// Whether octets of the stream may be written now: not before the 101 of an upgrade.
    fn wants_octets(&self) -> bool;
    /// The answer's next head came from the stream; with `end` nothing follows. False if it cannot be written.
    fn put_head(&mut self, head: ResponseHead, end: bool) -> bool;
    /// Octets came from the stream.
    fn put_octets(&mut self, octets: Bytes);
    /// The stream's direction is complete.
    fn put_end(&mut self, trailers: &Headers);
    /// What waits to be written.
    fn output(&mut self) -> &mut Output;
    /// Whether the socket's writing direction is to be shut down now that the output is written.
    fn wants_shutdown(&self) -> bool;
    /// It was.
    fn handle_shutdown(&mut self, now: Timestamp);
    /// Whether the exchange is complete, given which directions are. `outbound` has been written, too.
    fn is_complete(&self, inbound: bool, outbound: bool) -> bool;
    /// The peer no longer reads what comes from the socket. Whether the exchange goes on without.
    fn handle_stopped(&mut self) -> bool;
    /// The socket takes no more. Whether the exchange goes on without, for what is still to be read.
    fn survives_broken_write(&self) -> bool;
    /// The stream takes nothing for now, so the socket is not read: its silence means nothing.
    fn handle_backpressure(&mut self, now: Timestamp);
    /// How long the socket may take nothing of what waits to be written.
    fn send_timeout(&self) -> Option<Duration>;
    /// The next deadline.
    fn poll_timeout(&self) -> Option<Timestamp>;
    /// It has come.
    fn handle_timeout(&mut self, now: Timestamp) -> Option<Self::Lost>;
}
