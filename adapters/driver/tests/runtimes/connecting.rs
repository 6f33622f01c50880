//! Connecting: one address, several, none.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use futures_lite::{AsyncWriteExt, future};
use telephone_driver::core::limits::DIAL_PATIENCE;
use telephone_driver::{Endpoint, Probe, Proxies, Runtime};

use crate::scripted::{Fate, Scripted};
use crate::{ANY_PORT, endpoint, sleep};

on_every_runtime!(
    a_closed_port_is_refused,
    a_name_connects_whichever_of_its_families_is_served,
    a_unix_socket_carries_bytes,
    a_missing_unix_socket_is_not_found,
    a_refusing_address_is_followed_by_the_next_at_once,
    a_silent_address_is_followed_after_its_head_start,
    an_attempt_that_had_its_head_start_can_still_win,
    a_silent_address_beside_one_that_refuses_is_given_up_soon,
    families_alternate_and_the_last_error_is_told,
    a_name_without_addresses_is_an_error,
    a_dropped_attempt_leaves_no_socket,
    a_probe_tries_all_addresses_at_once_and_each_only_for_so_long,
);

/// A port that refuses until it listens, and that nobody else can take in the meantime.
struct BoundPort(socket2::Socket);

impl BoundPort {
    fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&ANY_PORT.into()).unwrap();
        Self(socket)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

fn some_name() -> Endpoint {
    Endpoint::Tcp { host: "app.example".to_owned(), port: 80 }
}

async fn a_closed_port_is_refused<R: Runtime>(runtime: R) {
    let closed = BoundPort::new();
    let error = runtime.connect(&endpoint(closed.address())).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

async fn a_name_connects_whichever_of_its_families_is_served<R: Runtime>(runtime: R) {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.connect(&Endpoint::Tcp { host: "localhost".to_owned(), port }).await.unwrap();
}

async fn a_unix_socket_carries_bytes<R: Runtime>(runtime: R) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut socket = runtime.connect(&Endpoint::Unix(path)).await.unwrap();
    socket.write_all(b"over a path").await.unwrap();
    drop(socket);
    let (mut accepted, _) = listener.accept().unwrap();
    assert_eq!(io::read_to_string(&mut accepted).unwrap(), "over a path");
}

async fn a_missing_unix_socket_is_not_found<R: Runtime>(runtime: R) {
    let directory = tempfile::tempdir().unwrap();
    let missing = Endpoint::Unix(directory.path().join("app.sock"));
    assert_eq!(runtime.connect(&missing).await.err().unwrap().kind(), io::ErrorKind::NotFound);
}

async fn a_refusing_address_is_followed_by_the_next_at_once<R: Runtime>(runtime: R) {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let closed = BoundPort::new();
    let addresses = [(closed.address(), Fate::Real), (listener.local_addr().unwrap(), Fate::Real)];
    let runtime = Scripted::new(runtime).resolving(addresses);
    runtime.connect(&some_name()).await.unwrap();
    assert_eq!(runtime.tried(), addresses.map(|(address, _)| address));
}

async fn a_silent_address_is_followed_after_its_head_start<R: Runtime>(runtime: R) {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let silent = BoundPort::new();
    let runtime = Scripted::new(runtime)
        .resolving([(silent.address(), Fate::BlackHole), (listener.local_addr().unwrap(), Fate::Real)]);
    let start = runtime.now();
    runtime.connect(&some_name()).await.unwrap();
    assert!(runtime.now().since(start) >= Duration::from_millis(250));
}

async fn an_attempt_that_had_its_head_start_can_still_win<R: Runtime>(runtime: R) {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let slow = listener.local_addr().unwrap();
    let silent = BoundPort::new();
    let runtime =
        Scripted::new(runtime).resolving([(slow, Fate::RealButSlow), (silent.address(), Fate::BlackHole)]);
    runtime.connect(&some_name()).await.unwrap();
    assert_eq!(runtime.tried().len(), 2);
}

async fn a_silent_address_beside_one_that_refuses_is_given_up_soon<R: Runtime>(runtime: R) {
    let [silent, closed] = [BoundPort::new(), BoundPort::new()];
    for first_is_silent in [true, false] {
        let mut addresses = vec![(silent.address(), Fate::BlackHole), (closed.address(), Fate::Real)];
        if !first_is_silent {
            addresses.reverse();
        }
        let runtime = Scripted::new(runtime.clone()).resolving(addresses);
        let start = runtime.now();
        let connecting = async { runtime.connect(&some_name()).await.err().map(|error| error.kind()) };
        let late = async {
            sleep(&runtime, Duration::from_secs(8)).await;
            None
        };
        assert_eq!(future::or(connecting, late).await, Some(io::ErrorKind::ConnectionRefused));
        assert!(runtime.now().since(start) >= DIAL_PATIENCE);
    }
}

async fn a_probe_tries_all_addresses_at_once_and_each_only_for_so_long<R: Runtime>(runtime: R) {
    const LIMIT: Duration = Duration::from_millis(100);
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let good = listener.local_addr().unwrap();
    let silent: [SocketAddr; 3] =
        ["127.0.0.2:1", "127.0.0.3:1", "127.0.0.4:1"].map(|text| text.parse().unwrap());
    let fates = silent.map(|address| (address, Fate::BlackHole)).into_iter().chain([(good, Fate::Real)]);
    let runtime = Scripted::new(runtime).resolving(fates);
    let url = "ws://plugboard.example".parse().unwrap();
    let probe = Probe::new(runtime.clone(), url, &Proxies::default(), None).unwrap();
    let start = runtime.now();
    let tried = probe.try_all(probe.addresses().await.unwrap(), LIMIT).await;
    let all = runtime.now().since(start);
    assert_eq!(tried.len(), 4);
    for one in &tried {
        assert_eq!(one.result.is_ok(), one.address == good, "{one:?}");
        // The fourth was not begun when the first was given up.
        assert!(one.took <= all && all < 4 * LIMIT.max(one.took), "{one:?} of {all:?}");
    }
    assert!(tried.iter().all(|one| one.address == good || one.took >= LIMIT), "{tried:?}");
}

async fn families_alternate_and_the_last_error_is_told<R: Runtime>(runtime: R) {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let resolved = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:1"].map(address);
    let tried = ["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "[::3]:1"].map(address);
    let runtime = Scripted::new(runtime).resolving(resolved.map(|address| (address, Fate::Refused)));
    let error = runtime.connect(&some_name()).await.err().unwrap();
    assert_eq!(runtime.tried(), tried);
    assert_eq!(error.to_string(), "[::3]:1");
}

async fn a_name_without_addresses_is_an_error<R: Runtime>(runtime: R) {
    let runtime = Scripted::new(runtime);
    assert_eq!(runtime.connect(&some_name()).await.err().unwrap().kind(), io::ErrorKind::NotFound);
}

/// The attempt is left waiting by a listener whose queue is full, which answers nothing.
async fn a_dropped_attempt_leaves_no_socket<R: Runtime>(runtime: R) {
    let listener = BoundPort::new();
    listener.0.listen(0).unwrap();
    let address = listener.address();
    let until_under_way = || async {
        while dialling(address.port()) == 0 {
            sleep(&runtime, Duration::from_millis(5)).await;
        }
        None
    };
    let connecting = || async { Some(runtime.connect(&endpoint(address)).await.unwrap()) };
    let mut queue = Vec::new();
    while let Some(queued) = future::or(connecting(), until_under_way()).await {
        queue.push(queued);
    }
    assert_eq!(dialling(address.port()), 0, "the socket outlives the attempt");
}

/// How many sockets of this system wait for an answer from `port` (proc_net_tcp(5): state 2).
fn dialling(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!(":{port:04X} 02 ");
    table.lines().filter(|line| line.contains(&remote)).count()
}
