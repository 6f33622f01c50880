//! Applications as developers run them: on one of localhost's two addresses, picky about `Host` and `Origin`, behind TLS, and
//! unaware of the path that they are mounted at.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, TcpStream};

use telephone_tests::certs::Certs;
use telephone_tests::client::ask;
use telephone_tests::line::{Line, both_programs};
use telephone_tests::net::is_listening;
use telephone_tests::nginx::Nginx;
use telephone_tests::origin::{After, Exchange, Origin};
use telephone_tests::parts::Server;
use telephone_tests::process::Plan;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sidecar::{Dial, Program};
use telephone_tests::wait::{self, PATIENCE};
use telephone_tests::websocket;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

fn dial(program: Program, relay: &Relay) -> Dial {
    program.dial(relay).token(&relay.token(&["/m"])).mount("/m")
}

/// The status of a request on a connection of its own.
fn status(relay: &Relay) -> u16 {
    ask(relay.addr(), &Request::get("/m/echo").close()).status()
}

/// Has an origin close its connections, so that each request needs a new one.
fn close_behind(origin: &Origin) {
    origin.on("/m/echo", |exchange: &mut Exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        Ok(After::Close)
    });
}

#[test]
fn a_port_is_found_at_either_address_of_localhost_and_the_one_that_answered_is_kept() {
    both_programs(|program| {
        let relay = Relay::start();
        let v6 = Origin::at(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
        close_behind(&v6);
        let port = v6.addr().port();
        let _sidecar = dial(program, &relay).args(&["--port", &port.to_string()]).ready();
        assert_eq!(status(&relay), 200);
        // The telephone connected once at its start, to see whether somebody listens.
        assert_eq!(v6.counts().accepted, 2);
        // Another program at 127.0.0.1 is another program.
        let v4 = Origin::at(SocketAddr::from(([127, 0, 0, 1], port)));
        close_behind(&v4);
        assert_eq!(status(&relay), 200);
        assert_eq!((v6.counts().accepted, v4.counts().accepted), (3, 0));
        let gone = v6.addr();
        drop(v6);
        wait::until_true("nobody listens there", PATIENCE, || !is_listening(gone));
        assert_eq!(status(&relay), 200);
        assert_eq!(v4.counts().accepted, 1);
        drop(v4);
        assert_eq!(status(&relay), 502);
    });
}

#[test]
fn an_origin_that_names_the_public_host_names_the_backend_where_its_host_is_replaced() {
    both_programs(|program| {
        let line = Line::with(program, &[], &["--host-header", "localhost:5173"]);
        for (name, sent, seen) in [
            ("Origin", "http://app.example", "http://localhost:5173"),
            ("Origin", "http://evil.example", "http://evil.example"),
            ("Origin", "null", "null"),
            ("Referer", "http://app.example/m/a?b", "http://localhost:5173/m/a?b"),
            ("Referer", "http://evil.example/http://app.example", "http://evil.example/http://app.example"),
        ] {
            assert_eq!(line.ask(&Request::get("/m/echo").field(name, sent)).status(), 200);
            let head = line.origin.last_head();
            assert_eq!(head.value("host").as_deref(), Some("localhost:5173"));
            assert_eq!(head.value(name).as_deref(), Some(seen), "{name}: {sent}");
        }
        let plain = Line::with(program, &[], &[]);
        assert_eq!(plain.ask(&Request::get("/m/echo").field("Origin", "http://app.example")).status(), 200);
        assert_eq!(plain.origin.last_head().value("origin").as_deref(), Some("http://app.example"));
    });
}

/// An nginx that ends TLS in front of an origin.
fn secured(origin: &Origin, certs: &Certs) -> Nginx {
    Nginx::run(|addr, _| {
        format!(
            "server {{ listen {addr} ssl; ssl_certificate {}; ssl_certificate_key {}; \
             location / {{ proxy_pass http://{}; proxy_http_version 1.1; proxy_set_header Host $http_host; \
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; }} }}",
            certs.cert.display(),
            certs.key.display(),
            origin.addr()
        )
    })
}

#[test]
fn a_backend_is_reached_by_tls_with_requests_bodies_and_websockets() {
    both_programs(|program| {
        let (origin, relay) = (Origin::start(), Relay::start());
        let certs = Certs::make(relay.directory());
        let nginx = secured(&origin, &certs);
        let url = format!("https://localhost:{}", nginx.addr().port());
        let ca = certs.ca.display().to_string();
        let _sidecar = dial(program, &relay).backend(&url).args(&["--backend-ca", &ca]).ready();
        for _ in 0..3 {
            assert_eq!(status(&relay), 200);
        }
        let body = vec![b'x'; 300_000];
        let answer = ask(relay.addr(), &Request::post("/m/mirror", &body).close());
        assert!(answer.status() == 200 && answer.text().as_bytes() == body);
        let mut socket = websocket::open(relay.addr(), "/m/websocket").expect("an upgrade");
        socket.send(Message::text("hello")).expect("an open socket");
        assert_eq!(socket.read().expect("an echo"), Message::text("hello"));
        let mount = ["--plugboard", &relay.url(), "--backend", &url];
        let doctor = program.plan().args(["doctor"]).args(mount).args(["--backend-ca", &ca]).finish();
        assert!(doctor.stdout.contains("ok       backend"), "{}", doctor.stdout);
        let doctor = program.plan().args(["doctor"]).args(mount).finish();
        assert!(doctor.stdout.contains("fail     backend"), "{}", doctor.stdout);
        assert!(doctor.stdout.contains("certificate is not trusted"), "{}", doctor.stdout);
    });
}

#[test]
fn a_backend_whose_certificate_is_not_trusted_gets_no_request_unless_its_user_insists() {
    both_programs(|program| {
        let (origin, relay) = (Origin::start(), Relay::start());
        let certs = Certs::make_for(relay.directory(), &["other.example"], 4096);
        let nginx = secured(&origin, &certs);
        let url = format!("https://localhost:{}", nginx.addr().port());
        let ca = certs.ca.display().to_string();
        let sidecar = dial(program, &relay).backend(&url).args(&["--backend-ca", &ca]).ready();
        assert_eq!(status(&relay), 502);
        assert_eq!(origin.counts().requests, 0);
        let said = sidecar.process().wait_stderr("cannot reach the application", PATIENCE);
        assert!(said.contains("not for this host"), "{said}");
        drop(sidecar);
        let insecure = dial(program, &relay).backend(&url).args(&["--backend-insecure"]).ready();
        wait::until_true("the new sidecar serves", PATIENCE, || status(&relay) == 200);
        let said = insecure.process().wait_stderr("--backend-insecure", PATIENCE);
        assert!(said.contains("WARN") && said.contains("no certificate"), "{said}");
    });
}

/// The messages of Vite's hot replacement, as a browser on a page of `http://app.example` opens them.
fn hot_replacement(relay: &Relay, token: &str) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(relay.addr()).expect("the relay listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let mut request = format!("ws://app.example/?token={token}").into_client_request().expect("a URL");
    for (name, value) in [("Origin", "http://app.example"), ("Sec-WebSocket-Protocol", "vite-hmr")] {
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    tungstenite::client(request, stream).expect("an upgrade").0
}

#[test]
fn vite_on_the_other_address_of_localhost_serves_its_page_and_replaces_modules() {
    both_programs(|program| {
        let project = tempfile::tempdir().expect("a temporary directory");
        let write =
            |name: &str, text: &str| fs::write(project.path().join(name), text).expect("our directory");
        write("index.html", "<script type=module src=/main.js></script>");
        write("main.js", "export default 1; import.meta.hot.accept();");
        let vite = Server::vite(project.path());
        let port = vite.addr().port().to_string();
        let relay = Relay::start();
        let dial = program.dial(&relay).token(&relay.token(&["/"])).mount("/");
        let host = format!("localhost:{port}");
        let _sidecar = dial.args(&["--port", &port, "--host-header", &host]).ready();
        let get = |target: &str| ask(relay.addr(), &Request::get(target).close());
        assert!(get("/").text().contains("/@vite/client"));
        let client = get("/@vite/client").text();
        let (_, behind) = client.split_once("const wsToken = \"").expect("Vite's client has a token");
        let (token, _) = behind.split_once('"').expect("its end");
        let mut messages = hot_replacement(&relay, token);
        let mut next = || messages.read().expect("a message").into_text().expect("text").to_string();
        assert!(next().contains("connected"));
        // What was not asked for is not replaced.
        assert!(get("/main.js").text().contains("export default 1"));
        write("main.js", "export default 2; import.meta.hot.accept();");
        let update = next();
        assert!(update.contains("\"update\"") && update.contains("/main.js"), "{update}");
        assert!(get("/main.js").text().contains("export default 2"));
    });
}

#[test]
fn wsgidav_below_a_stripped_mount_passes_the_copies_and_moves_of_litmus() {
    both_programs(|program| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let server = Server::wsgidav(directory.path());
        let relay = Relay::start();
        let _sidecar = dial(program, &relay).backend(&server.url()).args(&["--strip-prefix"]).ready();
        let url = format!("http://{}/m/", relay.addr());
        let notes = tempfile::tempdir().expect("a temporary directory");
        // It leaves its logs where it runs.
        let litmus =
            Plan::new("env").arg("-C").arg(notes.path()).args(["TESTS=copymove", "litmus", &url]).finish();
        assert!(litmus.stdout.contains("of 13 tests run: 13 passed, 0 failed"), "{}", litmus.stdout);
    });
}

/// A field of an answer as the application writes it below a stripped mount, and as the client gets it.
const ANSWERS: &[(&str, &str, &str)] = &[
    ("Location", "/x?y", "/m/x?y"),
    ("Location", "/m/x", "/m/x"),
    ("Location", "x", "x"),
    ("Location", "http://app.example/x", "http://app.example/m/x"),
    ("Location", "http://other.example/x", "http://other.example/x"),
    ("Content-Location", "/x", "/m/x"),
    ("Refresh", "0; url=/x", "0; url=/m/x"),
    ("Link", "</x.css>; rel=preload", "</m/x.css>; rel=preload"),
    ("Set-Cookie", "a=b; Path=/; HttpOnly", "a=b; Path=/m; HttpOnly"),
    ("Set-Cookie", "a=b; Path=/x", "a=b; Path=/m/x"),
    ("Set-Cookie", "a=b", "a=b"),
];

#[test]
fn answers_of_an_application_that_does_not_see_its_mount_lead_back_below_it() {
    both_programs(|program| {
        let line = Line::with(program, &[], &["--strip-prefix"]);
        for (index, &(name, written, read)) in ANSWERS.iter().enumerate() {
            line.origin.on(&format!("/{index}"), move |exchange: &mut Exchange| {
                exchange
                    .send(format!("HTTP/1.1 200 OK\r\n{name}: {written}\r\nContent-Length: 0\r\n\r\n"))?;
                Ok(After::KeepAlive)
            });
            let answer = line.get(&format!("/m/{index}"));
            assert_eq!(answer.head.value(name).as_deref(), Some(read), "{name}: {written}");
            assert_eq!(line.origin.last_head().value("x-forwarded-prefix").as_deref(), Some("/m"));
        }
    });
}

#[test]
fn a_webdav_destination_loses_the_stripped_mount_and_never_names_another_one() {
    both_programs(|program| {
        let line = Line::with(program, &[], &["--strip-prefix"]);
        let moved = |destination: &str| {
            line.ask(&Request::new("MOVE", "/m/echo").field("Destination", destination)).status()
        };
        for (sent, seen) in [
            ("http://app.example/m/b%20c", "http://app.example/b%20c"),
            ("/m/b", "/b"),
            ("http://other.example/m/b", "http://other.example/m/b"),
        ] {
            assert_eq!(moved(sent), 200);
            assert_eq!(line.origin.last_head().value("destination").as_deref(), Some(seen), "{sent}");
        }
        let before = line.origin.counts().requests;
        for elsewhere in ["http://app.example/other/b", "/other/b", "/mb"] {
            assert_eq!(moved(elsewhere), 502, "{elsewhere}");
        }
        assert_eq!(line.origin.counts().requests, before);
    });
}

#[test]
fn a_page_at_the_bare_mount_is_redirected_behind_a_slash_and_a_websocket_is_not() {
    both_programs(|program| {
        let line = Line::with(program, &[], &["--strip-prefix"]);
        for method in ["GET", "HEAD"] {
            let answer = line.ask(&Request::new(method, "/m?a=/b"));
            assert_eq!((answer.status(), answer.head.value("location").as_deref()), (307, Some("/m/?a=/b")));
        }
        assert_eq!(line.origin.counts().requests, 0);
        line.origin.on("/", |exchange: &mut Exchange| {
            if !exchange.head().has("upgrade") {
                return exchange.answer(200, "root");
            }
            websocket::accept(exchange)?;
            Ok(After::Close)
        });
        assert_eq!(line.get("/m/").text(), "root");
        assert_eq!(line.ask(&Request::post("/m", "x")).text(), "root");
        websocket::open(line.addr(), "/m").expect("an upgrade");
        // Without the option the application sees its mount, and decides itself.
        let whole = Line::through(program);
        whole.origin.on("/m", |exchange: &mut Exchange| exchange.answer(200, "whole"));
        assert_eq!(whole.get("/m").text(), "whole");
    });
}
