//! Failures that were found while this was built, as recordings in `tests/incidents/`: what the session was given when it
//! failed is given to it again, and it does what is right.
//!
//! After a change of the wire or of the format, which also makes the format's number grow (`FORMAT` in
//! `core/src/recording/format.rs`), `INCIDENTS=write cargo test -p telephone-core --test incidents` records them
//! anew: read the difference in what they replay to before you believe it.

#[path = "../../src/recording/tests/memory.rs"]
mod memory;
mod script;

use std::fs;
use std::path::{Path, PathBuf};

use telephone_core::error::{CloseReason, LeaveCode, Misbehaviour};
use telephone_core::recording::{Ending, Input, Outcome, Output, Replay, Sink, Witness, words};
use telephone_core::trace::TraceHash;
use telephone_core::wire::Profile;

use memory::Memory;

/// One failure.
struct Incident {
    /// The name of its file and of its row in the README.
    name: &'static str,
    /// Gives the session what it was given.
    record: fn(&Memory),
    /// How the session ends.
    closed: Option<CloseReason>,
    /// What the transcript says where it went wrong.
    says: &'static str,
}

const INCIDENTS: [Incident; 9] = [
    Incident {
        name: "guessed-stream",
        record: script::guessed_stream,
        closed: Some(CloseReason::Misbehaved(Misbehaviour::StreamUnknown)),
        says: "leave misbehaved",
    },
    Incident {
        name: "grace-counted-twice",
        record: script::grace_counted_twice,
        closed: Some(CloseReason::Sent(LeaveCode::Expired)),
        says: "leave expired",
    },
    Incident {
        name: "request-behind-a-token",
        record: script::request_behind_a_token,
        closed: None,
        says: "→ the session takes no new streams",
    },
    Incident {
        name: "last-answer-lost",
        record: script::last_answer_lost,
        closed: Some(CloseReason::Left),
        says: "──▶ [1] head 2, 200, end",
    },
    Incident {
        name: "stop-overwritten",
        record: script::stop_overwritten,
        closed: None,
        says: "→ reset, Cancelled, touched Unknown",
    },
    Incident {
        name: "listener-never-spoke",
        record: script::listener_never_spoke,
        closed: None,
        says: "──▶ [0] ping 3",
    },
    Incident {
        name: "ping-nobody-owed",
        record: script::ping_nobody_owed,
        closed: None,
        says: "──▶ [1] ping 2",
    },
    Incident {
        name: "small-raises",
        record: script::small_raises,
        closed: None,
        says: "◀── [0] credit 1, 2457600",
    },
    Incident {
        name: "end-behind-its-head",
        record: script::end_behind_its_head,
        closed: None,
        says: "end 2",
    },
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/incidents")
}

fn file(incident: &Incident) -> PathBuf {
    directory().join(incident.name).with_extension("recording")
}

/// The last segment of what is recorded today.
fn recorded(incident: &Incident) -> Vec<u8> {
    let memory = Memory::default();
    (incident.record)(&memory);
    memory.segments().pop().expect("a segment")
}

/// Who writes down what happens.
#[derive(Default)]
struct Transcript(String);

impl Witness for Transcript {
    fn on_input(&mut self, _: u64, input: &Input, _: TraceHash) {
        self.0 += &words::input(Profile::Binary, input);
    }

    fn on_output(&mut self, output: &Output, _: TraceHash) {
        self.0 += " ";
        self.0 += &words::output(Profile::Binary, output).unwrap_or_default();
        self.0 += "\n";
    }
}

fn replayed(octets: &[u8]) -> (Outcome, String) {
    let mut transcript = Transcript::default();
    let outcome = Replay::new(octets).expect("a recording").run(&mut transcript);
    (outcome, transcript.0)
}

#[test]
fn what_once_went_wrong_goes_right() {
    for incident in &INCIDENTS {
        let name = incident.name;
        if std::env::var_os("INCIDENTS").is_some_and(|what| what == "write") {
            fs::write(file(incident), recorded(incident)).expect("the sources can be written");
        }
        let octets = fs::read(file(incident)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (outcome, transcript) = replayed(&octets);
        assert_eq!(outcome.departed_at, None, "{name} departs:\n{transcript}");
        assert_eq!(outcome.trace, outcome.recorded, "{name}:\n{transcript}");
        assert_eq!(
            (outcome.ending, outcome.closed),
            (Ending::Whole, incident.closed),
            "{name}:\n{transcript}"
        );
        assert!(transcript.contains(incident.says), "{name}:\n{transcript}");
    }
}

/// A recording that could not be made any more would be of no use when the format changes.
#[test]
fn the_recordings_are_those_that_are_made_today() {
    for incident in &INCIDENTS {
        let committed = fs::read(file(incident)).expect("a recording");
        let hint = "the wire, the format or what a session does changed: INCIDENTS=write records them anew. \
                    Did what stands in a file change? Then FORMAT in recording/format.rs grows";
        assert!(committed == recorded(incident), "{}: {hint}", incident.name);
    }
}

#[test]
fn one_of_them_begins_in_the_middle_of_its_session() {
    let is_snapshot = |incident: &Incident| {
        let octets = fs::read(file(incident)).expect("a recording");
        Replay::new(&octets).expect("a recording").is_snapshot()
    };
    assert!(INCIDENTS.iter().any(is_snapshot), "what a snapshot holds is not tested");
}

#[test]
fn each_has_a_file_and_a_row() {
    let rows = fs::read_to_string(directory().join("README.md")).expect("the table");
    let mut files: Vec<_> = fs::read_dir(directory())
        .expect("the recordings")
        .filter_map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .ok()?
                .strip_suffix(".recording")
                .map(str::to_owned)
        })
        .collect();
    files.sort();
    let mut names: Vec<_> = INCIDENTS.iter().map(|incident| incident.name).collect();
    names.sort_unstable();
    assert_eq!(files, names);
    for name in names {
        assert!(rows.contains(&format!("| `{name}` |")), "no row for {name}");
    }
}
