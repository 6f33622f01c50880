//! The tables of odd messages: what curl, Go and nginx made of each when they were measured (`tests/odd/measure.py`), what
//! we make of it, and why. The rule is in `docs/tolerance.md`.

use crate::support::{NOW, fetch_with, get, octets, taken};
use bytes::BytesMut;
use telephone_core::http1::{ClientEvent, Server, ServerEvent};
use telephone_core::limits::HttpLimits;

mod table;

use table::{ANSWERS, REQUESTS, Row, bytes, rows};

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

#[test]
fn the_page_on_tolerance_lists_the_refused_answers_that_curl_and_go_take() {
    let page = include_str!("../../../docs/tolerance.md");
    let list = page.split_once("## Refused though curl and Go take it").expect("the section").1;
    let list = list.split("\n## ").next().unwrap_or_default();
    let listed: Vec<&str> = list.lines().filter(|line| line.starts_with("| `")).collect();
    let cells = |row: &Row| {
        let (rule, why) = (row.ours.strip_prefix("refuses: ")?, row.why.strip_prefix("exception: ")?);
        Some(format!("| `{}` | {rule} | {why} |", row.text))
    };
    let expected: Vec<String> = rows(ANSWERS).iter().filter_map(cells).collect();
    assert_eq!(listed, expected, "the list in docs/tolerance.md:\n{}", expected.join("\n"));
}
