use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use telephone_core::limits::SessionLimits;
use telephone_core::recording::{Ending, Recorded, Replay};
use telephone_core::session::{Role, SessionConfig};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Opening, Profile, Settings};

use super::shelf::{SUFFIX, Shelf};
use super::{Recorder, SEGMENT_BYTES, SEGMENTS_MAX};

fn session(recorder: &Recorder, number: u64) -> Recorded {
    let limits = SessionLimits { streams: 1 << 40, ..SessionLimits::default() };
    let (peer, resume_window) = (Settings::of(&limits), Duration::ZERO);
    let profile = Profile::Binary;
    let config = SessionConfig { role: Role::Plugboard, profile, limits, peer, seed: 1, resume_window };
    Recorded::new(config, Timestamp::ZERO, recorder.tape(number))
}

/// Opens and releases so many streams, each of which takes some 20,000 octets of the recording.
fn use_streams(session: &mut Recorded, count: usize) {
    let mount: Vec<u8> = (0..20_000_u32).map(|at| b'a' + (at % 26) as u8).collect();
    for _ in 0..count {
        let mount = Bytes::copy_from_slice(&mount);
        let id =
            session.open(Opening::Tcp { mount, from: None }, false, Timestamp::ZERO).expect("a free slot");
        session.release(id);
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn a_session_leaves_one_file_that_only_its_owner_can_read() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("made/on/demand");
    let recorder = Recorder::new(&directory, "telephone").expect("a directory");
    let mut session = session(&recorder, 0xab);
    use_streams(&mut session, 3);
    let trace = {
        drop(session);
        let [name] = &names(&directory)[..] else { panic!("one file") };
        assert!(name.starts_with("telephone-") && name.contains("-00000000000000ab-0000."), "{name}");
        let octets = fs::read(directory.join(name)).expect("the file");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
            assert_eq!((mode(&directory), mode(&directory.join(name))), (0o700, 0o600));
        }
        let mut replay = Replay::new(&octets).expect("a recording");
        assert!(replay.about().starts_with("telephone "));
        replay.run(&mut ())
    };
    assert_eq!((trace.inputs, trace.ending, trace.departed_at), (6, Ending::Whole, None));
}

/// What is on the disk is all that a process that is killed leaves.
#[test]
fn each_input_is_in_the_file_before_the_session_takes_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::new(directory.path(), "telephone").expect("a directory");
    let mut session = session(&recorder, 1);
    for count in 1..5 {
        use_streams(&mut session, 1);
        let octets = fs::read(directory.path().join(&names(directory.path())[0])).expect("the file");
        let outcome = Replay::new(&octets).expect("a recording").run(&mut ());
        assert_eq!((outcome.inputs, outcome.ending), (2 * count, Ending::Torn));
    }
}

#[test]
fn of_a_long_session_the_last_segments_are_kept_and_each_replays() {
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::new(directory.path(), "telephone").expect("a directory");
    let mut session = session(&recorder, 1);
    let streams = SEGMENT_BYTES / 20_000 * (SEGMENTS_MAX + 3);
    use_streams(&mut session, streams);
    drop(session);
    let names = names(directory.path());
    assert_eq!(names.len(), SEGMENTS_MAX);
    assert!(!names[0].ends_with(&format!("-0000.{SUFFIX}")), "{names:?}");
    for name in names {
        let octets = fs::read(directory.path().join(name)).expect("the file");
        assert!(octets.len() < SEGMENT_BYTES + 64 * 1024);
        let outcome = Replay::new(&octets).expect("a recording").run(&mut ());
        assert_eq!((outcome.ending, outcome.departed_at), (Ending::Whole, None));
    }
}

#[test]
fn the_oldest_files_of_a_directory_make_room_and_those_in_use_stay() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(format!("{name}.{SUFFIX}"));
    fs::write(path("earlier"), [0; 40]).expect("room on the disk");
    fs::write(directory.path().join("foreign"), [0; 4000]).expect("room on the disk");
    let shelf = Shelf::with_room(directory.path(), 100, 3).expect("a directory");
    let create = |name: &str| {
        fs::write(path(name), "").expect("room on the disk");
        shelf.add(path(name))
    };
    let used = create("used");
    assert!(shelf.grow(used, 50));
    let complete = create("complete");
    assert!(shelf.grow(complete, 20));
    assert_eq!(names(directory.path()), ["complete.recording", "foreign", "used.recording"]);
    shelf.complete(complete);
    assert!(shelf.grow(used, 50));
    assert_eq!(names(directory.path()), ["foreign", "used.recording"]);
    assert!(!shelf.grow(used, 1), "nothing can be removed any more");
}

#[test]
fn a_directory_that_goes_away_stops_the_recording_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::new(directory.path(), "telephone").expect("a directory");
    drop(directory);
    let mut session = session(&recorder, 1);
    use_streams(&mut session, 3);
    assert_eq!(session.stats().streams_opened, 3);
    assert!(recorder.tape(2).is_none(), "one warning is enough");
}
