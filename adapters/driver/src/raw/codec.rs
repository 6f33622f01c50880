//! No protocol at all, as the pump drives one.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use telephone_core::message::{Headers, ResponseHead};
use telephone_core::output::Output;
use telephone_core::time::Timestamp;

use crate::codec::{Codec, Part};

/// Octets as they come, and the end of each direction.
#[derive(Default)]
pub(super) struct RawCodec {
    output: Output,
    is_eof: bool,
    /// The socket's end was handed on.
    has_ended: bool,
    /// The stream's direction is complete.
    is_to_shut: bool,
    is_shut: bool,
    /// The stream's peer no longer reads.
    is_stopped: bool,
}

impl RawCodec {
    /// `head` goes out before all else.
    pub(super) fn new(head: Bytes) -> Self {
        let mut codec = Self::default();
        codec.output.payload(head);
        codec
    }

    /// Whether all that the socket had to say, and its end, was handed on.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }
}

impl Codec for RawCodec {
    type Lost = ();

    fn poll_part(&mut self, input: &mut BytesMut, _now: Timestamp) -> Part<()> {
        if !input.is_empty() {
            return Part::Octets(input.split().freeze());
        }
        if self.is_eof && !std::mem::replace(&mut self.has_ended, true) {
            return Part::End(Headers::new());
        }
        Part::None
    }

    fn handle_eof(&mut self) {
        self.is_eof = true;
    }

    fn handle_broken(&mut self) {}

    fn wants_read(&self) -> bool {
        !self.is_eof
    }

    fn owes_head(&self) -> bool {
        false
    }

    fn wants_octets(&self) -> bool {
        true
    }

    fn put_head(&mut self, _head: ResponseHead, _end: bool) -> bool {
        // The session refuses heads on raw streams before they come here.
        false
    }

    fn put_octets(&mut self, octets: Bytes) {
        self.output.payload(octets);
    }

    fn put_end(&mut self, _trailers: &Headers) {
        self.is_to_shut = true;
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn wants_shutdown(&self) -> bool {
        self.is_to_shut && !self.is_shut
    }

    fn handle_shutdown(&mut self, _now: Timestamp) {
        self.is_shut = true;
    }

    fn is_complete(&self, inbound: bool, outbound: bool) -> bool {
        // Without an end to write, the socket has shown that it takes nothing more.
        (inbound || self.is_stopped) && outbound && self.is_shut == self.is_to_shut
    }

    fn handle_stopped(&mut self) -> bool {
        // What the peer still has to say may come yet; if it gave up altogether, its reset does.
        self.is_stopped = true;
        true
    }

    fn survives_broken_write(&self) -> bool {
        // What the socket said before it broke may still stand to be read.
        true
    }

    fn handle_backpressure(&mut self, _now: Timestamp) {}

    fn send_timeout(&self) -> Option<Duration> {
        None
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    fn handle_timeout(&mut self, _now: Timestamp) -> Option<()> {
        None
    }
}
