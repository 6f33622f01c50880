//! What people get wrong, and what the programs print on their terminal then: each line word for word.
//!
//! The table is a file of its own. `MISTAKES=write` writes it anew.

mod cases;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use telephone_tests::bins;
use telephone_tests::line::both_programs;
use telephone_tests::process::Plan;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

use cases::{Case, Until, World};

/// What one mistake leads to.
type Said = (&'static str, String);

fn table() -> PathBuf {
    bins::workspace().join("tests/tests/e2e/mistakes/table.txt")
}

/// Starts a program with a mistake and reads what it prints: of one that goes on the warnings and errors.
fn said(plan: Plan, until: Until, then: Option<Plan>) -> (Vec<String>, Option<i32>) {
    // Nothing is said of an option that nobody chose.
    let mut process = plan.env("TELEPHONE_READY_ON", "").start();
    let _other = then.map(|other| {
        process.wait_stderr("connected", PATIENCE);
        other.start()
    });
    match until {
        Until::Lines(lines) => {
            let found = || {
                let text = process.stderr();
                let is_meant = |line: &&str| line.contains(" WARN ") || line.contains("ERROR ");
                let found: Vec<String> = text.lines().filter(is_meant).map(str::to_owned).collect();
                (text.ends_with('\n') && found.len() >= lines).then_some(found)
            };
            let mut found = wait::until("the program explains the mistake", PATIENCE, found);
            found.truncate(lines);
            (found, None)
        }
        Until::Exit => {
            let code = process.wait_exit(PATIENCE).code();
            process.wait_stderr_closed(PATIENCE);
            (process.stderr().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(), code)
        }
    }
}

/// A line without its time, and with names in the place of what differs from run to run.
fn plain(line: &str, names: &BTreeMap<String, &'static str>) -> String {
    let is_time = |word: &str| word.len() > 20 && word.starts_with("20") && word.ends_with('Z');
    let line = match line.split_once(' ') {
        Some((time, rest)) if is_time(time) => rest.trim_start(),
        _ => line,
    };
    // Without a resolver the same name fails for another reason.
    let mut line = line.replace("Temporary failure in name resolution", "Name or service not known");
    for (text, name) in names {
        line = line.replace(text.as_str(), name);
    }
    for (before, end, name) in [("dialling again ", ". ", "DELAY"), ("session=", " ", "SESSION")] {
        if let Some((start, rest)) = line.split_once(before) {
            let rest = &rest[rest.find(end).unwrap_or(rest.len())..];
            line = format!("{start}{before}{name}{rest}");
        }
    }
    line
}

fn tell(program: Program) -> Vec<Said> {
    let world = World::start(program);
    let tell = |case: &Case| {
        let (plan, names) = (case.plan)(&world);
        let then = case.then.map(|then| then(&world));
        let (lines, code) = said(plan, case.until, then);
        let mut text = String::new();
        for line in lines {
            let _ = writeln!(text, "    {}", plain(&line, &names));
        }
        if let Some(code) = code {
            let _ = writeln!(text, "    exit {code}");
        }
        (case.name, text)
    };
    cases::ALL.iter().map(tell).collect()
}

#[test]
fn the_terminal_says_what_is_wrong_and_what_to_do_next() {
    both_programs(|program| {
        let told = tell(program);
        assert!(told.len() >= 25, "{} mistakes", told.len());
        let whole: String = told.iter().map(|(name, text)| format!("{name}\n{text}\n")).collect();
        if std::env::var_os("MISTAKES").is_some() {
            std::fs::write(table(), &whole).expect("a file of the tree");
        }
        let expected = std::fs::read_to_string(table()).expect("a file of the tree");
        for (name, text) in &told {
            let entry = expected.split("\n\n").find(|entry| entry.lines().next() == Some(name));
            let entry = entry.map_or_else(String::new, |entry| format!("{}\n", entry.trim_end()));
            assert_eq!(format!("{name}\n{text}"), entry, "{}", program.name());
        }
    });
}
