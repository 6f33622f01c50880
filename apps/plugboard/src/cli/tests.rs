//! The table of command lines. Variables are tested with the real program, since a process has only one
//! environment.

use telephone_driver::DrainConfig;

use super::*;
use crate::scratch::Scratch;
use crate::token::{Expectations, Key, Verifier, vectors};

const SECRET: &str = "a secret for tests, 32 octets or more";

fn parsed(line: &str) -> Result<Command, Stop> {
    parsed_with(line, None)
}

fn parsed_with(line: &str, variable: Option<&str>) -> Result<Command, Stop> {
    let args = std::iter::once("plugboard").chain(line.split_whitespace()).map(OsString::from);
    parse(args, &|name| variable.filter(|_| name == "PLUGBOARD_SECRET").map(OsString::from))
}

fn served(line: &str) -> ServeSettings {
    match parsed_with(line, Some(SECRET)).unwrap() {
        Command::Serve(settings) => *settings,
        other => panic!("not a serve: {other:?}"),
    }
}

fn printed(line: &str) -> String {
    match parsed_with(line, Some(SECRET)).unwrap() {
        Command::Print(text) => text,
        other => panic!("not a print: {other:?}"),
    }
}

#[test]
fn serve_has_the_documented_defaults() {
    let settings = served("serve");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:4000");
    assert_eq!(settings.admin.to_string(), "127.0.0.1:4001");
    assert_eq!(settings.drain, DrainConfig::default());
    assert_eq!(settings.limits, crate::limits::Limits::default());
    assert_eq!(settings.access_log, Destination::Stdout);
    assert!(!settings.early_hints && !settings.isolate_paths && settings.trusted_fields.is_empty());
    assert!(
        settings.trust.is_empty()
            && settings.public_url.is_none()
            && settings.site_url.is_none()
            && settings.recording.is_none()
    );
}

#[test]
fn every_option_of_serve_arrives() {
    let settings = served(
        "serve --listen [::]:80 --admin localhost:9 --audience relay --issuer ops --trust 10.0.0.0/8 \
         --trust ::1 --early-hints --trust-header X-Forwarded-User,remote-user --trust-header X-Staff --isolate-paths --public-url https://example.com --site-url https://apps.example/ --drain-delay 250ms --drain-grace 1m --drain-to wss://b.example \
         --reuse-port --threads 3 --limit streams=5 \
         --limit park-time=2s --access-log off --log-format json --record /records",
    );
    assert_eq!(settings.listen.to_string(), "[::]:80");
    assert_eq!(settings.admin.to_string(), "127.0.0.1:9");
    let trusted: Vec<_> = settings.trust.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["10.0.0.0/8", "::1/128"]);
    assert!(settings.early_hints && settings.isolate_paths);
    let fields = ["x-forwarded-user", "REMOTE-USER", "X-Staff"].map(|name| name.parse().unwrap());
    assert_eq!(settings.trusted_fields, fields);
    let public = settings.public_url.unwrap().to_string();
    assert_eq!(public, "wss://example.com/.well-known/telephone");
    assert_eq!(settings.site_url.unwrap().to_string(), "https://apps.example");
    let to = Some("wss://b.example/.well-known/telephone".to_owned());
    let (delay, grace) = (Duration::from_millis(250), Duration::from_secs(60));
    assert_eq!(settings.drain, DrainConfig { delay, grace, to });
    assert!(settings.reuse_port);
    assert_eq!(settings.threads.get(), 3);
    assert_eq!(settings.limits.session.streams, 5);
    assert_eq!(settings.limits.router.park_time, Duration::from_secs(2));
    assert_eq!(settings.access_log, Destination::Off);
    assert_eq!(settings.log_format, LogFormat::Json);
    let recording = settings.recording.unwrap();
    assert_eq!((recording.directory.to_str(), recording.keeps_contents), (Some("/records"), false));
}

#[test]
fn a_file_beats_the_variable_and_public_keys_stand_beside_both() {
    let now = vectors::now();
    let claims = vectors::good_claims();
    let by_variable = vectors::sign(
        jsonwebtoken::Algorithm::HS256,
        &jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes()),
        &claims,
    );
    let by_ed = vectors::sign(
        jsonwebtoken::Algorithm::EdDSA,
        &jsonwebtoken::EncodingKey::from_ed_pem(vectors::ED_PRIVATE.as_bytes()).unwrap(),
        &claims,
    );
    let public = Scratch::file(vectors::ED_PUBLIC.as_bytes());
    let other = Scratch::file(b"another secret of 32 octets or more");
    let line = format!("serve --public-key-file {}", public.path().display());
    let both = served(&line);
    assert!(both.verifier.verify(&by_variable, now).is_ok() && both.verifier.verify(&by_ed, now).is_ok());
    let file = served(&format!("{line} --secret-file {}", other.path().display()));
    assert!(file.verifier.verify(&by_variable, now).is_err() && file.verifier.verify(&by_ed, now).is_ok());
}

/// A bad line, and what its error must name.
const BAD: &[(&str, &[&str])] = &[
    ("", &["serve", "token", "secret", "demo", "bench"]),
    ("sevre", &["sevre", "serve"]),
    ("serve --listen 4000", &["--listen", "4000", "127.0.0.1:4000"]),
    ("serve --listen example.com:80", &["--listen", "example.com:80"]),
    ("serve --admin 127.0.0.1:4000", &["--admin 127.0.0.1:4000", "--listen"]),
    ("serve --secret-file /nonexistent/s", &["--secret-file /nonexistent/s", "No such file"]),
    ("serve --public-key-file /nonexistent/k", &["--public-key-file /nonexistent/k", "No such file"]),
    ("serve --trust 10.0.0.0/33", &["--trust", "10.0.0.0/33", "10.0.0.0/8"]),
    ("serve --trust example.com", &["--trust", "example.com"]),
    ("serve --trust-header X-Forwarded-User", &["--trust-header", "--trust"]),
    ("serve --trust ::1 --trust-header X_User", &["--trust-header", "X_User", "-"]),
    ("serve --trust ::1 --trust-header Host", &["--trust-header", "Host", "routing"]),
    ("serve --trust ::1 --trust-header Connection", &["--trust-header", "Connection", "framing"]),
    ("serve --trust ::1 --trust-header content-length", &["--trust-header", "content-length", "framing"]),
    ("serve --trust ::1 --trust-header X-Staff,Transfer-Encoding", &["--trust-header", "Transfer-Encoding"]),
    ("serve --trust ::1 --trust-header X-Real-IP", &["--trust-header", "X-Real-IP", "X-Forwarded-For"]),
    ("serve --trust ::1 --trust-header X-User:", &["--trust-header", "X-User:", "X-Forwarded-User"]),
    ("serve --trust ::1 --trust-header=", &["--trust-header", "X-Forwarded-User"]),
    ("serve --public-url example.com", &["--public-url", "wss://example.com"]),
    ("serve --public-url ftp://example.com", &["--public-url", "wss://example.com"]),
    ("serve --public-url https://example.com/?x", &["--public-url", "query"]),
    ("serve --client-tokens", &["--client-tokens", "--rooms"]),
    ("serve --origin https://app.example", &["--origin", "--rooms"]),
    ("serve --rooms --origin app.example", &["--origin", "https://app.example"]),
    ("serve --rooms --origin https://app.example/page", &["--origin", "https://app.example"]),
    ("serve --drain-delay soon", &["--drain-delay", "soon", "30s"]),
    ("serve --limit streams", &["--limit \"streams\"", "NAME=VALUE"]),
    ("serve --limit stream=1", &["--limit \"stream=1\"", "streams", "head-timeout"]),
    ("serve --limit streams=0", &["--limit \"streams=0\"", "from 1 to"]),
    ("serve --limit ping-interval=1h", &["--limit", "idle-timeout"]),
    ("serve --access-log=", &["--access-log", "standard output"]),
    ("serve --log-format xml", &["--log-format", "xml", "json"]),
    ("serve --token a.b.c", &["--token"]),
    ("serve extra", &["extra"]),
    ("token", &["--mount", "/api"]),
    ("token --mount api", &["--mount", "api", "/api"]),
    ("token --mount /a/../..//x", &["--mount"]),
    ("token --mount tcp:0", &["--mount", "tcp:0"]),
    ("token --room a/b", &["--room", "a/b"]),
    ("token --client", &["--room"]),
    ("token --client --room r --mount /a", &["--client", "--mount"]),
    ("token --client --room r --client-tokens", &["--client", "--client-tokens"]),
    ("token --mount /a --client-tokens", &["--room"]),
    ("token --mount /a --ttl 0s", &["--ttl", "0s", "1h"]),
    ("token --mount /a --ttl 11years", &["--ttl", "11years"]),
    ("token --mount /a --ttl 60", &["--ttl", "60", "1h"]),
    ("token --mount /a --sub=", &["--sub", "shop"]),
    ("secret now", &["now"]),
    ("demo --listen here", &["--listen", "here"]),
    ("bench 127.0.0.1:4000", &["127.0.0.1:4000", "such as http://127.0.0.1:4000/api"]),
    ("bench ws://127.0.0.1:4000", &["ws://", "http://"]),
    ("bench http://a:b@example.com", &["--header", "Authorization"]),
    ("bench --connections 0", &["--connections", "10000"]),
    ("bench --requests 0", &["--requests"]),
    ("bench --requests 5 --duration 1s", &["--requests", "--duration"]),
    ("bench --duration 5", &["--duration", "30s"]),
    ("bench --rate 0/s", &["--rate", "200/s"]),
    ("bench --rate 5/m", &["--rate", "200/s"]),
    ("bench --method GE(T", &["--method", "PUT"]),
    ("bench --body-bytes 1MB", &["--body-bytes", "10MiB"]),
    ("bench --header Name", &["--header", "'Name: value'"]),
    ("bench --header content-length:5", &["--header", "--body-bytes"]),
    ("bench --header connection:close", &["--header", "--no-keep-alive"]),
    ("bench --ca ca.pem", &["--ca", "URL"]),
    ("bench http://a/ --answer-bytes 5", &["--answer-bytes", "URL"]),
];

#[test]
fn a_bad_line_ends_with_2_and_names_what_is_wrong() {
    for (line, parts) in BAD {
        let stop = parsed_with(line, Some(SECRET)).unwrap_err();
        assert_eq!(stop.exit(), Exit::Usage, "{line}: {}", stop.text());
        for part in *parts {
            assert!(stop.text().contains(part), "{line}: {part:?} is not in {}", stop.text());
        }
    }
}

#[test]
fn without_a_key_nothing_starts_and_the_error_says_how_to_get_one() {
    for line in ["serve", "token --mount /a"] {
        for variable in [None, Some(""), Some(" \n")] {
            let stop = parsed_with(line, variable).unwrap_err();
            assert_eq!(stop.exit(), Exit::Usage);
            for part in ["--secret-file", "PLUGBOARD_SECRET", "plugboard secret"] {
                assert!(stop.text().contains(part), "{}", stop.text());
            }
            let is_told = stop.text().contains("set but blank, which counts as not set");
            assert_eq!(is_told, variable.is_some(), "{}", stop.text());
        }
    }
}

#[test]
fn a_short_secret_is_refused_without_being_shown() {
    let stop = parsed_with("serve", Some("canary")).unwrap_err();
    assert!(stop.text().contains("PLUGBOARD_SECRET: the secret has 6 bytes"), "{}", stop.text());
    assert!(!stop.text().contains("canary"));
    assert!(!format!("{:?}", served("serve")).contains(SECRET));
}

#[test]
fn a_printed_token_says_what_was_asked_for() {
    let token = printed("token --sub shop --mount /api --mount h.example/x --room r1 --ttl 2h --issuer ops");
    let claims = vectors::payload(&token);
    assert_eq!(claims["sub"], "shop");
    assert_eq!(claims["mounts"], serde_json::json!(["/api", "h.example/x", "room:r1"]));
    assert_eq!(claims["iss"], "ops");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 7200);
    let key = Key::from_secret(&Secret::from_variable(SECRET.into()).unwrap());
    let verifier = Verifier::new(vec![key], Expectations::default());
    assert!(verifier.verify(&token, SystemTime::now()).is_ok());
}

#[test]
fn a_token_that_only_connects_names_endpoints_and_no_mounts() {
    let claims = vectors::payload(&printed("token --sub ann --connect db:5432 --connect tcp:22"));
    assert_eq!(claims["connect"], serde_json::json!(["tcp:db:5432", "tcp:22"]));
    assert!(claims.get("mounts").is_none());
    let stop = parsed("token --connect /api").unwrap_err();
    assert!(stop.text().contains("--connect") && stop.text().contains("tcp:NAME:PORT"), "{}", stop.text());
}

#[test]
fn ports_are_a_range_or_one() {
    for (text, ports) in
        [("5400-5499", Some(5400..=5499)), ("22", Some(22..=22)), ("9-8", None), ("0-9", None)]
    {
        assert_eq!(ports_of(text).ok(), ports, "{text}");
    }
}

#[test]
fn a_token_for_clients_claims_their_rooms_and_no_mount() {
    let claims = vectors::payload(&printed("token --client --room a --room b --sub ann"));
    assert_eq!(claims["clients"], serde_json::json!(["room:a", "room:b"]));
    assert!(claims.get("mounts").is_none() && claims.get("client_tokens").is_none());
    let claims = vectors::payload(&printed("token --room a --client-tokens"));
    assert_eq!((&claims["mounts"][0], &claims["client_tokens"]), (&"room:a".into(), &true.into()));
}

#[test]
fn rooms_are_served_if_asked_for_and_origins_are_written_as_browsers_do() {
    assert!(served("serve").rooms.is_none());
    let rooms = served("serve --rooms --client-tokens --origin HTTPS://App.Example:443/").rooms.unwrap();
    assert!(rooms.client_tokens);
    assert_eq!(rooms.origins, ["https://app.example"]);
}

#[test]
fn a_fresh_secret_needs_no_key_and_is_long_enough() {
    let Command::Print(text) = parsed("secret").unwrap() else { panic!("not a print") };
    assert!(Secret::from_variable(text.into()).is_ok());
}

#[test]
fn every_help_ends_with_0_and_teaches() {
    for (line, part) in [
        ("--help", "Examples:"),
        ("-h", "demo"),
        ("--version", "plugboard"),
        ("serve --help", "PLUGBOARD_SECRET"),
        ("serve --help", "request-head-bytes=16KiB"),
        ("token --help", "room:ID"),
        ("demo --help", "free port"),
        ("bench --help", "coordinated omission"),
        ("bench --help", "plugboard bench http://127.0.0.1:4000/api --rate 200/s"),
    ] {
        let stop = parsed(line).unwrap_err();
        assert_eq!(stop.exit(), Exit::Clean, "{line}");
        assert!(stop.text().contains(part), "{line}: {}", stop.text());
    }
}

#[test]
fn the_demo_needs_nothing() {
    assert!(matches!(parsed("demo"), Ok(Command::Demo(None))));
    assert!(matches!(parsed("demo --listen 127.0.0.1:0"), Ok(Command::Demo(Some(_)))));
}

#[test]
fn a_bench_needs_nothing_or_a_url() {
    for line in ["bench", "bench http://127.0.0.1:4000/api", "bench http://[::1]/ --rate 0.5 --header Host:a"]
    {
        assert!(matches!(parsed(line), Ok(Command::Bench(_))), "{line}");
    }
}

#[test]
fn tokens_may_have_a_longest_life_and_the_admin_port_a_token_and_revocations_a_file() {
    let token = Scratch::file(&[b'x'; 40]);
    let path = token.path().display();
    let settings =
        served(&format!("serve --token-ttl-max 24h --admin-token-file {path} --revocations /revoked"));
    let now = vectors::now();
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let is_good = |hours: u64| {
        let mut claims = vectors::good_claims();
        claims["exp"] = (vectors::NOW + hours * 3600).into();
        let token = vectors::sign(jsonwebtoken::Algorithm::HS256, &key, &claims);
        settings.verifier.verify(&token, now).is_ok()
    };
    assert_eq!([is_good(24), is_good(25)], [true, false]);
    assert_eq!(settings.admin_token.unwrap().path(), token.path());
    assert_eq!(settings.revocations.unwrap().to_str(), Some("/revoked"));
    assert_eq!(settings.secret_files, [("--admin-token-file", token.path().to_owned())]);
    let settings = served("serve");
    assert!(
        settings.admin_token.is_none() && settings.revocations.is_none() && settings.secret_files.is_empty()
    );
}

use telephone_sidecar::variables::{Parsed, parse as parse_line};

#[path = "../../../sidecar/testing/variables.rs"]
mod suite;

#[test]
fn every_variable_may_be_empty_prefixed_padded_and_overruled() {
    let suite =
        suite::Suite { command: Line::command(), naming: &NAMING, lines: &[&["token", "--mount=/a"]] };
    let count = suite.every_variable_may_be_empty_prefixed_padded_and_overruled();
    assert!(count >= 30, "{count} variables");
}
