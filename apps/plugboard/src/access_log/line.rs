//! One request as one line of ASCII JSON.

use std::io::{self, Write};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::ser::Formatter;
use telephone_driver::AccessRecord;
use telephone_driver::core::limits::LOG_FIELD_BYTES_MAX;

#[derive(Serialize)]
struct Line {
    time: String,
    peer: String,
    method: String,
    host: Option<String>,
    target: String,
    status: Option<u16>,
    bytes_in: u64,
    bytes_out: u64,
    duration_ms: f64,
    mount: Option<String>,
    subject: Option<String>,
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// `record` as a line with its line end; `rule` is the one that refused the request, if one did.
pub(super) fn line(record: &AccessRecord<'_>, rule: Option<&str>, time: SystemTime) -> Vec<u8> {
    let mut truncated = false;
    let mut field = |octets: &[u8]| {
        truncated |= octets.len() > LOG_FIELD_BYTES_MAX;
        latin1(octets.get(..LOG_FIELD_BYTES_MAX).unwrap_or(octets))
    };
    let line = Line {
        time: humantime::format_rfc3339_micros(time).to_string(),
        peer: record.peer.to_string(),
        method: field(record.method),
        host: record.host.map(&mut field),
        target: field(record.target),
        status: record.status,
        bytes_in: record.bytes_in,
        bytes_out: record.bytes_out,
        duration_ms: (record.duration.as_secs_f64() * 1e6).round() / 1e3,
        mount: record.mount.map(|mount| field(mount.as_bytes())),
        subject: record.subject.map(|subject| field(subject.as_bytes())),
        cause: record.cause.word(),
        rule: rule.map(str::to_owned),
        truncated,
    };
    let mut out = Vec::with_capacity(512);
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Ascii);
    // Neither the vector nor strings and numbers can fail.
    let _ = line.serialize(&mut serializer);
    out.push(b'\n');
    out
}

/// Each octet as the code point of the same number, so that none is lost.
fn latin1(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// JSON in which everything beyond printable ASCII is escaped: C1 controls, overrides of the writing
/// direction and half characters mean something to terminals.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for character in fragment.chars() {
            if matches!(character, ' '..='~') {
                writer.write_all(&[character as u8])?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::Value;

    use super::super::tests::record;
    use super::*;

    #[test]
    fn a_line_tells_the_whole_request() {
        let text = line(&record(b"/a?b=c"), None, UNIX_EPOCH);
        let text = std::str::from_utf8(&text).unwrap();
        assert_eq!(
            text,
            "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"peer\":\"192.0.2.1:5000\",\"method\":\"GET\",\
             \"host\":\"example.com\",\"target\":\"/a?b=c\",\"status\":200,\"bytes_in\":1,\"bytes_out\":2,\
             \"duration_ms\":1.5,\"mount\":\"/a\",\"subject\":\"shop\",\"cause\":\"complete\"}\n"
        );
    }

    #[test]
    fn any_octets_give_one_line_of_printable_ascii_that_is_json_and_loses_none() {
        let all: Vec<u8> = (0..=255).collect();
        let mut hostile = record(&all);
        hostile.method = b"GET\r\n{\"forged\":1}";
        hostile.host = Some(b"\x1b[2J\xe2\x80\xae");
        let text = line(&hostile, None, UNIX_EPOCH);
        let (end, body) = text.split_last().unwrap();
        assert_eq!(*end, b'\n');
        assert!(body.iter().all(|octet| (b' '..=b'~').contains(octet)));
        let value: Value = serde_json::from_slice(body).unwrap();
        let target: Vec<u32> = value["target"].as_str().unwrap().chars().map(u32::from).collect();
        assert_eq!(target, (0..=255).collect::<Vec<u32>>());
    }

    #[test]
    fn a_long_field_is_cut_and_the_line_says_so() {
        let long = vec![0xff; 10_000];
        let value: Value = serde_json::from_slice(&line(&record(&long), None, UNIX_EPOCH)).unwrap();
        assert_eq!(value["target"].as_str().unwrap().chars().count(), LOG_FIELD_BYTES_MAX);
        assert_eq!(value["truncated"], true);
        let exact = vec![b'a'; LOG_FIELD_BYTES_MAX];
        let value: Value = serde_json::from_slice(&line(&record(&exact), None, UNIX_EPOCH)).unwrap();
        assert_eq!(value.get("truncated"), None);
    }

    #[test]
    fn what_was_refused_names_the_rule() {
        let text = line(&record(b"/a%zz"), Some("the path holds a broken percent escape"), UNIX_EPOCH);
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["rule"], "the path holds a broken percent escape");
    }

    #[test]
    fn what_is_not_known_is_null() {
        let mut record = record(b"*");
        (record.host, record.status, record.mount, record.subject) = (None, None, None, None);
        record.duration = Duration::ZERO;
        let value: Value = serde_json::from_slice(&line(&record, None, UNIX_EPOCH)).unwrap();
        for name in ["host", "status", "mount", "subject"] {
            assert!(value[name].is_null(), "{name}");
        }
        assert_eq!(value["duration_ms"], 0.0);
    }
}
