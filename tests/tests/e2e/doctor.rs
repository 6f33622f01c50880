//! `telephone doctor` finds each thing that can stand between a telephone and its plugboard, and says what to do.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::Value;
use telephone_tests::certs::Certs;
use telephone_tests::client::get;
use telephone_tests::line::{Line, both_programs};
use telephone_tests::net::{free_addr, unspecified};
use telephone_tests::nginx::Nginx;
use telephone_tests::raw::RawBackend;
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::Program;
use telephone_tests::tinyproxy::Tinyproxy;
use tungstenite::handshake::derive_accept_key;

/// The stages of the way to a plugboard.
const STAGES: [&str; 7] = ["dns", "tcp", "proxy", "tls", "upgrade", "token", "clock"];

/// What the doctor said.
struct Visit {
    code: Option<i32>,
    text: String,
    /// Verdict, facts and hint of each stage.
    stages: BTreeMap<String, (String, String, String)>,
}

impl Visit {
    fn verdict(&self, stage: &str) -> &str {
        self.stages.get(stage).map_or("missing", |(verdict, _, _)| verdict)
    }

    /// That this stage fails, its facts and its hint hold these words, what comes before it is well, and what depends on
    /// it is skipped.
    fn assert_fails(&self, stage: &str, facts: &str, hint: &str) {
        assert_eq!((self.code, self.verdict(stage)), (Some(1), "fail"), "{}", self.text);
        let (_, said, advice) = &self.stages[stage];
        assert!(said.contains(facts), "{stage}: {said}");
        assert!(advice.contains(hint), "{stage}: {advice}");
        let at = STAGES.iter().position(|one| *one == stage).expect("a stage");
        for before in &STAGES[..at] {
            assert!(["ok", "skipped"].contains(&self.verdict(before)), "{before}: {}", self.text);
        }
        // The clock needs no more than an answer.
        for behind in STAGES[at + 1..].iter().filter(|_| at < 5) {
            assert!(*behind == "clock" || self.verdict(behind) == "skipped", "{behind}: {}", self.text);
        }
    }
}

/// Asks the doctor with these arguments and variables.
fn visit(program: Program, args: &[&str], variables: &[(&str, &str)]) -> Visit {
    let plan = program.plan().arg("doctor").arg("--json").args(args);
    let plan = variables.iter().fold(plan, |plan, (name, value)| plan.env(name, value));
    let finished = plan.finish();
    assert_eq!(finished.stderr, "", "what it finds it says on standard output");
    let report: Value = serde_json::from_str(&finished.stdout).expect("JSON");
    assert_eq!(report["ok"], finished.code == Some(0));
    let ways = report["checked"].as_array().expect("ways").iter();
    let found = ways.flat_map(|way| way["stages"].as_array().expect("stages"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let stages = found.map(|one| {
        let told = (text(&one["verdict"]), text(&one["facts"]), text(&one["hint"]));
        assert_eq!(["warn", "fail"].contains(&told.0.as_str()), !told.2.is_empty(), "{one}");
        (text(&one["stage"]), told)
    });
    Visit { code: finished.code, stages: stages.collect(), text: finished.stdout }
}

#[test]
fn where_all_is_well_it_says_so_and_disturbs_nobody() {
    both_programs(|program| {
        let line = Line::through(program);
        let session = || line.sidecar().health("/healthz").expect("a health page").text();
        let number = |page: &str| serde_json::from_str::<Value>(page).expect("JSON")["session"].clone();
        let before = number(&session());
        let (url, token) = (line.relay().url(), line.relay().token(&["/m"]));
        // It takes whatever the telephone was given.
        let given = ["--strip-prefix", "--health", "127.0.0.1:1", "--streams", "9"];
        let args = ["--plugboard", &url, "--mount", "/m/below", "--backend", &line.origin.url()];
        let args = [&args[..], &given].concat();
        let visit = visit(program, &args, &[("TELEPHONE_TOKEN", &token)]);
        assert_eq!(visit.code, Some(0), "{}", visit.text);
        for stage in ["dns", "tcp", "upgrade", "token", "clock", "backend"] {
            assert_eq!(visit.verdict(stage), "ok", "{stage}: {}", visit.text);
        }
        assert_eq!([visit.verdict("proxy"), visit.verdict("tls")], ["skipped"; 2]);
        assert!(visit.stages["token"].1.contains("of tester, for /m, which expires in"), "{}", visit.text);
        assert!(!visit.text.contains(&token));
        assert_eq!(number(&session()), before, "the telephone lost its session");
        let metrics = line.relay().metrics();
        assert!(
            metrics.contains("plugboard_link_starts_total{kind=\"new\"} 1"),
            "the doctor registered: {metrics}"
        );
        assert_eq!(get(line.addr(), "/m/x").status(), 200);
    });
}

#[test]
fn a_name_that_does_not_resolve_a_port_that_is_closed_and_an_application_that_is_not_there() {
    both_programs(|program| {
        let unknown = visit(program, &["--plugboard", "ws://no-such-host.invalid"], &[]);
        unknown.assert_fails("dns", "no-such-host.invalid", "resolve");
        let closed = free_addr();
        let backend = free_addr().port().to_string();
        let url = format!("ws://{closed}");
        let refused = visit(program, &["--plugboard", &url, "--port", &backend], &[]);
        refused.assert_fails("tcp", &closed.to_string(), "serve --listen");
        assert_eq!(refused.verdict("backend"), "fail", "{}", refused.text);
    });
}

#[test]
fn a_web_server_that_is_no_plugboard_and_one_that_drops_the_upgrade() {
    both_programs(|program| {
        let relay = Relay::start();
        let (files, hop) = (Nginx::files_at("/m/"), Nginx::before(relay.addr()));
        let no_plugboard = visit(program, &["--plugboard", &format!("ws://{}", files.addr())], &[]);
        no_plugboard.assert_fails("upgrade", "404 (Server: nginx", "no plugboard at this path");
        let dropped = visit(program, &["--plugboard", &format!("ws://{}", hop.addr())], &[]);
        dropped.assert_fails("upgrade", "426", "drops Upgrade");
        let elsewhere = visit(program, &["--plugboard", &format!("{}/elsewhere", relay.url())], &[]);
        elsewhere.assert_fails("upgrade", "503", "leave the path out");
        let other = RawBackend::start(|mut stream| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")));
        let no_web = visit(program, &["--plugboard", &format!("ws://{}", other.addr())], &[]);
        no_web.assert_fails("upgrade", "", "no web server");
    });
}

/// Says yes to the upgrade, as a plugboard does, and nothing to what comes behind it.
fn mute() -> RawBackend {
    RawBackend::start(|mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            // The doctor's first connection only asks whether somebody listens.
            if stream.read_exact(&mut octet).is_err() {
                return;
            }
            request.extend_from_slice(&octet);
        }
        let request = String::from_utf8(request).expect("a head of text");
        let key = request.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-key").then_some(value)
        });
        let accept = derive_accept_key(key.expect("an upgrade").as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: telephone.v1\r\n\r\n"
        );
        let _answered = stream.write_all(answer.as_bytes());
        let _left = stream.read_to_end(&mut Vec::new());
    })
}

#[test]
fn somebody_in_between_who_upgrades_and_passes_nothing_on() {
    both_programs(|program| {
        let (relay, mute) = (Relay::start(), mute());
        let token = relay.token(&["/m"]);
        let url = format!("ws://{}", mute.addr());
        let visit = visit(program, &["--plugboard", &url, "--mount", "/m"], &[("TELEPHONE_TOKEN", &token)]);
        visit.assert_fails("token", "not judged: no answer within", "holds back");
        assert_eq!(visit.verdict("upgrade"), "ok", "{}", visit.text);
    });
}

/// Asks by `wss://` with these certificates at the server, and that authority at the doctor.
fn over_tls(program: Program, relay: &Relay, certs: &Certs, ca: &Path) -> Visit {
    let nginx = Nginx::tls_before(relay.addr(), certs);
    let url = format!("wss://{}", nginx.addr());
    let token = relay.token(&["/m"]);
    visit(
        program,
        &["--plugboard", &url, "--ca", ca.to_str().expect("UTF-8")],
        &[("TELEPHONE_TOKEN", &token)],
    )
}

#[test]
fn certificates_that_are_good_unknown_expired_and_for_another_name() {
    both_programs(|program| {
        let relay = Relay::start();
        let directory = |name: &str| {
            let path = relay.directory().join(name);
            std::fs::create_dir(&path).expect("a directory of our own");
            path
        };
        let good = Certs::make(&directory("good"));
        let well = over_tls(program, &relay, &good, &good.ca);
        assert_eq!(
            (well.code, well.verdict("tls"), well.verdict("token")),
            (Some(0), "ok", "ok"),
            "{}",
            well.text
        );
        let facts = &well.stages["tls"].1;
        assert!(facts.contains("the authority of one test") && facts.contains("4096-01-01"), "{facts}");

        let other = Certs::make(&directory("other"));
        over_tls(program, &relay, &good, &other.ca).assert_fails("tls", "its issuer is unknown", "--ca");
        let old = Certs::make_for(&directory("old"), &["127.0.0.1"], 2020);
        over_tls(program, &relay, &old, &old.ca).assert_fails("tls", "expired", "Renew");
        let elsewhere = Certs::make_for(&directory("elsewhere"), &["elsewhere.example"], 4096);
        over_tls(program, &relay, &elsewhere, &elsewhere.ca).assert_fails(
            "tls",
            "not for this host",
            "the name",
        );
        let own = Certs::make_own(&directory("own"));
        over_tls(program, &relay, &own, &own.ca).assert_fails("tls", "CaUsedAsEndEntity", "signed itself");
        let plain = format!("wss://{}", relay.addr());
        let args = ["--plugboard", &plain, "--ca", good.ca.to_str().expect("UTF-8")];
        visit(program, &args, &[]).assert_fails("tls", "does not speak TLS", "ws://");
    });
}

#[test]
fn a_machine_without_roots_is_a_finding_and_a_file_without_them_bad_usage() {
    both_programs(|program| {
        let relay = Relay::start();
        let empty = relay.directory().join("empty.pem");
        std::fs::write(&empty, "").expect("a directory of our own");
        let (url, path) = (format!("wss://{}", relay.addr()), empty.to_str().expect("UTF-8"));
        let none = visit(program, &["--plugboard", &url], &[("SSL_CERT_FILE", path)]);
        none.assert_fails("tls", "root certificates", "ca-certificates");
        assert_eq!(none.verdict("tcp"), "ok", "{}", none.text);
        let finished = program.plan().args(["doctor", "--plugboard", &url, "--ca", path]).finish();
        assert_eq!(finished.code, Some(2), "{}", finished.stdout);
        assert!(finished.stderr.contains("--ca"), "{}", finished.stderr);
    });
}

#[test]
fn tokens_that_are_none_of_another_key_expired_and_too_narrow() {
    both_programs(|program| {
        let (relay, other) = (Relay::start(), Relay::start());
        let url = relay.url();
        let with = |token: &str| {
            let visit =
                visit(program, &["--plugboard", &url, "--mount", "/m"], &[("TELEPHONE_TOKEN", token)]);
            assert!(!visit.text.contains(token), "a token was shown");
            visit
        };
        with("a.b.c").assert_fails("token", "no JWT", "plugboard token");
        with(&other.token(&["/m"])).assert_fails("token", "refuses it", "--secret-file");
        with(&relay.token(&["/other"])).assert_fails("token", "does not cover the mount /m", "--mount");
        let brief = relay.token_with("tester", &["/m"], &["--ttl", "1s"]);
        let expired = telephone_tests::wait::until("the token ends", telephone_tests::wait::PATIENCE, || {
            Some(with(&brief)).filter(|visit| visit.text.contains("which expired"))
        });
        // The plugboard's leeway is a minute, so that a clock may be wrong by as much.
        assert_eq!((expired.code, expired.verdict("token")), (Some(0), "warn"), "{}", expired.text);
        let none = visit(program, &["--plugboard", &url], &[]);
        assert_eq!((none.code, none.verdict("token")), (Some(0), "skipped"), "{}", none.text);
    });
}

#[test]
fn a_token_is_judged_by_its_own_times_where_no_plugboard_answers() {
    both_programs(|program| {
        // {"sub":"shop","exp":1,"mounts":["/m"]}
        let old = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzaG9wIiwiZXhwIjoxLCJtb3VudHMiOlsiL20iXX0.c2ln";
        let url = format!("ws://{}", free_addr());
        let visit = visit(program, &["--plugboard", &url], &[("TELEPHONE_TOKEN", old)]);
        assert_eq!(visit.verdict("token"), "fail", "{}", visit.text);
        assert!(visit.stages["token"].1.contains("of shop, for /m, which expired"), "{}", visit.text);
    });
}

#[test]
fn a_clock_that_is_wrong() {
    both_programs(|program| {
        for (date, verdict) in [("Sat, 01 Jan 2000 00:00:00 GMT", "fail"), ("no date", "skipped")] {
            let server = RawBackend::start(move |mut stream| {
                let mut request = [0; 4096];
                let _asked = stream.read(&mut request);
                let answer = format!("HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n");
                let _answered = stream.write_all(answer.as_bytes());
            });
            let visit = visit(program, &["--plugboard", &format!("ws://{}", server.addr())], &[]);
            assert_eq!(visit.verdict("clock"), verdict, "{}", visit.text);
            let is_told = visit.stages["clock"].2.contains("NTP");
            assert_eq!(is_told, verdict == "fail", "{}", visit.text);
        }
    });
}

#[test]
fn a_proxy_that_lets_it_through_that_wants_a_password_and_that_is_not_there() {
    both_programs(|program| {
        let (relay, proxy) = (Relay::start(), Tinyproxy::start("BasicAuth user right"));
        let addr = unspecified(relay.addr());
        let url = format!("ws://{addr}");
        let by = |proxy: &str| {
            let visit = visit(program, &["--plugboard", &url], &[("HTTPS_PROXY", proxy)]);
            assert!(!visit.text.contains("right") && !visit.text.contains("canary"), "{}", visit.text);
            visit
        };
        let through = by(&proxy.url_as("user:right"));
        let verdicts = ["dns", "tcp", "proxy", "upgrade"].map(|stage| through.verdict(stage));
        assert_eq!((through.code, verdicts), (Some(0), ["ok"; 4]), "{}", through.text);
        assert!(proxy.has_seen(addr));
        by(&proxy.url()).assert_fails("proxy", "407", "USER:PASSWORD");
        by(&proxy.url_as("user:canary")).assert_fails("proxy", "40", "");
        by(&format!("http://{}", free_addr())).assert_fails("tcp", "refused", "Does the proxy run");
        by("http://no-such-proxy.invalid:3128").assert_fails("dns", "(the proxy)", "HTTPS_PROXY");
        by("socks5://user:canary@127.0.0.1:1").assert_fails("tcp", "refused", "Does the proxy run");
        let ignored = by("socks4://user:canary@127.0.0.1:1");
        let verdicts = ["proxy", "upgrade"].map(|stage| ignored.verdict(stage));
        assert_eq!((ignored.code, verdicts), (Some(0), ["warn", "ok"]), "{}", ignored.text);
    });
}

#[test]
fn people_get_lines_without_colours_in_a_pipe_and_bad_usage_is_2() {
    both_programs(|program| {
        let relay = Relay::start();
        let finished = program.plan().args(["doctor", "--plugboard", &relay.url()]).finish();
        assert_eq!(finished.code, Some(0), "{}", finished.stdout);
        assert!(finished.stdout.contains("\n  ok       upgrade  101, telephone.v1\n"), "{}", finished.stdout);
        assert!(!finished.stdout.contains('\x1b'), "{}", finished.stdout);
        for args in [&["doctor"][..], &["doctor", "--plugboard", "ftp://a"], &["doctor", "--nonsense"]] {
            assert_eq!(program.plan().args(args).finish().code, Some(2), "{args:?}");
        }
    });
}

/// What the doctor finds where the application answers so and closes the connection.
fn answered(program: Program, answer: &'static str) -> Visit {
    let backend = RawBackend::start(move |mut stream| {
        let mut head = [0; 4096];
        let _request = stream.read(&mut head);
        let _answered = stream.write_all(answer.as_bytes());
    });
    let url = format!("http://{}", backend.addr());
    visit(program, &["--plugboard", &format!("ws://{}", free_addr()), "--backend", &url], &[])
}

#[test]
fn an_answer_that_telephones_refuse_is_found_with_its_rule_field_and_value_and_an_odd_one_is_a_warning() {
    both_programs(|program| {
        for (answer, verdict, facts) in [
            ("HTTP/1.1 204 No Content\r\nX:  y \r\n\r\n", "ok", "it answered 204 to GET /"),
            ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "ok", "it answered 200 to GET /"),
            ("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "warn", "it answered 500 to GET /"),
            ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "warn", "odd about it: bare LF"),
            (
                "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
                "warn",
                "odd about it: white space before a colon: X: \"y\"",
            ),
            (
                "SSH-2.0-OpenSSH_9.2\r\n",
                "fail",
                "malformed status line (RFC 9112 §4, H-26): \"SSH-2.0-OpenSSH_9.2\"",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                "fail",
                "repeated Content-Length (RFC 9112 §6.3, H-02): Content-Length: \"5, 6\"",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                "fail",
                "unknown transfer coding (RFC 9112 §6.1, H-03): Transfer-Encoding: \"gzip, chunked\"",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n",
                "fail",
                "malformed chunk size",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
                "fail",
                "connection closed inside of the response",
            ),
            ("", "fail", "connection closed before the response"),
        ] {
            let visit = answered(program, answer);
            assert_eq!(visit.verdict("backend"), verdict, "{answer:?}: {}", visit.text);
            assert!(visit.stages["backend"].1.contains(facts), "{answer:?}: {}", visit.text);
        }
    });
}

#[test]
fn the_path_of_backend_check_is_asked_for_and_must_be_answered_with_2xx_or_3xx() {
    both_programs(|program| {
        let backend = RawBackend::start(move |mut stream| {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or_default();
            let is_up = head[..read].starts_with(b"GET /up?deep=1 ");
            let status = if is_up { "204 No Content" } else { "500 Internal Server Error" };
            let _answered =
                stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n").as_bytes());
        });
        let url = format!("http://{}", backend.addr());
        let checked = |path: &str| {
            let args = ["--plugboard", "ws://127.0.0.1:1", "--backend", &url, "--backend-check", path];
            visit(program, &args, &[])
        };
        let passed = checked("/up?deep=1");
        let (verdict, facts, _) = &passed.stages["backend"];
        assert_eq!((verdict.as_str(), facts.as_str()), ("ok", "it answered 204 to GET /up?deep=1"));
        let failed = checked("/down");
        let (verdict, facts, hint) = &failed.stages["backend"];
        assert_eq!((verdict.as_str(), facts.as_str()), ("fail", "it answered 500 to GET /down"));
        assert!(hint.contains("--backend-check"), "{hint}");
    });
}
