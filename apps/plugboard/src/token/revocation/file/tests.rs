//! What survives a restart, and what a file may look like.

use std::fs;

use super::super::Revocations;
use super::*;
use crate::scratch::Scratch;
use crate::token::vectors::now;

const FIRST: &str = "{\"sub\":\"shop\",\"at\":1800000000}\n";

fn subject(name: &str) -> Revoked {
    Revoked::Subject(name.into())
}

fn open(content: &str) -> Result<(Revocations, Scratch), BadRevocations> {
    let file = Scratch::file(content.as_bytes());
    Revocations::open(file.path()).map(|list| (list, file))
}

#[test]
fn what_is_saved_is_there_again_and_the_file_is_its_owners_alone() {
    let file = Scratch::path_only();
    let list = Revocations::open(file.path()).unwrap();
    let odd = "ä\"\\\n\u{1b}".to_owned();
    for revoked in [subject("shop"), Revoked::Token("t1".into()), subject(&odd), subject("shop")] {
        list.add(revoked).unwrap();
        list.save(now()).unwrap();
    }
    drop(list);
    let text = fs::read_to_string(file.path()).unwrap();
    assert!(text.starts_with(FIRST) && text.lines().count() == 3, "{text}");
    let list = Revocations::open(file.path()).unwrap();
    assert!(list.holds("shop", None) && list.holds("a", Some("t1")) && list.holds(&odd, None));
    assert!(!list.holds("t1", Some("shop")));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_last_line_that_was_not_written_whole_is_left_out_and_written_over() {
    for torn in ["{\"sub\":\"b", "{", "{\"jti\":\"x\",\"a", "\0\0\0"] {
        let (list, file) = open(&format!("{FIRST}{torn}")).unwrap();
        assert!(list.holds("shop", None), "{torn:?}");
        list.add(subject("cart")).unwrap();
        list.save(now()).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, format!("{FIRST}{}", FIRST.replace("shop", "cart")), "{torn:?}");
    }
    assert!(open("{\"sub\":\"b").is_ok(), "the first line of all");
}

#[test]
fn a_file_that_people_edited_is_read_as_they_meant_it() {
    let (list, file) = open("{\"sub\": \"a\"}\n\n{ \"jti\" : \"b\", \"why\": \"lost\" }").unwrap();
    assert!(list.holds("a", None) && list.holds("x", Some("b")));
    list.add(subject("shop")).unwrap();
    list.save(now()).unwrap();
    drop(list);
    let list = Revocations::open(file.path()).unwrap();
    assert!(list.holds("a", None) && list.holds("x", Some("b")) && list.holds("shop", None));
}

#[test]
fn a_damaged_file_is_refused_by_its_line_and_stays_as_it_is() {
    for (content, line) in [
        (format!("{FIRST}hello\n{FIRST}"), 2),
        (format!("{FIRST}{{\"sub\":\"b\n{FIRST}"), 2),
        // The last line, too, if it has a line end: somebody mistyped it.
        (format!("{FIRST}{{\"sub\":\"b\n"), 2),
        (format!("{FIRST}{{\"subject\":\"b\"}}\n"), 2),
        (format!("{{}}\n{FIRST}"), 1),
        (format!("{FIRST}\n{{\"sub\":\"\"}}\n{FIRST}"), 3),
        (format!("{{\"sub\":\"a\",\"jti\":\"b\"}}\n{FIRST}"), 1),
        (format!("{{\"sub\":\"{}\"}}\n{FIRST}", "a".repeat(257)), 1),
        (format!("{}\n", "a".repeat(10_000)), 1),
        // The secret, say, given by mistake.
        ("0123456789abcdef0123456789abcdef\n".into(), 1),
    ] {
        let file = Scratch::file(content.as_bytes());
        let error = Revocations::open(file.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line} is damaged")), "{content}: {error}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), content);
    }
}

#[test]
fn a_file_has_one_relay() {
    let (list, file) = open(FIRST).unwrap();
    assert!(matches!(Revocations::open(file.path()), Err(BadRevocations::InUse)));
    drop(list);
    assert!(Revocations::open(file.path()).is_ok());
}

#[test]
fn what_is_no_regular_file_is_refused() {
    for path in ["/dev/null", "/dev/zero", "/"] {
        assert!(Revocations::open(Path::new(path)).is_err(), "{path}");
    }
    assert!(Revocations::open(Path::new("/nonexistent/revocations")).is_err());
}

#[test]
fn what_could_not_be_written_holds_and_is_written_by_the_next_that_can() {
    let file = Scratch::file(FIRST.as_bytes());
    let list = Revocations::unwritable(file.path());
    list.add(subject("cart")).unwrap();
    assert!(list.save(now()).is_err());
    assert!(list.holds("cart", None));
    // Asked for once more it is no news, and still not saved.
    list.add(subject("cart")).unwrap();
    assert!(list.save(now()).is_err());
    assert_eq!(fs::read_to_string(file.path()).unwrap(), FIRST);
    *list.file().unwrap() = RevocationFile::open(file.path()).unwrap().0;
    list.save(now()).unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), format!("{FIRST}{}", FIRST.replace("shop", "cart")));
}

/// Another order for the same may find the entry there at any moment, and then its own save answers for the file.
#[test]
fn an_entry_that_holds_is_in_the_file_after_the_next_save_whoever_added_it() {
    let (list, path) = open(FIRST).unwrap();
    let mut file = list.file().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| list.add(subject("cart")));
        let holds = |_| {
            std::thread::yield_now();
            list.holds("cart", None)
        };
        assert!((0..1_000_000).any(holds), "it waits for the file");
        list.write(&mut file, now()).unwrap();
        let text = fs::read_to_string(path.path()).unwrap();
        drop(file);
        assert!(text.contains("cart"), "{text}");
    });
}

#[test]
fn a_full_file_is_opened_and_a_fuller_one_is_not() {
    let lines = |count: usize| (0..count).map(|n| format!("{{\"jti\":\"{n}\"}}\n")).collect::<String>();
    assert!(open(&lines(REVOCATIONS_MAX)).is_ok());
    assert!(matches!(open(&lines(REVOCATIONS_MAX + 1)), Err(BadRevocations::TooMany)));
}
