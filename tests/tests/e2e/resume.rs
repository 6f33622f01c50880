//! A lost link is latency and not an error: what goes through a session goes on over the next link.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use telephone_tests::bins;
use telephone_tests::client::{Client, ask};
use telephone_tests::hop::{Cut, Door, Hop};
use telephone_tests::line::{Line, both_programs};
use telephone_tests::origin::{After, Origin};
use telephone_tests::prf::{Body, STEP};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::{Request, chunk};
use telephone_tests::sizes::{self, MIB};
use telephone_tests::terminal::OnTerminal;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::websocket;
use telephone_tests::wire::Head;
use tungstenite::Message;

/// Between two cuts.
const CUT_GAP: Duration = Duration::from_millis(300);

/// How long the traffic of one scenario is to go on; it is over when all of it has ended well.
#[derive(Clone, Default)]
struct Traffic {
    is_over: Arc<AtomicBool>,
}

impl Traffic {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }
}

/// A body of `seed` for as long as the traffic goes on, and of `least` bytes at least, given away piece by piece.
/// Says how long it became.
fn pour<E>(
    traffic: &Traffic,
    seed: u64,
    least: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let mut body = Body::new(seed, u64::MAX);
    let (mut buffer, mut len) = (vec![0; STEP], 0);
    while traffic.goes_on() || len < least {
        let count = body.read(&mut buffer);
        take(&chunk(&buffer[..count]))?;
        len += count as u64;
    }
    take(b"0\r\n\r\n")?;
    Ok(len)
}

/// Lets the origin answer `/m/flood` with a body that lasts as long as the traffic, and `/m/events` with numbered
/// events, a hundred a second.
fn script(origin: &Origin, traffic: &Traffic, least: u64) {
    let flood = traffic.clone();
    origin.on("/m/flood", move |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        pour(&flood, DOWN, least, |piece| exchange.send(piece))?;
        Ok(After::KeepAlive)
    });
    let events = traffic.clone();
    origin.on("/m/events", move |exchange| {
        exchange.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        for number in wait::paced(Instant::now(), Duration::from_millis(10)) {
            if !events.goes_on() {
                break;
            }
            exchange.send(chunk(event(number).as_bytes()))?;
        }
        exchange.send("0\r\n\r\n")?;
        Ok(After::KeepAlive)
    });
}

/// The seeds of the two great bodies.
const DOWN: u64 = 1;
const UP: u64 = 2;

fn event(number: u32) -> String {
    format!("id: {number}\ndata: {number}\n\n")
}

/// A client of `/m/flood`: every byte arrives.
fn download(line: &Line) {
    let mut client = line.connect();
    client.send(Request::get("/m/flood").to_vec());
    let head = client.head();
    assert_eq!(head.status(), 200);
    let (digest, ending) = client.digest_body(&head).expect("octets within the time-out");
    assert!(ending.is_complete(), "the download ended as {ending:?} after {} octets", digest.len);
    assert_eq!(digest, Body::new(DOWN, digest.len).digest());
    sizes::figure("downloaded while the link was cut, MiB", digest.len / MIB);
}

/// The origin hashes what is sent to it: every byte arrives.
fn upload(line: &Line, traffic: &Traffic, least: u64) {
    let mut client = line.connect();
    client.send(Request::new("POST", "/m/hash").field("Transfer-Encoding", "chunked").head());
    let len = pour(traffic, UP, least, |piece| client.try_send(piece)).expect("the upload is taken");
    let answer = client.answer("POST");
    let sent = Body::new(UP, len).digest();
    assert_eq!((answer.status(), answer.text()), (200, format!("{} {}", sent.len, sent.sha256)));
    sizes::figure("uploaded while the link was cut, MiB", len / MIB);
}

/// A client of `/m/events`: none is missing, doubled or out of order.
fn listen(line: &Line) {
    let mut client = line.connect();
    client.send(Request::get("/m/events").to_vec());
    let answer = client.answer("GET");
    assert!(answer.ending.is_complete(), "the events ended as {:?}", answer.ending);
    let text = answer.text();
    let count = u32::try_from(text.matches("id:").count()).expect("fewer events than that");
    assert!(count > 0 && text == (0..count).map(event).collect::<String>(), "not the events sent:\n{text}");
    sizes::figure("events while the link was cut", count);
}

/// A WebSocket with some messages on their way at any time: each comes back, in order.
fn echo(line: &Line, traffic: &Traffic) {
    const AHEAD: u64 = 4;
    let mut socket = websocket::open(line.addr(), "/m/websocket").expect("an upgrade");
    let message = |number: u64| Message::binary(Body::new(number, number % 20_000).to_vec());
    let mut count = 0;
    while traffic.goes_on() {
        for number in count..count + AHEAD {
            socket.send(message(number)).expect("an open socket");
        }
        for number in count..count + AHEAD {
            let echoed = socket.read().expect("an echo");
            assert!(echoed == message(number), "message {number} came back as {} octets", echoed.len());
        }
        count += AHEAD;
    }
    socket.close(None).expect("an open socket");
    let end = wait::until("the close is answered", PATIENCE, || socket.read().err());
    assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end:?}");
    sizes::figure("messages echoed while the link was cut", count);
}

/// Clients that ask one after the other, each once a second.
const ASKING: u32 = 20;

/// Asks once a second: each request is answered, whatever its method.
fn ask_each_second(line: &Line, traffic: &Traffic, index: u32) -> Duration {
    let first = Instant::now() + Duration::from_secs(1) / ASKING * index;
    let turns = wait::paced(first, Duration::from_secs(1)).take_while(|_| traffic.goes_on());
    let times = turns.map(|turn| {
        let start = Instant::now();
        assert_answered(line.addr(), index + turn);
        start.elapsed()
    });
    times.max().unwrap_or_default()
}

/// Sends one request, by turns a GET and a POST, on a connection of its own. It is answered as it should be.
fn assert_answered(addr: SocketAddr, number: u32) {
    let (request, body) = if number.is_multiple_of(2) {
        (Request::get("/m/mirror"), String::new())
    } else {
        (Request::post("/m/mirror", number.to_string()), number.to_string())
    };
    let answer = ask(addr, &request.close());
    assert_eq!((answer.status(), answer.text()), (200, body), "request {number}");
}

#[test]
fn all_traffic_survives_a_link_that_is_cut_each_300_milliseconds() {
    let lasting = Duration::from_secs(sizes::pick(6, 60));
    let (down, up) = (sizes::pick(64, 1024) * MIB, sizes::pick(16, 200) * MIB);
    both_programs(|program| {
        let (line, hop) = Line::behind_hop(program);
        let traffic = Traffic::default();
        script(&line.origin, &traffic, down);
        let (slowest, cuts) = hop.cut_while(CUT_GAP, || {
            let (line, traffic) = (&line, &traffic);
            thread::scope(|scope| {
                scope.spawn(|| download(line));
                scope.spawn(|| upload(line, traffic, up));
                scope.spawn(|| listen(line));
                scope.spawn(|| echo(line, traffic));
                let asking: Vec<_> = (0..ASKING)
                    .map(|index| scope.spawn(move || ask_each_second(line, traffic, index)))
                    .collect();
                thread::sleep(lasting);
                traffic.is_over.store(true, Ordering::SeqCst);
                asking.into_iter().filter_map(|one| one.join().ok()).max()
            })
        });
        sizes::figure("the slowest request while the link was cut", format_args!("{slowest:?}"));
        sizes::figure("cuts by FIN, by RST and by silence", format_args!("{cuts:?}"));
        // A telephone that was cut off often waits longer until it dials, so there is not always a link to cut.
        let turns = lasting.as_millis() / CUT_GAP.as_millis();
        assert!(cuts.iter().all(|&count| count as u128 * 12 >= turns), "{cuts:?} of {turns} turns");
    });
}

/// How long a link stays dark: less than a request is held for, with a second in which the telephone may dial.
const DARK: Duration = Duration::from_millis(3600);

#[test]
fn requests_sent_while_the_link_is_dark_are_answered_when_it_is_back() {
    both_programs(|program| {
        let (line, hop) = Line::behind_hop(program);
        let addr = line.addr();
        let ways = [
            (Door::Shut, Cut::Reset),
            (Door::Vacant, Cut::Finish),
            (Door::Silent, Cut::Reset),
            (Door::Silent, Cut::Silence),
        ];
        for (door, cut) in ways {
            hop.set_door(door);
            assert_eq!(hop.cut(cut), 1, "a link to lose");
            let start = Instant::now();
            thread::scope(|scope| {
                for number in wait::paced(start, DARK / 20).take(21) {
                    scope.spawn(move || assert_answered(addr, number));
                }
                hop.set_door(Door::Open);
            });
            sizes::figure("all answered", format_args!("{:?} after {door:?}, {cut:?}", start.elapsed()));
        }
    });
}

/// Bytes that are not all under way at any time.
const LEN: u64 = 64 * MIB;

/// A download under way, of which the client has the head.
fn begin_download(line: &Line) -> (Client, Head) {
    let mut client = line.connect();
    client.send(Request::get(&format!("/m/bytes?n={LEN}&seed={DOWN}")).to_vec());
    let head = client.head();
    (client, head)
}

#[test]
fn a_telephone_goes_back_to_the_url_that_its_plugboard_told_and_in_time_to_its_own() {
    both_programs(|program| {
        let told = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}", told.local_addr().expect("an address"));
        let follow = ["--follow", "127.0.0.1:*"];
        let (line, hop) = Line::behind_hop_following(program, &["--public-url", &url], &follow);
        let (mut client, head) = begin_download(&line);
        assert!(hop.cut(Cut::Reset) > 0);
        let lost = Instant::now();
        let (asked, _) = told.accept().expect("a dial");
        let mut request = [0; 16];
        (&asked).read_exact(&mut request).expect("a request");
        assert!(request.starts_with(b"GET /.well-known"), "{request:?}");
        drop((asked, told));
        let (digest, ending) = client.digest_body(&head).expect("octets within the time-out");
        assert!(ending.is_complete(), "{ending:?} after {} octets", digest.len);
        assert_eq!(digest, Body::new(DOWN, LEN).digest());
        sizes::figure("gone on at its own URL after", format_args!("{:?}", lost.elapsed()));
    });
}

#[test]
fn a_told_url_that_is_less_safe_or_cannot_be_dialled_is_left_alone() {
    both_programs(|program| {
        let (line, hop) = Line::behind_hop_with(program, &["--public-url", "wss://127.0.0.1:1"]);
        let (mut client, head) = begin_download(&line);
        assert_eq!(hop.cut(Cut::Reset), 1);
        let (digest, ending) = client.digest_body(&head).expect("octets within the time-out");
        assert!(ending.is_complete(), "{ending:?} after {} octets", digest.len);
        assert_eq!(digest, Body::new(DOWN, LEN).digest());
        let said = line.sidecar().process().said();
        assert!(!said.contains("cannot reach"), "the telephone dialled elsewhere first: {said}");
    });
}

#[test]
fn a_person_at_a_terminal_sees_why_a_link_was_lost_and_how_long_the_telephone_was_away() {
    let (mut relay, origin) = (Relay::with(NO_GRACE), Origin::start());
    let hop = Hop::before(relay.addr());
    let (url, token, backend) = (hop.url(), relay.token(&["/a"]), origin.url());
    for name in ["telephone", "telephone-smol"] {
        let program = bins::path(name);
        let program = program.to_str().expect("UTF-8");
        let dial = [program, "--plugboard", &url, "--mount", "/a", "--backend", &backend];
        let variables = [("TELEPHONE_TOKEN", token.as_str()), ("NO_COLOR", "1"), ("INSTANCE", name)];
        let sidecar = OnTerminal::start(None, &dial, &variables);
        sidecar.wait_for("connected");
        assert!(hop.cut(Cut::Reset) > 0);
        let lost = sidecar.wait_for("the link was lost: the connection was closed");
        assert!(lost.contains("WARN") && lost.contains("its session waits up to "), "{lost}");
        assert!(lost.contains("its requests wait with it; dialling again "), "{lost}");
        let back = sidecar.wait_for("connected again after ");
        assert!(back.contains("INFO") && back.contains(" s: the session goes on"), "{back}");
        relay.kill();
        relay.restart();
        let back = sidecar.wait_for("connected after ");
        assert!(back.contains("INFO") && back.contains("mounts=[\"/a\"]"), "{back}");
    }
}
