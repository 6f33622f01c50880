use clap::{Args as _, Command, FromArgMatches};

use super::*;

fn ordered(line: &[&str]) -> Order {
    let command = BenchOptions::augment_args(Command::new("bench").no_binary_name(true));
    let matches = command.try_get_matches_from(line).unwrap();
    BenchOptions::from_arg_matches(&matches).unwrap().into()
}

#[test]
fn a_url_alone_is_asked_with_sixteen_connections_for_ten_seconds() {
    let Order { goal, plan, is_json } = ordered(&["http://127.0.0.1:4000/api"]);
    assert!(
        matches!(goal, Goal::Url { target, ca: None } if target.to_string() == "http://127.0.0.1:4000/api")
    );
    assert_eq!((plan.connections, plan.end), (16, End::Time(Duration::from_secs(10))));
    assert_eq!((plan.method, plan.body_bytes, plan.rate), (Method::GET, 0, None));
    assert!(plan.is_keep_alive && !is_json);
}

#[test]
fn nothing_at_all_measures_the_path_in_this_process() {
    let Order { goal, plan, .. } = ordered(&[]);
    assert!(matches!(goal, Goal::Loopback { answer_bytes: 1024 }));
    assert_eq!(plan.end, End::Time(Duration::from_secs(5)));
}

#[test]
fn every_option_arrives() {
    let Order { goal, plan, is_json } = ordered(&[
        "http://a/",
        "--connections=3",
        "--requests=7",
        "--rate=0.5/s",
        "--method=PUT",
        "--body-bytes=2KiB",
        "--no-keep-alive",
        "--header=X-Twice: 1",
        "--header=x-twice:2",
        "--header=Host: b",
        "--timeout=2s",
        "--ca=ca.pem",
        "--json",
    ]);
    assert!(matches!(goal, Goal::Url { ca: Some(ca), .. } if ca.ends_with("ca.pem")));
    assert_eq!((plan.connections, plan.end, plan.rate), (3, End::Requests(7), Some(Rate(0.5))));
    assert_eq!((plan.method, plan.body_bytes), (Method::PUT, 2048));
    assert!(!plan.is_keep_alive && is_json);
    assert_eq!(plan.headers.get_all("x-twice").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(plan.headers["host"], "b");
    assert_eq!(plan.timeout, Duration::from_secs(2));
}

#[test]
fn a_body_is_posted_unless_a_method_is_given() {
    assert_eq!(ordered(&["--body-bytes=1"]).plan.method, Method::POST);
    assert_eq!(ordered(&["--body-bytes=1", "--method=PATCH"]).plan.method, Method::PATCH);
}

#[test]
fn a_rate_and_a_time_make_a_number_of_requests() {
    let plan = ordered(&["--rate=200", "--duration=1500ms"]).plan;
    assert_eq!(plan.requests_max(), 300);
    assert_eq!(Rate(200.0).due(300), Duration::from_millis(1500));
}
