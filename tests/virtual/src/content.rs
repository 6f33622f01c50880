//! What an octet of a body must be: a function of request, direction and offset, so that a leak, a loss, a
//! repetition or a wrong order shows at the first wrong octet, and nothing is stored.

/// Octets after which a content begins anew; a prime, so that no power of two hides a slip.
const PERIOD: usize = 65_521;
/// The most octets of one piece.
pub const PIECE_BYTES_MAX: usize = 65_536;

/// Noise that every body is a stretch of: where it begins is what tells bodies apart.
static NOISE: [u8; PERIOD + PIECE_BYTES_MAX] = noise();

const fn noise() -> [u8; PERIOD + PIECE_BYTES_MAX] {
    let mut octets = [0; PERIOD + PIECE_BYTES_MAX];
    let mut word = 1_u64;
    let mut at = 0;
    while at < octets.len() {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        octets[at] = if at < PERIOD { (word >> 56) as u8 } else { octets[at - PERIOD] };
        at += 1;
    }
    octets
}

/// Which way a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the backend.
    Up,
    /// From the backend to the client.
    Down,
}

/// One body's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    start: usize,
}

impl Content {
    /// The content of one direction of a request.
    #[must_use]
    pub const fn new(request: u64, direction: Direction) -> Self {
        let mixed = (request * 2 + direction as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Self { start: ((mixed >> 20) % PERIOD as u64) as usize }
    }

    const fn at(self, offset: u64) -> usize {
        (self.start + (offset % PERIOD as u64) as usize) % PERIOD
    }

    /// `count` octets from `offset` on, at most [`PIECE_BYTES_MAX`].
    #[must_use]
    pub fn piece(self, offset: u64, count: usize) -> &'static [u8] {
        let start = self.at(offset);
        &NOISE[start..start + count.min(PIECE_BYTES_MAX)]
    }

    /// The offset of the first octet that is not what it must be, if there is one.
    #[must_use]
    pub fn first_wrong(self, offset: u64, octets: &[u8]) -> Option<u64> {
        let mut at = offset;
        for octets in octets.chunks(PIECE_BYTES_MAX) {
            let right = self.piece(at, octets.len());
            if octets != right {
                let same = octets.iter().zip(right).take_while(|(octet, right)| octet == right).count();
                return Some(at + same as u64);
            }
            at += octets.len() as u64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_right_wherever_it_is_cut() {
        let content = Content::new(9, Direction::Down);
        for (offset, count) in [(0, 10), (65_520, 2), (65_521 * 7 + 5, PIECE_BYTES_MAX), (1 << 40, 1)] {
            let piece = content.piece(offset, count);
            assert_eq!(content.first_wrong(offset, piece), None);
            assert_eq!(content.first_wrong(offset + count as u64 / 2, &piece[count / 2..]), None);
        }
    }

    #[test]
    fn a_slip_a_leak_and_a_wrong_direction_show() {
        let content = Content::new(1, Direction::Up);
        let mut piece = content.piece(100, 64).to_vec();
        assert!(content.first_wrong(101, &piece).is_some());
        assert!(Content::new(2, Direction::Up).first_wrong(100, &piece).is_some());
        assert!(Content::new(1, Direction::Down).first_wrong(100, &piece).is_some());
        piece[40] ^= 1;
        assert_eq!(content.first_wrong(100, &piece), Some(140));
    }
}
