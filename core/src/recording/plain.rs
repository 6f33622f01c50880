//! The octets that an item stands for: its postcard form, and how much may be made of it.
//!
//! A few packed octets stand for millions, each of which may be an element of a list that takes fifty times as much memory.
//! Bodies and texts are taken whole. All else is taken octet by octet, and those are counted: when an item is read, and
//! when it is written, so that whatever is written can be read.

use alloc::vec::Vec;

use postcard::{Deserializer, Error, Result, de_flavors, ser_flavors};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::varint::VARINT_BYTES_MAX;

/// How large an item may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Octets.
    pub(super) bytes_max: usize,
    /// Octets that are not those of a body or a text.
    pub(super) parts_max: usize,
}

impl Bounds {
    /// For what nobody reads.
    pub(super) const NONE: Self = Self { bytes_max: usize::MAX, parts_max: usize::MAX };
}

/// The octets of an item; `None` if it is too large.
pub(super) fn write(item: &impl Serialize, bounds: Bounds) -> Option<Vec<u8>> {
    let Bounds { bytes_max, parts_max } = bounds;
    postcard::serialize_with_flavor(item, Writer { octets: Vec::new(), bytes_max, parts_max }).ok()
}

/// The item that `octets` are, all of them.
pub(super) fn read<T: DeserializeOwned>(octets: &[u8], bounds: Bounds) -> Option<T> {
    let mut from = Deserializer::from_flavor(Reader { rest: octets, parts_max: bounds.parts_max });
    let item = T::deserialize(&mut from).ok()?;
    from.finalize().ok()?.is_empty().then_some(item)
}

struct Writer {
    octets: Vec<u8>,
    bytes_max: usize,
    /// Parts that may still come.
    parts_max: usize,
}

impl Writer {
    fn count(&mut self, parts: usize) -> Result<()> {
        self.parts_max = self.parts_max.checked_sub(parts).ok_or(Error::SerializeBufferFull)?;
        if self.octets.len() > self.bytes_max { Err(Error::SerializeBufferFull) } else { Ok(()) }
    }
}

impl ser_flavors::Flavor for Writer {
    type Output = Vec<u8>;

    fn try_push(&mut self, octet: u8) -> Result<()> {
        self.octets.push(octet);
        self.count(1)
    }

    fn try_extend(&mut self, octets: &[u8]) -> Result<()> {
        self.octets.extend_from_slice(octets);
        // Numbers come here, too. A text that is as short counts like one.
        self.count(if octets.len() > VARINT_BYTES_MAX { 0 } else { octets.len() })
    }

    fn finalize(self) -> Result<Vec<u8>> {
        Ok(self.octets)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Parts that may still be taken.
    parts_max: usize,
}

impl<'a> de_flavors::Flavor<'a> for Reader<'a> {
    type Remainder = &'a [u8];
    type Source = &'a [u8];

    fn pop(&mut self) -> Result<u8> {
        let (octet, rest) = self.rest.split_first().ok_or(Error::DeserializeUnexpectedEnd)?;
        self.parts_max = self.parts_max.checked_sub(1).ok_or(Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        Ok(*octet)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }

    fn try_take_n(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Error::DeserializeUnexpectedEnd)?;
        self.rest = rest;
        Ok(taken)
    }

    fn finalize(self) -> Result<&'a [u8]> {
        Ok(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;
    use bytes::Bytes;

    const BOUNDS: Bounds = Bounds { bytes_max: 1000, parts_max: 20 };

    #[test]
    fn a_long_list_is_refused_where_a_body_of_its_length_is_not() {
        for count in [0, 5, 19, 20, 900, 998, 999] {
            let body = Bytes::from(vec![0; count]);
            let octets = write(&body, Bounds::NONE).expect("without bounds");
            assert_eq!(read(&octets, BOUNDS), Some(body.clone()));
            assert_eq!(write(&body, BOUNDS), Some(octets).filter(|octets| octets.len() <= 1000), "{count}");
            // An octet each, like one of the body.
            let list = vec![0_u16; count];
            let octets = write(&list, Bounds::NONE).expect("without bounds");
            assert_eq!(read::<Vec<u16>>(&octets, BOUNDS).is_some(), count <= 19);
            assert_eq!(write(&list, BOUNDS).is_some(), count <= 19);
        }
    }

    #[test]
    fn what_can_be_written_can_be_read() {
        let item = |texts: usize, length: usize, number: u64| {
            (vec!["x".repeat(length); texts], number, Some(Bytes::from(vec![7; length])))
        };
        for (texts, length) in (0..20).flat_map(|texts| (0..20).map(move |length| (texts, length))) {
            for number in [0, 1 << 20, u64::MAX] {
                let item = item(texts, length, number);
                if let Some(octets) = write(&item, BOUNDS) {
                    assert_eq!(read::<(Vec<String>, u64, Option<Bytes>)>(&octets, BOUNDS), Some(item));
                }
            }
        }
        let rest = [write(&1_u8, BOUNDS).expect("a number"), vec![0]].concat();
        assert_eq!(read::<u8>(&rest, BOUNDS), None, "not all of it was read");
    }
}
