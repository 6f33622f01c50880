//! How values that are not text stand in JSON: octets as Latin-1, bodies as base64, codes and settings by name.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{LeaveCode, ResetCode};
use crate::message::{Headers, word};
use crate::wire::RefusedCode;
use crate::wire::head::FIELDS_MAX;

/// Octets as text: each is the character of its number, U+0000 to U+00FF.
#[derive(Default)]
pub(super) struct Latin1(pub(super) Bytes);

/// The same, of borrowed octets.
struct AsLatin1<'a>(&'a [u8]);

impl fmt::Display for AsLatin1<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.iter().try_for_each(|octet| formatter.write_char(char::from(*octet)))
    }
}

impl Serialize for AsLatin1<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Latin1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        AsLatin1(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Latin1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        octets(&Text::deserialize(deserializer)?.0).map(|octets| Self(word(&octets))).map_err(Error::custom)
    }
}

/// Text that is borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The octets that Latin-1 text stands for.
fn octets(text: &str) -> Result<Cow<'_, [u8]>, &'static str> {
    if text.is_ascii() {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let octets: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    octets.map(Cow::Owned).map_err(|_| "a character beyond U+00FF")
}

/// Octets in base64 (RFC 4648 §4), padded.
pub(super) struct Base64(pub(super) Bytes);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        STANDARD.decode(&*text.0).map(|octets| Self(octets.into())).map_err(Error::custom)
    }
}

/// Header fields: a list of `[name, value]`, in order.
#[derive(Default)]
pub(super) struct Fields(pub(super) Headers);

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            list.serialize_element(&(AsLatin1(name), AsLatin1(value)))?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Headers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "at most {FIELDS_MAX} pairs of a name and a value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                let mut headers = Headers::new();
                while let Some((name, value)) = list.next_element::<(Text<'de>, Text<'de>)>()? {
                    if headers.len() >= FIELDS_MAX {
                        return Err(A::Error::custom("too many fields"));
                    }
                    let octets = |text| octets(text).map_err(A::Error::custom);
                    headers.push(octets(&name.0)?, octets(&value.0)?);
                }
                Ok(headers)
            }
        }
        deserializer.deserialize_seq(List).map(Self)
    }
}

/// What is a number in the binary profile and here a name, if the number has one.
pub(in crate::wire) trait Named: Copy {
    /// The names, by number, as PROTOCOL.md has them.
    const NAMES: &'static [&'static str];
    fn number(self) -> u64;
    fn of(number: u64) -> Self;
}

impl Named for ResetCode {
    const NAMES: &'static [&'static str] = &[
        "cancelled",
        "unreachable",
        "timedout",
        "backendfailed",
        "truncated",
        "stopped",
        "refused",
        "sessionlost",
        "denied",
        "exhausted",
        "malformed",
        "headtoolarge",
        "coding",
    ];

    fn number(self) -> u64 {
        self.to_wire()
    }

    fn of(number: u64) -> Self {
        Self::from_wire(number)
    }
}

impl Named for LeaveCode {
    const NAMES: &'static [&'static str] =
        &["draining", "replaced", "expired", "revoked", "misbehaved", "calmdown", "forbidden", "stopped"];

    fn number(self) -> u64 {
        self.to_wire()
    }

    fn of(number: u64) -> Self {
        Self::from_wire(number)
    }
}

impl Named for RefusedCode {
    const NAMES: &'static [&'static str] =
        &["forbidden", "expired", "held", "stale", "busy", "malformed", "leaving"];

    fn number(self) -> u64 {
        self.into()
    }

    fn of(number: u64) -> Self {
        Self::from(number)
    }
}

/// A code by its name, or as its number if it has none.
pub(in crate::wire) struct Code<T>(pub(in crate::wire) T);

impl<T: Named> Serialize for Code<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = self.0.number();
        match usize::try_from(number).ok().and_then(|place| T::NAMES.get(place)) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_u64(number),
        }
    }
}

impl<'de, T: Named> Deserialize<'de> for Code<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrNumber<T>(PhantomData<T>);
        impl<T: Named> Visitor<'_> for NameOrNumber<T> {
            type Value = Code<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a code, or its number")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Code<T>, E> {
                let place = T::NAMES.iter().position(|known| *known == name);
                let place = place.ok_or_else(|| E::custom("a name that no code has"))?;
                Ok(Code(T::of(place as u64)))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Code<T>, E> {
                Ok(Code(T::of(number)))
            }
        }
        deserializer.deserialize_any(NameOrNumber(PhantomData))
    }
}

/// Writes pairs of an id and a value as an object. An id without a name is written as its number.
pub(in crate::wire) fn put_settings<S: Serializer>(
    pairs: &[(u64, u64)],
    name: impl Fn(u64) -> Option<&'static str>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (id, value) in pairs {
        match name(*id) {
            Some(name) => map.serialize_entry(name, value)?,
            None => map.serialize_entry(id, value)?,
        }
    }
    map.end()
}

/// Reads what [`put_settings`] writes, at most `max` pairs. A name that nobody knows is skipped.
pub(in crate::wire) fn take_settings<'de, D: Deserializer<'de>>(
    max: usize,
    id: impl Fn(&str) -> Option<u64>,
    deserializer: D,
) -> Result<Vec<(u64, u64)>, D::Error> {
    struct Pairs<F> {
        max: usize,
        id: F,
    }
    impl<'de, F: Fn(&str) -> Option<u64>> Visitor<'de> for Pairs<F> {
        type Value = Vec<(u64, u64)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "at most {} settings", self.max)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some((name, value)) = map.next_entry::<Text<'de>, u64>()? {
                let Some(id) = (self.id)(&name.0).or_else(|| name.0.parse().ok()) else { continue };
                if pairs.len() >= self.max {
                    return Err(A::Error::custom("too many settings"));
                }
                pairs.push((id, value));
            }
            Ok(pairs)
        }
    }
    deserializer.deserialize_map(Pairs { max, id })
}

/// The 16 octets of a secret: as they are, or in base64 where people may read.
pub(in crate::wire) mod secret {
    use super::{Base64, Bytes, Deserialize, Deserializer, Error, Serialize, Serializer};

    pub(in crate::wire) fn serialize<S: Serializer>(
        secret: &[u8; 16],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            Base64(Bytes::copy_from_slice(secret)).serialize(serializer)
        } else {
            secret.serialize(serializer)
        }
    }

    pub(in crate::wire) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 16], D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer);
        }
        let octets = Base64::deserialize(deserializer)?.0;
        <[u8; 16]>::try_from(&octets[..]).map_err(|_| D::Error::custom("a secret has 16 octets"))
    }
}
