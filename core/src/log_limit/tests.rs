use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const SESSION: LineSource = LineSource::Session(7);
const DENIED: LineKind = LineKind::ConnectDenied;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(millis * 1_000)
}

fn block(number: u32) -> LineSource {
    LineSource::Address(AddressBlock::of(core::net::Ipv4Addr::from_bits(number).into()))
}

impl LogLimit {
    fn untold(&self) -> u64 {
        self.sources.values().chain(self.kinds.values()).map(|bucket| bucket.untold).sum()
    }
}

#[test]
fn a_source_that_repeats_itself_has_one_line_a_second_and_each_says_how_many_were_not_written() {
    let mut limit = LogLimit::default();
    let mut counts = Vec::new();
    for tenth in 0..35 {
        if let Some(due) = limit.handle_line(DENIED, SESSION, at(tenth * 100)) {
            assert_eq!(due.suppressed_elsewhere, None);
            counts.push(due.suppressed);
        }
    }
    assert_eq!(counts, [None, Some(9), Some(9), Some(9)]);
}

#[test]
fn one_source_takes_no_line_from_another_nor_from_another_kind() {
    let mut limit = LogLimit::default();
    for _ in 0..1_000 {
        limit.handle_line(DENIED, SESSION, at(0));
    }
    assert_eq!(limit.handle_line(DENIED, LineSource::Session(8), at(0)), Some(Due::default()));
    assert_eq!(limit.handle_line(LineKind::RenewalRefused, SESSION, at(0)), Some(Due::default()));
}

#[test]
fn a_burst_is_written_whole_and_comes_back_one_line_a_second() {
    let mut limit = LogLimit::default();
    let kind = LineKind::SessionBegan;
    let written = |limit: &mut LogLimit, millis| {
        (0..100).filter(|_| limit.handle_line(kind, block(1), at(millis)).is_some()).count()
    };
    assert_eq!(written(&mut limit, 0), 32);
    assert_eq!(written(&mut limit, 999), 0);
    assert_eq!(written(&mut limit, 2_000), 2);
    assert_eq!(written(&mut limit, 3_600_000), 32);
}

#[test]
fn the_end_of_a_session_tells_what_was_not_written_of_it() {
    let mut limit = LogLimit::default();
    for kind in [DENIED, LineKind::RenewalRefused] {
        for _ in 0..10 {
            limit.handle_line(kind, SESSION, at(0));
        }
    }
    let due = limit.handle_end(LineKind::SessionEnded, block(1), SESSION, at(10));
    assert_eq!(due, Some(Due { suppressed: Some(18), suppressed_elsewhere: None }));
    assert_eq!(limit.untold(), 0);
    assert_eq!(limit.handle_line(DENIED, SESSION, at(10)), Some(Due::default()), "nothing is kept of it");
}

/// A telephone that connects, is denied and leaves, over and over.
#[test]
fn what_the_end_of_a_session_could_not_tell_a_later_end_tells() {
    let mut limit = LogLimit::default();
    let mut told = 0;
    for number in 0..100 {
        let session = LineSource::Session(number);
        for _ in 0..3 {
            limit.handle_line(DENIED, session, at(0));
        }
        let due = limit.handle_end(LineKind::SessionEnded, block(1), session, at(0));
        told += due.and_then(|due| due.suppressed).unwrap_or(0);
    }
    assert_eq!(told, 2 * 32, "of those whose end was written");
    let due = limit.handle_end(LineKind::SessionEnded, block(1), LineSource::Session(100), at(5_000));
    let due = due.expect("five seconds later one is written");
    assert_eq!(due.suppressed, Some(68), "ends");
    assert_eq!(due.suppressed_elsewhere, Some(2 * 68), "denials");
}

#[test]
fn ever_new_sources_neither_fill_the_memory_nor_the_log() {
    let mut limit = LogLimit::default();
    let mut written = 0_u32;
    for number in 0..100_000 {
        // A thousand a second.
        written +=
            u32::from(limit.handle_line(LineKind::HelloRefused, block(number), at(number.into())).is_some());
        assert!(limit.sources.len() <= LOG_SOURCES_MAX);
    }
    let seconds = 100;
    assert!(written <= LOG_KIND_LINES_BURST + 50 * (seconds + 1), "{written}");
    assert!(written >= 50 * seconds, "{written}");
}

/// A line, by its time since the last one.
fn lines() -> impl Strategy<Value = Vec<(u8, u8, bool, u16)>> {
    proptest::collection::vec((0_u8..6, any::<u8>(), any::<bool>(), 0_u16..400), 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Every line is written, told of, or still to be told of, and the table is bounded.
    #[test]
    fn no_line_is_lost_from_the_count_and_the_table_is_bounded(lines in lines(), sources_max in 1_usize..8) {
        let mut limit = LogLimit::with_sources_max(sources_max);
        let (mut millis, mut handled, mut accounted) = (0_u64, 0, 0);
        for (kind, source, is_end, pause) in lines {
            millis += u64::from(pause);
            let kind = LineKind::ALL[usize::from(kind)];
            let source = LineSource::Session((source % 12).into());
            let due = if is_end && source != SESSION {
                limit.handle_end(kind, SESSION, source, at(millis))
            } else {
                limit.handle_line(kind, source, at(millis))
            };
            handled += 1;
            if let Some(Due { suppressed, suppressed_elsewhere }) = due {
                accounted += 1 + suppressed.unwrap_or(0) + suppressed_elsewhere.unwrap_or(0);
                prop_assert!(suppressed != Some(0) && suppressed_elsewhere != Some(0));
            }
            prop_assert!(limit.sources.len() <= sources_max);
            prop_assert_eq!(accounted + limit.untold(), handled);
        }
    }

    /// With a place for each source: never more than the burst and one a second.
    #[test]
    fn a_source_never_exceeds_its_bucket(pauses in proptest::collection::vec(0_u64..700, 1..200)) {
        let mut limit = LogLimit::default();
        let mut millis = 0;
        let mut written = Vec::new();
        for pause in pauses {
            millis += pause;
            if limit.handle_line(LineKind::LinkLost, SESSION, at(millis)).is_some() {
                written.push(millis);
            }
        }
        for (first, start) in written.iter().enumerate() {
            for (last, end) in written.iter().enumerate().skip(first) {
                let count = (last - first + 1) as u64;
                prop_assert!(count <= 4 + (end - start) / 1_000, "{count} lines within {} ms", end - start);
            }
        }
    }
}

#[test]
fn the_requests_of_a_mount_that_wait_have_a_line_each_ten_seconds() {
    let mut limit = LogLimit::default();
    let mut lines = |mount, second| {
        let now = Timestamp::ZERO + Duration::from_secs(second);
        limit.handle_line(LineKind::RequestsWait, LineSource::Mount(mount), now)
    };
    let written: Vec<u64> = (0..25).filter(|second| lines(1, *second).is_some()).collect();
    assert_eq!(written, [0, 10, 20]);
    assert_eq!(lines(2, 25), Some(Due::default()), "another mount has lines of its own");
    assert_eq!(lines(1, 30).and_then(|due| due.suppressed), Some(4));
}
