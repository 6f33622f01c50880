//! Raw connections: a port of the plugboard, and an endpoint that only `telephone connect` reaches.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use socket2::SockRef;
use telephone_tests::hop::{Cut, Hop};
use telephone_tests::line::both_programs;
use telephone_tests::net::{free_addr, is_listening};
use telephone_tests::nginx::Nginx;
use telephone_tests::prf::{Hasher, digest};
use telephone_tests::process::Process;
use telephone_tests::raw::{ENDPOINT, RawBackend, RawLine};
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

/// Says back what it hears, and ends when it has heard the end.
fn echo() -> RawBackend {
    RawBackend::start(|stream| {
        let mut from = &stream;
        let _ = std::io::copy(&mut from, &mut &stream);
        let _ = stream.shutdown(Shutdown::Write);
    })
}

fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("an option of every socket");
}

fn all(mut stream: &TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).expect("an orderly end");
    octets
}

/// `telephone connect --listen`, ready.
fn listen(program: Program, line: &RawLine) -> (Process, std::net::SocketAddr) {
    let addr = free_addr();
    let plan = program.plan().args(["connect", "--plugboard", &line.relay.url(), "--to", ENDPOINT]);
    let plan = plan.args(["--listen", &addr.to_string()]).env("TELEPHONE_TOKEN", line.connect_token());
    let process = plan.start();
    process.wait_stderr("connected", PATIENCE);
    wait::until_true("it listens", PATIENCE, || is_listening(addr));
    (process, addr)
}

#[test]
fn the_end_of_each_direction_is_carried_on_its_own() {
    both_programs(|program| {
        // The answer is what came, and comes only after all of it.
        let backend = RawBackend::start(|mut stream| {
            let heard = all(&stream);
            stream.write_all(&heard.len().to_string().into_bytes()).expect("the client reads");
        });
        let line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
        let mut client = line.connect();
        client.write_all(&[7; 300_000]).expect("the tunnel takes it");
        client.shutdown(Shutdown::Write).expect("an open connection");
        assert_eq!(all(&client), b"300000");
    });
}

#[test]
fn who_speaks_first_need_not_wait() {
    both_programs(|program| {
        let backend = RawBackend::start(|mut stream| {
            stream.write_all(b"220 ready\r\n").expect("the client reads");
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).expect("the client answers");
            stream.write_all(&answer).expect("the client reads");
        });
        let line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
        let mut client = line.connect();
        let mut greeting = [0; 11];
        client.read_exact(&mut greeting).expect("a greeting");
        assert_eq!(&greeting, b"220 ready\r\n");
        client.write_all(b"EHLO").expect("the tunnel takes it");
        assert_eq!(all(&client), b"EHLO");
    });
}

#[test]
fn a_reset_is_a_reset_on_the_far_side_whoever_it_comes_from() {
    both_programs(|program| {
        let (told, heard) = std::sync::mpsc::channel();
        let told = std::sync::Mutex::new(told);
        let told = std::sync::Arc::new(told);
        let backend = RawBackend::start(move |mut stream: TcpStream| {
            let mut octet = [0];
            stream.read_exact(&mut octet).expect("the client says which");
            if octet == *b"b" {
                return reset(&stream);
            }
            stream.write_all(b"!").expect("the client reads");
            let end = stream.read(&mut octet).map_err(|error| error.kind());
            told.lock().expect("no panic").send(end).expect("the test listens");
        });
        let line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);

        let mut client = line.connect();
        client.write_all(b"b").expect("the tunnel takes it");
        let end = client.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset));

        let mut client = line.connect();
        client.write_all(b"c").expect("the tunnel takes it");
        client.read_exact(&mut [0]).expect("the backend is there");
        reset(&client);
        drop(client);
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(Err(ErrorKind::ConnectionReset)));
    });
}

#[test]
fn a_port_is_open_while_its_telephone_is_there_and_opens_again_for_the_next() {
    both_programs(|program| {
        let backend = echo();
        let mut line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
        let (public, port) = (line.public, line.public.port());
        line.sidecar.terminate();
        assert_eq!(line.sidecar.wait_exit(PATIENCE), Some(0));
        wait::until_true("the port is closed", PATIENCE, || !is_listening(public));
        let token = line.relay.token(&[&format!("tcp:{port}")]);
        let dial = program.dial(&line.relay).token(&token);
        let _next = dial.args(&["--tcp", &format!("{port}={}", backend.addr())]).ready();
        let mut client = line.connect();
        client.write_all(b"again").expect("the tunnel takes it");
        client.shutdown(Shutdown::Write).expect("an open connection");
        assert_eq!(all(&client), b"again");
    });
}

#[test]
fn a_port_that_is_not_offered_or_not_claimed_is_refused_for_good_with_the_reason() {
    both_programs(|program| {
        let relay = Relay::with(&["--tcp-ports", "5400-5499"]);
        let closed = Relay::start();
        for (relay, claim, part, next) in [
            (&relay, "tcp:5300", "5400 to 5499", "Choose a port that the plugboard offers"),
            (&relay, "tcp:5401", "does not cover", "Make one as this plugboard wants it"),
            (&closed, "tcp:5300", "--tcp-ports", "Choose a port that the plugboard offers"),
        ] {
            let token = relay.token(&[claim]);
            let mut sidecar = program.dial(relay).token(&token).args(&["--tcp", "5300=127.0.0.1:1"]).start();
            assert_eq!(sidecar.wait_exit(PATIENCE), Some(3), "{claim}");
            let said = sidecar.process().stderr();
            assert!(said.contains(part) && said.contains(next), "{claim}: {said}");
        }
    });
}

#[test]
fn a_port_that_another_program_has_is_asked_for_again_and_the_line_has_the_next_step() {
    both_programs(|program| {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("an address").port();
        let relay = Relay::with(&["--tcp-ports", &format!("{port}-{port}")]);
        let token = relay.token(&[&format!("tcp:{port}")]);
        let sidecar =
            program.dial(&relay).token(&token).args(&["--tcp", &format!("{port}=127.0.0.1:1")]).start();
        let said = sidecar.process().wait_stderr("cannot open the port", PATIENCE);
        assert!(said.contains("Choose a port that the plugboard offers"), "{said}");
        drop(taken);
        sidecar.process().wait_stderr("connected", PATIENCE);
    });
}

#[test]
fn a_backend_that_is_not_there_is_a_reset() {
    both_programs(|program| {
        let line = RawLine::to(program, free_addr(), NO_GRACE, &[]);
        let end = line.connect().read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
    });
}

#[test]
fn an_endpoint_is_reached_by_who_may_and_by_nobody_else() {
    both_programs(|program| {
        let backend = echo();
        let line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
        let (_connect, addr) = listen(program, &line);
        let mut client = TcpStream::connect(addr).expect("it listens");
        client.write_all(&[5; 200_000]).expect("the tunnel takes it");
        client.shutdown(Shutdown::Write).expect("an open connection");
        assert_eq!(all(&client), [5; 200_000]);

        // The token that serves the endpoint is none that reaches it.
        let serving = line.relay.token(&[&format!("tcp:{ENDPOINT}")]);
        let plan = program.plan().args(["connect", "--plugboard", &line.relay.url(), "--stdio"]);
        let finished = plan.args(["--to", ENDPOINT]).env("TELEPHONE_TOKEN", &serving).finish();
        assert_eq!(finished.code, Some(3), "{}", finished.stderr);
        // Nor is one for another endpoint.
        let other = line.relay.token_with("visitor", &[], &["--connect", "other:7"]);
        let plan = program.plan().args(["connect", "--plugboard", &line.relay.url(), "--stdio"]);
        let finished = plan.args(["--to", ENDPOINT]).env("TELEPHONE_TOKEN", &other).finish();
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains("does not allow it"), "{}", finished.stderr);
    });
}

/// `telephone connect --stdio`, whose input stays open.
fn join(program: Program, line: &RawLine) -> Process {
    let plan =
        program.plan().args(["connect", "--plugboard", &line.relay.url(), "--to", ENDPOINT, "--stdio"]);
    plan.env("TELEPHONE_TOKEN", line.connect_token()).start_to_tell()
}

#[test]
fn standard_output_ends_with_what_the_far_side_says_though_standard_input_goes_on() {
    both_programs(|program| {
        let backend = RawBackend::start(|mut stream| {
            stream.write_all(b"bye\n").expect("the client reads");
            stream.shutdown(Shutdown::Write).expect("an open connection");
            all(&stream);
        });
        let line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
        let mut joined = join(program, &line);
        joined.wait_stdout("bye", PATIENCE);
        joined.wait_stdout_closed(PATIENCE);
        assert!(joined.is_running(), "its own direction is still open");
        joined.hush();
        assert_eq!(joined.wait_exit(PATIENCE).code(), Some(0), "{}", joined.stderr());
    });
}

#[test]
fn who_connects_hears_why_it_came_to_nothing() {
    both_programs(|program| {
        let mut line = RawLine::to(program, free_addr(), NO_GRACE, &[]);
        let mut joined = join(program, &line);
        assert_eq!(joined.wait_exit(PATIENCE).code(), Some(1));
        assert!(joined.stderr().contains("nobody serves it"), "{}", joined.stderr());
        line.sidecar.kill();
        let mut joined = join(program, &line);
        assert_eq!(joined.wait_exit(PATIENCE).code(), Some(1));
        assert!(joined.stderr().contains("nobody serves it"), "{}", joined.stderr());
    });
}

#[test]
fn what_the_end_of_a_relay_cuts_short_does_not_look_complete() {
    both_programs(|program| {
        let backend = RawBackend::start(|mut stream| {
            stream.write_all(b"half").expect("the client reads");
            all(&stream);
        });
        let mut line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
        let mut client = line.connect();
        client.read_exact(&mut [0; 4]).expect("the first half");
        line.relay.terminate();
        wait::until_true("the port is closed", PATIENCE, || !is_listening(line.public));
        line.relay.terminate();
        assert_eq!(line.relay.wait_exit(), Some(1));
        let end = client.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
    });
}

#[test]
fn silent_connections_leave_slots_to_requests() {
    both_programs(|program| {
        let backend = RawBackend::start(|stream| drop(all(&stream)));
        let origin = telephone_tests::origin::Origin::start();
        let public = free_addr();
        let port = public.port();
        let relay = Relay::with(&[NO_GRACE, &["--tcp-ports", &port.to_string()]].concat());
        let token = relay.token(&[&format!("tcp:{port}"), "/m"]);
        let dial = program.dial(&relay).token(&token).mount("/m").backend(&origin.url());
        let service = format!("{port}={}", backend.addr());
        let _sidecar = dial.args(&["--streams", "16", "--tcp", &service]).ready();
        let mut held = Vec::new();
        let is_full = || {
            let mut client = TcpStream::connect(public).expect("the port is open");
            client.set_read_timeout(Some(Duration::from_millis(200))).expect("not zero");
            let end = client.read(&mut [0]).map_err(|error| error.kind());
            held.push(client);
            end == Err(ErrorKind::ConnectionReset)
        };
        wait::until_true("no more are taken", PATIENCE, is_full);
        assert!(held.len() > 8, "{}", held.len());
        assert_eq!(telephone_tests::client::get(relay.addr(), "/m/x").status(), 200);
    });
}

#[test]
fn a_connection_lives_on_when_links_are_cut_at_either_side() {
    both_programs(|program| {
        let backend = echo();
        let mut hop = None;
        let line = RawLine::dialling(program, backend.addr(), NO_GRACE, &[], |relay| {
            hop.insert(Hop::before(relay.addr())).url()
        });
        let hop = hop.expect("a hop");
        let client = line.connect();
        let mut reader = client.try_clone().expect("a free descriptor");
        let sent: Vec<u8> = (0..8_000_000_u32).map(|at| (at % 251) as u8).collect();
        let expected = digest(&sent);
        let receiving = std::thread::spawn(move || {
            let mut hasher = Hasher::default();
            let mut buffer = vec![0; 65536];
            loop {
                match reader.read(&mut buffer).expect("an orderly end") {
                    0 => return hasher.finish(),
                    count => hasher.update(&buffer[..count]),
                }
            }
        });
        let mut client = client;
        for (turn, piece) in sent.chunks(1_000_000).enumerate() {
            client.write_all(piece).expect("the tunnel takes it");
            if turn % 3 == 1 {
                hop.cut(Cut::TURNS[turn % 2]);
            }
        }
        client.shutdown(Shutdown::Write).expect("an open connection");
        assert_eq!(receiving.join().expect("no panic"), expected);
        assert!(hop.accepted() > 1, "no link was cut");
    });
}

#[test]
fn a_backend_that_asks_for_it_hears_where_a_connection_comes_from() {
    both_programs(|program| {
        let nginx = Nginx::run(|addr, _| {
            format!(
                "server {{ listen {addr} proxy_protocol; return 200 \"$proxy_protocol_addr:$proxy_protocol_port\"; }}"
            )
        });
        let line = RawLine::to(program, nginx.addr(), NO_GRACE, &["--proxy-protocol"]);
        let mut client = line.connect();
        let own = client.local_addr().expect("a connection");
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("the tunnel takes it");
        let answer = String::from_utf8(all(&client)).expect("text");
        assert!(answer.ends_with(&own.to_string()), "{answer}");
    });
}
