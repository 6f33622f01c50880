//! F9: request targets, mounts, and which of them belong together.

use telephone_core::limits::RouterLimits;
use telephone_core::mount::Mount;
use telephone_core::router::{Identity, Refusal, Registration, ResumeSecret, Route, Router, SessionKey};
use telephone_core::target::{Target, canonical, path};
use telephone_core::time::Timestamp;

use crate::reference::target::{self as reference, Habit};

/// Mounts that are always there: nested, of a host, and none at the root, so that some paths are nobody's.
const MOUNTS: [&str; 4] = ["/api", "/api/v1", "a.test/", "a.test/api/x"];
/// More mounts than this are not taken from an input.
const MOUNTS_MAX: usize = 4;
/// Ways to read one path that are tried on.
const READINGS_MAX: usize = 64;
const HOST: &str = "a.test";

/// F9: a line with a target, and lines with mounts. The slow normaliser agrees on the target and on what of it a backend
/// gets; its canonical form is its own and hides no dots; and the mount that the router finds is the one that every backend's way
/// of reading the path leads to, or the path is refused (I25).
pub fn target(data: &[u8]) {
    let mut lines = data.split(|octet| *octet == b'\n');
    let raw = lines.next().unwrap_or_default();
    let mounts: Vec<Mount> =
        MOUNTS.iter().filter_map(|text| text.parse().ok()).chain(mounts(lines)).collect();
    let strict = canonical(raw).ok();
    assert_eq!(strict.as_deref(), reference::canonical(raw).as_deref(), "{}", raw.escape_ascii());
    assert!(strict.as_ref().is_none_or(|strict| strict.len() <= raw.len()));
    let read = Target::read(raw).ok();
    let pair = read.as_ref().map(|read| (read.canonical.to_vec(), read.sent.to_vec()));
    assert_eq!(pair, reference::read(raw), "{}", raw.escape_ascii());
    assert!(strict.is_none() || strict == read.as_ref().map(|read| read.canonical.clone()));
    let Some(Target { canonical: target, sent }) = read else { return };
    let again = Target { canonical: target.clone(), sent: target.clone() };
    assert_eq!(Target::read(&target), Ok(again), "not its own canonical form");
    // Whoever reads what is sent finds the same (I25).
    assert_eq!(Target::read(&sent), Ok(Target { canonical: target.clone(), sent: sent.clone() }));
    let path = path(&target);
    assert!(target.iter().all(u8::is_ascii_graphic));
    for segment in path.split(|octet| *octet == b'/') {
        assert!(!matches!(segment, b"." | b".."), "dots in {}", target.escape_ascii());
    }
    let mut router = router(&mounts);
    for host in [None, Some(HOST)] {
        assert_routed(&mut router, &mounts, host, path);
    }
}

/// Mounts as an input names them. Each is its own canonical form, and covers itself.
fn mounts<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Mount> {
    lines.take(MOUNTS_MAX).filter_map(|line| {
        let mount: Mount = std::str::from_utf8(line).ok()?.parse().ok()?;
        let text = mount.to_string();
        assert_eq!(text.parse().as_ref(), Ok(&mount), "{text}");
        assert!(mount.covers(&mount));
        Some(mount)
    })
}

/// A router that has been up for long, with one session for all mounts.
fn router(mounts: &[Mount]) -> Router {
    let limits = RouterLimits::default();
    let now = Timestamp::ZERO + limits.start_grace * 2;
    let mut router = Router::new(limits, Timestamp::ZERO);
    let registration = Registration {
        identity: Identity::new("a", "b"),
        epoch: 1,
        mounts: mounts.to_vec(),
        claims: Vec::new(),
        is_partial_enough: false,
        secret: ResumeSecret::new([0; 16]),
        sticky: None,
    };
    let registered = router.register(SessionKey::new(1), registration, 0, now);
    assert!(registered.is_ok_and(|registered| registered.reduced.is_empty()));
    router
}

fn assert_routed(router: &mut Router, mounts: &[Mount], host: Option<&str>, path: &[u8]) {
    let now = Timestamp::ZERO + RouterLimits::default().start_grace * 2;
    let found = match router.route(host.map(str::as_bytes), path, now) {
        Route::To { mount, .. } => Some(mount),
        Route::Refuse(Refusal::NoSuchMount) => None,
        Route::Refuse(Refusal::Ambiguous) => {
            let is_plain =
                !path.windows(2).any(|pair| pair == b"//") && !path.iter().any(|o| b"%;".contains(o));
            return assert!(!is_plain, "only one way to read {}", path.escape_ascii());
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(found.as_deref(), reference::mount_of(mounts, host, path), "{}", path.escape_ascii());
    for read in readings(path) {
        let other = reference::mount_of(mounts, host, &read);
        assert_eq!(found.as_deref(), other, "{} as {}", path.escape_ascii(), read.escape_ascii());
    }
}

/// Every path that backends may see in this one, whatever their habits and the order of them.
fn readings(path: &[u8]) -> Vec<Vec<u8>> {
    let mut readings = vec![path.to_vec()];
    let mut at = 0;
    while let Some(path) = readings.get(at).filter(|_| at < READINGS_MAX).cloned() {
        for read in Habit::ALL.map(|habit| habit.read(&path)) {
            if !readings.contains(&read) {
                readings.push(read);
            }
        }
        at += 1;
    }
    readings
}
