//! Telephones inside other programs: on both runtimes, with a handler and with a local backend.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use futures_lite::stream;
use http_body_util::{BodyExt as _, Full};
use telephone_driver::{EmbedError, Runtime, TelephoneBuilder};
use telephone_smol::SmolRuntime;
use telephone_tests::bins;
use telephone_tests::client::{self, Client, ask};
use telephone_tests::hop::Hop;
use telephone_tests::line::both_programs;
use telephone_tests::origin::{After, Origin};
use telephone_tests::prf;
use telephone_tests::process::{Plan, Process};
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::sizes;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tokio::TokioRuntime;

const MOUNT: &str = "/m";

/// A telephone inside this process; it ends when it is dropped.
enum Embedded {
    Tokio { _runtime: tokio::runtime::Runtime },
    Smol { _task: smol::Task<()> },
}

impl Embedded {
    /// Serves `app` at `relay`, on the runtime of `program`.
    fn serve(program: Program, relay: &Relay, app: Router) -> Self {
        Self::serve_by(program, &relay.url(), relay, app)
    }

    /// The same over the way to `relay` that begins at `url`.
    fn serve_by(program: Program, url: &str, relay: &Relay, app: Router) -> Self {
        match program {
            Program::Tokio => Self::on_tokio(described::<TokioRuntime>(url, relay).serve(app)),
            Program::Smol => Self::on_smol(described::<SmolRuntime>(url, relay).serve(app)),
        }
        .registered(relay)
    }

    /// Forwards to the backend at `url`.
    fn forward(program: Program, relay: &Relay, url: String) -> Self {
        match program {
            Program::Tokio => {
                let builder = described::<TokioRuntime>(&relay.url(), relay);
                Self::on_tokio(async move { builder.forward(&url).await })
            }
            Program::Smol => {
                let builder = described::<SmolRuntime>(&relay.url(), relay);
                Self::on_smol(async move { builder.forward(&url).await })
            }
        }
        .registered(relay)
    }

    fn on_tokio(telephone: impl Future<Output = Result<(), EmbedError>> + Send + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.spawn(async { telephone.await.expect("a telephone that serves") });
        Self::Tokio { _runtime: runtime }
    }

    fn on_smol(telephone: impl Future<Output = Result<(), EmbedError>> + Send + 'static) -> Self {
        Self::Smol { _task: smol::spawn(async { telephone.await.expect("a telephone that serves") }) }
    }

    fn registered(self, relay: &Relay) -> Self {
        wait_registered(relay);
        self
    }
}

fn described<R: Runtime>(url: &str, relay: &Relay) -> TelephoneBuilder<R> {
    telephone_driver::Telephone::builder().url(url).mount(MOUNT).token(relay.token(&[MOUNT]))
}

/// Waits until the relay knows somebody for the mount; what that one answers is another matter.
fn wait_registered(relay: &Relay) {
    wait::until_true("the mount is registered", PATIENCE, || {
        client::try_get(relay.addr(), MOUNT).is_some_and(|answer| answer.head.has("x-embedded"))
    });
}

/// A relay, and an application with these routes below the mount. At the mount itself it says that it is
/// there.
fn started(program: Program, routes: Router) -> (Relay, Embedded) {
    let relay = Relay::start();
    let embedded = Embedded::serve(program, &relay, mounted(routes));
    (relay, embedded)
}

fn mounted(routes: Router) -> Router {
    let hello = get(async || ([("x-embedded", "yes")], "hello\n"));
    Router::new().route(MOUNT, hello).nest(MOUNT, routes)
}

/// Proves a sentence about an embedded application on both runtimes.
fn both(routes: impl Fn() -> Router, test: impl Fn(&Relay)) {
    both_programs(|program| {
        let (relay, _embedded) = started(program, routes());
        test(&relay);
    });
}

/// One of the examples, running.
fn example(name: &str, relay: &Relay) -> Process {
    Plan::new(bins::example(name))
        .env("PLUGBOARD_URL", relay.url())
        .env("MOUNT_PATH", MOUNT)
        .env("TELEPHONE_TOKEN", relay.token(&[MOUNT]))
        .start()
}

fn wait_answer(relay: &Relay, target: &str) -> client::Answer {
    let found = || client::try_get(relay.addr(), target).filter(|answer| answer.status() == 200);
    wait::until("the example answers", PATIENCE, found)
}

#[test]
fn the_axum_example_answers_at_its_mount() {
    let relay = Relay::start();
    let _example = example("embed_axum", &relay);
    assert_eq!(wait_answer(&relay, "/m/").text(), "Hello from axum\n");
    let bare = client::get(relay.addr(), "/m");
    assert_eq!(
        (bare.status(), bare.head.value("location").as_deref()),
        (307, Some("/m/")),
        "as for every stripped mount"
    );
    let body = prf::Body::new(1, 4 << 20).to_vec();
    let echoed = ask(relay.addr(), &Request::post("/m/echo", &body));
    assert_eq!((echoed.status(), echoed.body == body), (200, true));
    assert_eq!(client::get(relay.addr(), "/m/nothing").status(), 404);
}

#[test]
fn the_smol_example_answers_at_its_mount() {
    let relay = Relay::start();
    let _example = example("embed_smol", &relay);
    assert_eq!(wait_answer(&relay, "/m/a?b=c").text(), "Hello from smol, /m/a?b=c\n");
}

#[test]
fn the_async_std_example_answers_with_what_it_is_sent() {
    let relay = Relay::start();
    let _example = example("embed_async_std", &relay);
    wait_answer(&relay, "/m");
    let body = prf::Body::new(2, 4 << 20).to_vec();
    let echoed = ask(relay.addr(), &Request::post("/m", &body));
    assert_eq!((echoed.status(), echoed.body == body), (200, true));
}

#[test]
fn two_programs_on_different_runtimes_talk_through_a_plugboard() {
    let relay = Relay::start();
    let start = |name, token: String| {
        let plan = Plan::new(bins::example(name)).env("PLUGBOARD_URL", relay.url());
        plan.env("TELEPHONE_TOKEN", token).start_to_tell()
    };
    let mut host = start("chat_tokio", relay.token(&["tcp:chat:1"]));
    host.wait_stdout("waiting", PATIENCE);
    wait::until_true("it is registered", PATIENCE, || relay.metrics().contains("plugboard_links 1"));
    let mut guest = start("chat_smol", relay.token_with("guest", &[], &["--connect", "chat:1"]));
    guest.tell("hello from smol\n");
    host.wait_stdout("< hello from smol", PATIENCE);
    host.tell("hello from tokio\n");
    guest.wait_stdout("< hello from tokio", PATIENCE);
    // One end hangs up, the other hears it.
    guest.hush();
    assert_eq!(guest.wait_exit(PATIENCE).code(), Some(0));
    wait::until_true("the host waits again", PATIENCE, || host.stdout().matches("waiting").count() == 2);
}

#[test]
fn a_local_backend_is_served_from_inside_a_program() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        origin.on(MOUNT, |exchange| {
            exchange.send("HTTP/1.1 200 OK\r\nX-Embedded: yes\r\nContent-Length: 0\r\n\r\n")?;
            Ok(After::KeepAlive)
        });
        let _embedded = Embedded::forward(program, &relay, origin.url());
        let body = prf::Body::new(3, 1 << 20).to_vec();
        assert_eq!(ask(relay.addr(), &Request::post("/m/mirror", &body)).body, body);
    });
}

#[test]
fn a_handler_gets_and_gives_trailers() {
    let echo = async |body: Body| {
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let body = Full::new(collected.to_bytes()).with_trailers(ready(Some(Ok::<_, Infallible>(trailers))));
        ([("trailer", "x-sum")], Body::new(body))
    };
    both(
        || Router::new().route("/echo", post(echo)),
        |relay| {
            for pieces in [&[&b"one "[..], b"two"][..], &[]] {
                let request = Request::new("POST", "/m/echo").field("TE", "trailers");
                let request = request.field("Connection", "TE").chunked(pieces, "X-Sum: 7\r\n");
                let answer = ask(relay.addr(), &request);
                assert_eq!(answer.body, pieces.concat());
                assert_eq!(answer.trailers(), [(b"x-sum".to_vec(), b"7".to_vec())]);
            }
        },
    );
}

#[test]
fn a_handler_reads_the_body_that_stands_beside_an_upgrade() {
    both(
        || Router::new().route("/echo", post(async |body: Bytes| body)),
        |relay| {
            let request =
                Request::new("POST", "/m/echo").field("Connection", "upgrade").field("Upgrade", "tcp");
            let head = request.field("Content-Length", "5").head();
            let mut client = Client::connect(relay.addr());
            client.send([&head[..], b"hello, and what is for the protocol"].concat());
            let answer = client.answer("POST");
            assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"hello"[..]));
        },
    );
}

#[test]
fn answers_without_a_body_have_the_lengths_that_belong_to_them() {
    let routes = || {
        Router::new()
            .route("/page", get(async || "1234567"))
            .route("/none", any(async || StatusCode::NO_CONTENT))
            .route("/same", any(async || (StatusCode::NOT_MODIFIED, [("content-length", "7")])))
            .route("/hops", any(async || ([("connection", "x-hop"), ("x-hop", "1"), ("x-kept", "1")], "")))
    };
    both(routes, |relay| {
        let head_of = |method, target| ask(relay.addr(), &Request::new(method, target)).head;
        assert_eq!(head_of("HEAD", "/m/page").value("content-length").as_deref(), Some("7"));
        assert_eq!(head_of("GET", "/m/page").value("content-length").as_deref(), Some("7"));
        assert!(!head_of("GET", "/m/none").has("content-length"));
        assert_eq!(head_of("GET", "/m/same").value("content-length").as_deref(), Some("7"));
        let hops = head_of("GET", "/m/hops");
        assert!(hops.has("x-kept") && !hops.has("x-hop"), "{hops:?}");
    });
}

#[test]
fn a_client_that_waits_for_continue_is_asked_for_its_body_or_refused_without() {
    let routes = || {
        Router::new()
            .route("/take", post(async |body: Bytes| body.len().to_string()))
            .route("/refuse", post(async || StatusCode::PAYLOAD_TOO_LARGE))
    };
    both(routes, |relay| {
        let expecting = |target| Request::post(target, "body").field("Expect", "100-continue");
        let mut client = Client::connect(relay.addr());
        client.send(expecting("/m/take").head());
        assert_eq!(client.head().status(), 100);
        client.send("body");
        assert_eq!(client.answer("POST").text(), "4");
        let mut client = Client::connect(relay.addr());
        client.send(expecting("/m/refuse").head());
        let answer = client.answer("POST");
        assert_eq!((answer.status(), answer.interim.len()), (413, 0));
    });
}

#[test]
fn a_handler_that_panics_is_a_502_and_others_are_not_harmed() {
    let routes = || Router::new().route("/bad", get(async || -> &str { panic!("as the test asked") }));
    both(routes, |relay| {
        assert_eq!(client::get(relay.addr(), "/m/bad").status(), 502);
        assert_eq!(client::get(relay.addr(), "/m").text(), "hello\n");
    });
}

#[test]
fn a_body_streams_as_it_comes_and_is_cut_off_where_it_fails() {
    both_programs(|program| {
        let (pieces, mut laid_down) = tokio::sync::mpsc::unbounded_channel::<Result<&str, &str>>();
        let body = Body::from_stream(stream::poll_fn(move |cx| laid_down.poll_recv(cx)));
        let body = Arc::new(Mutex::new(Some(body)));
        let failing = async move || body.lock().unwrap().take().expect("one request");
        let (relay, _embedded) = started(program, Router::new().route("/failing", get(failing)));
        let mut client = Client::connect(relay.addr());
        client.send(Request::get("/m/failing").to_vec());
        for (piece, chunk) in [("begin", b"5\r\nbegin\r\n"), ("more!", b"5\r\nmore!\r\n")] {
            pieces.send(Ok(piece)).expect("a body that is read");
            if piece == "begin" {
                assert_eq!(client.head().status(), 200);
            }
            assert_eq!(client.take(chunk.len()), chunk);
        }
        pieces.send(Err("the disk is gone")).expect("a body that is read");
        let (rest, _) = client.rest();
        assert_eq!(rest, b"", "no last chunk");
    });
}

/// How a client leaves an exchange whose answer has not begun, and within how long its handler is dropped.
fn handler_is_dropped(leave: impl Fn(Client) + Copy, within: Duration) {
    both_programs(|program| {
        let (began, begun) = mpsc::channel();
        let began = Arc::new(Mutex::new(Some(began)));
        let hanging = async move || {
            // The only sender lives in this future: its end is the future's end.
            let began: mpsc::Sender<()> = began.lock().unwrap().take().expect("one request");
            began.send(()).expect("a test that listens");
            pending::<()>().await;
            drop(began);
        };
        let (relay, _embedded) = started(program, Router::new().route("/hanging", get(hanging)));
        let client = Client::connect(relay.addr());
        client.send(Request::get("/m/hanging").to_vec());
        begun.recv_timeout(PATIENCE).expect("the handler began");
        leave(client);
        assert_eq!(begun.recv_timeout(within), Err(RecvTimeoutError::Disconnected));
    });
}

#[test]
fn a_handler_is_dropped_within_a_second_when_its_client_resets_the_connection() {
    handler_is_dropped(Client::reset, Duration::from_secs(1));
}

#[test]
fn a_handler_is_dropped_within_six_seconds_when_its_client_shuts_down_its_half() {
    handler_is_dropped(drop, Duration::from_secs(6));
}

#[test]
fn an_upload_that_dies_reads_as_lost_and_not_as_complete() {
    both_programs(|program| {
        let (tell, told) = mpsc::channel();
        let tell = Arc::new(Mutex::new(Some(tell)));
        let taking = async move |body: Body| {
            let tell: mpsc::Sender<_> = tell.lock().unwrap().take().expect("one request");
            tell.send("begun").expect("a test that listens");
            let outcome = body.collect().await.map_or("lost", |_| "whole");
            tell.send(outcome).expect("a test that listens");
        };
        let (relay, _embedded) = started(program, Router::new().route("/take", post(taking)));
        let client = Client::connect(relay.addr());
        client.send(Request::new("POST", "/m/take").field("Content-Length", "10").head());
        client.send("half");
        assert_eq!(told.recv_timeout(PATIENCE), Ok("begun"));
        drop(client);
        // Whether the handler reads the error or is dropped first: it never sees an end.
        let end = told.recv_timeout(PATIENCE);
        assert!(matches!(end, Ok("lost") | Err(RecvTimeoutError::Disconnected)), "{end:?}");
    });
}

/// A body of seed 4 that lasts as long as that.
fn flood(lasting: Duration) -> Body {
    let (end, mut body) = (Instant::now() + lasting, prf::Body::new(4, u64::MAX));
    let pieces = std::iter::from_fn(move || {
        let mut piece = vec![0; prf::STEP];
        body.read(&mut piece);
        (Instant::now() < end).then_some(Ok::<_, Infallible>(piece))
    });
    Body::from_stream(stream::iter(pieces))
}

#[test]
fn a_download_from_inside_a_program_survives_a_link_that_is_cut_each_300_milliseconds() {
    let lasting = Duration::from_secs(sizes::pick(3, 20));
    both_programs(|program| {
        let relay = Relay::start();
        let hop = Hop::before(relay.addr());
        let routes = Router::new().route("/flood", get(async move || flood(lasting)));
        let _embedded = Embedded::serve_by(program, &hop.url(), &relay, mounted(routes));
        let mut client = Client::connect(relay.addr());
        let (read, cuts) = hop.cut_while(Duration::from_millis(300), || {
            client.send(Request::get("/m/flood").to_vec());
            let head = client.head();
            client.digest_body(&head).expect("octets within the time-out")
        });
        let (digest, ending) = read;
        assert!(ending.is_complete(), "{ending:?} after {} octets", digest.len);
        assert_eq!(digest, prf::Body::new(4, digest.len).digest());
        assert!(cuts.iter().all(|&count| count > 0), "not each way of a cut: {cuts:?}");
    });
}
