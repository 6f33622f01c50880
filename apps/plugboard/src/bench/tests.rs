//! Runs against servers that do one thing, mostly a bad one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use http::{HeaderMap, Method};
use socket2::SockRef;

use super::report::Quantiles;
use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Two connections, `requests` requests.
fn plan(requests: u64) -> Plan {
    Plan {
        connections: 2,
        end: End::Requests(requests),
        rate: None,
        timeout: Duration::from_secs(30),
        is_keep_alive: true,
        method: Method::GET,
        headers: HeaderMap::new(),
        body_bytes: 0,
    }
}

/// A server that hands each connection to `serve`, in a thread of its own.
fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(socket.unwrap()));
        }
    });
    address
}

/// The next request's head, if the client sends one.
fn head(socket: &mut TcpStream) -> Option<String> {
    let (mut head, mut octet) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read(&mut octet).ok()? == 0 {
            return None;
        }
        head.extend(octet);
    }
    String::from_utf8(head).ok()
}

/// Answers each request on `socket` with `answer`, until the client has had enough.
fn answer_all(mut socket: TcpStream, answer: &str) {
    while head(&mut socket).is_some() {
        if socket.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

async fn measure(address: SocketAddr, plan: Plan) -> Figures {
    let target = Target::local(address);
    let interrupt = Interrupt::listen().unwrap();
    let dialer = Dialer::find(&target, None, plan.timeout).await.unwrap();
    Load::new(&target, dialer, plan).run("", &interrupt).await.unwrap()
}

/// The only kind of errors, and how many.
fn only_error(figures: &Figures) -> (MishapKind, u64) {
    let mut errors = figures.errors.iter();
    let (kind, trouble) = errors.next().unwrap();
    assert!(errors.next().is_none() && !trouble.first.is_empty(), "{figures:?}");
    (*kind, trouble.count)
}

#[tokio::test]
async fn every_request_is_answered_once_and_octets_are_counted() {
    let address = server(|socket| answer_all(socket, OK));
    let figures = measure(address, plan(40)).await;
    assert_eq!((figures.answers, figures.statuses[&200]), (40, 40));
    assert_eq!((figures.answers_late, figures.unsent, figures.answer_bytes_mean), (0, 0, 5));
    assert!(figures.errors.is_empty(), "{figures:?}");
    let Quantiles { p50, max, .. } = figures.latency_milliseconds;
    // The time is told in whole milliseconds.
    assert!(p50 > 0.0 && p50 <= max && max < figures.seconds * 1e3 + 0.51, "{figures:?}");
}

#[tokio::test]
async fn requests_say_what_was_asked_for() {
    let address = server(|mut socket| {
        let head = head(&mut socket).unwrap();
        let mut body = [0; 70_000];
        socket.read_exact(&mut body).unwrap();
        let is_right = head.starts_with("PUT / HTTP/1.1\r\n")
            && head.contains("content-length: 70000\r\n")
            && head.contains("x-a: 1\r\nx-a: 2\r\n")
            && head.contains("connection: close\r\n")
            && head.contains(&format!("host: {}\r\n", socket.local_addr().unwrap()));
        let status = if is_right { 200 } else { 400 };
        write!(socket, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    });
    let mut plan = plan(6);
    plan.method = Method::PUT;
    plan.body_bytes = 70_000;
    plan.is_keep_alive = false;
    plan.headers.append("x-a", "1".parse().unwrap());
    plan.headers.append("x-a", "2".parse().unwrap());
    let figures = measure(address, plan).await;
    assert_eq!(figures.statuses.get(&200), Some(&6), "{figures:?}");
    assert!(figures.up_megabytes_per_second > 0.0);
}

#[tokio::test]
async fn a_server_that_ends_connections_in_order_causes_no_error() {
    let address = server(|mut socket| {
        if head(&mut socket).is_some() {
            socket.write_all(b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    let figures = measure(address, plan(10)).await;
    assert_eq!(figures.statuses.get(&204), Some(&10), "{figures:?}");
    assert!(figures.errors.is_empty(), "{figures:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_truncated_whatever_its_framing() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello",
    ] {
        let address = server(move |mut socket| {
            if head(&mut socket).is_some() {
                socket.write_all(answer.as_bytes()).unwrap();
            }
        });
        let figures = measure(address, plan(4)).await;
        assert_eq!(only_error(&figures), (MishapKind::Truncated, 4), "{answer}");
        assert!(!figures.has_good_answer());
    }
}

#[tokio::test]
async fn other_errors_are_told_apart() {
    let unanswered = server(|mut socket| drop(head(&mut socket)));
    assert_eq!(only_error(&measure(unanswered, plan(4)).await), (MishapKind::Unanswered, 4));
    let malformed = server(|socket| answer_all(socket, "SSH-2.0-x\r\n"));
    assert_eq!(only_error(&measure(malformed, plan(4)).await), (MishapKind::Malformed, 4));
    let reset = server(|mut socket| {
        head(&mut socket);
        SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
    });
    assert_eq!(only_error(&measure(reset, plan(4)).await), (MishapKind::Reset, 4));
    let silent = server(|mut socket| drop(socket.read_to_end(&mut Vec::new())));
    let mut short = plan(2);
    short.timeout = Duration::from_millis(500);
    assert_eq!(only_error(&measure(silent, short).await), (MishapKind::Timeout, 2));
}

#[tokio::test]
async fn with_a_rate_a_stall_is_in_the_latency_of_all_that_were_due_meanwhile() {
    const STALL: Duration = Duration::from_millis(300);
    let address = server(|mut socket| {
        if head(&mut socket).is_some() {
            // It is the stall that is tested, not a wait for something.
            thread::sleep(STALL);
            socket.write_all(OK.as_bytes()).unwrap();
            answer_all(socket, OK);
        }
    });
    let mut plan = plan(100);
    plan.connections = 1;
    plan.rate = Some(Rate(1000.0));
    let figures = measure(address, plan).await;
    assert_eq!(figures.answers, 100);
    // All hundred were due within the first 100 ms, so each waited for 200 ms or more; a closed loop would
    // have seen one slow answer.
    assert!(figures.latency_milliseconds.p50 >= 200.0, "{figures:?}");
}

#[tokio::test]
async fn a_rate_is_of_the_whole_time_also_if_the_last_answer_comes_before_its_end() {
    let address = server(|socket| answer_all(socket, OK));
    let mut plan = plan(1);
    plan.end = End::Time(Duration::from_millis(300));
    plan.rate = Some(Rate(10.0));
    let figures = measure(address, plan).await;
    assert!(figures.answers <= 3 && figures.errors.is_empty(), "{figures:?}");
    assert!(figures.seconds >= 0.3 && figures.requests_per_second <= 10.0, "{figures:?}");
}

#[tokio::test]
async fn after_its_time_a_run_waits_for_the_answers_under_way() {
    let asked = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&asked);
    let address = server(move |mut socket| {
        while head(&mut socket).is_some() {
            seen.fetch_add(1, Ordering::Relaxed);
            // So slow that the time is over when the first answer comes.
            thread::sleep(Duration::from_millis(300));
            if socket.write_all(OK.as_bytes()).is_err() {
                return;
            }
        }
    });
    let mut plan = plan(1);
    plan.end = End::Time(Duration::from_millis(100));
    let figures = measure(address, plan).await;
    assert_eq!((figures.answers, figures.errors.len()), (asked.load(Ordering::Relaxed), 0), "{figures:?}");
}

#[tokio::test]
async fn what_refuses_is_unreachable_and_the_error_says_what_to_do() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = Target::local(address);
    let mishap = Dialer::find(&target, None, Duration::from_secs(30)).await.err().unwrap();
    assert_eq!(mishap.kind, MishapKind::Refused);
    let stop = unreachable(&target, &mishap);
    assert_eq!(stop.exit(), Exit::Failed);
    for part in [&target.to_string(), "refused", "Nothing listens", "plugboard serve", "without a URL"] {
        assert!(stop.text().contains(part), "{}", stop.text());
    }
}

#[cfg(feature = "tls")]
mod with_tls {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    use futures_rustls::TlsAcceptor;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use telephone_driver::{Listener, Runtime};
    use telephone_tokio::TokioRuntime;

    use super::*;
    use crate::scratch::Scratch;

    /// A server behind TLS for `localhost`, and the file of the authority that it is to be trusted by.
    fn tls_server() -> (SocketAddr, Scratch) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TokioRuntime::new().bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Who does not trust the certificate leaves here.
                    let Ok(mut stream) = acceptor.accept(socket).await else { return };
                    let mut octets = [0; 1024];
                    // A request is small and comes in one record.
                    while stream.read(&mut octets).await.is_ok_and(|length| length > 0) {
                        stream.write_all(OK.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        (address, Scratch::file(cert.pem().as_bytes()))
    }

    #[tokio::test]
    async fn https_is_measured_and_the_certificate_is_checked() {
        let (address, ca) = tls_server();
        let target: Target = format!("https://localhost:{}/", address.port()).parse().unwrap();
        let trusting = Tls::for_target(&target, Some(ca.path())).unwrap();
        let dialer = Dialer::find(&target, trusting, Duration::from_secs(30)).await.unwrap();
        let interrupt = Interrupt::listen().unwrap();
        let figures = Load::new(&target, dialer, plan(10)).run("", &interrupt).await.unwrap();
        assert_eq!(figures.statuses.get(&200), Some(&10), "{figures:?}");

        let (_, other) = tls_server();
        let wary = Tls::for_target(&target, Some(other.path())).unwrap();
        let mishap = Dialer::find(&target, wary, Duration::from_secs(30)).await.err().unwrap();
        assert_eq!(mishap.kind, MishapKind::Tls, "{}", mishap.detail);
        assert!(unreachable(&target, &mishap).text().contains("--ca"));
    }

    #[test]
    fn an_authority_for_a_plain_url_is_bad_usage() {
        let target = Target::local(([127, 0, 0, 1], 80).into());
        assert!(Tls::for_target(&target, Some("ca.pem".as_ref())).is_err());
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_tls_https_is_bad_usage_and_the_error_says_what_else_to_measure() {
    let target = "https://example.com/".parse().unwrap();
    let why = Tls::for_target(&target, None).err().unwrap().to_string();
    assert!(why.contains("https://example.com/") && why.contains("from behind"), "{why}");
}
