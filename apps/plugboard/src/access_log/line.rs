//! One request as one line of ASCII JSON, written into a buffer that is there.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use telephone_driver::AccessRecord;
use telephone_driver::core::limits::LOG_FIELD_BYTES_MAX;

/// Appends `record` as a line with its line end. `target` is what the line has of the request's; `rule` is the one that
/// refused the request, if one did.
pub(super) fn write_line(
    out: &mut Vec<u8>,
    record: &AccessRecord<'_>,
    target: &[u8],
    rule: Option<&str>,
    time: SystemTime,
) {
    let mut is_truncated = false;
    // Writing to a vector cannot fail, here and below.
    let _ = write!(out, "{{\"time\":\"{}\",\"peer\":\"", humantime::format_rfc3339_micros(time));
    peer(out, record.peer);
    out.extend_from_slice(b"\",\"method\":");
    is_truncated |= field(out, Some(record.method));
    out.extend_from_slice(b",\"host\":");
    is_truncated |= field(out, record.host);
    out.extend_from_slice(b",\"target\":");
    is_truncated |= field(out, Some(target));
    out.extend_from_slice(b",\"status\":");
    match record.status {
        Some(status) => decimal(out, status.into(), 1),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"bytes_in\":");
    decimal(out, record.bytes_in, 1);
    out.extend_from_slice(b",\"bytes_out\":");
    decimal(out, record.bytes_out, 1);
    out.extend_from_slice(b",\"duration_ms\":");
    milliseconds(out, record.duration);
    if !record.waited.is_zero() {
        out.extend_from_slice(b",\"waited_ms\":");
        milliseconds(out, record.waited);
    }
    out.extend_from_slice(b",\"mount\":");
    is_truncated |= field(out, record.mount.map(str::as_bytes));
    out.extend_from_slice(b",\"subject\":");
    is_truncated |= field(out, record.subject.map(str::as_bytes));
    out.extend_from_slice(b",\"cause\":\"");
    out.extend_from_slice(record.cause.word().as_bytes());
    out.push(b'"');
    if let Some(parent) = record.trace {
        let _ = write!(out, ",\"trace\":\"{:032x}\"", parent.trace());
    }
    if let Some(rule) = rule {
        out.extend_from_slice(b",\"rule\":");
        string(out, rule.as_bytes());
    }
    if is_truncated {
        out.extend_from_slice(b",\"truncated\":true");
    }
    out.extend_from_slice(b"}\n");
}

/// A client's text, or `null`. Tells whether it was cut.
fn field(out: &mut Vec<u8>, bytes: Option<&[u8]>) -> bool {
    let Some(bytes) = bytes else {
        out.extend_from_slice(b"null");
        return false;
    };
    string(out, bytes.get(..LOG_FIELD_BYTES_MAX).unwrap_or(bytes));
    bytes.len() > LOG_FIELD_BYTES_MAX
}

/// A JSON string with each byte as the code point of the same number, so that none is lost. Everything beyond printable
/// ASCII is escaped: C1 controls, overrides of the writing direction and half characters mean something to terminals.
fn string(out: &mut Vec<u8>, mut rest: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    loop {
        let is_special = |byte: &u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
        let plain = rest.iter().position(is_special).unwrap_or(rest.len());
        let (head, tail) = rest.split_at(plain);
        out.extend_from_slice(head);
        let Some((special, tail)) = tail.split_first() else { break };
        rest = tail;
        match special {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *special]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            other => {
                out.extend_from_slice(b"\\u00");
                out.extend([other >> 4, other & 0xf].map(|digit| HEX[usize::from(digit)]));
            }
        }
    }
    out.push(b'"');
}

/// By hand, for the standard library takes a third of a line's time for an address.
fn peer(out: &mut Vec<u8>, peer: SocketAddr) {
    let SocketAddr::V4(peer) = peer else {
        let _ = write!(out, "{peer}");
        return;
    };
    let mut separator = None;
    for octet in peer.ip().octets() {
        out.extend(separator.replace(b'.'));
        decimal(out, octet.into(), 1);
    }
    out.push(b':');
    decimal(out, peer.port().into(), 1);
}

/// Milliseconds with the microseconds behind the point, and no more zeros than one.
fn milliseconds(out: &mut Vec<u8>, duration: Duration) {
    let microseconds = u64::try_from(duration.as_nanos().saturating_add(500) / 1000).unwrap_or(u64::MAX);
    decimal(out, microseconds / 1000, 1);
    out.push(b'.');
    let (mut digits, mut fraction) = (3, microseconds % 1000);
    while digits > 1 && fraction % 10 == 0 {
        (digits, fraction) = (digits - 1, fraction / 10);
    }
    decimal(out, fraction, digits);
}

/// `number` with at least so many digits.
fn decimal(out: &mut Vec<u8>, mut number: u64, digits_min: usize) {
    // As many as u64::MAX has.
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 || start > digits.len() - digits_min {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::Value;

    use super::super::tests::record;
    use super::*;

    fn line(record: &AccessRecord<'_>, rule: Option<&str>, time: SystemTime) -> Vec<u8> {
        let mut out = Vec::new();
        write_line(&mut out, record, record.target, rule, time);
        out
    }

    /// What the line has to be, by a library.
    fn line_by_serde(record: &AccessRecord<'_>) -> String {
        let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        let json = |value: Value| {
            let is_plain = |of: char| matches!(of, ' '..='~');
            let escaped = |of: char| {
                if is_plain(of) { of.to_string() } else { format!("\\u{:04x}", u32::from(of)) }
            };
            value.to_string().chars().map(escaped).collect::<String>()
        };
        let microseconds = (record.duration.as_nanos() + 500) / 1000;
        [
            format!("{{\"time\":\"{}\"", humantime::format_rfc3339_micros(UNIX_EPOCH)),
            format!("\"peer\":{}", json(record.peer.to_string().into())),
            format!("\"method\":{}", json(text(record.method).into())),
            format!("\"host\":{}", json(record.host.map(text).into())),
            format!("\"target\":{}", json(text(record.target).into())),
            format!("\"status\":{}", json(record.status.into())),
            format!("\"bytes_in\":{}", record.bytes_in),
            format!("\"bytes_out\":{}", record.bytes_out),
            format!("\"duration_ms\":{}", json((microseconds as f64 / 1000.0).into())),
            format!("\"mount\":{}", json(record.mount.into())),
            format!("\"subject\":{}", json(record.subject.into())),
            format!("\"cause\":{}}}\n", json(record.cause.word().into())),
        ]
        .join(",")
    }

    #[test]
    fn a_line_is_what_a_json_library_would_write() {
        let all: Vec<u8> = (0..=255).collect();
        let peers = ["192.0.2.10:5000", "0.0.0.0:0", "[2001:db8::1]:65535", "[fe80::1%3]:80"];
        let mut durations: Vec<u64> = (0..4000).map(|n| n * 250).collect();
        durations.extend((0..18).map(|n| 10_u64.pow(n) + 999));
        for (n, nanoseconds) in durations.into_iter().enumerate() {
            let mut record = record(&all);
            record.peer = peers[n % peers.len()].parse().unwrap();
            record.duration = Duration::from_nanos(nanoseconds);
            (record.bytes_in, record.bytes_out) = (n as u64, u64::MAX - n as u64);
            record.status = (n % 2 == 0).then_some(n as u16);
            assert_eq!(String::from_utf8(line(&record, None, UNIX_EPOCH)).unwrap(), line_by_serde(&record));
        }
    }

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
    fn a_request_that_waited_tells_how_long() {
        let mut record = record(b"/");
        assert!(!String::from_utf8(line(&record, None, UNIX_EPOCH)).unwrap().contains("waited_ms"));
        record.waited = Duration::from_micros(2_345_600);
        let value: Value = serde_json::from_slice(&line(&record, None, UNIX_EPOCH)).unwrap();
        assert_eq!(value["waited_ms"], 2345.6);
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
