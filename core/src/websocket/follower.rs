//! One direction of somebody else's connection, followed by the heads of its frames.

use super::head::{HEAD_BYTES_MAX, Head, HeadError};

/// The first octet of a frame that any connection may have: whole, binary.
const PLAIN: u8 = 0x82;
/// The bits of the first octet that tell what a frame is.
const OPCODE: u8 = 0x0F;
/// Close. (RFC 6455 §5.5.1)
const CLOSE: u8 = 0x8;

/// Knows where the frames of a direction end that passes through as it is, so that whoever has to break it off can say so
/// between two of them.
///
/// What the frames are is not looked at, since extensions give meanings of their own to the bits of the first octet.
#[derive(Debug, Default)]
pub struct Follower {
    /// What came of a head, while that is not whole.
    head: [u8; HEAD_BYTES_MAX],
    head_octets: usize,
    /// Octets of the present frame's payload that are still to come.
    payload: usize,
    has_closed: bool,
    is_lost: bool,
}

impl Follower {
    /// The next octets pass.
    pub fn handle(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() && !self.is_lost {
            let passing = self.payload.min(octets.len());
            self.payload = self.payload.saturating_sub(passing);
            octets = octets.get(passing..).unwrap_or_default();
            if let [octet, rest @ ..] = octets {
                self.on_head_octet(*octet);
                octets = rest;
            }
        }
    }

    fn on_head_octet(&mut self, octet: u8) {
        if self.head_octets == 0 {
            self.has_closed |= octet & OPCODE == CLOSE;
        }
        let octet = if self.head_octets == 0 { PLAIN } else { octet };
        if let Some(place) = self.head.get_mut(self.head_octets) {
            *place = octet;
            self.head_octets = self.head_octets.saturating_add(1);
        }
        match Head::parse(self.head.get(..self.head_octets).unwrap_or_default()) {
            Err(HeadError::Incomplete) => {}
            Err(HeadError::Broken(_)) => self.is_lost = true,
            Ok(head) => {
                self.payload = head.payload;
                self.head_octets = 0;
            }
        }
    }

    /// Whether a close frame may follow now: what passed ends with a frame, and holds no close frame.
    #[must_use]
    pub const fn may_close(&self) -> bool {
        !self.has_closed && !self.is_lost && self.head_octets == 0 && self.payload == 0
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::super::close_frame;
    use super::*;

    /// Where in `octets` a close frame may follow.
    fn ends(octets: &[u8]) -> Vec<usize> {
        let mut follower = Follower::default();
        let mut ends = Vec::new();
        for (at, octet) in octets.iter().enumerate() {
            follower.handle(&[*octet]);
            if follower.may_close() {
                ends.push(at + 1);
            }
        }
        ends
    }

    #[test]
    fn a_close_frame_may_follow_each_whole_frame_and_nothing_else() {
        assert!(Follower::default().may_close());
        assert_eq!(ends(b"\x81\x02hi\x89\x00\x01\x01a\x80\x01b"), [4, 6, 9, 12]);
        let medium = [&[0x82, 126, 0, 126][..], &[0; 126], &[0x82, 0]].concat();
        assert_eq!(ends(&medium), [130, 132]);
        let long = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[0; 65536]].concat();
        assert_eq!(ends(&long), [10 + 65536]);
    }

    #[test]
    fn the_cuts_between_reads_change_nothing() {
        let frames = [&[0x82, 126, 1, 0][..], &[7; 256], &[0x81, 1, b'x', 0xC1, 3, 1, 2, 3]].concat();
        for cut in 0..=frames.len() {
            let mut follower = Follower::default();
            follower.handle(&frames[..cut]);
            follower.handle(&frames[cut..]);
            assert!(follower.may_close(), "{cut}");
        }
    }

    #[test]
    fn bits_of_extensions_and_masks_are_followed() {
        assert_eq!(ends(b"\xC1\x01z\xF3\x00\x82\x81keyzx"), [3, 5, 12]);
    }

    #[test]
    fn nothing_follows_a_close_frame_or_a_head_that_is_none() {
        let closed = [&b"\x81\x00"[..], &close_frame(1000, ""), b"\x81\x00"].concat();
        assert_eq!(ends(&closed), [2]);
        assert_eq!(ends(&[0x82, 126, 0, 1, 0, 0x82, 0]), [0_usize; 0]);
    }

    #[test]
    fn a_close_frame_holds_code_and_reason_and_no_mask() {
        assert_eq!(close_frame(1012, "bye"), &b"\x88\x05\x03\xF4bye"[..]);
    }
}
