//! A TCP hop that counts connections and can cut them: what a telephone's network does to its links.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use crate::net::free_addr;

/// A running hop; it ends, with all of its connections, when it is dropped.
#[derive(Debug)]
pub struct Hop {
    addr: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    accepted: AtomicUsize,
    is_stopping: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Hop {
    /// Passes everything on to `target`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn before(target: SocketAddr) -> Self {
        let addr = free_addr();
        let listener = TcpListener::bind(addr).expect("the address is free");
        let state = Arc::<State>::default();
        let server = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if server.is_stopping.load(Ordering::SeqCst) {
                    return;
                }
                // Whatever fails here, the client sees: its connection ends.
                let _passed = client.and_then(|client| server.pass(client, target));
            }
        });
        Self { addr, state }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connections that it took so far.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Ends all connections.
    pub fn cut(&self) {
        for stream in self.state.streams.lock().expect("no panic while it is held").drain(..) {
            // Fails where the peer was faster, which is as good.
            let _done = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Hop {
    fn drop(&mut self) {
        self.state.is_stopping.store(true, Ordering::SeqCst);
        // A last connection wakes the listener, which then sees that it is to stop.
        let _woken = TcpStream::connect(self.addr);
        self.cut();
    }
}

impl State {
    fn pass(&self, client: TcpStream, target: SocketAddr) -> io::Result<()> {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        let server = TcpStream::connect(target)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut streams = self.streams.lock().expect("no panic while it is held");
        streams.extend([client.try_clone()?, server.try_clone()?]);
        copy(client.try_clone()?, server.try_clone()?);
        copy(server, client);
        Ok(())
    }
}

/// Copies one direction, and its end with it.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        // A broken direction ends like a finished one.
        let _octets = io::copy(&mut from, &mut to);
        let _done = to.shutdown(Shutdown::Write);
    });
}
