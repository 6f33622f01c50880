//! Header fields and trailers.

use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::http1::{is_text, is_token};
use crate::wire::varint;

/// One header field: its name in the case in which it came, and its value, as octets.
pub type Field<'a> = (&'a [u8], &'a [u8]);

/// Ordered, repeatable header fields (RFC 9110 §5). Names compare without case.
///
/// All of them stand in one buffer as they cross the tunnel, so that to read, to copy and to send a head costs one
/// allocation and no more than its octets.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Unjudged")]
pub struct Headers {
    /// Names and values by turns, each behind its length as a varint.
    #[serde(with = "as_octets")]
    octets: Vec<u8>,
    count: u32,
    #[serde(skip)]
    faults: Faults,
}

/// What may not be in a head that is sent, noted as each field comes: a head is asked several times on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Faults {
    /// A name that is no token, or a value with an octet that would break the head.
    is_malformed: bool,
    /// A field that frames a message on one connection.
    is_framing: bool,
}

impl Faults {
    fn note(&mut self, (name, value): Field<'_>) {
        self.is_malformed |= !is_token(name) || !is_text(value);
        self.is_framing |= is_framing(name);
    }
}

/// Fields as a recording has them, without their faults.
#[derive(Deserialize)]
struct Unjudged {
    #[serde(with = "as_octets")]
    octets: Vec<u8>,
    count: u32,
}

impl From<Unjudged> for Headers {
    fn from(Unjudged { octets, count }: Unjudged) -> Self {
        let mut headers = Self { octets, count, faults: Faults::default() };
        headers.faults = headers.found_faults();
        headers
    }
}

/// A recording has octets as one body, and not as a list of numbers.
mod as_octets {
    use alloc::vec::Vec;
    use bytes::Bytes;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(octets)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Ok(Bytes::deserialize(deserializer)?.into())
    }
}

/// The fields of a section in order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let (field, rest) = split_field(self.rest)?;
        self.rest = rest;
        Some(field)
    }
}

impl Headers {
    /// No fields.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Vec::new())
    }

    const fn of(octets: Vec<u8>) -> Self {
        Self { octets, count: 0, faults: Faults { is_malformed: false, is_framing: false } }
    }

    /// No fields, and room for so many octets of names and values; lengths below 128 take one more octet each.
    #[must_use]
    pub fn with_capacity(octets: usize) -> Self {
        Self::of(Vec::with_capacity(octets))
    }

    /// `count` fields as they came on the wire, at the front of `octets`, and what follows them; `None` if they are not
    /// all there.
    pub(crate) fn from_wire(octets: &[u8], count: u32) -> Option<(Self, &[u8])> {
        let mut faults = Faults::default();
        let mut rest = octets;
        for _ in 0..count {
            let (field, behind) = split_field(rest)?;
            faults.note(field);
            rest = behind;
        }
        let size = octets.len().saturating_sub(rest.len());
        let octets = octets.get(..size).unwrap_or_default().into();
        Some((Self { octets, count, faults }, rest))
    }

    /// The fields as they go on the wire, without their count.
    pub(crate) fn as_wire(&self) -> &[u8] {
        &self.octets
    }

    /// Appends a field behind all others.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (name.as_ref(), value.as_ref());
        self.faults.note((name, value));
        self.begin(name, value.len());
        self.octets.extend_from_slice(value);
    }

    /// Appends all fields of `more` behind all others.
    pub(crate) fn append(&mut self, more: &Self) {
        self.octets.extend_from_slice(&more.octets);
        self.count = self.count.saturating_add(more.count);
        self.faults.is_malformed |= more.faults.is_malformed;
        self.faults.is_framing |= more.faults.is_framing;
    }

    /// Whether each name is a token and each value text, so that they can be written as lines (RFC 9110 §5.1, §5.5).
    pub(crate) const fn is_sound(&self) -> bool {
        !self.faults.is_malformed
    }

    /// Whether a field frames a message on one connection; a length crosses as a number (RFC 9112 §6, §9.6).
    pub(crate) const fn has_framing(&self) -> bool {
        self.faults.is_framing
    }

    /// Octets that the fields take at most as lines, each with `: ` and a line end.
    pub(crate) const fn lines_bytes_max(&self) -> usize {
        self.octets.len().saturating_add(self.len().saturating_mul(2))
    }

    fn found_faults(&self) -> Faults {
        let mut faults = Faults::default();
        let mut fields = self.iter();
        fields.by_ref().for_each(|field| faults.note(field));
        // A recording may hold what is no field, which would read as one with what is put behind it.
        faults.is_malformed |= !fields.rest.is_empty();
        faults
    }

    /// Appends a field `name` with the first value of `of`, if there is one.
    pub(crate) fn push_copy(&mut self, name: &str, of: &str) {
        let mut fields = self.iter();
        let Some((_, value)) = fields.by_ref().find(|(n, _)| is_named(n, of)) else { return };
        let mut faults = self.faults;
        faults.note((name.as_bytes(), value));
        let end = self.octets.len().saturating_sub(fields.rest.len());
        let value = end.saturating_sub(value.len())..end;
        self.faults = faults;
        self.begin(name.as_bytes(), value.len());
        self.octets.extend_from_within(value);
    }

    /// Appends a field but for the octets of its value.
    fn begin(&mut self, name: &[u8], value_length: usize) {
        self.octets.reserve(name.len().saturating_add(value_length).saturating_add(2));
        varint::put_counted(&mut self.octets, name);
        varint::put(&mut self.octets, value_length as u64);
        self.count = self.count.saturating_add(1);
    }

    /// The fields in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.octets }
    }

    /// The first value of `name`.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(n, _)| is_named(n, name)).map(|(_, v)| v)
    }

    /// Every value of `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(n, _)| is_named(n, name)).map(|(_, v)| v)
    }

    /// Whether a field `name` is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Removes every field for whose name and value `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let (mut from, mut to) = (0_usize, 0_usize);
        while let Some(((name, value), rest)) = split_field(self.octets.get(from..).unwrap_or_default()) {
            let end = self.octets.len().saturating_sub(rest.len());
            if keep(name, value) {
                if to < from {
                    self.octets.copy_within(from..end, to);
                }
                to = to.saturating_add(end.saturating_sub(from));
            } else {
                self.count = self.count.saturating_sub(1);
            }
            from = end;
        }
        self.octets.truncate(to);
        if self.faults != Faults::default() {
            self.faults = self.found_faults();
        }
    }

    /// Removes every field `name`.
    pub fn remove(&mut self, name: &str) {
        self.retain(|n, _| !is_named(n, name));
    }

    /// Puts `value` where the first field `name` stands and removes the others; appends if there is none.
    pub fn set(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        if !self.has(name) {
            return self.push(name, value);
        }
        let value = value.as_ref();
        let mut changed = Self::with_capacity(self.octets.len().saturating_add(value.len()));
        let mut is_owed = true;
        for (n, v) in self.iter() {
            if !is_named(n, name) {
                changed.push(n, v);
            } else if core::mem::take(&mut is_owed) {
                changed.push(n, value);
            }
        }
        *self = changed;
    }

    /// The number of fields.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no field.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in iter {
            headers.push(name, value);
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.iter() {
            map.entry(
                &format_args!("{}", name.escape_ascii()),
                &format_args!("\"{}\"", value.escape_ascii()),
            );
        }
        map.finish()
    }
}

/// Fields that frame a message on one connection.
fn is_framing(name: &[u8]) -> bool {
    ["content-length", "transfer-encoding", "connection"].iter().any(|framing| is_named(name, framing))
}

/// Names compare without case (RFC 9110 §5.1).
fn is_named(field: &[u8], name: &str) -> bool {
    field.eq_ignore_ascii_case(name.as_bytes())
}

/// The field at the front of `octets`, and what follows it.
fn split_field(octets: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (name, rest) = varint::split_counted(octets)?;
    let (value, rest) = varint::split_counted(rest)?;
    Some(((name, value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn listed(headers: &Headers) -> Vec<(String, String)> {
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("ASCII");
        headers.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize, String),
        Append(usize, String),
        Set(usize, String),
        Remove(usize),
    }

    /// The first two are one name, the fourth frames a message, and the last is none.
    const NAMES: [&str; 5] = ["Host", "host", "x", "Connection", "a b"];

    fn any_step() -> impl Strategy<Value = Step> {
        let value = || proptest::string::string_regex("[a-z]{0,3}|[a-z]{150}|\\r").expect("an expression");
        prop_oneof![
            (0..NAMES.len(), value()).prop_map(|(name, value)| Step::Push(name, value)),
            (0..NAMES.len(), value()).prop_map(|(name, value)| Step::Append(name, value)),
            (0..NAMES.len(), value()).prop_map(|(name, value)| Step::Set(name, value)),
            (0..NAMES.len()).prop_map(Step::Remove),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn fields_are_those_of_a_plain_list(steps in proptest::collection::vec(any_step(), 0..12)) {
            let mut headers = Headers::new();
            let mut model: Vec<(String, String)> = Vec::new();
            for step in steps {
                match step {
                    Step::Push(name, value) => {
                        headers.push(NAMES[name], &value);
                        model.push((NAMES[name].into(), value));
                    }
                    Step::Append(name, value) => {
                        headers.append(&[(NAMES[name], &value)].into_iter().collect());
                        model.push((NAMES[name].into(), value));
                    }
                    Step::Set(name, value) => {
                        headers.set(NAMES[name], &value);
                        let is_named = |of: &(String, String)| of.0.eq_ignore_ascii_case(NAMES[name]);
                        match model.iter().position(is_named) {
                            None => model.push((NAMES[name].into(), value)),
                            Some(place) => {
                                model[place].1 = value;
                                let mut index = 0;
                                model.retain(|of| {
                                    index += 1;
                                    index <= place + 1 || !is_named(of)
                                });
                            }
                        }
                    }
                    Step::Remove(name) => {
                        headers.remove(NAMES[name]);
                        model.retain(|of| !of.0.eq_ignore_ascii_case(NAMES[name]));
                    }
                }
                prop_assert_eq!(listed(&headers), model.clone());
                prop_assert_eq!((headers.len(), headers.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!(&model.iter().cloned().collect::<Headers>(), &headers);
                let is_sound = |(name, value): &(String, String)| name != "a b" && value != "\r";
                prop_assert_eq!(headers.is_sound(), model.iter().all(is_sound));
                prop_assert_eq!(headers.has_framing(), model.iter().any(|(name, _)| name == "Connection"));
                let octets = postcard::to_allocvec(&headers).expect("a buffer");
                prop_assert_eq!(&postcard::from_bytes::<Headers>(&octets).expect("fields"), &headers);
                let host = model.iter().find(|of| of.0.eq_ignore_ascii_case("host"));
                prop_assert_eq!(headers.first("HOST"), host.map(|of| of.1.as_bytes()));
                let mut copied = headers.clone();
                copied.push_copy("copy", "HOST");
                prop_assert_eq!(copied.first("copy"), headers.first("host"));
                copied.remove("copy");
                prop_assert_eq!(&copied, &headers);
            }
        }
    }

    #[test]
    fn what_is_no_field_in_a_recording_is_no_sound_one() {
        let recorded = postcard::to_allocvec(&(Bytes::from_static(&[1]), 0_u32)).expect("a buffer");
        let mut headers: Headers = postcard::from_bytes(&recorded).expect("octets");
        assert!(!headers.is_sound());
        headers.push("accept-langua", "x");
        assert!(!headers.is_sound());
    }

    #[test]
    fn what_is_shown_is_readable() {
        let mut headers = Headers::new();
        headers.push("X", [b'a', 0xff]);
        assert_eq!(format!("{headers:?}"), r#"{X: "a\xff"}"#);
    }
}
