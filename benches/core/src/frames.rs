//! Frames to octets and back, without a session.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use telephone_core::message::Headers;
use telephone_core::wire::{Frame, Frames, StreamId, varint};

use crate::{Work, heads};

/// Octets of each data frame among the small frames.
const DATA_BYTES: usize = 100;
/// Small frames of each kind in a message.
const SMALL_FRAMES: u64 = 16;

/// What an exchange of a browser says in both directions but for its body.
fn head_frames() -> Vec<Frame> {
    let id = StreamId::new(1000);
    let opening = heads::opening(heads::request(heads::BROWSER_REQUEST));
    let head = heads::response(heads::SITE_RESPONSE);
    vec![
        Frame::Open { id, grant: 256 * 1024, end: true, opening },
        Frame::Head { id, end: false, head },
        Frame::End { id, trailers: Headers::new() },
    ]
}

/// Data and credit of several streams.
fn small_frames() -> Vec<Frame> {
    let of_stream = |number| {
        let id = StreamId::new(2 * number);
        let data = Frame::Data { id, octets: Bytes::from_static(&[b'x'; DATA_BYTES]) };
        [data, Frame::Credit { id, limit: 1_000_000 }]
    };
    (500..500 + SMALL_FRAMES).flat_map(of_stream).collect()
}

fn put(frames: &[Frame], out: &mut BytesMut) {
    varint::put(out, 77);
    for frame in frames {
        frame.put(out);
    }
}

/// Writes a message of frames into a buffer that has room for it.
#[derive(Debug)]
pub struct Encode {
    frames: Vec<Frame>,
    out: BytesMut,
}

impl Encode {
    /// An open, a head and an end of a browser's exchange.
    #[must_use]
    pub fn heads() -> Self {
        Self::of(head_frames())
    }

    /// Sixteen frames of data and sixteen of credit.
    #[must_use]
    pub fn small() -> Self {
        Self::of(small_frames())
    }

    fn of(frames: Vec<Frame>) -> Self {
        Self { frames, out: BytesMut::with_capacity(16 * 1024) }
    }
}

impl Work for Encode {
    fn prepare(&mut self) {
        self.out.clear();
    }

    fn run(&mut self) {
        put(&self.frames, &mut self.out);
        black_box(&self.out);
    }
}

/// Reads a message's frames and throws them away.
#[derive(Debug)]
pub struct Decode {
    message: Bytes,
    count: usize,
}

impl Decode {
    /// An open, a head and an end of a browser's exchange.
    #[must_use]
    pub fn heads() -> Self {
        Self::of(&head_frames())
    }

    /// Sixteen frames of data and sixteen of credit.
    #[must_use]
    pub fn small() -> Self {
        Self::of(&small_frames())
    }

    fn of(frames: &[Frame]) -> Self {
        let mut out = BytesMut::new();
        put(frames, &mut out);
        Self { message: out.freeze(), count: frames.len() }
    }
}

impl Work for Decode {
    fn run(&mut self) {
        let (_, frames) = Frames::of(self.message.clone()).expect("our own message");
        let mut count = 0;
        for frame in frames {
            black_box(frame.expect("our own frame"));
            count += 1;
        }
        assert_eq!(count, self.count);
    }
}
