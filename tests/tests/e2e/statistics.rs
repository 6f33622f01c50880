//! Numbers: what the health page, `status` and the metrics tell of one session.

use serde_json::Value;
use telephone_tests::client::{ask, get};
use telephone_tests::line::both_programs;
use telephone_tests::origin::Origin;
use telephone_tests::parts;
use telephone_tests::process::Plan;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::{bins, net};

/// `status` of the program, for whatever listens on that address.
fn status(program: Program, health: &str) -> (Option<i32>, String, String) {
    let finished = Plan::new(bins::path(program.name())).args(["status", "--health", health]).finish();
    (finished.code, finished.stdout, finished.stderr)
}

#[test]
fn both_ends_of_a_session_tell_the_same_numbers() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let sidecar = dial.ready();
        let body = vec![7; 100_000];
        for _ in 0..5 {
            assert_eq!(ask(relay.addr(), &Request::post("/m/mirror", &body)).body.len(), body.len());
        }
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        // The plugboard is asked by the first look, and once a second at most.
        let page = wait::until("the plugboard tells its numbers", PATIENCE, || {
            let page = sidecar.page();
            (page["plugboards"][0]["plugboard_stats"]["requests"] == 6).then_some(page)
        });
        let line = &page["plugboards"][0];
        assert_eq!((&page["requests"], &line["reconnects"]), (&Value::from(6), &Value::from(0)), "{page:#}");
        for end in ["stats", "plugboard_stats"] {
            let stats = &line[end];
            assert_eq!(stats["requests"], 6, "{page:#}");
            assert!(stats["bytes_sent"].as_u64() > Some(500_000), "{page:#}");
            assert!(stats["bytes_received"].as_u64() > Some(500_000), "{page:#}");
            assert!(stats["round_trip_us"].as_u64() > Some(0), "{page:#}");
        }
        let (code, told, _) = status(program, &sidecar.health_addr().to_string());
        assert_eq!(code, Some(0));
        assert!(told.starts_with("state") && told.contains("connected"), "{told}");
        assert!(told.lines().any(|line| line.split_whitespace().eq(["requests", "6"])), "{told}");
    });
}

#[test]
fn the_metrics_count_what_links_carried_also_of_sessions_that_are_over() {
    let (relay, origin) = (Relay::start(), Origin::start());
    let token = relay.token(&["/m"]);
    let carried = || {
        let metrics = relay.metrics();
        let line =
            metrics.lines().find(|line| line.starts_with("plugboard_link_bytes_total{direction=\"out\"}"));
        let count = line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        count.unwrap_or_else(|| panic!("no count in {metrics}"))
    };
    let sidecar = Program::Tokio.dial(&relay).token(&token).mount("/m").backend(&origin.url()).ready();
    ask(relay.addr(), &Request::post("/m/hash", vec![7; 200_000]));
    let before = carried();
    assert!(before > 200_000, "{before}");
    assert!(relay.metrics().contains("\nplugboard_streams_open 0\n"), "{}", relay.metrics());
    sidecar.terminate();
    wait::until_true("the session is over", PATIENCE, || {
        relay.metrics().contains("\nplugboard_sessions 0\n")
    });
    assert!(carried() >= before);
}

#[test]
fn status_of_nobody_is_a_failure_that_names_the_address() {
    let nobody = net::free_addr().to_string();
    for program in Program::BOTH {
        let (code, _, error) = status(program, &nobody);
        assert_eq!(code, Some(1));
        assert!(error.contains(&nobody), "{error}");
        assert_eq!(status(program, "nowhere").0, Some(2));
    }
}

/// What Prometheus' own parser makes of metrics.
fn families(format: &str, metrics: &str) -> String {
    let mut parser = parts::python("metrics.py").arg(format).start_to_tell();
    parser.tell(metrics);
    parser.hush();
    assert_eq!(parser.wait_exit(PATIENCE).code(), Some(0), "{}\n{metrics}", parser.said());
    parser.stdout()
}

#[test]
fn prometheus_reads_the_metrics_in_both_formats() {
    let (relay, origin) = (Relay::with(&["--limit", "ping-interval=1s"]), Origin::start());
    let token = relay.token(&["/m"]);
    let _sidecar = Program::Tokio.dial(&relay).token(&token).mount("/m").backend(&origin.url()).ready();
    assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    assert_eq!(ask(relay.addr(), &Request::new("TRACE", "/m/x")).status(), 405);
    let wanted = [
        "plugboard_request_phase_seconds_count{class=\"2xx\",phase=\"backend\"} 1",
        "plugboard_request_duration_seconds_count{class=\"4xx\"} 1",
        "plugboard_handshakes_total{outcome=\"new\"} 1",
        "plugboard_build_info{",
        "plugboard_replay_bytes ",
        "plugboard_sessions_ended_total{reason=\"replaced\"} 0",
        "plugboard_connections_shed_total{reason=\"refused\"} 0",
        "process_open_fds ",
    ];
    wait::until_true("the first ping is answered", PATIENCE, || {
        relay
            .metrics()
            .lines()
            .any(|line| line.starts_with("plugboard_round_trip_seconds_count") && !line.ends_with(" 0"))
    });
    let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
    for (format, accept, kind) in [
        ("text", "*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "openmetrics",
            "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ] {
        let answer = ask(relay.admin(), &Request::raw("GET", head).field("Accept", accept));
        assert_eq!(answer.head.value("content-type").as_deref(), Some(kind));
        let metrics = answer.text();
        for line in wanted {
            assert!(metrics.lines().any(|one| one.starts_with(line)), "{line} in {metrics}");
        }
        let families = families(format, &metrics);
        for family in [
            "plugboard_requests counter",
            "plugboard_round_trip_seconds histogram",
            "plugboard_request_duration_seconds histogram",
            "process_cpu_seconds counter",
            "process_resident_memory_bytes gauge",
        ] {
            assert!(families.lines().any(|one| one == family), "{format}: {family} in {families}");
        }
        let exemplar = families.lines().find_map(|line| line.strip_prefix("exemplar "));
        assert_eq!(exemplar.is_some(), format == "openmetrics", "{families}");
        if let Some(trace) = exemplar {
            relay.process().wait_stdout(&format!("\"trace\":\"{trace}\""), PATIENCE);
        }
    }
}
