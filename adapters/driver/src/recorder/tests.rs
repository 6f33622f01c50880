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
    Recorded::new(config, Timestamp::ZERO, Some(recorder.tape(number)))
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
fn what_a_session_was_given_is_in_its_file_while_it_goes_on() {
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
    let name = |number: u32| format!("telephone-{number}.{SUFFIX}");
    let foreign = ["notes.recording", "telephone-smol-1.recording", "telephone-1.txt"];
    for name in [&name(1)[..]].iter().chain(&foreign) {
        fs::write(directory.path().join(name), [0; 40]).expect("room on the disk");
    }
    let shelf = Shelf::with_room(directory.path(), "telephone", 100, 3).expect("a directory");
    let create = |number: u32| {
        let path = directory.path().join(name(number));
        fs::write(&path, "").expect("room on the disk");
        shelf.add(path).expect("a place")
    };
    let ours = || {
        let mut names = names(directory.path());
        names.retain(|name| !foreign.contains(&&name[..]));
        names
    };
    let used = create(2);
    assert!(shelf.grow(used, 50).is_some());
    let complete = create(3);
    assert!(shelf.grow(complete, 20).is_some());
    assert_eq!(ours(), [name(2), name(3)]);
    shelf.complete(complete).expect("it is open");
    assert!(shelf.grow(used, 50).is_some());
    assert_eq!(ours(), [name(2)]);
    assert_eq!(shelf.grow(used, 1), None, "nothing can be removed any more");
    assert_eq!(names(directory.path()).len(), 1 + foreign.len(), "what is not ours stays");
}

#[test]
fn a_place_is_free_again_when_the_file_in_it_is_complete() {
    let directory = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::with_room(directory.path(), "telephone", 100, 2).expect("a directory");
    let [first, second] = [1, 2].map(|_| shelf.add("in-memory".into()).expect("a place"));
    assert_eq!(shelf.add("in-memory".into()), None, "those in use are not removed");
    shelf.complete(second).expect("it is open");
    let third = shelf.add("in-memory".into()).expect("the place of the second");
    assert_eq!(shelf.add("in-memory".into()), None);
    shelf.forget(third);
    assert!(shelf.add("in-memory".into()).is_some());
    assert!(shelf.grow(first, 100).is_some());
}

#[test]
fn what_ended_last_stays_longest_whenever_it_began() {
    let directory = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::with_room(directory.path(), "telephone", 100, 2).expect("a directory");
    let [early, late] = [1, 2].map(|number| {
        let path = directory.path().join(format!("telephone-{number}.{SUFFIX}"));
        fs::write(&path, "").expect("room on the disk");
        (shelf.add(path.clone()).expect("a place"), path)
    });
    shelf.complete(late.0).expect("it is open");
    shelf.complete(early.0).expect("it is open");
    shelf.add("in-memory".into()).expect("a place");
    assert!(early.1.exists() && !late.1.exists());
}

/// Each comes when all before it have filled their segments, and then says nothing more.
#[test]
fn open_files_of_as_many_sessions_as_there_may_be_never_fill_the_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::of(directory.path(), "telephone").expect("a directory");
    let segment = |room: u64| room.min(SEGMENT_BYTES as u64);
    let mut total = 0;
    for number in 1..=4096 {
        let place = shelf.add("in-memory".into()).expect("a place");
        let (mut bytes, mut room) = (0, SEGMENT_BYTES as u64);
        while bytes < segment(room) {
            room = shelf.grow(place, 400).expect("there is room for each");
            bytes += 400;
        }
        assert!(number > 64 || bytes >= SEGMENT_BYTES as u64, "session {number} has {bytes} octets");
        total += bytes;
    }
    assert!(total < 800 << 20, "{total} octets");
}

/// The lock of an open file is that of its process: here one stands for another's.
#[cfg(unix)]
#[test]
fn what_another_process_writes_is_not_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Recorder::new(directory.path(), "telephone").expect("a directory");
    let mut live = session(&first, 1);
    use_streams(&mut live, 1);
    let [name] = &names(directory.path())[..] else { panic!("one file") };
    let shelf = Shelf::with_room(directory.path(), "telephone", 1 << 30, 1).expect("a directory");
    let place = shelf.add("in-memory".into()).expect("a place");
    assert!(directory.path().join(name).exists(), "it is in use");
    shelf.forget(place);
    drop(live);
    let shelf = Shelf::with_room(directory.path(), "telephone", 1 << 30, 1).expect("a directory");
    shelf.add("in-memory".into()).expect("the place of the file");
    assert!(!directory.path().join(name).exists(), "it was complete");
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[cfg(unix)]
#[test]
fn a_directory_of_another_user_is_refused() {
    for (owner, user, is_trusted) in
        [(1000, 1000, true), (0, 1000, true), (0, 0, true), (1000, 0, false), (1001, 1000, false)]
    {
        assert_eq!(super::is_trusted(owner, user), is_trusted, "{owner} {user}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    set_mode(directory.path(), 0o700);
    // Only root may give a directory away.
    if std::os::unix::fs::chown(directory.path(), Some(54_321), None).is_ok() {
        let refused = Recorder::new(directory.path(), "telephone").expect_err("another user's").to_string();
        assert!(refused.contains("user 54321"), "{refused}");
        std::os::unix::fs::chown(directory.path(), Some(0), None).expect("root may");
        Recorder::new(directory.path(), "telephone").expect("its own");
    }
}

#[cfg(unix)]
#[test]
fn a_directory_that_others_can_write_to_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    for mode in [0o777, 0o1777, 0o770, 0o702, 0o720] {
        set_mode(directory.path(), mode);
        let refused = Recorder::new(directory.path(), "telephone").expect_err("others can write");
        let text = refused.to_string();
        let order = format!("chmod 700 {}", directory.path().display());
        assert!(text.contains(&format!("mode {mode:04o}")) && text.contains(&order), "{text}");
    }
    for mode in [0o700, 0o755, 0o750] {
        set_mode(directory.path(), mode);
        Recorder::new(directory.path(), "telephone").expect("others can only read");
    }
    assert!(names(directory.path()).is_empty());
}

/// To open the FIFO would wait for a writer for ever.
#[cfg(unix)]
#[test]
fn what_has_a_recordings_name_and_is_no_regular_file_neither_hangs_nor_counts_nor_is_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |number: u32| directory.path().join(format!("telephone-{number}.{SUFFIX}"));
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path(1), rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
    let _socket = std::os::unix::net::UnixListener::bind(path(2)).expect("a socket");
    let kept = directory.path().join("kept");
    fs::write(&kept, [0; 90]).expect("room on the disk");
    std::os::unix::fs::symlink(&kept, path(3)).expect("a link");
    std::os::unix::fs::symlink(path(1), path(4)).expect("a link to the FIFO");
    fs::create_dir(path(5)).expect("room on the disk");
    let shelf = Shelf::with_room(directory.path(), "telephone", 100, 1).expect("a directory");
    let place = shelf.add("in-memory".into()).expect("the place that none of them has");
    assert!(shelf.grow(place, 100).is_some(), "none of them counts");
    assert_eq!(names(directory.path()).len(), 6);
}

#[test]
fn a_session_without_room_is_recorded_no_further_and_all_others_are() {
    let directory = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::with_room(directory.path(), "telephone", 70_000, 2).expect("a directory");
    let recorder = Recorder::with_shelf(directory.path().into(), "telephone", shelf);
    let outcomes = || -> Vec<_> {
        let read = |name: &String| fs::read(directory.path().join(name)).expect("the file");
        let replay = |octets: Vec<u8>| Replay::new(&octets).expect("a recording").run(&mut ());
        names(directory.path()).iter().map(read).map(replay).map(|of| (of.inputs, of.ending)).collect()
    };
    let [mut first, mut second, mut third] = [1, 2, 3].map(|number| session(&recorder, number));
    use_streams(&mut third, 1);
    assert_eq!(third.stats().streams_opened, 1, "there is no place for its file, and that is all");
    use_streams(&mut first, 1);
    use_streams(&mut second, 3);
    assert_eq!(outcomes(), [(2, Ending::Torn), (4, Ending::Torn)], "what did not fit is not there");
    use_streams(&mut first, 1);
    use_streams(&mut session(&recorder, 4), 1);
    drop(first);
    assert_eq!(outcomes(), [(4, Ending::Whole), (2, Ending::Whole)], "what was cut off made room");
}

#[test]
fn a_session_that_came_to_nothing_leaves_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = Recorder::new(directory.path(), "plugboard").expect("a directory");
    let mut refused = session(&recorder, 1);
    use_streams(&mut refused, 1);
    assert_eq!(names(directory.path()).len(), 1);
    refused.discard_tape();
    use_streams(&mut refused, 1);
    drop(refused);
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_directory_that_goes_away_ends_the_recordings_and_nothing_else_until_it_is_back() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("records");
    let recorder = Recorder::new(&directory, "telephone").expect("a directory");
    fs::remove_dir(&directory).expect("it is empty");
    let mut unrecorded = session(&recorder, 1);
    use_streams(&mut unrecorded, 3);
    assert_eq!(unrecorded.stats().streams_opened, 3);
    fs::create_dir(&directory).expect("room on the disk");
    use_streams(&mut session(&recorder, 2), 1);
    let [name] = &names(&directory)[..] else { panic!("one file") };
    assert!(name.contains("-0000000000000002-"), "{name}");
}

#[test]
fn what_cannot_be_recorded_to_is_refused_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    for program in ["", "a/b", "a\nb", "../up"] {
        let refused = Recorder::new(directory.path(), program).expect_err(program);
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
    }
    let file = directory.path().join("file");
    fs::write(&file, "").expect("room on the disk");
    Recorder::new(file, "telephone").expect_err("it is no directory");
    // One in which even root makes no files.
    #[cfg(target_os = "linux")]
    Recorder::new("/proc", "telephone").expect_err("nobody can write there");
    assert_eq!(names(directory.path()), ["file"], "no attempt leaves anything behind");
}
