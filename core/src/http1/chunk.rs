//! The chunked coding, strictly: each octet between the data is accounted for (RFC 9112 §7.1).
//!
//! Written here and not taken from httparse, whose chunk sizes may be empty and whose extensions may hold
//! a bare LF: two known ways to smuggle. White space that the grammar calls bad is refused; extensions are
//! checked against the grammar, counted, and dropped. [H-04, H-05]

use super::error::Malformed;
use super::scan::is_token_octet;

/// Digits of a chunk size: 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;

/// Where in a chunk's frame the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Size,
    ExtensionName {
        is_empty: bool,
    },
    ExtensionValue {
        is_empty: bool,
    },
    Quoted,
    QuotedPair,
    /// Behind a quoted value: another extension, or the end.
    ExtensionEnd,
    /// White space behind the size, in an answer.
    SizeEnd,
    /// An extension outside the grammar, in an answer: dropped up to its line end.
    Dropped,
    /// Behind the CR that ends the size line.
    SizeLf,
    DataCr,
    DataLf,
}

/// What an octet of the frame completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Nothing yet.
    Open,
    /// A size line: this many octets of data follow; 0 was the last chunk.
    Size(u64),
}

/// Reads everything of a chunked body but data and trailers.
#[derive(Debug)]
pub(super) struct ChunkFrames {
    place: Place,
    size: u64,
    digits: u8,
    /// Octets of extensions that this body may still have.
    extensions_left: usize,
    extensions_max: usize,
    is_lenient: bool,
    is_odd: bool,
}

impl ChunkFrames {
    pub(super) const fn new(extension_bytes: usize) -> Self {
        let (is_lenient, is_odd) = (false, false);
        Self {
            place: Place::Size,
            size: 0,
            digits: 0,
            extensions_left: extension_bytes,
            extensions_max: extension_bytes,
            is_lenient,
            is_odd,
        }
    }

    /// The same for an answer: bare LF, white space and any extension pass (RFC 9112 §7.1.1), and are noted.
    pub(super) const fn lenient(self) -> Self {
        Self { is_lenient: true, ..self }
    }

    /// Whether something was odd since the last call.
    pub(super) const fn take_odd(&mut self) -> bool {
        core::mem::replace(&mut self.is_odd, false)
    }

    /// The data of a chunk was read: its CRLF is next.
    pub(super) const fn handle_data_end(&mut self) {
        self.place = Place::DataCr;
        self.size = 0;
        self.digits = 0;
    }

    /// Takes one octet.
    pub(super) fn accept(&mut self, octet: u8) -> Result<Frame, Malformed> {
        if self.is_lenient && octet == b'\n' && self.is_line_end_due() {
            self.is_odd = true;
            if self.place != Place::DataCr {
                return Ok(Frame::Size(self.size));
            }
            self.place = Place::Size;
            return Ok(Frame::Open);
        }
        self.place = match self.place {
            Place::Size => self.on_size(octet)?,
            Place::SizeLf if octet == b'\n' => return Ok(Frame::Size(self.size)),
            Place::DataCr if octet == b'\r' => Place::DataLf,
            Place::DataLf if octet == b'\n' => {
                // The lines of an answer are bounded one by one: curl takes any number of padded ones.
                if self.is_lenient {
                    self.extensions_left = self.extensions_max;
                }
                Place::Size
            }
            Place::SizeLf | Place::DataCr | Place::DataLf => return Err(Malformed::ChunkEnd),
            place @ (Place::ExtensionName { .. }
            | Place::ExtensionValue { .. }
            | Place::Quoted
            | Place::QuotedPair
            | Place::ExtensionEnd
            | Place::SizeEnd
            | Place::Dropped) => self.on_extension(place, octet)?,
        };
        Ok(Frame::Open)
    }

    /// Whether a bare LF can only be the end of this line.
    const fn is_line_end_due(&self) -> bool {
        match self.place {
            Place::Size => self.digits > 0,
            Place::SizeLf | Place::DataLf => false,
            Place::ExtensionName { .. }
            | Place::ExtensionValue { .. }
            | Place::Quoted
            | Place::QuotedPair
            | Place::ExtensionEnd
            | Place::SizeEnd
            | Place::Dropped
            | Place::DataCr => true,
        }
    }

    fn on_size(&mut self, octet: u8) -> Result<Place, Malformed> {
        let digit = match octet {
            b'0'..=b'9' => octet.wrapping_sub(b'0'),
            b'a'..=b'f' => octet.wrapping_sub(b'a').wrapping_add(10),
            b'A'..=b'F' => octet.wrapping_sub(b'A').wrapping_add(10),
            b'\r' if self.digits > 0 || cfg!(planted = "empty-chunk-size-accepted") => {
                return Ok(Place::SizeLf);
            }
            b' ' | b'\t' if self.is_lenient && self.digits > 0 => {
                self.is_odd = true;
                return Ok(Place::SizeEnd);
            }
            b';' if self.digits > 0 => return Ok(Place::ExtensionName { is_empty: true }),
            _ => return Err(Malformed::ChunkSize),
        };
        if self.digits == SIZE_DIGITS_MAX {
            return Err(Malformed::ChunkSize);
        }
        self.digits = self.digits.saturating_add(1);
        self.size = self.size.wrapping_shl(4) | u64::from(digit);
        Ok(Place::Size)
    }

    fn on_extension(&mut self, place: Place, octet: u8) -> Result<Place, Malformed> {
        let left = self.extensions_left.checked_sub(1);
        self.extensions_left = left.ok_or(Malformed::ChunkExtensionsTooLong)?;
        match next_in_extension(place, octet) {
            Some(next) => Ok(next),
            None if self.is_lenient => self.on_odd_extension(place, octet),
            None => Err(Malformed::ChunkExtension),
        }
    }

    /// Only the line end of an odd extension has a meaning.
    fn on_odd_extension(&mut self, place: Place, octet: u8) -> Result<Place, Malformed> {
        self.is_odd = true;
        match (place, octet) {
            (_, b'\0') => Err(Malformed::ChunkExtension),
            (_, b'\r') => Ok(Place::SizeLf),
            (Place::SizeEnd, b' ' | b'\t') => Ok(Place::SizeEnd),
            (Place::SizeEnd, b';') => Ok(Place::ExtensionName { is_empty: true }),
            (Place::SizeEnd, _) => Err(Malformed::ChunkSize),
            _ => Ok(Place::Dropped),
        }
    }
}

/// The grammar of chunk extensions: `*( ";" name [ "=" ( token / quoted-string ) ] )`.
const fn next_in_extension(place: Place, octet: u8) -> Option<Place> {
    let is_text = octet == b'\t' || (octet >= b' ' && octet != 0x7f);
    Some(match (place, octet) {
        (Place::Quoted, b'"') => Place::ExtensionEnd,
        (Place::Quoted, b'\\') => Place::QuotedPair,
        (Place::Quoted | Place::QuotedPair, _) if is_text => Place::Quoted,
        (Place::ExtensionName { .. }, _) if is_token_octet(octet) => Place::ExtensionName { is_empty: false },
        (Place::ExtensionName { is_empty: false }, b'=') => Place::ExtensionValue { is_empty: true },
        (Place::ExtensionValue { is_empty: true }, b'"') => Place::Quoted,
        (Place::ExtensionValue { .. }, _) if is_token_octet(octet) => {
            Place::ExtensionValue { is_empty: false }
        }
        (
            Place::ExtensionName { is_empty: false }
            | Place::ExtensionValue { is_empty: false }
            | Place::ExtensionEnd,
            b';',
        ) => Place::ExtensionName { is_empty: true },
        (
            Place::ExtensionName { is_empty: false }
            | Place::ExtensionValue { is_empty: false }
            | Place::ExtensionEnd,
            b'\r',
        ) => Place::SizeLf,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the last octet of `frame` comes to, where all before it are taken.
    fn last(frame: &[u8]) -> Result<Frame, Malformed> {
        let mut frames = ChunkFrames::new(100);
        let (last, before) = frame.split_last().expect("an octet");
        for octet in before {
            assert_eq!(frames.accept(*octet), Ok(Frame::Open), "{}", frame.escape_ascii());
        }
        frames.accept(*last)
    }

    #[test]
    fn a_size_line_is_judged_at_the_octet_that_breaks_it() {
        for (frame, said) in [
            (&b"1f\r\n"[..], Ok(Frame::Size(0x1f))),
            (b"FfffFFFFffffffff\r\n", Ok(Frame::Size(u64::MAX))),
            (b"00000000000000000", Err(Malformed::ChunkSize)),
            (b"\r", Err(Malformed::ChunkSize)),
            (b";", Err(Malformed::ChunkSize)),
            (b"5\n", Err(Malformed::ChunkSize)),
            (b"5\rX", Err(Malformed::ChunkEnd)),
            (b"5\r\r", Err(Malformed::ChunkEnd)),
            (b"5;\r", Err(Malformed::ChunkExtension)),
            (b"5;a=b\r\n", Ok(Frame::Size(5))),
        ] {
            assert_eq!(last(frame), said, "{}", frame.escape_ascii());
        }
    }
}
