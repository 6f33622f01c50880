//! The ways in which people run it: other backends, probes, TLS in front, one variable instead of an option.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::routing::{any, get as axum_get, post};
use telephone_tests::axum_app::AxumApp;
use telephone_tests::bins;
use telephone_tests::certs::Certs;
use telephone_tests::client::{Client, get};
use telephone_tests::curl::Curl;
use telephone_tests::line::{Line, both, both_programs};
use telephone_tests::nginx::Nginx;
use telephone_tests::origin::Origin;
use telephone_tests::prf::Body;
use telephone_tests::process::Plan;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::wait::{PATIENCE, until_true};
use telephone_tests::websocket;
use tungstenite::Message;

#[test]
fn a_unix_socket_is_a_backend() {
    both_programs(|program| {
        let relay = Relay::start();
        let origin = Origin::at_unix(&relay.directory().join("app.sock"));
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.ready();
        let mirrored = telephone_tests::client::ask(relay.addr(), &Request::post("/m/mirror", "abc").close());
        assert_eq!((mirrored.status(), mirrored.text().as_str()), (200, "abc"));
    });
}

#[test]
fn an_axum_application_is_reachable_as_it_is() {
    both_programs(|program| {
        let router = Router::new()
            .route(
                "/m/hello/{name}",
                axum_get(|Path(name): Path<String>| async move { format!("hello {name}") }),
            )
            .route("/m/length", post(|body: Bytes| async move { body.len().to_string() }))
            .fallback(any(|| async { (axum::http::StatusCode::IM_A_TEAPOT, "no such page") }));
        let (relay, app) = (Relay::start(), AxumApp::start(router));
        let port = app.addr().port().to_string();
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").args(&["--port", &port]);
        let _sidecar = dial.ready();
        let url = |path: &str| format!("http://{}{path}", relay.addr());
        assert_eq!(Curl::new(&url("/m/hello/w%C3%B6rld")).run().text(), "hello wörld");
        assert_eq!(Curl::new(&url("/m/length")).upload(&[b'x'; 12_345]).run().text(), "12345");
        assert_eq!(Curl::new(&url("/m/else")).run().status(), 418);
        let mut client = Client::connect(relay.addr());
        for _ in 0..50 {
            assert_eq!(client.ask(&Request::get("/m/hello/x")).text(), "hello x");
        }
    });
}

#[test]
fn nginx_is_reachable_with_ranges_and_validators() {
    both_programs(|program| {
        let (relay, nginx) = (Relay::start(), Nginx::files_at("/m/"));
        let content = Body::new(9, 1_000_000).to_vec();
        nginx.put("file", &content);
        let port = nginx.addr().port().to_string();
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").args(&["--port", &port]);
        let _sidecar = dial.ready();
        let url = format!("http://{}/m/file", relay.addr());
        let whole = Curl::new(&url).run();
        assert!(whole.body == content && whole.code == Some(0));
        let range = Curl::new(&url).args(["-r", "100-199"]).run();
        assert_eq!((range.status(), &range.body[..]), (206, &content[100..200]));
        let etag = whole.heads[0].value("etag").expect("an ETag");
        let known = Curl::new(&url).args(["-H", &format!("If-None-Match: {etag}")]).run();
        assert_eq!((known.status(), known.body.len()), (304, 0));
        assert_eq!(
            Curl::new(&url).arg("-I").run().heads[0].value("content-length").as_deref(),
            Some("1000000")
        );
    });
}

#[test]
fn behind_an_nginx_that_ends_tls_everything_passes_over_wss() {
    both_programs(|program| {
        let (relay, origin) = (Relay::with(&["--trust", "127.0.0.1/32"]), Origin::start());
        let certs = Certs::make(relay.directory());
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let url = format!("wss://localhost:{}", nginx.addr().port());
        let dial = program.dial_url(&url).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let _sidecar = dial.args(&["--ca", certs.ca.to_str().expect("UTF-8")]).ready();
        let https = |target: &str| {
            let url = format!("https://localhost:{}{target}", nginx.addr().port());
            Curl::new(&url).arg("--cacert").arg(&certs.ca)
        };
        assert_eq!(https("/m/echo").run().status(), 200);
        let head = origin.last_head();
        assert_eq!(head.value("x-forwarded-proto").as_deref(), Some("https"));
        let host = format!("localhost:{}", nginx.addr().port());
        assert_eq!(head.value("x-forwarded-host").as_deref(), Some(&*host));
        let body = Body::new(4, 3_000_000).to_vec();
        assert!(https("/m/mirror").upload(&body).run().body == body);
        let mut socket = websocket::open(relay.addr(), "/m/websocket").expect("an upgrade");
        socket.send(Message::text("through TLS")).expect("an open socket");
        assert_eq!(socket.read().expect("an echo"), Message::text("through TLS"));
    });
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    both_programs(|program| {
        let relay = Relay::start();
        let certs = Certs::make(relay.directory());
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let url = format!("wss://localhost:{}", nginx.addr().port());
        let dial = program.dial_url(&url).token(&relay.token(&["/m"])).mount("/m").args(&["--port", "1"]);
        let sidecar = dial.start();
        sidecar.process().wait_stderr("certificate", PATIENCE);
        assert!(!sidecar.is_ready());
        assert_eq!(relay.metric("plugboard_link_starts_total{kind=\"new\"}"), 0, "it connected all the same");
    });
}

#[test]
fn probes_tell_alive_from_ready() {
    both_programs(|program| {
        let (mut relay, origin) = (Relay::start(), Origin::start());
        let token = relay.token(&["/m"]);
        let dial = program.dial(&relay).token(&token).mount("/m").backend(&origin.url());
        let sidecar = dial.ready();
        let status = |path: &str| sidecar.health(path).expect("a health server").status();
        assert_eq!((status("/livez"), status("/readyz"), status("/healthz")), (200, 200, 200));
        let page: serde_json::Value =
            serde_json::from_slice(&sidecar.health("/healthz").expect("a page").body).expect("JSON");
        assert_eq!(page["state"], "connected");
        for field in ["session", "since", "token_expires"] {
            assert!(page[field].is_string(), "{field} of {page}");
        }
        assert_eq!(status("/else"), 404);
        relay.kill();
        until_true("it is not ready", PATIENCE, || status("/readyz") == 503);
        assert_eq!(status("/livez"), 200);
    });
}

#[test]
fn the_relay_has_probes_and_metrics_on_its_admin_port_only() {
    both(|line| {
        let relay = line.relay();
        assert_eq!(line.get("/m/x").status(), 200);
        for path in ["/livez", "/readyz"] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", relay.admin());
            let request = Request::raw("GET", &head).close();
            assert_eq!(telephone_tests::client::ask(relay.admin(), &request).status(), 200, "{path}");
        }
        for row in ["plugboard_sessions 1", "plugboard_links 1"] {
            let metrics = relay.metrics();
            assert!(metrics.lines().any(|line| line == row), "no {row} in\n{metrics}");
        }
        // The client may have its answer before the exchange is counted.
        until_true("the request is counted", PATIENCE, || {
            relay.metric("plugboard_requests_total{outcome=\"complete\",class=\"2xx\"}") == 1
        });
        for path in ["/metrics", "/revoke", "/readyz"] {
            assert_eq!(line.get(path).status(), 404, "{path} is public");
        }
    });
}

#[test]
fn each_request_is_one_line_of_the_access_log() {
    both_programs(|program| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = directory.path().join("access.log");
        let options = ["--limit", "start-grace=0s", "--access-log", log.to_str().expect("UTF-8")];
        let line = Line::with(program, &options, &[]);
        line.get("/m/x?q=\"%0d%0a#");
        line.ask(&Request::post("/m/mirror", "abc").close());
        line.get("/unknown");
        let lines = telephone_tests::wait::until("three lines", PATIENCE, || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<serde_json::Value> =
                text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
            (lines.len() >= 3).then_some(lines)
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        // A line is written when its request has ended on both sides, so the order is not that of the asking.
        let mut statuses: Vec<_> = lines.iter().map(|line| line["status"].as_u64()).collect();
        statuses.sort();
        assert_eq!(statuses, [Some(200), Some(400), Some(404)]);
    });
}

#[test]
fn everything_can_be_said_by_variables() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let health = telephone_tests::net::free_addr();
        let plan = program.plan().env("PLUGBOARD_URL", relay.url()).env("MOUNT_PATH", "/m");
        let plan = plan.env("BACKEND_URL", origin.url()).env("TELEPHONE_TOKEN", relay.token(&["/m"]));
        let _process = plan.env("TELEPHONE_HEALTH", health.to_string()).start();
        until_true("it is ready", PATIENCE, || {
            telephone_tests::sidecar::ask_health(health, "/readyz")
                .is_some_and(|answer| answer.status() == 200)
        });
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    });
}

#[test]
fn the_demo_prints_a_url_that_answers() {
    let demo = Plan::new(bins::path("plugboard")).arg("demo").start();
    let line = demo.wait_stdout("http://", PATIENCE);
    let start = line.find("http://").expect("it is there");
    let url = line[start..].split_whitespace().next().expect("a URL");
    let answer = Curl::new(url).run();
    assert_eq!((answer.code, answer.status()), (Some(0), 200));
    assert!(answer.text().contains("<html"), "{}", answer.text());
}
