//! Connected sockets: their options, and what writing, closing and dropping them do.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::time::Duration;

use futures_lite::future::poll_once;
use futures_lite::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use socket2::SockRef;
use telephone_driver::{Endpoint, Listener, Runtime, Socket, WriteSocket};

use crate::{ANY_PORT, endpoint};

on_every_runtime!(
    a_vectored_write_goes_out_whole,
    a_vectored_write_to_a_unix_socket_goes_out_whole,
    what_comes_behind_a_short_read_is_read_and_so_is_the_end,
    closing_ends_one_direction_alone,
    closing_twice_or_after_the_peer_left_is_fine,
    dropping_ends_the_connection,
    a_reset_on_drop_is_no_end_to_the_peer,
    sockets_send_at_once_leave_little_unsent_and_use_reno_within_the_machine,
    what_is_unsent_is_bounded_and_the_task_is_woken_when_it_is_sent,
    a_link_bounds_the_wait_for_acknowledgements,
    link_tuning_passes_over_a_unix_socket,
);

/// A dialled socket and the plain standard one at its other end.
async fn pair<R: Runtime>(runtime: &R) -> (R::Socket, TcpStream) {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let socket = runtime.connect(&endpoint(listener.local_addr().unwrap())).await.unwrap();
    (socket, listener.accept().unwrap().0)
}

/// One call, as a scheduler makes it for a head and a body.
async fn write_three<S: AsyncWrite + Unpin>(mut socket: S) -> usize {
    let slices = [b"head " as &[u8], b"body ", b"tail"].map(IoSlice::new);
    poll_fn(|cx| Pin::new(&mut socket).poll_write_vectored(cx, &slices)).await.unwrap()
}

async fn a_vectored_write_goes_out_whole<R: Runtime>(runtime: R) {
    let (socket, mut peer) = pair(&runtime).await;
    assert_eq!(write_three(socket).await, 14);
    assert_eq!(io::read_to_string(&mut peer).unwrap(), "head body tail");
}

async fn a_vectored_write_to_a_unix_socket_goes_out_whole<R: Runtime>(runtime: R) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = runtime.connect(&Endpoint::Unix(path)).await.unwrap();
    assert_eq!(write_three(socket).await, 14);
    assert_eq!(io::read_to_string(listener.accept().unwrap().0).unwrap(), "head body tail");
}

async fn what_comes_behind_a_short_read_is_read_and_so_is_the_end<R: Runtime>(runtime: R) {
    let (mut socket, mut peer) = pair(&runtime).await;
    let mut room = [0; 16];
    for octets in [b"first" as &[u8], b"second", b"exactly sixteen!", b"last"] {
        // Once with nothing there yet, so that the task sleeps, and once with all of it there.
        assert!(futures_lite::future::poll_once(socket.read(&mut room)).await.is_none());
        peer.write_all(octets).unwrap();
        assert_eq!(socket.read(&mut room).await.unwrap(), octets.len());
        assert_eq!(&room[..octets.len()], octets);
        peer.write_all(octets).unwrap();
        assert_eq!(socket.read(&mut room).await.unwrap(), octets.len());
    }
    drop(peer);
    assert_eq!(socket.read(&mut room).await.unwrap(), 0);
    assert_eq!(socket.read(&mut room).await.unwrap(), 0);
}

async fn closing_ends_one_direction_alone<R: Runtime>(runtime: R) {
    let (mut socket, mut peer) = pair(&runtime).await;
    socket.write_all(b"question").await.unwrap();
    socket.close().await.unwrap();
    assert_eq!(io::read_to_string(&mut peer).unwrap(), "question");
    peer.write_all(b"answer").unwrap();
    drop(peer);
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
}

async fn closing_twice_or_after_the_peer_left_is_fine<R: Runtime>(runtime: R) {
    let (mut socket, peer) = pair(&runtime).await;
    socket.close().await.unwrap();
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    socket.read(&mut [0; 1]).await.unwrap_err();
    socket.close().await.unwrap();
}

async fn dropping_ends_the_connection<R: Runtime>(runtime: R) {
    let (socket, mut peer) = pair(&runtime).await;
    drop(socket);
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}

async fn a_reset_on_drop_is_no_end_to_the_peer<R: Runtime>(runtime: R) {
    let (socket, mut peer) = pair(&runtime).await;
    socket.reset_on_drop();
    drop(socket);
    assert_eq!(peer.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

async fn sockets_send_at_once_leave_little_unsent_and_use_reno_within_the_machine<
    R: Runtime<Socket: AsFd>,
>(
    runtime: R,
) {
    let listener = runtime.bind(ANY_PORT).unwrap();
    let dialled = runtime.connect(&endpoint(listener.local_addr().unwrap())).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    for options in [SockRef::from(&dialled), SockRef::from(&accepted)] {
        assert!(options.tcp_nodelay().unwrap());
        assert_eq!(options.tcp_notsent_lowat().unwrap(), 128 * 1024);
        assert!(options.tcp_congestion().unwrap().starts_with(b"reno\0"));
    }
}

/// Of a peer that reads nothing: what it has no room for stays unsent.
async fn what_is_unsent_is_bounded_and_the_task_is_woken_when_it_is_sent<R: Runtime<Socket: AsFd>>(
    runtime: R,
) {
    const BOUND: usize = 4096;
    let (mut socket, mut peer) = pair(&runtime).await;
    socket.bound_unsent(BOUND);
    assert_eq!(SockRef::from(&socket).tcp_notsent_lowat().unwrap(), BOUND as u32);
    let mut written = 0;
    while poll_once(poll_fn(|cx| socket.poll_unsent(cx))).await.is_some() {
        written += socket.write(&[1; BOUND / 4]).await.unwrap();
    }
    // The kernel would take more, into what it has not made a packet of.
    let more = SockRef::from(&socket).send(&[1; BOUND]).unwrap();
    assert!(poll_once(poll_fn(|cx| socket.poll_unsent(cx))).await.is_none());
    let reader = std::thread::spawn(move || peer.read_exact(&mut vec![0; written + more]));
    poll_fn(|cx| socket.poll_unsent(cx)).await;
    reader.join().unwrap().unwrap();
}

async fn a_link_bounds_the_wait_for_acknowledgements<R: Runtime<Socket: AsFd>>(runtime: R) {
    let (socket, _peer) = pair(&runtime).await;
    socket.tune_for_link();
    let options = SockRef::from(&socket);
    assert_eq!(options.tcp_user_timeout().unwrap(), Some(Duration::from_secs(20)));
}

async fn link_tuning_passes_over_a_unix_socket<R: Runtime>(runtime: R) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut socket = runtime.connect(&Endpoint::Unix(path)).await.unwrap();
    socket.tune_for_link();
    socket.reset_on_drop();
    socket.write_all(b"works").await.unwrap();
    drop(socket);
    assert_eq!(io::read_to_string(listener.accept().unwrap().0).unwrap(), "works");
}
