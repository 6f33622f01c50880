//! A telephone trusts its plugboard no further than it must: what it serves, and where it dials.

use std::io::{Read as _, Write as _};

use axum::Router;
use telephone_core::error::{Reset, ResetCode, Touched};
use telephone_core::wire::Move;
use telephone_driver::{EmbedError, Runtime, TelephoneBuilder};
use telephone_smol::SmolRuntime;
use telephone_tests::false_plugboard::{FalseLink, FalsePlugboard, Outcome};
use telephone_tests::line::both_programs;
use telephone_tests::origin::Origin;
use telephone_tests::raw::RawBackend;
use telephone_tests::sidecar::{Dial, Program};
use telephone_tests::wait::PATIENCE;
use telephone_tokio::TokioRuntime;

const DENIED: Outcome = Outcome::Reset(Reset { code: ResetCode::Denied, touched: Touched::No });

/// What a plugboard may not ask of a telephone that serves `/api`, `/u` and `box:7`: the mount that it names, and the target.
const FORBIDDEN: &[(&str, &str)] = &[
    ("/api", "/admin"),
    ("/api", "/"),
    ("/api", "/apiary"),
    ("/api", "/u/echo"),
    ("/api", "/api/../admin"),
    ("/api", "/api/../../etc/passwd"),
    ("/api", "/api/%2e%2e/admin"),
    ("/api", "/api/..%2fadmin"),
    ("/api", "/api/..;/admin"),
    ("/api", "/api/x/../../admin"),
    ("/api", "/api/%c0%ae%c0%ae/admin"),
    ("/api", "/API/echo"),
    ("/api", "/api%2Fecho"),
    ("/api", "/?/api/echo"),
    ("/api", "/%61pi/echo"),
    ("/api", "//api/echo"),
    ("/api", "*"),
    ("/u", "/api/echo"),
    ("/u", "/u/../api/echo"),
    ("/", "/api/echo"),
    ("/", "/admin"),
    ("/", "*"),
    ("/admin", "/admin"),
    ("/admin", "/api/echo"),
    ("/api/", "/api/echo"),
    ("/api/v1", "/api/v1/echo"),
    ("/API", "/api/echo"),
    ("app.example/api", "/api/echo"),
    ("app.example/", "/api/echo"),
    ("room:r", "/api/echo"),
    ("tcp:box:7", "/api/echo"),
    ("tcp:22", "/api/echo"),
];

/// Mounts for which it may open no raw stream.
const FORBIDDEN_RAW: &[&str] =
    &["tcp:22", "tcp:7", "tcp:box:22", "tcp:box:07", "tcp:other:7", "/api", "room:r"];

fn assert_forbidden(link: &mut FalseLink) {
    for (mount, target) in FORBIDDEN {
        assert_eq!(link.get(mount, target), DENIED, "{target} for {mount}");
    }
    for mount in FORBIDDEN_RAW {
        assert_eq!(link.connect(mount), DENIED, "{mount}");
    }
}

fn dial(program: Program, url: &str) -> Dial {
    program.dial_url(url).token("a.b.c").args(&["--mount", "/api", "--mount", "/u"])
}

#[test]
fn nothing_of_what_a_plugboard_may_not_open_reaches_an_application() {
    both_programs(|program| {
        let (plugboard, origin) = (FalsePlugboard::start(), Origin::start());
        let backend = RawBackend::start(|mut stream| stream.write_all(b"raw").unwrap_or_default());
        let service = format!("box:7={}", backend.addr());
        for options in [&["--strip-prefix"][..], &[]] {
            let dial = dial(program, &plugboard.url()).args(&["--tcp", &service]);
            let accepted = origin.counts().accepted;
            let sidecar = dial.args(options).backend(&origin.url()).start();
            let before = origin.wait_probed(accepted);
            let mut link = plugboard.next().welcome(None);
            assert_forbidden(&mut link);
            assert_eq!(origin.counts(), before, "the application was reached");
            for target in ["/api/echo", "/api/a//echo", "/api/echo?/../x"] {
                assert_eq!(link.get("/api", target), Outcome::Answered(200), "{target}");
            }
            assert_eq!(link.connect("tcp:box:7"), Outcome::Octets("raw".into()));
            // One line a second, whatever the plugboard does.
            let log = sidecar.process().wait_stderr("may not open", PATIENCE);
            assert!(log.contains("/admin"), "{log}");
            assert!(log.matches("may not open").count() < 10, "{log}");
        }
    });
}

#[test]
fn a_unix_socket_is_as_safe_from_a_plugboard_as_a_port() {
    both_programs(|program| {
        let plugboard = FalsePlugboard::start();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("app.sock");
        let origin = Origin::at_unix(&path);
        let service = format!("box:7=unix:{}", path.display());
        let url = format!("unix:{}", path.display());
        let _sidecar = dial(program, &plugboard.url()).args(&["--tcp", &service]).backend(&url).start();
        let before = origin.wait_probed(0);
        let mut link = plugboard.next().welcome(None);
        assert_forbidden(&mut link);
        assert_eq!(origin.counts(), before, "the application was reached");
        assert_eq!(link.get("/u", "/u/echo"), Outcome::Answered(200));
    });
}

#[test]
fn a_root_and_a_room_are_served_whole_and_nothing_else_is() {
    both_programs(|program| {
        let (plugboard, origin) = (FalsePlugboard::start(), Origin::start());
        let mounts = ["--mount", "app.example/", "--room", "r"];
        let dial = program.dial_url(&plugboard.url()).token("a.b.c").args(&mounts);
        let _sidecar = dial.backend(&origin.url()).start();
        let before = origin.wait_probed(0);
        let mut link = plugboard.next().welcome(None);
        for (mount, target) in [
            ("/", "/echo"),
            ("app.example", "/echo"),
            ("other.example/", "/echo"),
            ("room:other", "/echo"),
            ("app.example/", "/a/../echo"),
            ("room:r", "/a/../echo"),
            ("room:r", "//echo"),
            ("room:r", "*"),
        ] {
            assert_eq!(link.get(mount, target), DENIED, "{target} for {mount}");
        }
        assert_eq!(origin.counts(), before, "the application was reached");
        for (mount, target) in [("app.example/", "/echo"), ("app.example/", "*"), ("room:r", "/any/echo")] {
            assert!(matches!(link.get(mount, target), Outcome::Answered(_)), "{target} for {mount}");
        }
    });
}

#[test]
fn a_handler_inside_a_program_sees_no_more_than_a_backend() {
    fn described<R: Runtime + Default>(url: &str) -> TelephoneBuilder<R> {
        let (builder, acceptor) =
            TelephoneBuilder::default().url(url).mount("/api").mount("/u").accept("tcp:box:7");
        drop(acceptor);
        builder.token("a.b.c")
    }
    fn app() -> Router {
        let answer = |target: axum::http::Uri| async move {
            assert!(
                target.path().starts_with("/api/") || target.path().starts_with("/u/"),
                "{target} was served"
            );
        };
        Router::new().fallback(answer)
    }
    async fn serve<R: Runtime + Default>(url: String) -> Result<(), EmbedError> {
        described::<R>(&url).serve(app()).await
    }
    both_programs(|program| {
        let plugboard = FalsePlugboard::start();
        let url = plugboard.url();
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let tokio = tokio.expect("a runtime");
        let (_tokio, _smol) = match program {
            Program::Tokio => (Some(tokio.spawn(serve::<TokioRuntime>(url))), None),
            Program::Smol => (None, Some(smol::spawn(serve::<SmolRuntime>(url)))),
        };
        let mut link = plugboard.next().welcome(None);
        assert_forbidden(&mut link);
        assert_eq!(link.get("/api", "/api/x"), Outcome::Answered(200));
    });
}

/// A telephone whose plugboard names `named` when it takes it in, and what it has said on standard error since.
fn assert_own_url_is_dialled(program: Program, named: &str, options: &[&str], proposed: &str) {
    let (plugboard, origin) = (FalsePlugboard::start(), Origin::start());
    let sidecar = dial(program, &plugboard.url()).args(options).backend(&origin.url()).start();
    for _ in 0..3 {
        // The link is lost: the session could be resumed at the URL that the welcome named.
        let caller = plugboard.next();
        drop(caller.welcome(Some(named.into())));
    }
    let mut link = plugboard.next().welcome(None);
    link.session.ask_to_move(Move { within_ms: 0, url: Some(named.into()) });
    link.flush();
    let caller = plugboard.next();
    drop(caller.welcome(None));
    let log = sidecar.process().wait_stderr("not dialling where the plugboard says", PATIENCE);
    assert!(log.contains(proposed), "{proposed} is not in {log}");
    assert_eq!(log.matches("not dialling where").count(), 1, "{log}");
}

#[test]
fn a_plugboard_sends_no_token_to_another_server() {
    both_programs(|program| {
        let trap = FalsePlugboard::start();
        let port = trap.addr().port();
        assert_own_url_is_dialled(program, &trap.url(), &[], &format!("--follow 127.0.0.1:{port}"));
        let localhost = format!("ws://localhost:{port}/.well-known/telephone");
        let other = ["--follow", "127.0.0.1:1,*.example.com:*"];
        assert_own_url_is_dialled(program, &localhost, &other, &format!("--follow localhost:{port}"));
        let tls = format!("wss://127.0.0.1:{port}");
        assert_own_url_is_dialled(program, &tls, &["--follow", "*:*"], "only one has TLS");
        assert_own_url_is_dialled(program, "ws://a\x1b[2J\nb", &["--follow", "*:*"], "not a URL");
        assert!(!trap.has_caller(), "the token was sent there");
    });
}

#[test]
fn another_path_of_the_own_plugboard_is_not_followed() {
    both_programs(|program| {
        let (plugboard, origin) = (FalsePlugboard::start(), Origin::start());
        let _sidecar = dial(program, &plugboard.url()).backend(&origin.url()).start();
        drop(plugboard.next().welcome(Some(format!("{}/admin/reset", plugboard.url()))));
        let mut request = [0; 64];
        let count = plugboard.accept().read(&mut request).expect("a request");
        assert!(request[..count].starts_with(b"GET /.well-known/telephone "), "{request:?}");
    });
}

#[test]
fn a_plugboard_is_followed_to_the_others_that_were_given_and_where_the_operator_allows() {
    both_programs(|program| {
        let (first, second, third) =
            (FalsePlugboard::start(), FalsePlugboard::start(), FalsePlugboard::start());
        let rule = format!("127.0.0.*:{}", third.addr().port());
        let origin = Origin::start();
        let dial = dial(program, &first.url()).args(&["--plugboard", &second.url(), "--follow", &rule]);
        let _sidecar = dial.backend(&origin.url()).start();
        let _second = second.next().welcome(None);
        drop(first.next().welcome(Some(second.url())));
        drop(second.next().welcome(Some(third.url())));
        assert!(third.next().hello.resume.is_some());
    });
}

#[test]
fn a_telephone_that_connects_follows_its_plugboard_no_further() {
    both_programs(|program| {
        let (plugboard, trap) = (FalsePlugboard::start(), FalsePlugboard::start());
        let url = plugboard.url();
        let to_trap = ["connect", "--plugboard", &url, "--to", "db:5432", "--listen", "127.0.0.1:0"];
        let process = program.plan().args(to_trap).env("TELEPHONE_TOKEN", "a.b.c").start();
        drop(plugboard.next().welcome(Some(trap.url())));
        drop(plugboard.next().welcome(None));
        process.wait_stderr(&format!("--follow {}", trap.addr()), PATIENCE);
        assert!(!trap.has_caller(), "the token was sent there");
    });
}
