//! The accept loop.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Duration;

use futures_lite::future;
use smol::channel::{self, Receiver, Sender};
use telephone_driver::{Listener, Runtime, WhenFull, accept_loop};

use crate::capture::Capture;
use crate::scripted::Scripted;
use crate::{ANY_PORT, any_port_of_an_own_address};

on_every_runtime!(
    connections_are_handed_over_until_the_stop_and_the_port_closes,
    a_port_can_be_bound_again_while_old_connections_linger,
    a_port_in_use_is_refused,
    errors_of_one_connection_cost_no_time,
    errors_that_stay_are_waited_out,
    errors_that_come_and_go_are_logged_once_a_second,
    a_full_table_sheds_who_waits_and_then_goes_on,
    a_full_table_still_serves_on_a_port_that_must_answer,
);

/// A loop under way.
struct Accepting<S> {
    accepted: Receiver<S>,
    stop: Sender<()>,
    ended: Receiver<()>,
}

fn start<R: Runtime>(runtime: &R, listener: R::Listener, when_full: WhenFull) -> Accepting<R::Socket> {
    let (sender, accepted) = channel::unbounded();
    let (stop, stopped) = channel::bounded::<()>(1);
    let (end, ended) = channel::bounded::<()>(1);
    let of_loop = runtime.clone();
    runtime.spawn(async move {
        let on_socket = |socket, _peer| sender.try_send(socket).unwrap();
        let stop = async {
            stopped.recv().await.unwrap_err();
        };
        accept_loop(&of_loop, listener, when_full, on_socket, stop).await;
        drop(end);
    });
    Accepting { accepted, stop, ended }
}

/// The process has no descriptor left (EMFILE), except when the loop gives its reserve up. Lasts longer
/// than any test.
fn full_table() -> impl Iterator<Item = Option<io::Error>> {
    (0..1000).flat_map(|_| [Some(io::Error::from_raw_os_error(24)), None])
}

async fn connections_are_handed_over_until_the_stop_and_the_port_closes<R: Runtime>(runtime: R) {
    let listener = runtime.bind(any_port_of_an_own_address()).unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = start(&runtime, listener, WhenFull::Shed);
    for _ in 0..3 {
        let _client = TcpStream::connect(address).unwrap();
        accepting.accepted.recv().await.unwrap();
    }
    drop(accepting.stop);
    accepting.ended.recv().await.unwrap_err();
    let error = TcpStream::connect(address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

async fn a_port_can_be_bound_again_while_old_connections_linger<R: Runtime>(runtime: R) {
    let listener = runtime.bind(any_port_of_an_own_address()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    // The side that closes first is the one that lingers.
    drop(listener.accept().await.unwrap());
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    drop((client, listener));
    runtime.bind(address).unwrap();
}

async fn a_port_in_use_is_refused<R: Runtime>(runtime: R) {
    let listener = runtime.bind(ANY_PORT).unwrap();
    let error = runtime.bind(listener.local_addr().unwrap()).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

async fn errors_of_one_connection_cost_no_time<R: Runtime>(runtime: R) {
    let aborted = (0..1000).map(|_| Some(io::ErrorKind::ConnectionAborted.into()));
    let runtime = Scripted::new(runtime).failing_accepts(aborted);
    let listener = runtime.bind(ANY_PORT).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // A wait after each would take longer than a test may.
    start(&runtime, listener, WhenFull::Shed).accepted.recv().await.unwrap();
}

async fn errors_that_stay_are_waited_out<R: Runtime>(runtime: R) {
    let short = (0..3).map(|_| Some(io::ErrorKind::OutOfMemory.into()));
    let runtime = Scripted::new(runtime).failing_accepts(short);
    let listener = runtime.bind(ANY_PORT).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let began = runtime.now();
    start(&runtime, listener, WhenFull::Shed).accepted.recv().await.unwrap();
    assert!(runtime.now().since(began) >= Duration::from_millis(300));
}

/// Each is over when the next connection has come.
async fn errors_that_come_and_go_are_logged_once_a_second<R: Runtime>(runtime: R) {
    let short = (0..5).flat_map(|_| [Some(io::ErrorKind::OutOfMemory.into()), None]);
    let runtime = Scripted::new(runtime).failing_accepts(short);
    let listener = runtime.bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    let _clients = [(); 5].map(|()| TcpStream::connect(address).unwrap());
    let (log, guard) = Capture::start();
    let (began, mut accepted) = (runtime.now(), 0);
    let (sender, all) = channel::bounded(1);
    let on_socket = |_, _| {
        accepted += 1;
        if accepted == 5 {
            sender.try_send(()).unwrap();
        }
    };
    let stop = async { all.recv().await.unwrap() };
    // On this thread, whose log is captured.
    future::or(accept_loop(&runtime, listener, WhenFull::Shed, on_socket, future::pending()), stop).await;
    drop(guard);
    let (seconds, lines) = (runtime.now().since(began).as_secs() as usize, log.lines("cannot accept"));
    assert!((1..=1 + seconds).contains(&lines.len()), "{} lines within {seconds} s", lines.len());
}

async fn a_full_table_sheds_who_waits_and_then_goes_on<R: Runtime>(runtime: R) {
    let runtime = Scripted::new(runtime).failing_accepts(full_table());
    let listener = runtime.bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    let mut shed = TcpStream::connect(address).unwrap();
    let accepting = start(&runtime, listener, WhenFull::Shed);
    assert_eq!(shed.read(&mut [0; 1]).unwrap(), 0);
    assert!(accepting.accepted.is_empty(), "what was shed was handed over too");
    runtime.recover();
    let _client = TcpStream::connect(address).unwrap();
    accepting.accepted.recv().await.unwrap();
}

async fn a_full_table_still_serves_on_a_port_that_must_answer<R: Runtime>(runtime: R) {
    let runtime = Scripted::new(runtime).failing_accepts(full_table());
    let listener = runtime.bind(ANY_PORT).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    start(&runtime, listener, WhenFull::Serve).accepted.recv().await.unwrap();
    assert!(runtime.is_failing(), "served by an ordinary accept");
}
