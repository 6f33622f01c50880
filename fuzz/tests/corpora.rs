//! The targets over their committed corpora: what was ever found stays found.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use telephone_fuzz::TARGETS;

/// Some targets measure the memory of the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A directory beside this package's manifest.
fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files in a directory, without their extensions, sorted.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory of the fuzz package");
    let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries.filter_map(|entry| stem(entry.expect("an entry").path())).collect();
    names.sort();
    names
}

fn replay(target: &str) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let corpus = directory("corpus").join(target);
    let inputs = names(&corpus);
    assert!(!inputs.is_empty(), "{target} has no corpus");
    for input in inputs {
        // An input's name is what a failure is found by.
        eprintln!("{target}/{input}");
        run(&fs::read(corpus.join(input)).expect("an input"));
    }
}

#[test]
fn every_target_has_its_file_and_its_corpus() {
    let mut targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    targets.sort_unstable();
    assert_eq!(names(&directory("fuzz_targets")), targets);
    assert_eq!(names(&directory("corpus")), targets);
}

#[test]
fn every_target_takes_nothing_and_a_little_of_anything() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for (_, run) in TARGETS {
        run(&[]);
        (0..=u8::MAX).for_each(|octet| run(&[octet; 3]));
    }
}

/// A test for each target, so that a failure names it.
macro_rules! replays {
    ($($name:ident: $target:literal,)*) => {
        $(#[test]
        fn $name() {
            replay($target);
        })*
    };
}

replays! {
    frames_decode_canonically_or_not_at_all: "frame_decode",
    frames_come_back_as_they_were_written: "frame_round_trip",
    texts_mean_the_same_in_both_profiles_or_nothing: "json_decode",
    two_honest_ends_keep_the_laws_over_a_line_that_breaks: "session_pair",
    an_honest_end_keeps_the_laws_against_any_peer: "session_hostile",
    request_heads_mean_what_a_strict_reader_finds: "request_head",
    chunks_decode_as_in_a_slow_reference: "chunked_body",
    what_is_accepted_is_written_for_a_backend_as_it_was: "proxy_transform",
    responses_mean_what_a_strict_reader_finds: "response",
    targets_lead_to_one_mount_however_they_are_read: "target",
    a_telephone_survives_any_plugboard: "telephone_input",
    a_plugboard_survives_any_telephone_and_any_client: "plugboard_input",
    recordings_are_replayed_as_they_were_or_the_damage_is_told: "recording",
    a_whole_world_keeps_every_law: "world",
}
