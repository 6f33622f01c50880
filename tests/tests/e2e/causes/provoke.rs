//! How each of the failures is brought about.

use std::any::Any;
use std::net::SocketAddr;

use serde_json::json;
use telephone_tests::client::{Client, ask, get};
use telephone_tests::hop::Cut;
use telephone_tests::line::Line;
use telephone_tests::net::free_addr;
use telephone_tests::origin::{After, Origin};
use telephone_tests::puppet::Puppet;
use telephone_tests::raw::{ENDPOINT, RawBackend, RawLine};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::wire::Head;

use super::super::token_life;
use super::{answers, rooms, shed};

/// What is on the stage while a failure happens.
pub(super) enum Stage {
    Relay(Relay),
    Line(Line),
    Raw(RawLine),
}

impl Stage {
    /// The relay that failed somebody.
    pub(super) fn relay(&self) -> &Relay {
        match self {
            Self::Relay(relay) => relay,
            Self::Line(line) => line.relay(),
            Self::Raw(line) => &line.relay,
        }
    }
}

/// A failure that has been brought about.
pub(super) struct Provoked {
    pub(super) stage: Stage,
    /// The heads of the plugboard's own answers.
    pub(super) answers: Vec<Head>,
    /// How many requests got none.
    pub(super) unanswered: usize,
    /// The relay has ended: nobody can ask it for its metrics.
    pub(super) is_gone: bool,
    /// What must not end before the failure has been looked at.
    _kept: Box<dyn Any>,
}

pub(super) fn answered(stage: Stage, answers: Vec<Head>) -> Provoked {
    Provoked { stage, answers, unanswered: 0, is_gone: false, _kept: Box::new(()) }
}

pub(super) fn unanswered(stage: Stage, unanswered: usize) -> Provoked {
    Provoked { stage, answers: Vec::new(), unanswered, is_gone: false, _kept: Box::new(()) }
}

impl Provoked {
    /// With so many requests more that got no answer of the plugboard's.
    pub(super) fn and_unanswered(self, unanswered: usize) -> Self {
        Self { unanswered, ..self }
    }

    pub(super) fn keeping(self, kept: impl Any) -> Self {
        Self { _kept: Box::new(kept), ..self }
    }
}

type Provocation = fn(Program) -> Provoked;

/// The word of each failure and how it is brought about.
pub(super) const PROVOCATIONS: &[(&str, Provocation)] = &[
    ("http_request_error", bad_request),
    ("method_not_allowed", method_not_allowed),
    ("request_too_large", request_too_large),
    ("request_too_slow", request_too_slow),
    ("ambiguous_path", ambiguous_path),
    ("not_a_telephone", not_a_telephone),
    ("room_not_named", rooms::room_not_named),
    ("http_request_denied", rooms::client_token_refused),
    ("too_many_bad_tokens", rooms::too_many_bad_tokens),
    ("origin_refused", rooms::origin_refused),
    ("destination_not_found", no_such_mount),
    ("room_empty", rooms::room_empty),
    ("destination_unavailable", nobody_connected),
    ("token_expired", token_expired),
    ("draining", draining),
    ("too_many_wait", too_many_wait),
    ("connection_limit_reached", too_many_streams),
    ("telephone_refused", telephone_refused),
    ("telephone_exhausted", telephone_exhausted),
    ("lost_before_dispatch", lost_before_dispatch),
    ("connection_terminated", tunnel_lost),
    ("relay_stopped", relay_stopped),
    ("tunnel_silent", tunnel_silent),
    ("given_up", given_up),
    ("http_protocol_error", answers::malformed),
    ("http_response_header_size", answers::too_large),
    ("http_response_transfer_coding", answers::bad_coding),
    ("connection_refused", backend_refused),
    ("connection_timeout", backend_connect_timeout),
    ("connection_read_timeout", backend_timeout),
    ("http_response_incomplete", answers::broken_off),
    ("response_aborted", answers::response_aborted),
    ("client_revoked", rooms::client_revoked),
    ("request_unread", request_unread),
    ("client_left", client_left),
    ("client_stalled", client_stalled),
    ("connection_shed", shed::connection_shed),
    ("connect_denied", connect_denied),
];

/// A session ends with its link.
const NO_RESUME: &[&str] = &["--limit", "start-grace=0s", "--limit", "resume-window=0s"];

/// The head of the answer to these octets.
fn head_of(addr: SocketAddr, octets: impl AsRef<[u8]>) -> Head {
    let mut client = Client::connect(addr);
    client.send(octets);
    client.head()
}

pub(super) fn asked(addr: SocketAddr, request: &Request) -> Head {
    ask(addr, &request.clone().close()).head
}

/// A client whose request stands at the origin.
fn held(line: &Line, request: &Request) -> Client {
    let before = line.origin.counts().requests;
    let client = line.connect();
    client.send(request.to_vec());
    wait::until_true("the request reaches the origin", PATIENCE, || line.origin.counts().requests > before);
    client
}

fn bad_request(program: Program) -> Provoked {
    let line = Line::through(program);
    let refused = [
        "GET /m/x HTTP/1.1\r\n\r\n",
        "POST /m/x HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 3\r\n\r\nabc",
        "POST /m/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /m/x HTTP/2.0\r\nHost: a\r\n\r\n",
        // A good head whose body breaks, while the origin waits for the rest of it.
        "POST /m/hash HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
    ];
    let answers = refused.map(|octets| head_of(line.addr(), octets)).to_vec();
    answered(Stage::Line(line), answers)
}

fn method_not_allowed(_: Program) -> Provoked {
    let relay = Relay::start();
    let answers = vec![
        head_of(relay.addr(), "TRACE /m/x HTTP/1.1\r\nHost: a\r\n\r\n"),
        head_of(relay.addr(), "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    ];
    answered(Stage::Relay(relay), answers)
}

fn request_too_large(program: Program) -> Provoked {
    let limits = ["--limit", "request-body-bytes=10", "--limit", "request-headers=1000"];
    let line = Line::with(program, &[NO_GRACE, &limits].concat(), &[]);
    let long = "a".repeat(20_000);
    // So many fields are let in by this relay's own limit, and fit no frame.
    let many = (0..600).fold(Request::get("/m/x"), |request, n| request.field(&format!("X-{n}"), "1"));
    let answers = vec![
        head_of(line.addr(), Request::post("/m/hash", "12345678901").to_vec()),
        head_of(line.addr(), Request::new("POST", "/m/hash").chunked(&[b"123456", b"123456"], "").to_vec()),
        head_of(line.addr(), Request::get(&format!("/m/{long}")).to_vec()),
        head_of(line.addr(), Request::get("/m/x").field("X-Long", &long).to_vec()),
        head_of(line.addr(), many.to_vec()),
    ];
    answered(Stage::Line(line), answers)
}

fn request_too_slow(program: Program) -> Provoked {
    let limits = ["--limit", "head-timeout=100ms", "--limit", "body-window=100ms"];
    let line = Line::with(program, &[NO_GRACE, &limits].concat(), &[]);
    let answers = vec![
        head_of(line.addr(), "GET /m/x HTTP/1.1\r\nHost:"),
        head_of(line.addr(), "POST /m/hash HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"),
    ];
    answered(Stage::Line(line), answers)
}

fn ambiguous_path(program: Program) -> Provoked {
    let line = Line::through(program);
    let token = line.relay().token(&["/m/api"]);
    let dial = program.dial(line.relay()).token(&token).mount("/m/api").backend(&line.origin.url());
    let other = dial.args(&["--instance", "other"]).ready();
    let answers = vec![asked(line.addr(), &Request::get("/m%2Fapi"))];
    answered(Stage::Line(line), answers).keeping(other)
}

fn not_a_telephone(_: Program) -> Provoked {
    let relay = Relay::start();
    let plain = Request::get("/.well-known/telephone");
    let upgrade = plain.clone().field("Connection", "Upgrade").field("Upgrade", "websocket");
    let keyed = upgrade.clone().field("Sec-WebSocket-Version", "13").field("Sec-WebSocket-Key", "YWJj");
    let answers = vec![
        asked(relay.addr(), &plain),
        head_of(relay.addr(), upgrade.to_vec()),
        head_of(relay.addr(), keyed.to_vec()),
    ];
    assert!(answers[0].lists("upgrade", "websocket") && answers[0].lists("connection", "upgrade"));
    answered(Stage::Relay(relay), answers)
}

fn no_such_mount(program: Program) -> Provoked {
    let line = Line::through(program);
    let answers = vec![line.get("/unknown").head];
    answered(Stage::Line(line), answers)
}

fn nobody_connected(program: Program) -> Provoked {
    let limits = ["--limit", "start-grace=0s", "--limit", "park-time=50ms"];
    let mut line = Line::with(program, &limits, &[]);
    line.sidecar_mut().kill();
    line.relay().process().wait_stderr("lost its link", PATIENCE);
    let answers = vec![line.get("/m/x").head];
    answered(Stage::Line(line), answers)
}

fn token_expired(program: Program) -> Provoked {
    let relay = Relay::with(&[NO_GRACE, &["--limit", "park-time=50ms"]].concat());
    let origin = Origin::start();
    // It lives on the last two seconds of the leeway.
    let token = token_life::token(&relay, &["/m"], -50);
    let sidecar = program.dial(&relay).mount("/m").backend(&origin.url()).token(&token).start();
    sidecar.process().wait_stderr("the token has ended", PATIENCE);
    let answers = vec![get(relay.addr(), "/m/x").head];
    answered(Stage::Relay(relay), answers).keeping((sidecar, origin))
}

fn draining(program: Program) -> Provoked {
    let mut line = Line::with(program, &[NO_GRACE, &["--limit", "park-time=50ms"]].concat(), &[]);
    let release = line.origin.hold("/m/held");
    let client = held(&line, &Request::get("/m/held"));
    line.relay().terminate();
    line.relay().process().wait_stderr("draining", PATIENCE);
    // Until then it serves what comes; its telephone would have a session elsewhere.
    line.sidecar_mut().kill();
    line.relay().process().wait_stderr("lost its link", PATIENCE);
    let answers = vec![line.get("/m/x").head];
    answered(Stage::Line(line), answers).keeping((release, client))
}

fn relay_stopped(program: Program) -> Provoked {
    let options = [NO_GRACE, &["--drain-delay", "0s", "--drain-grace", "100ms"]].concat();
    let mut line = Line::with(program, &options, &[]);
    let release = line.origin.hold("/m/held");
    let mut client = held(&line, &Request::get("/m/held"));
    line.relay().terminate();
    let answers = vec![client.head()];
    assert_eq!(line.relay_mut().wait_exit(), Some(0));
    Provoked { is_gone: true, ..answered(Stage::Line(line), answers) }.keeping(release)
}

fn too_many_wait(program: Program) -> Provoked {
    let mut line = Line::with(program, &[NO_GRACE, &["--limit", "parked-per-mount=0"]].concat(), &[]);
    line.sidecar_mut().kill();
    line.relay().process().wait_stderr("lost its link", PATIENCE);
    let answers = vec![line.get("/m/x").head];
    answered(Stage::Line(line), answers)
}

fn too_many_streams(program: Program) -> Provoked {
    let limits = [NO_GRACE, &["--limit", "park-time=50ms"]].concat();
    let line = Line::with(program, &limits, &["--streams", "1"]);
    let release = line.origin.hold("/m/held");
    let client = held(&line, &Request::get("/m/held"));
    let answers = vec![line.get("/m/x").head];
    answered(Stage::Line(line), answers).keeping((release, client))
}

/// The answer to a request that a telephone deals with in such a way.
pub(super) fn puppet(request: &Request, mut play: impl FnMut(&mut Puppet, &serde_json::Value)) -> Provoked {
    let relay = Relay::start();
    let mut puppet = Puppet::connect(&relay, &[]);
    let mut client = Client::connect(relay.addr());
    client.send(request.to_vec());
    let opened = puppet.hear("http_request");
    play(&mut puppet, &opened["stream"]);
    let answers = vec![client.answer(request.method()).head];
    answered(Stage::Relay(relay), answers).keeping(puppet)
}

fn telephone_refused(_: Program) -> Provoked {
    // Not repeatable, for its body is on the way: it goes nowhere else.
    let request = Request::new("POST", "/m/x").field("Content-Length", "5");
    puppet(&request, |puppet, stream| {
        puppet.say("error", &json!({"stream": stream, "code": "refused", "touched": "no"}));
    })
}

fn telephone_exhausted(_: Program) -> Provoked {
    let request = Request::new("POST", "/m/x").field("Content-Length", "5");
    puppet(&request, |puppet, stream| {
        puppet.say("error", &json!({"stream": stream, "code": "exhausted", "touched": "no"}));
    })
}

fn given_up(_: Program) -> Provoked {
    puppet(&Request::get("/m/x"), |puppet, stream| {
        puppet.say("error", &json!({"stream": stream, "code": "cancelled", "touched": "yes"}));
    })
}

fn lost_before_dispatch(_: Program) -> Provoked {
    let limits = ["start-grace=0s", "resume-window=100ms", "replay-bytes=1KiB", "replay-bytes-max=1KiB"];
    let relay = Relay::with(&limits.map(|limit| ["--limit", limit]).concat());
    // It goes on after a lost link, and never says what has arrived: nothing more is sent than is kept for it.
    let mut puppet = Puppet::connect(&relay, &[("resume", 1)]);
    let first = Client::connect(relay.addr());
    first.send(Request::post("/m/x", "once").field("X-Long", "a".repeat(2000)).to_vec());
    puppet.hear("http_request");
    let mut second = Client::connect(relay.addr());
    second.send(Request::new("POST", "/m/x").field("Content-Length", "5").head());
    wait::until_true("the second request has its stream", PATIENCE, || {
        relay.metrics().lines().any(|line| line == "plugboard_streams_open 2")
    });
    drop(puppet);
    let answers = vec![second.answer("POST").head];
    answered(Stage::Relay(relay), answers).keeping(first)
}

fn tunnel_lost(program: Program) -> Provoked {
    let mut line = Line::with(program, NO_RESUME, &[]);
    let release = line.origin.hold("/m/held");
    let mut client = held(&line, &Request::post("/m/held", "once"));
    line.sidecar_mut().kill();
    let answers = vec![client.answer("POST").head];
    answered(Stage::Line(line), answers).keeping(release)
}

fn tunnel_silent(program: Program) -> Provoked {
    let limits = ["ping-interval=500ms", "ping-timeout=1s", "idle-timeout=3s"];
    let limits = limits.map(|limit| ["--limit", limit]).concat();
    let (line, hop) = Line::behind_hop_with(program, &[NO_RESUME, &limits].concat());
    let release = line.origin.hold("/m/held");
    let mut client = held(&line, &Request::post("/m/held", "once"));
    hop.cut(Cut::Silence);
    let answers = vec![client.answer("POST").head];
    answered(Stage::Line(line), answers).keeping((release, hop))
}

/// The answer through a sidecar with these options and no other backend.
fn without_origin(program: Program, options: &[&str]) -> Provoked {
    let relay = Relay::start();
    let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m");
    let sidecar = dial.args(options).ready();
    let answers = vec![get(relay.addr(), "/m/x").head];
    answered(Stage::Relay(relay), answers).keeping(sidecar)
}

fn backend_refused(program: Program) -> Provoked {
    without_origin(program, &["--port", &free_addr().port().to_string()])
}

fn backend_connect_timeout(program: Program) -> Provoked {
    // The kernel answers no more connections once those that wait to be accepted are as many as it was told.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    full.listen(0).expect("a bound socket");
    let addr = full.local_addr().ok().and_then(|addr| addr.as_socket()).expect("an address");
    let waiting: Vec<socket2::Socket> = (0..4)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
            let socket = socket.expect("a socket");
            socket.set_nonblocking(true).expect("an option of every socket");
            let _under_way = socket.connect(&addr.into());
            socket
        })
        .collect();
    let backend = format!("http://{addr}");
    without_origin(program, &["--backend", &backend, "--backend-connect-timeout", "200ms"])
        .keeping((full, waiting))
}

fn backend_timeout(program: Program) -> Provoked {
    let line = Line::with(program, NO_GRACE, &["--backend-answer-timeout", "200ms"]);
    line.origin.on("/m/silent", |exchange| exchange.wait_closed());
    let answers = vec![line.get("/m/silent").head];
    line.origin.wait_idle(PATIENCE);
    answered(Stage::Line(line), answers)
}

fn request_unread(program: Program) -> Provoked {
    let line = Line::through(program);
    line.origin.on("/m/unread", |exchange| {
        exchange.answer(202, "")?;
        Ok(After::Reset)
    });
    let mut client = line.connect();
    client.send(Request::new("POST", "/m/unread").field("Content-Length", "1000000000").head());
    let head = client.head();
    assert_eq!((head.status(), head.has("proxy-status")), (202, false));
    // Until the telephone has seen that nobody reads any more.
    while client.try_send([b'x'; 65_536]).is_ok() {}
    unanswered(Stage::Line(line), 1)
}

fn client_left(program: Program) -> Provoked {
    let line = Line::through(program);
    let release = line.origin.hold("/m/held");
    drop(held(&line, &Request::get("/m/held")));
    let mut client = line.connect();
    client.send(Request::get("/m/bytes?n=2000000000").to_vec());
    client.head();
    client.reset();
    unanswered(Stage::Line(line), 2).keeping(release)
}

fn client_stalled(program: Program) -> Provoked {
    let line = Line::with(program, &[NO_GRACE, &["--limit", "send-timeout=200ms"]].concat(), &[]);
    let mut client = Client::connect_narrow(line.addr(), 4096);
    client.send(Request::get("/m/bytes?n=2000000000").to_vec());
    let head = client.head();
    wait::until_true("the relay gives it up", PATIENCE, || {
        line.relay().metrics().contains("outcome=\"client_stalled\"")
    });
    let (_, ending) = client.digest_body(&head).expect("an end");
    assert!(!ending.is_complete(), "{ending:?}");
    unanswered(Stage::Line(line), 1)
}

fn connect_denied(program: Program) -> Provoked {
    let backend = RawBackend::start(drop);
    let line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
    let token = line.relay.token_with("visitor", &[], &["--connect", "other:7"]);
    let plan =
        program.plan().args(["connect", "--plugboard", &line.relay.url(), "--to", ENDPOINT, "--stdio"]);
    let finished = plan.env("TELEPHONE_TOKEN", &token).finish();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    unanswered(Stage::Raw(line), 1).keeping(backend)
}
