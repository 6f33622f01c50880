//! F1 and F2: the octets of frames, and their texts.

use arbitrary::Unstructured;
use bytes::{Bytes, BytesMut};
use telephone_core::error::Misbehaviour;
use telephone_core::wire::{Frame, Frames, Profile, varint};

use crate::generate;
use crate::memory::Meter;

/// Octets that one frame may take before a rule refuses it: a list of the most items there may be.
const UNCHECKED_BYTES_MAX: usize = 32 * 1024;
/// Octets of memory for an octet of frames that were accepted: an empty field takes two of them, and stands as
/// two `Bytes` in a list that was one of slices before.
const MEMORY_FACTOR: usize = 64;

/// F1: any octets as a message. It never panics, yields no more than it was given, says nothing behind an error
/// (I4), takes memory in proportion (I1), and what it accepts is the one encoding of what it says (I2).
pub fn frame_decode(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    let Ok((ack, mut frames)) = Frames::of(message.clone()) else { return };
    let mut decoded: Vec<Result<Frame, Misbehaviour>> = Vec::with_capacity(data.len() + 1);
    let meter = Meter::start();
    decoded.extend(frames.by_ref().take(data.len() + 1));
    let asked = meter.asked();
    assert!(decoded.len() <= data.len() / 2, "more frames than octets for them");
    assert!(
        asked <= UNCHECKED_BYTES_MAX + MEMORY_FACTOR * data.len(),
        "{asked} octets of memory for {}",
        data.len()
    );
    let errors = decoded.iter().filter(|frame| frame.is_err()).count();
    assert!(
        errors == 0 || (errors == 1 && decoded.last().is_some_and(Result::is_err)),
        "a frame behind an error"
    );
    assert!(frames.next().is_none(), "a frame behind the end");
    assert_canonical(&message, ack, decoded);
}

/// What was accepted is written as the octets that it was read from.
fn assert_canonical(message: &[u8], ack: u64, decoded: Vec<Result<Frame, Misbehaviour>>) {
    let mut written = BytesMut::new();
    varint::put(&mut written, ack);
    for frame in decoded {
        match frame {
            // Its body was skipped, so that it cannot be written again.
            Ok(Frame::Skipped { .. }) | Err(_) => return,
            Ok(frame) => frame.put(&mut written),
        }
        assert!(message.starts_with(&written), "{message:?} became {written:?}");
    }
    assert_eq!(written, message);
}

/// F1 of the JSON profile: any octets as a text message. It never panics, takes memory in proportion, and what it accepts
/// comes back as the same frame from either profile.
pub fn json_decode(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    let meter = Meter::start();
    let Ok((ack, mut frames)) = Profile::Json.read(message) else { return };
    let asked = meter.asked();
    assert!(
        asked <= UNCHECKED_BYTES_MAX + MEMORY_FACTOR * data.len(),
        "{asked} octets of memory for {}",
        data.len()
    );
    let frame = frames.next().expect("a frame").expect("a frame that was read whole");
    assert!(frames.next().is_none(), "two frames in one text");
    assert_means_the_same(ack, &frame);
}

/// A frame comes back from both profiles, and fits the messages of both.
fn assert_means_the_same(ack: u64, frame: &Frame) {
    for profile in [Profile::Binary, Profile::Json] {
        let written = profile.write(ack, frame);
        let (ack_read, frames) = profile.read(written.clone()).expect("what was written");
        assert_eq!(ack_read, ack);
        let frames: Result<Vec<_>, _> = frames.collect();
        assert_eq!(frames.as_deref(), Ok(std::slice::from_ref(frame)), "{written:?}");
    }
}

/// F2: any frames, written and read: the same frames, in the size that they told (I2), from both profiles. With one octet changed
/// they are refused or still canonical, and with one varint in a longer form they are refused.
pub fn frame_round_trip(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let Ok(ack) = source.arbitrary::<u64>() else { return };
    let frames = generate::frames(&mut source, 8);
    let mut message = BytesMut::new();
    varint::put(&mut message, ack);
    for frame in &frames {
        let before = message.len();
        frame.put(&mut message);
        assert_eq!(message.len() - before, frame.size(), "{frame:?}");
    }
    let message = message.freeze();
    let (ack_read, read) = Frames::of(message.clone()).expect("what was written");
    assert_eq!(ack_read, ack);
    assert_eq!(read.collect::<Result<Vec<_>, _>>().as_ref(), Ok(&frames));
    for frame in &frames {
        assert_means_the_same(ack, frame);
    }
    refuse_a_longer_form(&message, ack);
    if let (Ok(at), Ok(octet)) = (source.choose_index(message.len()), source.arbitrary::<u8>()) {
        let mut changed = message.to_vec();
        changed[at] = octet;
        frame_decode(&changed);
    }
}

/// The acknowledgement once more, with a group of zeros behind it.
fn refuse_a_longer_form(message: &[u8], ack: u64) {
    let size = varint::size(ack);
    let mut longer = message.to_vec();
    longer[size - 1] |= 0x80;
    longer.insert(size, 0);
    assert_eq!(Frames::of(longer.into()).err(), Some(Misbehaviour::VarintNotCanonical));
}
