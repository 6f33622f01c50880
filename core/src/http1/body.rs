//! Body framing, for both directions (RFC 9112 §6).

use alloc::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};

use super::chunk::{ChunkFrames, Frame};
use super::error::Malformed;
use super::fields;
use super::lenient::{self, Oddity};
use super::scan::{Bounds, Scanner};
use crate::limits::HttpLimits;
use crate::message::Headers;

/// How a body's end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body.
    Nothing,
    /// After so many octets.
    Length(u64),
    /// By its last chunk.
    Chunked,
    /// By the end of the connection: responses only. [H-12]
    UntilClose,
}

/// What a decoder makes of its input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The next octets.
    Data(Bytes),
    /// The body is whole.
    End(Headers),
}

#[derive(Debug)]
enum State {
    Length(u64),
    ChunkFrame,
    ChunkData(u64),
    Trailers(Scanner),
    UntilClose,
    /// The end was told, or a rule was broken: no part ever follows. (I4)
    Over,
}

/// Reads one body. Data is taken from the input without a copy.
#[derive(Debug)]
pub(super) struct BodyDecoder {
    state: State,
    frames: ChunkFrames,
    trailers: Bounds,
    /// Whether the body of an answer is read.
    is_lenient: bool,
}

impl BodyDecoder {
    /// A decoder for a body framed so; one without a body ends at once.
    pub(super) const fn new(framing: Framing, limits: &HttpLimits) -> Self {
        let state = match framing {
            Framing::Nothing => State::Length(0),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkFrame,
            Framing::UntilClose => State::UntilClose,
        };
        let trailers = Bounds {
            start_line: None,
            line: limits.header_line_bytes,
            lines: limits.trailers,
            total: limits.trailer_bytes,
        };
        let frames = ChunkFrames::new(limits.chunk_extension_bytes);
        Self { state, frames, trailers, is_lenient: false }
    }

    /// A decoder for the body of an answer, which takes what has one meaning (`lenient`).
    pub(super) const fn lenient(framing: Framing, limits: &HttpLimits) -> Self {
        let strict = Self::new(framing, limits);
        let frames = strict.frames.lenient();
        Self { frames, is_lenient: true, ..strict }
    }

    /// The next part, or `None` until more input comes. What was odd between the data of an answer is put into `odd`.
    pub(super) fn poll(
        &mut self,
        input: &mut BytesMut,
        odd: &mut Option<Box<Oddity>>,
    ) -> Result<Option<Part>, Malformed> {
        let part = self.advance(input, odd);
        if matches!(part, Err(_) | Ok(Some(Part::End(_)))) {
            self.state = State::Over;
        }
        part
    }

    /// How many octets are surely still to come, where that is known.
    pub(super) const fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::ChunkFrame
            | State::ChunkData(_)
            | State::Trailers(_)
            | State::UntilClose
            | State::Over => None,
        }
    }

    /// Whether the end of the connection is the end of this body, and not its loss.
    pub(super) const fn ends_with_connection(&self) -> bool {
        matches!(self.state, State::UntilClose)
    }

    fn advance(
        &mut self,
        input: &mut BytesMut,
        odd: &mut Option<Box<Oddity>>,
    ) -> Result<Option<Part>, Malformed> {
        if matches!(self.state, State::ChunkFrame) && !self.read_frame(input, odd)? {
            return Ok(None);
        }
        match &mut self.state {
            State::Length(0) => Ok(Some(Part::End(Headers::new()))),
            State::Length(left) => Ok(take(input, left).map(Part::Data)),
            State::ChunkData(left) => {
                let data = take(input, left);
                if *left == 0 {
                    self.frames.handle_data_end();
                    self.state = State::ChunkFrame;
                }
                Ok(data.map(Part::Data))
            }
            State::Trailers(scanner) => {
                let Some(end) = scanner.scan(input)? else { return Ok(None) };
                let is_odd = scanner.is_odd();
                let section = input.get(..end).unwrap_or_default();
                let trailers = match fields::trailers(section) {
                    trailers if !self.is_lenient || (trailers.is_ok() && !is_odd) => trailers,
                    _ => {
                        let (section, first) = lenient::straightened(section, false);
                        *odd = odd.take().or(first);
                        fields::trailers(&section)
                    }
                };
                input.advance(end);
                trailers.map(|trailers| Some(Part::End(trailers)))
            }
            State::UntilClose if input.is_empty() => Ok(None),
            State::UntilClose => Ok(Some(Part::Data(input.split().freeze()))),
            State::ChunkFrame | State::Over => Ok(None),
        }
    }

    /// Reads up to the next chunk's data, or to the trailers; `false` until more input comes.
    fn read_frame(&mut self, input: &mut BytesMut, odd: &mut Option<Box<Oddity>>) -> Result<bool, Malformed> {
        let mut taken = 0_usize;
        let mut frame = Ok(Frame::Open);
        for &octet in input.iter() {
            taken = taken.saturating_add(1);
            frame = self.frames.accept(octet);
            if frame != Ok(Frame::Open) {
                break;
            }
        }
        if self.frames.take_odd() {
            *odd = Some(Oddity::of_chunk(input));
        }
        self.state = match frame? {
            Frame::Open => State::ChunkFrame,
            Frame::Size(0) if self.is_lenient => State::Trailers(Scanner::lenient(self.trailers)),
            Frame::Size(0) => State::Trailers(Scanner::new(self.trailers, 0)),
            Frame::Size(size) => State::ChunkData(size),
        };
        input.advance(taken);
        Ok(!matches!(self.state, State::ChunkFrame))
    }
}

/// Takes at most `left` octets from the front of `input`, and counts them.
fn take(input: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    if input.is_empty() {
        return None;
    }
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left = left.saturating_sub(count as u64);
    // To take all of it costs less than to share the buffer.
    let taken = if count == input.len() { core::mem::take(input) } else { input.split_to(count) };
    Some(taken.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_broke_a_rule_or_ended_says_nothing_more() {
        for first in [&b"x\r\n"[..], b"0\r\n\r\n"] {
            let mut decoder = BodyDecoder::new(Framing::Chunked, &HttpLimits::default());
            assert!(!matches!(decoder.poll(&mut BytesMut::from(first), &mut None), Ok(None)));
            let mut more = BytesMut::from(&b"5\r\nhello\r\n0\r\n\r\n"[..]);
            assert_eq!(decoder.poll(&mut more, &mut None), Ok(None));
            assert_eq!(decoder.poll(&mut more, &mut None), Ok(None));
        }
    }
}
