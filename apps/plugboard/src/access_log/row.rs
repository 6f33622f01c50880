//! One request as a row for people, on a terminal.

use std::io::Write as _;
use std::time::SystemTime;

use telephone_driver::AccessRecord;
use telephone_driver::core::limits::{LOG_FIELD_BYTES_MAX, WAIT_TOLD};
use telephone_driver::core::text::printable;
use telephone_sidecar::readable_duration;

/// Appends `record` as a row with its line end: time (UTC), method, status, duration, target, cause. What the client chose is
/// printable ASCII.
pub(super) fn write_row(
    out: &mut Vec<u8>,
    record: &AccessRecord<'_>,
    target: &[u8],
    rule: Option<&str>,
    time: SystemTime,
) {
    let time = humantime::format_rfc3339_seconds(time).to_string();
    // Of `2026-11-30T12:31:05Z`.
    let time = time.split_once('T').map_or("", |(_, time)| time);
    let shown = |bytes| printable(bytes, LOG_FIELD_BYTES_MAX);
    let (method, target) = (shown(record.method), shown(target));
    let status = record.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let duration = readable_duration(record.duration);
    let cause = record.cause.word();
    // Writing to a vector cannot fail.
    let _ = write!(out, "{time} {method:<7} {status:>3} {duration:>9}  {target}  {cause}");
    let _ = rule.map(|rule| write!(out, ": {rule}"));
    if record.waited >= WAIT_TOLD {
        let _ = write!(out, ", waited {}", readable_duration(record.waited));
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::tests::record;
    use super::*;

    fn row(record: &AccessRecord<'_>, rule: Option<&str>) -> String {
        let mut out = Vec::new();
        write_row(&mut out, record, record.target, rule, UNIX_EPOCH);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_has_what_people_look_for_in_columns() {
        assert_eq!(row(&record(b"/a/b"), None), "00:00:00Z GET     200    1.5 ms  /a/b  complete\n");
        let mut waited = record(b"/a/b");
        (waited.duration, waited.waited) = (Duration::from_millis(2_400), Duration::from_millis(2_300));
        assert_eq!(row(&waited, None), "00:00:00Z GET     200     2.4 s  /a/b  complete, waited 2.3 s\n");
        waited.waited = Duration::from_millis(999);
        assert!(row(&waited, None).ends_with("complete\n"), "it waited for a moment only");
        let mut refused = record(b"/%zz");
        (refused.status, refused.method) = (None, b"DELETE");
        let text = row(&refused, Some("a broken escape"));
        assert_eq!(text, "00:00:00Z DELETE    -    1.5 ms  /%zz  complete: a broken escape\n");
    }

    #[test]
    fn no_bytes_of_a_client_reach_the_terminal_as_they_are() {
        let all: Vec<u8> = (0..=255).collect();
        let mut hostile = record(&all);
        hostile.method = b"GET\x1b[2J\n";
        let text = row(&hostile, None);
        let (end, body) = text.as_bytes().split_last().unwrap();
        assert!(*end == b'\n' && body.iter().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
    }
}
