//! A backend that speaks no HTTP: each connection is given to a closure, in a thread of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::net::free_addr;
use crate::relay::Relay;
use crate::sidecar::{Program, Sidecar};

/// A listening backend; it takes no more connections once it is dropped.
#[derive(Debug)]
pub struct RawBackend {
    addr: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RawBackend {
    /// Listens on a free port.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> Self {
        let addr = free_addr();
        let listener = TcpListener::bind(addr).expect("the address is free");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, serve) = (stream.expect("a connection"), serve.clone());
                thread::spawn(move || serve(stream));
            }
        });
        Self { addr, is_over, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for RawBackend {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _woken = TcpStream::connect(self.addr);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// A way for raw connections: a relay that opens ports, and a sidecar that serves one of them and a private endpoint.
#[derive(Debug)]
pub struct RawLine {
    /// The sidecar that serves.
    pub sidecar: Sidecar,
    /// The relay.
    pub relay: Relay,
    /// The port that the relay opened.
    pub public: SocketAddr,
}

/// The private endpoint of a [`RawLine`].
pub const ENDPOINT: &str = "box:7";

impl RawLine {
    /// Through a relay and a sidecar with these options beside the necessary ones, to `backend`.
    pub fn to(program: Program, backend: SocketAddr, relay: &[&str], sidecar: &[&str]) -> Self {
        Self::dialling(program, backend, relay, sidecar, Relay::url)
    }

    /// Likewise; `way` says how the sidecar gets to the relay.
    pub fn dialling(
        program: Program,
        backend: SocketAddr,
        relay: &[&str],
        sidecar: &[&str],
        way: impl FnOnce(&Relay) -> String,
    ) -> Self {
        let public = free_addr();
        let port = public.port();
        let relay = Relay::with(&[relay, &["--tcp-ports", &port.to_string()]].concat());
        let token = relay.token(&[&format!("tcp:{port}"), &format!("tcp:{ENDPOINT}")]);
        let services = [format!("{port}={backend}"), format!("{ENDPOINT}={backend}")];
        let dial = program.dial_url(&way(&relay)).token(&token);
        let dial = dial.args(&["--tcp", &services[0], "--tcp", &services[1]]);
        Self { sidecar: dial.args(sidecar).ready(), relay, public }
    }

    /// A connection to the public port.
    ///
    /// # Panics
    /// If nobody listens.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.public).expect("the port is open");
        stream.set_read_timeout(Some(crate::wait::PATIENCE)).expect("not zero");
        stream
    }

    /// A token that may reach the private endpoint, and nothing else.
    pub fn connect_token(&self) -> String {
        self.relay.token_with("visitor", &[], &["--connect", ENDPOINT])
    }
}
