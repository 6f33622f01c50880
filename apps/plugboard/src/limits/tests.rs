use super::*;

fn set(assignment: &str) -> Result<Limits, String> {
    let mut limits = Limits::default();
    limits.set(assignment).map(|()| limits)
}

#[test]
fn limits_are_set_by_name_with_units() {
    assert_eq!(set("request-head-bytes=8KiB").unwrap().http.request_head_bytes, 8192);
    assert_eq!(set("request_head_bytes=8192").unwrap().http.request_head_bytes, 8192);
    assert_eq!(set("stream-window=1m").unwrap().session.stream_window, 1024 * 1024);
    assert_eq!(set("free-frames-burst=7").unwrap().session.free_frames_burst, 7);
    assert_eq!(set("head-timeout=1500ms").unwrap().http.head_timeout, Duration::from_millis(1500));
    assert_eq!(set("park-time=0s").unwrap().router.park_time, Duration::ZERO);
}

#[test]
fn a_bad_limit_is_answered_with_what_would_be_right() {
    for (assignment, part) in [
        ("nonsense", "NAME=VALUE"),
        ("nonsense=1", "request-head-bytes, request-headers"),
        ("=1", "there is no such limit"),
        ("streams=", "streams takes a number from 1 to 1000000"),
        ("streams=0", "from 1 to"),
        ("streams=-1", "from 1 to"),
        ("streams=10 apples", "from 1 to"),
        ("streams=1.5", "from 1 to"),
        ("streams=99999999999999999999", "from 1 to"),
        ("session-window=17179869184GiB", "takes a number"),
        ("request-head-bytes=64KiB", "57344"),
        ("head-timeout=10", "takes a duration from 10ms to 1day"),
        ("head-timeout=0s", "takes a duration"),
        ("head-timeout=2days", "takes a duration"),
    ] {
        let error = set(assignment).unwrap_err();
        assert!(error.contains(part), "{assignment}: {error}");
    }
}

#[test]
fn every_row_takes_its_own_bounds_and_changes_one_limit() {
    for row in ROWS {
        let is_time = matches!((row.slot)(&mut Limits::default()), Slot::Time(_));
        let unit = if is_time { "ms" } else { "" };
        let [least, most] = [row.least, row.most].map(|n| set(&format!("{}={n}{unit}", row.name)).unwrap());
        assert_ne!(least, most, "{}", row.name);
        if let Some(above) = row.most.checked_add(1) {
            assert!(set(&format!("{}={above}{unit}", row.name)).is_err(), "{}", row.name);
        }
    }
}

#[test]
fn every_default_lies_within_its_bounds() {
    for row in ROWS {
        let mut limits = Limits::default();
        let value = match (row.slot)(&mut limits) {
            Slot::Size(n) => *n as u64,
            Slot::Number(n) => *n,
            Slot::Count(n) => u64::from(*n),
            Slot::Time(time) => u64::try_from(time.as_millis()).unwrap(),
        };
        assert!((row.least..=row.most).contains(&value), "{}", row.name);
    }
}

#[test]
fn no_limit_is_without_a_row() {
    // Debug prints each field once as `name: `; a new field without a row fails here.
    let fields = format!("{:?}", Limits::default()).matches(": ").count();
    let structs = 5;
    // Which heads an end takes is no number: `heads` with its two flags.
    let heads = 3;
    assert_eq!(ROWS.len(), fields - structs - heads);
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    assert!(Limits::default().check().is_ok());
    for (assignment, part) in [
        ("header-line-bytes=40KiB", "request-head-bytes"),
        ("stream-window=64MiB", "stream-window-max"),
        ("ping-interval=30s", "idle-timeout"),
    ] {
        let error = set(assignment).unwrap().check().unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}
