//! The table of command lines. Variables are tested with the real programs, since a process has only one
//! environment.

use super::*;
use crate::line::TokenOrigin;
use telephone_driver::BackendTrust;

const GOOD: &str = "--plugboard ws://127.0.0.1:4000 --mount /api --port 3000 --token a.b.c";

fn commanded(line: &str) -> Result<Command, Stop> {
    let args = std::iter::once("telephone").chain(line.split_whitespace()).map(OsString::from);
    parse("telephone", args, &|_| None)
}

fn parsed(line: &str) -> Result<Settings, Stop> {
    commanded(line).map(|command| match command {
        Command::Serve(settings) => *settings,
        other => panic!("{line}: {other:?}"),
    })
}

#[test]
fn the_shortest_good_line_has_the_documented_defaults() {
    let settings = parsed(GOOD).unwrap();
    assert_eq!(settings.line.plugboards[0].to_string(), "ws://127.0.0.1:4000/.well-known/telephone");
    assert_eq!(settings.mounts[0].to_string(), "/api");
    assert_eq!(settings.backend, Some(BackendUrl::local(3000)));
    assert_eq!(settings.line.token, TokenOrigin::Fixed("a.b.c".into()));
    assert_eq!(settings.line.attempts_max, 0);
    assert_eq!(settings.line.backoff_base, Duration::from_secs(1));
    assert_eq!(settings.line.backoff_max, Duration::from_secs(30));
    assert!(settings.instance.ends_with("/127.0.0.1:3000") && settings.instance.len() > 15);
    assert_eq!(settings.backend_trust, BackendTrust::Platform);
    assert_eq!(settings.line.log_format, LogFormat::Text);
    assert!(!settings.strips_prefix && settings.health.is_none() && settings.line.ca.is_none());
    assert!(settings.host_header.is_none());
    assert_eq!((settings.streams, settings.line.recording), (1024, None));
    let timeouts = [settings.connect_timeout, settings.answer_timeout, settings.idle_timeout];
    assert_eq!(timeouts, [5, 60, 300].map(Duration::from_secs));
}

#[test]
fn every_option_arrives() {
    let settings = parsed(
        "--plugboard ws://a --plugboard wss://b/x --mount /a --mount h.example/b --mount room:r \
         --tcp 5432=[::1]:5432 --tcp tcp:db:1=unix:/db.sock --proxy-protocol --backend unix:/run/app.sock --token-file /t --health localhost:9000 --health-host A.example,b.example --follow *.example.com:8443 --follow 127.0.0.1:*,c.example \
         --max-attempts 5 --backoff-base 50ms --backoff-max 2s --instance web-1 \
         --backend-connect-timeout 2s --backend-answer-timeout 30s --backend-idle-timeout 1h \
         --host-header localhost:3000 --strip-prefix --streams 9 --ca /ca.pem --log-format json \
         --record /records --record-bodies",
    )
    .unwrap();
    assert_eq!(settings.line.plugboards.len(), 2);
    let mounts: Vec<_> = settings.mounts.iter().map(ToString::to_string).collect();
    assert_eq!(mounts, ["/a", "h.example/b", "room:r"]);
    assert_eq!(settings.backend.unwrap().to_string(), "unix:/run/app.sock");
    assert_eq!(settings.line.token, TokenOrigin::File("/t".into()));
    assert_eq!(settings.health.unwrap().to_string(), "127.0.0.1:9000");
    assert_eq!(settings.health_hosts, ["a.example", "b.example"]);
    let follow: Vec<_> = settings.line.follow.iter().map(ToString::to_string).collect();
    assert_eq!(follow, ["*.example.com:8443", "127.0.0.1:*", "c.example"]);
    assert_eq!(settings.line.attempts_max, 5);
    assert_eq!(settings.line.backoff_base, Duration::from_millis(50));
    assert_eq!(settings.line.backoff_max, Duration::from_secs(2));
    assert_eq!(settings.instance, "web-1");
    assert_eq!(settings.host_header.as_deref(), Some("localhost:3000"));
    assert!(settings.strips_prefix);
    assert_eq!(settings.streams, 9);
    let timeouts = [settings.connect_timeout, settings.answer_timeout, settings.idle_timeout];
    assert_eq!(timeouts, [2, 30, 3600].map(Duration::from_secs));
    assert_eq!(settings.line.ca, Some("/ca.pem".into()));
    assert_eq!(settings.line.log_format, LogFormat::Json);
    let recording = settings.line.recording.unwrap();
    assert_eq!((recording.directory.to_str(), recording.keeps_contents), (Some("/records"), true));
}

#[test]
fn a_recording_is_replayed_without_a_plugboard() {
    let replayed = |line: &str| match commanded(line).unwrap() {
        Command::Replay(settings) => (settings.file, settings.is_quiet),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(replayed("replay a.recording"), ("a.recording".into(), false));
    assert_eq!(replayed("replay --quiet /b"), ("/b".into(), true));
}

#[test]
fn a_room_is_a_mount_and_needs_no_other() {
    let settings = parsed("--plugboard ws://a --room r1 --port 1234 --token a.b.c").unwrap();
    assert_eq!(settings.mounts, ["room:r1".parse().unwrap()]);
    let settings = parsed(&format!("{GOOD} --room a --room b")).unwrap();
    assert_eq!(settings.mounts.len(), 3);
}

#[test]
fn a_comma_in_a_flag_is_part_of_the_path() {
    let settings = parsed(&format!("{GOOD} --mount /a,b")).unwrap();
    assert_eq!(settings.mounts.len(), 2);
}

/// A bad line, and what its error must name.
const BAD: &[(&str, &[&str])] = &[
    ("", &["--plugboard", "--mount"]),
    ("--plugboard ws://a --port 1 --token a.b.c", &["--mount"]),
    ("--plugboard ws://a --mount /a --token a.b.c", &["--port", "BACKEND_PORT", "--backend"]),
    ("--plugboard ws://a --mount /a --port 1", &["--token", "TELEPHONE_TOKEN", "--token-file"]),
    (
        "--plugboard ftp://a --mount /a --port 1 --token a.b.c",
        &["--plugboard", "ftp://a", "ws://", "https://"],
    ),
    (
        "--plugboard ws://a --mount /a --port 1 --token a.b.c --ping-interval 30s",
        &["--ping-interval", "30s", "between 1s and 20s"],
    ),
    ("--plugboard a:4000 --mount /a --port 1 --token a.b.c", &["--plugboard", "a:4000", "ws://"]),
    ("--plugboard ws://u:p@a --mount /a --port 1 --token a.b.c", &["--plugboard", "password"]),
    ("--plugboard ws://a?token=canary --mount /a --port 1 --token a.b.c", &["--plugboard", "query"]),
    ("--plugboard ws://a --mount api --port 1 --token a.b.c", &["--mount", "\"api\"", "/api"]),
    ("--plugboard ws://a --mount room: --port 1 --token a.b.c", &["--mount", "room:"]),
    ("--plugboard ws://a --room a/b --port 1 --token a.b.c", &["--room \"a/b\"", "ROOM_ID", "1 to 64"]),
    ("--plugboard ws://a --mount tcp:99999 --port 1 --token a.b.c", &["--mount", "tcp:99999"]),
    ("--plugboard ws://a --mount /a --port 0 --token a.b.c", &["--port", "'0'", "1..=65535"]),
    ("--plugboard ws://a --mount /a --port 70000 --token a.b.c", &["--port", "70000"]),
    ("--plugboard ws://a --mount /a --port http --token a.b.c", &["--port", "http"]),
    (
        "--plugboard ws://a --mount /a --backend ftp://x --token a.b.c",
        &["--backend", "ftp://x", "https://HOST"],
    ),
    ("--plugboard ws://a --mount /a --backend unix:x --token a.b.c", &["--backend", "unix:x", "slash"]),
    (
        "--plugboard ws://a --mount /a --port 1 --backend http://b --token a.b.c",
        &["--port", "--backend", "one of the two"],
    ),
    (
        "--plugboard ws://a --mount /a --port 1 --token a.b.c --token-file /f",
        &["--token", "--token-file", "one of the two"],
    ),
    ("--plugboard ws://a --mount /a --port 1 --token=", &["--token", "TELEPHONE_TOKEN"]),
    (
        "--plugboard ws://a --mount /a --port 1 --token a.b.c --health 9000",
        &["--health", "9000", "127.0.0.1"],
    ),
    ("--plugboard ws://a --mount /a --port 1 --token a.b.c --max-attempts -1", &["-1"]),
    ("--plugboard ws://a --mount /a --port 1 --token a.b.c --max-attempts many", &["--max-attempts", "many"]),
    (
        "--plugboard ws://a --mount /a --port 1 --token a.b.c --backoff-base 5",
        &["--backoff-base", "'5'", "30s"],
    ),
    ("--plugboard ws://a --mount /a --port 1 --token a.b.c --backoff-base 0s", &["--backoff-base", "0s"]),
    (
        "--plugboard ws://a --mount /a --port 1 --token a.b.c --backoff-base 1m",
        &["--backoff-base 1m", "--backoff-max", "30s"],
    ),
    ("--plugboard ws://a --mount /a --port 1 --token a.b.c --host-header a/b", &["--host-header", "a/b"]),
    ("--plugboard ws://a --mount /a --port 1 --token a.b.c --instance=", &["--instance"]),
    (
        "--plugboard ws://a --mount /a --port 1 --token a.b.c --backend-ca /ca.pem",
        &["--backend-ca /ca.pem", "http://localhost:1 is reached without TLS", "https://HOST"],
    ),
    (
        "--plugboard ws://a --mount /a --backend http://b --token a.b.c --backend-insecure",
        &["--backend-insecure", "TELEPHONE_BACKEND_INSECURE", "http://b", "https://HOST"],
    ),
    (
        "--plugboard ws://a --mount /a --backend https://b --token a.b.c --backend-insecure --backend-ca /ca.pem",
        &["--backend-insecure", "--backend-ca", "one of the two"],
    ),
    (
        "--plugboard ws://a --tcp 22=a:1 --token a.b.c --backend-insecure",
        &["--backend-insecure", "no backend"],
    ),
    (
        "--plugboard ws://a --mount /a --port 1 --token a.b.c --log-format xml",
        &["--log-format", "xml", "json"],
    ),
    ("--plugboard ws://a --mount /a --port 1 --token a.b.c --bakend x", &["--bakend", "--backend"]),
    ("--plugboard ws://a --mount /a --port 1 --token a.b.c stray", &["stray"]),
    ("--plugboard ws://a --mount tcp:22 --port 1 --token a.b.c", &["--mount", "--tcp 22=127.0.0.1:PORT"]),
    ("--plugboard ws://a --tcp 22 --token a.b.c", &["--tcp", "22", "5432=127.0.0.1:5432"]),
    ("--plugboard ws://a --tcp 22=22 --token a.b.c", &["HOST:PORT or unix:/PATH"]),
    ("--plugboard ws://a --tcp 0=a:22 --token a.b.c", &["1 to 65535"]),
    (
        "--plugboard ws://a --mount /a --port 1 --token a.b.c --record-bodies",
        &["--record-bodies", "TELEPHONE_RECORD_BODIES", "--record DIR"],
    ),
    ("replay", &["<FILE>"]),
    ("connect --plugboard ws://a --token a.b.c --stdio", &["--to"]),
    ("connect --plugboard ws://a --token a.b.c --to db:1", &["--listen ADDR", "--stdio"]),
    (
        "connect --plugboard ws://a --token a.b.c --to db:1 --stdio --listen 127.0.0.1:1",
        &["contradicts --stdio"],
    ),
    ("connect --plugboard ws://a --token a.b.c --to /db --stdio", &["--to", "tcp:NAME:PORT"]),
    ("connect --plugboard ws://a --to db:1 --stdio", &["--token JWT (TELEPHONE_TOKEN)"]),
    ("--mount /a connect --plugboard ws://a --token a.b.c --to db:1 --stdio", &["connect"]),
];

#[test]
fn a_bad_line_ends_with_2_and_names_what_is_wrong() {
    for (line, parts) in BAD {
        let stop = parsed(line).unwrap_err();
        assert_eq!(stop.exit(), Exit::Usage, "{line}: {}", stop.text());
        for part in *parts {
            assert!(stop.text().contains(part), "{line}: {part:?} is not in {}", stop.text());
        }
        assert!(!stop.text().contains("canary"), "{}", stop.text());
    }
}

#[test]
fn raw_connections_need_no_other_mount_and_no_other_backend() {
    let settings = parsed("--plugboard ws://a --tcp 22=127.0.0.1:22 --token a.b.c").unwrap();
    assert_eq!((settings.mounts.len(), settings.backend), (0, None));
    assert_eq!(settings.tcp[0].mount, "tcp:22");
    assert!(settings.instance.ends_with("/127.0.0.1:22"), "{}", settings.instance);
}

#[test]
fn what_is_connected_to_is_an_endpoint_with_or_without_its_prefix() {
    for (to, side) in [
        ("db:5432 --stdio", Side::Stdio),
        ("tcp:db:5432 --listen localhost:1", Side::Listen("127.0.0.1:1".parse().unwrap())),
    ] {
        let line = format!("connect --plugboard ws://a --token a.b.c --to {to}");
        let Command::Connect(settings) = commanded(&line).unwrap() else { panic!("{line}") };
        assert_eq!((settings.to.as_str(), settings.side), ("tcp:db:5432", side));
    }
    let help = commanded("connect --help").unwrap_err();
    assert!(help.exit() == Exit::Clean && help.text().contains("ProxyCommand"), "{}", help.text());
}

#[test]
fn too_many_mounts_are_refused() {
    let line = (0..65).fold(GOOD.to_owned(), |line, n| format!("{line} --mount /m{n}"));
    assert!(parsed(&line).unwrap_err().text().contains("64 mounts"));
}

#[test]
fn help_and_version_end_with_0() {
    let help = parsed("--help").unwrap_err();
    assert_eq!(help.exit(), Exit::Clean);
    for part in ["PLUGBOARD_URL", "MOUNT_PATH", "BACKEND_PORT", "TELEPHONE_TOKEN_FILE", "Examples:", "30s"] {
        assert!(help.text().contains(part), "{part}");
    }
    assert_eq!(parsed("--version").unwrap_err().exit(), Exit::Clean);
    assert_eq!(parsed("-h").unwrap_err().exit(), Exit::Clean);
}

#[test]
fn a_token_shows_neither_in_errors_nor_in_debug_output() {
    let token = "eyJhbGciOiJIUzI1NiJ9.canary.canary";
    for line in [
        format!("{GOOD} {token}"),
        format!("--plugboard ws://a --mount /a --port {token}"),
        format!("--plugboard ws://a --mount /a --port 1 --token {token} --token-file /f"),
    ] {
        let stop = parsed(&line).unwrap_err();
        assert!(!stop.text().contains("canary"), "{}", stop.text());
    }
    let with_space = ["telephone", "--plugboard=ws://a", "--mount=/a", "--port=1", "--token=can ary"];
    let stop = parse("telephone", with_space.map(OsString::from), &|_| None).unwrap_err();
    assert!(!stop.text().contains("can ary"), "{}", stop.text());
    let settings = parsed(&format!("--plugboard ws://a --mount /a --port 1 --token {token}")).unwrap();
    assert!(!format!("{settings:?}").contains("canary"));
}

use crate::variables::{Parsed, parse as parse_line};

#[path = "../../testing/variables.rs"]
mod suite;

#[test]
fn every_variable_may_be_empty_prefixed_padded_and_overruled() {
    let lines: [&[&str]; 5] = [
        &["--plugboard=ws://a", "--room=r", "--port=1", "--token=a.b.c"],
        &["connect", "--plugboard=ws://a", "--token=a.b.c", "--to=db:1", "--stdio"],
        &["status", "--health=127.0.0.1:1"],
        &["replay", "FILE"],
        &["doctor", "--plugboard=ws://a"],
    ];
    let suite = suite::Suite { command: command("telephone"), naming: &NAMING, lines: &lines };
    let count = suite.every_variable_may_be_empty_prefixed_padded_and_overruled();
    assert!(count > 60, "{count} variables");
}

#[test]
fn variables_alone_are_as_good_as_flags_and_errors_name_those_that_were_read() {
    let with = |variables: &[(&str, &str)]| {
        let environment = |name: &str| {
            variables.iter().find(|variable| variable.0 == name).map(|variable| OsString::from(variable.1))
        };
        parse("telephone", [OsString::from("telephone")], &environment)
    };
    let good = [
        ("RELAY_URL", "ws://a, wss://b,"),
        ("TELEPHONE_MOUNT_PATH", "/a, h.example/b,"),
        ("BACKEND_PORT", "tcp://10.96.0.12:80"),
        ("LOCAL_PORT", "3000"),
        ("TELEPHONE_TOKEN", "a.b.c\n"),
        ("TCP", ""),
        ("STREAMS", " "),
    ];
    let Command::Serve(settings) = with(&good).unwrap() else { panic!("no serve") };
    assert_eq!((settings.line.plugboards.len(), settings.mounts.len()), (2, 2));
    assert_eq!(settings.line.token, TokenOrigin::Fixed("a.b.c".into()));
    assert_eq!(settings.backend, Some(BackendUrl::local(3000)));
    for (name, value, part) in [
        ("TELEPHONE_MOUNT_PATH", "/a,b", "--mount \"b\" (TELEPHONE_MOUNT_PATH)"),
        ("RELAY_URL", "gopher://a", "(RELAY_URL)"),
        ("LOCAL_PORT", "x", "'--port <N> (LOCAL_PORT)'"),
        ("TELEPHONE_TOKEN", "can ary", "--token (TELEPHONE_TOKEN)"),
    ] {
        let mut variables = good.to_vec();
        variables.retain(|variable| variable.0 != name);
        variables.push((name, value));
        let stop = with(&variables).unwrap_err();
        assert!(stop.text().contains(part) && !stop.text().contains("can ary"), "{}", stop.text());
    }
}

#[test]
fn a_missing_port_whose_variable_is_a_service_link_names_both() {
    let line = "telephone --plugboard ws://a --mount /a --token a.b.c";
    let told = |variables: &[(&str, &str)]| {
        let environment = |name: &str| {
            variables.iter().find(|variable| variable.0 == name).map(|variable| OsString::from(variable.1))
        };
        let stop = parse("telephone", line.split_whitespace().map(OsString::from), &environment).unwrap_err();
        assert_eq!(stop.exit(), Exit::Usage);
        stop.text().to_owned()
    };
    let text = told(&[("BACKEND_PORT", "tcp://10.96.0.12:80")]);
    assert!(
        text.starts_with("error: --port N (BACKEND_PORT): it is missing; give it or --backend URL"),
        "{text}"
    );
    assert!(
        text.contains("\nnote: BACKEND_PORT=tcp://10.96.0.12:80 is ignored: Kubernetes sets it"),
        "{text}"
    );
    let text = told(&[("TELEPHONE_LOCAL_PORT", "udp://10.96.0.12:53")]);
    assert!(text.contains("\nnote: TELEPHONE_LOCAL_PORT=udp://"), "{text}");
    assert!(!told(&[]).contains("note: "));
}
