//! A segment as `recording/format.rs` says that it stands in a file, read and written slowly, and damaged.

use std::ops::Range;

use telephone_core::wire::varint;

/// Octets of a record and of a header, at most: as they stand for, and as they may be packed beyond that.
const RECORD_BYTES_MAX: usize = 1024 * 1024;
const HEADER_BYTES_MAX: usize = 256 * 1024 * 1024;
const PACKING_BYTES_MAX: usize = 20;

/// What stands behind the last item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    Nothing,
    /// Less than an item.
    Cut,
    /// What is no item.
    Foreign,
}

/// Where the items of a segment stand: the header, then the records.
#[derive(Debug)]
pub(super) struct Items {
    /// Each with its length before it.
    pub(super) whole: Vec<Range<usize>>,
    /// Each without it.
    pub(super) packed: Vec<Range<usize>>,
    pub(super) tail: Tail,
}

impl Items {
    pub(super) fn of(segment: &[u8]) -> Self {
        let line = segment.iter().position(|octet| *octet == b'\n');
        let mut at = line.map_or(segment.len(), |end| end + 1);
        let (mut whole, mut packed) = (Vec::new(), Vec::new());
        let tail = loop {
            let rest = &segment[at..];
            let max = if whole.is_empty() { HEADER_BYTES_MAX } else { RECORD_BYTES_MAX };
            match varint::split(rest) {
                Err(_) if rest.is_empty() => break Tail::Nothing,
                Err(_)
                    if rest.len() < varint::VARINT_BYTES_MAX
                        && rest.iter().all(|octet| octet & 0x80 != 0) =>
                {
                    break Tail::Cut;
                }
                Err(_) => break Tail::Foreign,
                Ok((length, _)) if length > (max + PACKING_BYTES_MAX) as u64 => break Tail::Foreign,
                Ok((length, behind)) if length > behind.len() as u64 => break Tail::Cut,
                Ok((length, behind)) => {
                    let start = at + rest.len() - behind.len();
                    let end = start + usize::try_from(length).unwrap_or(usize::MAX);
                    whole.push(at..end);
                    packed.push(start..end);
                    at = end;
                }
            }
        };
        Self { whole, packed, tail }
    }

    /// Octets that are made of the header, and of the records.
    pub(super) fn stand_for(&self, segment: &[u8]) -> (usize, usize) {
        let octets = |item: &Range<usize>, max| made_of(&segment[item.clone()], max);
        let header = self.packed.first().map_or(0, |header| octets(header, HEADER_BYTES_MAX));
        (header, self.packed.iter().skip(1).map(|record| octets(record, RECORD_BYTES_MAX)).sum())
    }
}

/// Octets that are made of a packed item, up to what cannot be read or would be more than `max`.
fn made_of(mut packed: &[u8], max: usize) -> usize {
    let mut octets = 0;
    while let Ok((head, rest)) = varint::split(packed) {
        let Some(count) = usize::try_from(head >> 1).ok().filter(|count| *count <= max - octets) else {
            break;
        };
        let Some((_, behind)) = rest.split_at_checked(if head & 1 == 1 { 1 } else { count }) else { break };
        octets += count;
        packed = behind;
    }
    octets
}

/// What a packed item stands for, as far as [`made_of`] says.
fn unpacked(mut packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let octets = made_of(packed, RECORD_BYTES_MAX);
    while out.len() < octets
        && let Ok((head, rest)) = varint::split(packed)
    {
        let count = usize::try_from(head >> 1).unwrap_or(0);
        let (part, behind) = rest.split_at(if head & 1 == 1 { 1 } else { count });
        if head & 1 == 1 {
            out.resize(out.len() + count, part[0]);
        } else {
            out.extend_from_slice(part);
        }
        packed = behind;
    }
    out
}

/// An item that stands for these octets.
fn item(octets: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    varint::put(&mut packed, (octets.len() as u64) << 1);
    packed.extend_from_slice(octets);
    let mut out = Vec::new();
    varint::put(&mut out, packed.len() as u64);
    out.extend_from_slice(&packed);
    out
}

/// One damage. `place` says where, modulo what there is.
pub(super) fn damage(segment: &mut Vec<u8>, donor: &[u8], [kind, which, low, high, value]: [u8; 5]) {
    let place = usize::from(u16::from_le_bytes([low, high]));
    match kind % 16 {
        0 if !segment.is_empty() => {
            let at = place % segment.len();
            segment[at] ^= value.max(1);
        }
        1 => segment.truncate(place % (segment.len() + 1)),
        2 => segment.insert(place % (segment.len() + 1), value),
        3 => segment.extend_from_slice(donor),
        4..=6 => damage_items(segment, donor, kind % 16, which),
        // Most damage is done to what items stand for: no length tells of it.
        _ => forge(segment, which, |octets| forge_octets(octets, kind % 16, place, value)),
    }
}

/// Damage that leaves each item as it was.
fn damage_items(segment: &mut Vec<u8>, donor: &[u8], kind: u8, which: u8) {
    let items = Items::of(segment).whole;
    let Some(picked) = items.get(usize::from(which) % items.len().max(1)).cloned() else { return };
    match kind {
        4 => drop(segment.drain(picked)),
        5 => {
            let again = segment[picked.clone()].to_vec();
            drop(segment.splice(picked.start..picked.start, again));
        }
        // Records behind another's header.
        _ => {
            let donated = Items::of(donor).whole.first().map_or(0, |header| header.end);
            drop(segment.splice(..items[0].end, donor[..donated].iter().copied()));
        }
    }
}

/// An item stands for something else, in all its length.
fn forge(segment: &mut Vec<u8>, which: u8, change: impl FnOnce(&mut Vec<u8>)) {
    let Items { whole, packed, .. } = Items::of(segment);
    // As often the header as any record.
    let index = if which.is_multiple_of(2) { 0 } else { usize::from(which / 2) % whole.len().max(1) };
    let (Some(whole), Some(packed)) = (whole.get(index), packed.get(index)) else { return };
    let mut octets = unpacked(&segment[packed.clone()]);
    change(&mut octets);
    drop(segment.splice(whole.clone(), item(&octets)));
}

fn forge_octets(octets: &mut Vec<u8>, kind: u8, place: usize, value: u8) {
    let at = place % octets.len().max(1);
    match kind {
        7 | 8 if !octets.is_empty() => octets[at] = value,
        9 => octets.insert(at, value),
        10 if !octets.is_empty() => drop(octets.remove(at)),
        // A number becomes one of the largest: there most goes wrong.
        _ => {
            let digits = octets[at..].iter().take_while(|octet| **octet & 0x80 != 0).count();
            let end = (at + digits + 1).min(octets.len());
            let mut number = Vec::new();
            varint::put(&mut number, u64::MAX >> (value % 4 * 16));
            drop(octets.splice(at..end, number));
        }
    }
}
