//! Everything that a hostile peer can send: handshakes, links that come and go, messages, time.

mod application;
mod plugboard;
mod telephone;

pub use plugboard::plugboard_input;
pub use telephone::telephone_input;

/// One step of an input: what happens, and its octets.
struct Record<'a> {
    kind: u8,
    octets: &'a [u8],
}

/// An input as records: an octet for the kind, two for the length, and so many octets, or all that are left.
fn records(mut data: &[u8]) -> impl Iterator<Item = Record<'_>> {
    std::iter::from_fn(move || {
        let ([kind, low, high], rest) = data.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (octets, rest) = rest.split_at(length);
        data = rest;
        Some(Record { kind: *kind, octets })
    })
}

/// Steps of one run.
const STEPS_MAX: usize = 100;
