use super::*;
use crate::access_log::record;

/// The samples of a metric that are not zero, in order.
fn risen(telemetry: &Telemetry, name: &str) -> Vec<String> {
    let mut lines = lines(telemetry, name);
    lines.retain(|line| !line.ends_with(" 0"));
    lines.sort();
    lines
}

fn lines(telemetry: &Telemetry, name: &str) -> Vec<String> {
    let text = telemetry.render(&Present::default());
    text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[test]
fn each_request_counts_once_under_its_outcome() {
    let telemetry = Telemetry::new(None).unwrap();
    let mut aborted = record(b"/x");
    (aborted.status, aborted.cause) = (None, Cause::TunnelLost);
    for record in [&record(b"/x"), &record(b"/y"), &aborted] {
        telemetry.request_ended(record);
    }
    assert_eq!(
        risen(&telemetry, "plugboard_requests_total"),
        [
            "plugboard_requests_total{outcome=\"complete\",class=\"2xx\"} 2",
            "plugboard_requests_total{outcome=\"connection_terminated\",class=\"none\"} 1",
        ]
    );
    assert_eq!(lines(&telemetry, "plugboard_body_bytes_total{direction=\"out\"}").len(), 1);
    // Each class is there from the start.
    assert_eq!(lines(&telemetry, "plugboard_request_duration_seconds_count").len(), CLASSES.len());
    assert_eq!(
        risen(&telemetry, "plugboard_request_duration_seconds_count"),
        [
            "plugboard_request_duration_seconds_count{class=\"2xx\"} 2",
            "plugboard_request_duration_seconds_count{class=\"none\"} 1",
        ]
    );
}

#[test]
fn what_a_client_chooses_never_makes_a_series() {
    let telemetry = Telemetry::new(None).unwrap();
    telemetry.request_ended(&record(b"/"));
    let before = telemetry.render(&Present::default()).lines().count();
    for n in 0..3000_u32 {
        let (target, host) = (format!("/{n}"), format!("host{n}"));
        let mut record = record(target.as_bytes());
        record.host = Some(host.as_bytes());
        record.mount = Some(&target);
        telemetry.request_ended(&record);
    }
    assert_eq!(telemetry.render(&Present::default()).lines().count(), before);
}

#[test]
fn connections_are_shown_and_those_that_were_shed_counted_by_reason() {
    let telemetry = Telemetry::new(None).unwrap();
    for why in [Shed::Refused, Shed::Idle, Shed::Refused] {
        telemetry.connection_shed(why);
    }
    let text = telemetry.render(&Present { connections: 5, ..Present::default() });
    for line in [
        "plugboard_connections 5",
        "plugboard_connections_shed_total{reason=\"refused\"} 2",
        "plugboard_connections_shed_total{reason=\"idle\"} 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} in {text}");
    }
}

#[test]
fn sessions_and_links_go_up_and_down() {
    let telemetry = Telemetry::new(None).unwrap();
    assert_eq!(lines(&telemetry, "plugboard_sessions "), ["plugboard_sessions 0"]);
    telemetry.session_started("canary");
    telemetry.session_started("canary");
    telemetry.session_ended("canary", "replaced", &Stats { bytes_sent: 7, ..Stats::default() });
    telemetry.link_up(false);
    telemetry.link_up(true);
    telemetry.link_down();
    telemetry.token_refused(AuthError::Malformed("x"));
    telemetry.token_unchecked();
    assert_eq!(lines(&telemetry, "plugboard_sessions "), ["plugboard_sessions 1"]);
    assert_eq!(lines(&telemetry, "plugboard_links "), ["plugboard_links 1"]);
    assert_eq!(lines(&telemetry, "plugboard_link_starts_total").len(), 2);
    let refused = risen(&telemetry, "plugboard_tokens_refused_total");
    let line = |reason| format!("plugboard_tokens_refused_total{{reason=\"{reason}\"}} 1");
    assert_eq!(refused, ["malformed", "overloaded"].map(line));
    assert!(!telemetry.render(&Present::default()).contains("canary"));
}

#[test]
fn what_links_carried_is_counted_of_sessions_that_are_and_that_were() {
    let telemetry = Telemetry::new(None).unwrap();
    let numbers = |bytes_sent| Stats { bytes_sent, bytes_received: 1, streams_open: 4, ..Stats::default() };
    telemetry.session_ended("one", "left", &numbers(10));
    let text = telemetry.render(&Present { sessions: numbers(5), ..Present::default() });
    for line in [
        "plugboard_link_bytes_total{direction=\"out\"} 15",
        "plugboard_link_bytes_total{direction=\"in\"} 2",
        "plugboard_streams_open 4",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} in {text}");
    }
}

#[test]
fn each_status_has_its_class() {
    let name = |status| CLASSES[class(status)];
    let rows =
        [(None, "none"), (Some(101), "1xx"), (Some(204), "2xx"), (Some(304), "3xx"), (Some(499), "4xx")];
    for (status, expected) in rows.into_iter().chain([
        (Some(599), "5xx"),
        (Some(600), "other"),
        (Some(999), "other"),
        (Some(99), "other"),
    ]) {
        assert_eq!(name(status), expected, "{status:?}");
    }
}

#[test]
fn a_measured_request_counts_in_each_phase_that_is_known() {
    let telemetry = Telemetry::new(None).unwrap();
    let time = Duration::from_millis;
    let stages = Stages { relay: time(2), beyond: time(40), backend: Some(time(30)) };
    telemetry.request_ended(&AccessRecord { stages: Some(stages), ..record(b"/") });
    telemetry
        .request_ended(&AccessRecord { stages: Some(Stages { backend: None, ..stages }), ..record(b"/") });
    telemetry.request_ended(&record(b"/"));
    let sum = |phase, value| {
        format!("plugboard_request_phase_seconds_sum{{class=\"2xx\",phase=\"{phase}\"}} {value}")
    };
    let mut sums = lines(&telemetry, "plugboard_request_phase_seconds_sum");
    sums.sort();
    assert_eq!(sums, [sum("backend", "0.03"), sum("tunnel", "0.01"), sum("wait", "0.004")]);
}

#[test]
fn what_happens_to_links_is_counted_by_outcome_and_time() {
    let telemetry = Telemetry::new(None).unwrap();
    telemetry.handshake_ended("new");
    telemetry.handshake_ended("held");
    telemetry.request_waited("served", Duration::from_secs(1));
    telemetry.session_resumed(Duration::from_millis(300));
    telemetry.round_trip(Duration::from_millis(7));
    telemetry.round_trip(Duration::from_millis(70));
    telemetry.set_memory_limit(1 << 30);
    let text = telemetry.render(&Present { waiting: 3, ..Present::default() });
    for line in [
        "plugboard_handshakes_total{outcome=\"new\"} 1",
        "plugboard_handshakes_total{outcome=\"held\"} 1",
        "plugboard_request_wait_seconds_count{outcome=\"served\"} 1",
        "plugboard_requests_waiting 3",
        "plugboard_resume_seconds_sum 0.3",
        "plugboard_round_trip_seconds_bucket{le=\"0.01\"} 1",
        "plugboard_round_trip_seconds_count 2",
        "plugboard_memory_limit_bytes 1073741824",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} in {text}");
    }
    let info = lines(&telemetry, "plugboard_build_info");
    assert!(
        info[0].contains("version=\"") && info[0].contains("rustc=\"1.") && info[0].ends_with("} 1"),
        "{info:?}"
    );
}

#[test]
fn counters_with_known_labels_are_zero_from_the_start() {
    let telemetry = Telemetry::new(None).unwrap();
    let text = telemetry.render(&Present { replay_bytes: 77, ..Present::default() });
    for line in [
        "plugboard_requests_total{outcome=\"complete\",class=\"2xx\"} 0",
        "plugboard_retries_total{outcome=\"denied\"} 0",
        "plugboard_connections_shed_total{reason=\"slow\"} 0",
        "plugboard_sessions_ended_total{reason=\"replaced\"} 0",
        "plugboard_link_starts_total{kind=\"resumed\"} 0",
        "plugboard_handshakes_total{outcome=\"leaving\"} 0",
        "plugboard_tokens_refused_total{reason=\"overloaded\"} 0",
        "plugboard_revocations_total 0",
        "plugboard_request_wait_seconds_count{outcome=\"client_left\"} 0",
        "plugboard_resume_seconds_count 0",
        "plugboard_replay_bytes 77",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} in {text}");
    }
    // Each family that the page lists is there, but one whose samples exist only with a memory bound.
    let page = include_str!("../../../../docs/metrics.md");
    let named = page.split('`').filter(|word| word.starts_with("plugboard_"));
    for name in named.map(|word| word.split('{').next().unwrap_or(word)) {
        let is_optional = ["plugboard_memory_limit_bytes", "plugboard_request_phase_seconds"].contains(&name);
        assert!(is_optional || text.lines().any(|line| line.starts_with(name)), "{name} in {text}");
    }
}

#[test]
fn each_reason_of_a_refused_token_is_listed() {
    use AuthError::*;
    let max = Duration::from_secs(1);
    let plain = [Missing, TooLong, BadSignature, Expired, NotYetValid, WrongAudience, WrongIssuer, Revoked];
    for error in plain.into_iter().chain([NotClaimed, Malformed("x"), LivesTooLong { max }]) {
        assert!(AuthError::LABELS.contains(&error.label()), "{error}");
    }
}
