//! `traceparent` (W3C Trace Context): by which a request is found again in the logs and traces of all who had it.

use core::fmt;

use crate::message::Headers;

const NAME: &str = "traceparent";
/// Bytes of a value of version 00: `00-` trace `-` span `-` flags.
const BYTES: usize = 55;

/// Where a request stands in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl TraceParent {
    /// The start of a trace, from numbers that no other one has. It is marked as sampled, since an application that goes by its
    /// parent's word would else record nothing.
    #[must_use]
    pub const fn start(trace: u128, span: u64) -> Self {
        // A number of zero is invalid (§3.2.2.3, §3.2.2.4).
        Self { trace: if trace == 0 { 1 } else { trace }, span: if span == 0 { 1 } else { span }, flags: 1 }
    }

    /// Reads a value, also of later versions, as far as this version knows them (§3.2.4).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(BYTES)?;
        let mut parts = known.split(|&byte| byte == b'-');
        let [version, trace, span, flags] = [(); 4].map(|()| parts.next());
        let version = hex(version?, 2)?;
        let is_whole = match version {
            0 => rest.is_empty(),
            0xFF => false,
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        let (trace, span) = (hex(trace?, 32)?, u64::try_from(hex(span?, 16)?).ok()?);
        let flags = u8::try_from(hex(flags?, 2)?).ok()?;
        let is_valid = is_whole && trace != 0 && span != 0 && parts.next().is_none();
        is_valid.then_some(Self { trace, span, flags })
    }

    /// Keeps the `traceparent` of a request as it came, if it is a valid one, or else puts `start` there; a `tracestate` belongs to
    /// the former alone (§2.3).
    pub fn settle(headers: &mut Headers, start: Self) -> Self {
        let (first, is_alone) = {
            let mut values = headers.all(NAME);
            (values.next(), values.next().is_none())
        };
        let is_there = first.is_some();
        if let Some(kept) = first.and_then(Self::parse).filter(|_| is_alone) {
            return kept;
        }
        if is_there {
            headers.remove(NAME);
        }
        if headers.has("tracestate") {
            headers.remove("tracestate");
        }
        headers.push(NAME, start.to_bytes());
        start
    }

    /// The trace alone, by which logs are searched: 32 hexadecimal digits.
    #[must_use]
    pub const fn trace(self) -> u128 {
        self.trace
    }

    fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = *b"00-00000000000000000000000000000000-0000000000000000-00";
        put_digits(bytes.get_mut(3..35), &self.trace.to_be_bytes());
        put_digits(bytes.get_mut(36..52), &self.span.to_be_bytes());
        put_digits(bytes.get_mut(53..), &[self.flags]);
        bytes
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// Writes two hexadecimal digits for each byte of a number.
fn put_digits(places: Option<&mut [u8]>, number: &[u8]) {
    let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
    for (pair, byte) in places.unwrap_or_default().chunks_exact_mut(2).zip(number) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xF)]);
    }
}

/// A number of so many hexadecimal digits, in lower case alone (§3.2.1).
fn hex(text: &[u8], digits: usize) -> Option<u128> {
    let mut number = 0;
    for byte in text {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        number = (number << 4) | u128::from(digit);
    }
    (text.len() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const START: TraceParent = TraceParent::start(0xab, 0xcd);

    fn settled(fields: &[(&str, &str)]) -> (TraceParent, Headers) {
        let mut headers: Headers = fields.iter().copied().collect();
        let parent = TraceParent::settle(&mut headers, START);
        (parent, headers)
    }

    #[test]
    fn a_value_reads_as_it_was_written() {
        let parent = TraceParent::parse(VALID.as_bytes()).unwrap();
        assert_eq!((parent.to_string().as_str(), &parent.to_bytes()[..]), (VALID, VALID.as_bytes()));
        assert_eq!(parent.trace(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        let start = "00-000000000000000000000000000000ab-00000000000000cd-01";
        assert_eq!((START.to_string().as_str(), &START.to_bytes()[..]), (start, start.as_bytes()));
        assert!(TraceParent::parse(&TraceParent::start(0, 0).to_bytes()).is_some());
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        let rest = &VALID[2..];
        for (version, behind, is_valid) in [
            ("00", "", true),
            ("00", "-x", false),
            ("01", "", true),
            ("cc", "-what the future brings", true),
            ("01", ".x", false),
            ("ff", "", false),
            ("0F", "", false),
        ] {
            let value = alloc::format!("{version}{rest}{behind}");
            assert_eq!(TraceParent::parse(value.as_bytes()).is_some(), is_valid, "{value}");
        }
    }

    #[test]
    fn what_is_invalid_is_replaced_with_its_state() {
        for wrong in [
            "",
            "x",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let (parent, headers) = settled(&[("Traceparent", wrong), ("a", "b"), ("tracestate", "x=y")]);
            let expected = [("a", "b".to_string()), (NAME, START.to_string())];
            assert_eq!((parent, headers), (START, expected.into_iter().collect()), "{wrong}");
        }
        let (parent, headers) = settled(&[(NAME, VALID), (NAME, VALID)]);
        assert_eq!((parent, headers.len()), (START, 1), "two of them");
    }

    #[test]
    fn a_valid_one_stays_as_it_came() {
        let later = alloc::format!("02{}-more", &VALID[2..]);
        for value in [VALID, &later] {
            let fields = [("a", "b"), ("TraceParent", value), ("TraceState", "x=y")];
            let (parent, headers) = settled(&fields);
            assert_eq!((parent.trace() != START.trace(), headers), (true, fields.into_iter().collect()));
        }
        assert_eq!(settled(&[("a", "b")]).0, START);
    }
}
