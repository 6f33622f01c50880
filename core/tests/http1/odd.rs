//! The tables of odd messages: what curl, Go and nginx made of each when they were measured (`tests/odd/measure.py`), what
//! we make of it, and why. The rule is in `docs/tolerance.md`.

use crate::support::{NOW, fetch_with, get, octets, taken};
use bytes::BytesMut;
use telephone_core::http1::{ClientEvent, Server, ServerEvent};
use telephone_core::limits::HttpLimits;

const ANSWERS: &str = include_str!("odd/answers.txt");
const REQUESTS: &str = include_str!("odd/requests.txt");

struct Row {
    text: &'static str,
    curl: &'static str,
    go: &'static str,
    ours: &'static str,
    why: &'static str,
}

fn rows(table: &'static str) -> Vec<Row> {
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [text, curl, go, _, ours, why] = cells[..] else { panic!("six cells in {line}") };
        Row { text, curl, go, ours, why }
    };
    table.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

/// The bytes of a row: `\r`, `\n`, `\t`, `\\`, `\xHH`, `<y*N>` for N letters, `<fields*N>` for N fields.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((mark, behind)) = rest.strip_prefix('<').and_then(|mark| mark.split_once('>'))
            && let Some((what, count)) = mark.split_once('*')
        {
            let count: usize = count.parse().expect("a count");
            let fields = (0..count).map(|at| format!("X-{at}: y")).collect::<Vec<_>>().join("\r\n");
            bytes.extend(if what == "y" { "y".repeat(count) } else { fields }.bytes());
            rest = behind;
            continue;
        }
        if first != '\\' {
            bytes.push(first as u8);
            rest = &rest[1..];
            continue;
        }
        let (octet, length) = match rest.as_bytes()[1] {
            b'r' => (b'\r', 2),
            b'n' => (b'\n', 2),
            b't' => (b'\t', 2),
            b'x' => (u8::from_str_radix(&rest[2..4], 16).expect("two digits"), 4),
            other => (other, 2),
        };
        bytes.push(octet);
        rest = &rest[length..];
    }
    bytes
}

/// `kept`, `passes` (behind it the connection is closed), or the rule that refuses it.
fn verdict_on_answer(input: &[u8]) -> String {
    let whole = fetch_with(HttpLimits::default(), &get("/"), [input], true);
    if input.len() < 1000 {
        let cut = fetch_with(HttpLimits::default(), &get("/"), octets(input), true);
        assert_eq!(cut, whole, "octet by octet");
    }
    let is_begun = matches!(whole.events.first(), Some(ClientEvent::Head { .. }));
    match whole.error {
        Some(error) => format!("refuses: {}", error.reason()),
        None if whole.is_reusable => "kept".into(),
        None => {
            assert!(is_begun);
            "passes".into()
        }
    }
}

/// `takes`, or status and rule of the refusal.
fn verdict_on_request(input: &[u8]) -> String {
    let mut server = Server::new(HttpLimits::default(), NOW);
    let mut bytes = BytesMut::from(input);
    let mut is_whole = false;
    while let Some(event) = server.poll_event(&mut bytes, NOW) {
        is_whole |= matches!(event, ServerEvent::Request { end: true, .. } | ServerEvent::End(_));
        if is_whole {
            return "takes".into();
        }
    }
    let answer = String::from_utf8_lossy(&taken(server.output())).into_owned();
    let status = answer.get(9..12).unwrap_or("400").to_owned();
    let reason = answer.lines().last().unwrap_or("aborted").to_owned();
    format!("{status}: {reason}")
}

fn check(table: &'static str, at_least: usize, verdict: impl Fn(&[u8]) -> String) {
    let rows = rows(table);
    assert!(rows.len() >= at_least, "{} rows", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let seen = verdict(&bytes(row.text));
            (seen != row.ours || row.why == "?").then(|| format!("{} | {seen}", row.text))
        })
        .collect();
    assert!(wrong.is_empty(), "rows that tell another verdict, or no reason:\n{}", wrong.join("\n"));
}

#[test]
fn each_odd_answer_has_the_verdict_of_the_table() {
    check(ANSWERS, 100, verdict_on_answer);
}

#[test]
fn each_odd_request_has_the_verdict_of_the_table() {
    check(REQUESTS, 60, verdict_on_request);
}

#[test]
fn no_answer_that_curl_and_go_take_is_refused_but_for_those_with_a_reason() {
    for row in rows(ANSWERS) {
        let is_taken_by_both = row.curl == "takes" && row.go == "takes";
        let is_excepted = row.why.starts_with("exception: ");
        let is_refused = row.ours.starts_with("refuses");
        assert_eq!(is_taken_by_both && is_refused, is_excepted, "{}: {}", row.text, row.why);
    }
}
