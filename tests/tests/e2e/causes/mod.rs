//! Each way to fail has its status, its `Proxy-Status`, its metric and its word in the log: FAILURES.md says which, and
//! here each of its rows is brought about.

mod answers;
mod provoke;
mod raw;
mod rooms;
mod shed;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use serde_json::Value;
use telephone_driver::core::cause::Cause;
use telephone_tests::bins;
use telephone_tests::line::both_programs;
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

use provoke::{PROVOCATIONS, Provoked};

/// How many rows are brought about at once.
const THREADS: usize = 4;

/// One row of the table in FAILURES.md.
#[derive(Debug)]
struct Row {
    what: String,
    /// The statuses of the plugboard's own answers; none where it gives none.
    statuses: BTreeSet<u16>,
    /// It also happens behind the head of an answer, whose status stays.
    is_begun: bool,
    proxy_status: Option<String>,
    outcome: String,
    word: String,
    retry: String,
}

/// The rows of the table.
fn table() -> Vec<Row> {
    let text = fs::read_to_string(bins::workspace().join("FAILURES.md")).expect("FAILURES.md");
    let rows = text.lines().skip_while(|line| !line.starts_with("| what happened |")).skip(2);
    rows.take_while(|line| line.starts_with('|')).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(|cell| unquoted(cell.trim())).collect();
    let [what, status, proxy_status, outcome, word, retry, next] = cells[..] else {
        panic!("a row has seven cells: {line}")
    };
    assert!(!what.is_empty() && !next.is_empty(), "{line}");
    Row {
        what: what.to_owned(),
        statuses: status.split(", ").filter_map(|status| status.parse().ok()).collect(),
        is_begun: status.contains("as begun"),
        proxy_status: (proxy_status != "none").then(|| proxy_status.to_owned()),
        outcome: outcome.to_owned(),
        word: word.to_owned(),
        retry: retry.to_owned(),
    }
}

/// What stands between backticks, if all of it does.
fn unquoted(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or(cell)
}

#[test]
fn the_table_of_failures_has_one_row_and_one_provocation_for_each_cause() {
    let causes: BTreeSet<&str> =
        Cause::ALL.iter().filter(|cause| **cause != Cause::Complete).map(|cause| cause.word()).collect();
    let rows = table();
    let words: BTreeSet<&str> = rows.iter().map(|row| row.word.as_str()).collect();
    assert_eq!(words, causes);
    assert_eq!(rows.len(), causes.len(), "two rows of one word");
    let provoked: BTreeSet<&str> = PROVOCATIONS.iter().map(|(word, _)| *word).collect();
    assert_eq!(provoked, causes);
    for row in rows {
        assert_eq!(row.outcome, row.word, "{}", row.what);
        assert_eq!(row.proxy_status.is_some(), !row.statuses.is_empty(), "{}", row.what);
        assert!(
            ["yes", "yes, after `Retry-After`", "if idempotent", "no"].contains(&&*row.retry),
            "{}",
            row.retry
        );
    }
}

#[test]
fn each_way_to_fail_is_answered_counted_and_logged_as_the_table_says() {
    both_programs(|program| {
        let (rows, next) = (table(), AtomicUsize::new(0));
        thread::scope(|scope| {
            let work = || {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    prove(program, row);
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            for thread in threads {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
        });
    });
}

/// Brings a row about and compares.
fn prove(program: Program, row: &Row) {
    let provocation = PROVOCATIONS.iter().find(|(word, _)| *word == row.word).map(|(_, provoke)| provoke);
    let provoke = provocation.unwrap_or_else(|| panic!("nothing provokes {}", row.word));
    let proof = || compare(row, &provoke(program));
    if let Err(panic) = catch_unwind(AssertUnwindSafe(proof)) {
        eprintln!("... with {} at the row {:?}", program.name(), row.what);
        resume_unwind(panic);
    }
}

fn compare(row: &Row, provoked: &Provoked) {
    let mut statuses = BTreeSet::new();
    for head in &provoked.answers {
        let start = String::from_utf8_lossy(&head.start);
        assert_eq!(head.value("proxy-status"), row.proxy_status, "{start}");
        assert_eq!(head.values("proxy-status").len(), 1);
        assert_eq!(head.has("retry-after"), row.retry.contains("Retry-After"), "{start}");
        statuses.insert(head.status());
    }
    assert_eq!(statuses, row.statuses, "the row names other statuses than there are");
    let relay = provoked.stage.relay();
    let expected = provoked.answers.len() + provoked.unanswered;
    assert!(expected > 0, "nothing was provoked");
    wait::until_true(&format!("{expected} lines in the access log say {}", row.word), PATIENCE, || {
        logged(relay, &row.word).len() >= expected
    });
    let lines = logged(relay, &row.word);
    if !row.statuses.is_empty() {
        let in_log: BTreeSet<u16> =
            lines.iter().filter_map(|line| line["status"].as_u64()?.try_into().ok()).collect();
        assert!(in_log.is_superset(&row.statuses), "{lines:?}");
        assert!(row.is_begun || in_log == row.statuses, "{lines:?}");
    }
    if !provoked.is_gone {
        assert_eq!(counted(relay, &row.outcome), lines.len(), "{}", relay.metrics());
    }
}

/// The lines of the access log with that cause.
fn logged(relay: &Relay, word: &str) -> Vec<Value> {
    let said = relay.process().stdout();
    let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["cause"] == word).collect()
}

/// How many requests the metrics tell of that outcome.
fn counted(relay: &Relay, outcome: &str) -> usize {
    let metrics = relay.metrics();
    let series = format!("plugboard_requests_total{{outcome=\"{outcome}\",");
    let counts = metrics.lines().filter(|line| line.starts_with(&series));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}
