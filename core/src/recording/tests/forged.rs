//! Segments whose lengths are right, and which stand for what no session wrote.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::super::format::Record;
use super::super::pack::{pack, unpack};
use super::super::{Ending, Input, NotARecording, Outcome, Output, Replay};
use super::Seen;
use super::world::record;
use crate::session::LinkId;
use crate::time::Timestamp;
use crate::wire::varint;

/// The first line of a segment, and what each of its items stands for: the header, then the records.
fn split(segment: &[u8]) -> (&[u8], Vec<Vec<u8>>) {
    let line = segment.iter().position(|octet| *octet == b'\n').expect("a first line") + 1;
    let (line, mut rest) = segment.split_at(line);
    let mut items = Vec::new();
    while let Some((packed, behind)) = varint::split_counted(rest) {
        items.push(unpack(packed, 1 << 20).expect("an item of ours"));
        rest = behind;
    }
    (line, items)
}

/// A segment of these items.
fn joined(line: &[u8], items: &[Vec<u8>]) -> Vec<u8> {
    let mut segment = line.to_vec();
    for item in items {
        let mut packed = Vec::new();
        pack(item, &mut packed);
        varint::put_counted(&mut segment, &packed);
    }
    segment
}

/// An item with the number at `at` replaced, if one stands there.
fn with_number(item: &[u8], at: usize, number: u64) -> Vec<u8> {
    let digits = item[at..].iter().take_while(|octet| **octet & 0x80 != 0).count();
    let end = (at + digits + 1).min(item.len());
    let mut forged = item[..at].to_vec();
    varint::put(&mut forged, number);
    forged.extend_from_slice(&item[end..]);
    forged
}

fn replayed(segment: &[u8]) -> Result<Outcome, NotARecording> {
    Replay::new(segment).map(|mut replay| replay.run(&mut ()))
}

#[test]
fn what_is_split_is_joined_again() {
    let [telephone, plugboard] = record(3, 200, 2_000, false);
    for segment in telephone.iter().chain(&plugboard) {
        let (line, items) = split(segment);
        assert_eq!(joined(line, &items), *segment);
    }
}

/// Each number of a snapshot, and the first ones of each record, in turn is the largest there is, or one.
#[test]
fn whatever_numbers_are_forged_a_segment_is_refused_or_replayed() {
    let mut refused = 0;
    for segments in (0..2).flat_map(|seed| record(seed, 200, 300, true)) {
        let Some(segment) = segments.last() else { continue };
        let (line, mut items) = split(segment);
        for index in 0..items.len() {
            let genuine = items[index].clone();
            let places = if index == 0 { genuine.len().min(2_000) } else { genuine.len().min(16) };
            for (at, number) in (0..places).flat_map(|at| [u64::MAX, 1].map(|number| (at, number))) {
                items[index] = with_number(&genuine, at, number);
                refused += u32::from(replayed(&joined(line, &items)).is_err());
            }
            items[index] = genuine;
        }
    }
    assert!(refused > 100, "{refused}");
}

/// How a recording of a session begins, and its link.
fn beginning() -> (Vec<u8>, LinkId) {
    let [telephone, _] = record(1, 0, 1 << 22, true);
    let link = Replay::new(&telephone[0]).expect("a segment of ours").session().latest_link();
    (telephone[0].clone(), link)
}

/// A segment with these inputs for its records.
fn with_inputs(segment: &[u8], inputs: &[Input]) -> Vec<u8> {
    let (line, mut items) = split(segment);
    items.truncate(1);
    for input in inputs {
        let record = Record::Input { trace: 0, input: input.clone() };
        items.push(postcard::to_allocvec(&record).expect("a record"));
    }
    joined(line, &items)
}

#[test]
fn moments_in_another_century_are_damage() {
    let latest = Timestamp::ZERO + Duration::from_secs(1 << 32);
    let ending = |now| {
        let segment = with_inputs(&beginning().0, &[Input::Timeout { now }]);
        replayed(&segment).map(|outcome| (outcome.ending, outcome.inputs))
    };
    assert_eq!(ending(latest), Ok((Ending::Torn, 1)));
    assert_eq!(ending(latest + Duration::from_micros(1)), Ok((Ending::Damaged, 0)));
}

/// A link takes what there is, and then there is nothing: nobody records that.
#[test]
fn nothing_comes_of_an_input_that_was_not_worth_a_record() {
    let (segment, link) = beginning();
    let mut seen = Seen::default();
    let inputs =
        [Input::Transmit { link, now: Timestamp::ZERO }, Input::Transmit { link, now: Timestamp::ZERO }];
    let segment = with_inputs(&segment, &inputs);
    Replay::new(&segment).expect("its beginning is whole").run(&mut seen);
    assert!(matches!(seen.outputs[..], [Output::Message(Some(_)), Output::Nothing]), "{:?}", seen.outputs);
}

/// With any other it is more than can be counted.
#[test]
fn a_message_of_the_largest_size_is_replayed() {
    let (segment, link) = beginning();
    let (octets, now) = (Bytes::from_static(&[0]), Timestamp::ZERO);
    let messages = [1, usize::MAX].map(|size| Input::Message { link, octets: octets.clone(), size, now });
    let inputs = replayed(&with_inputs(&segment, &messages)).map(|outcome| outcome.inputs);
    assert_eq!(inputs, Ok(2));
}
