//! A hand-made HTTP origin on raw sockets, for the corners in which a good server cannot be put.
//!
//! It answers by the last segment of the path (`echo`, `mirror`, `bytes`, `hash`, `status`, `websocket`), or by a
//! script that a test set for a whole path with [`Origin::on`]. One thread a connection: the number of them is small.

mod exchange;
mod ledger;
mod routes;
mod socket;

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use std::{fmt, io, thread};

pub use exchange::{After, Exchange};
pub use ledger::{Counts, Seen};

use crate::net::free_addr;
use crate::wait;
use crate::wire::{Head, Reader};
use ledger::Ledger;
use socket::{Shared, Socket};

/// Longer than any test waits for one read: a connection thread never outlives a forgotten peer for ever.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a request is held at most.
const HOLD_MAX: Duration = Duration::from_secs(100);

/// What answers one request.
type Script = Arc<dyn Fn(&mut Exchange) -> io::Result<After> + Send + Sync>;

/// Where an origin listens.
#[derive(Debug, Clone)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A running origin; it ends, with all of its connections, when it is dropped.
#[derive(Debug)]
pub struct Origin {
    place: Place,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    ledger: Arc<Ledger>,
    scripts: Mutex<BTreeMap<String, Script>>,
    sockets: Mutex<Vec<Weak<Socket>>>,
    is_stopping: AtomicBool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl Origin {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start() -> Self {
        // Another process may take a free port between its choice and its use.
        let bound = (0..10).find_map(|_| TcpListener::bind(free_addr()).ok());
        Self::accept_from(bound.expect("one of ten free ports"))
    }

    /// Listens on that address.
    ///
    /// # Panics
    /// If it cannot.
    pub fn at(addr: SocketAddr) -> Self {
        Self::accept_from(TcpListener::bind(addr).expect("the address is free"))
    }

    fn accept_from(listener: TcpListener) -> Self {
        let addr = listener.local_addr().expect("a bound address");
        Self::run(Place::Tcp(addr), move || {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            Ok(Socket::Tcp(stream))
        })
    }

    /// Listens on a Unix socket.
    ///
    /// # Panics
    /// If it cannot.
    pub fn at_unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("the path is free");
        Self::run(Place::Unix(path.to_path_buf()), move || Ok(Socket::Unix(listener.accept()?.0)))
    }

    /// Its address.
    ///
    /// # Panics
    /// On a Unix socket.
    pub fn addr(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp(addr) => *addr,
            Place::Unix(path) => panic!("{} is no address", path.display()),
        }
    }

    /// What a sidecar's `--backend` takes.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Tcp(addr) => format!("http://{addr}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Answers requests for `path` (without its query) by a script from now on.
    pub fn on(
        &self,
        path: &str,
        script: impl Fn(&mut Exchange) -> io::Result<After> + Send + Sync + 'static,
    ) {
        let mut scripts = self.state.scripts.lock().expect("no panic while it is held");
        scripts.insert(path.to_owned(), Arc::new(script));
    }

    /// Holds each request for `path`, its body read, until it is released, and answers `late`.
    pub fn hold(&self, path: &str) -> Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        self.on(path, move |exchange| {
            exchange.upload()?;
            let released = released.lock().expect("no panic while it is held");
            released.recv_timeout(HOLD_MAX).map_err(io::Error::other)?;
            exchange.answer(200, "late")
        });
        release
    }

    /// Answers requests for `path` with these octets and does `after`.
    pub fn on_raw(&self, path: &str, octets: impl Into<Vec<u8>>, after: After) {
        let octets = octets.into();
        self.on(path, move |exchange| {
            exchange.upload()?;
            exchange.send(&octets)?;
            Ok(after)
        });
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.state.ledger)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.ledger.seen.lock().expect("no panic while it is held").clone()
    }

    /// The head of the newest request.
    ///
    /// # Panics
    /// If there was none.
    pub fn last_head(&self) -> Head {
        self.seen().pop().expect("a request reached the origin").head
    }

    /// Waits until a telephone that has just started has connected once, to see whether somebody listens, and returns the
    /// counts behind that; `accepted` is what they were before.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_probed(&self, accepted: usize) -> Counts {
        wait::until("the telephone has connected once", wait::PATIENCE, || {
            let counts = self.counts();
            (counts.accepted > accepted && counts.open == 0).then_some(counts)
        })
    }

    /// Waits until no connection is open, and returns the time that it took.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait_idle(&self, within: Duration) -> Duration {
        wait::until_true("the origin's connections close", within, || self.counts().open == 0)
    }

    fn run(place: Place, accept: impl Fn() -> io::Result<Socket> + Send + 'static) -> Self {
        let state = Arc::<State>::default();
        let server = state.clone();
        thread::spawn(move || {
            while let Ok(socket) = accept() {
                if server.is_stopping.load(Ordering::SeqCst) {
                    return;
                }
                server.clone().take(socket);
            }
        });
        Self { place, state }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.state.is_stopping.store(true, Ordering::SeqCst);
        // A last connection wakes the listener, which then sees that it is to stop.
        let _woken = match &self.place {
            Place::Tcp(addr) => TcpStream::connect(addr).map(drop),
            Place::Unix(path) => UnixStream::connect(path).map(drop),
        };
        for socket in self.state.sockets.lock().expect("no panic while it is held").drain(..) {
            if let Some(socket) = socket.upgrade() {
                socket.shutdown(Shutdown::Both);
            }
        }
    }
}

impl State {
    /// Serves one connection in a thread of its own.
    fn take(self: Arc<Self>, socket: Socket) {
        let socket = Arc::new(socket);
        let mut sockets = self.sockets.lock().expect("no panic while it is held");
        sockets.retain(|other| other.strong_count() > 0);
        sockets.push(Arc::downgrade(&socket));
        drop(sockets);
        let number = self.ledger.accepted.fetch_add(1, Ordering::SeqCst);
        self.ledger.open.fetch_add(1, Ordering::SeqCst);
        thread::spawn(move || {
            let _open = Open(self.ledger.clone());
            // How a connection breaks is the business of the test that breaks it.
            let _ending = self.serve(number, socket);
        });
    }

    fn serve(&self, number: usize, socket: Arc<Socket>) -> io::Result<()> {
        socket.set_read_timeout(READ_TIMEOUT)?;
        let shared = Shared { socket, ledger: self.ledger.clone() };
        let mut reader = Reader::new(shared.clone());
        while let Some(head) = reader.head()? {
            self.ledger.note(number, &head);
            let script = self.scripts.lock().expect("no panic while it is held").get(&head.path()).cloned();
            let has_body = head.request_framing() != crate::wire::Framing::None;
            let mut exchange = Exchange { head, reader, shared: shared.clone(), is_body_read: !has_body };
            let after = match script {
                Some(script) => script(&mut exchange)?,
                None => routes::serve(&mut exchange)?,
            };
            match after {
                After::KeepAlive if exchange.is_body_read && !exchange.head.lists("connection", "close") => {}
                After::KeepAlive | After::Close => return Ok(()),
                After::Reset => return shared.socket.reset_on_close(),
            }
            reader = exchange.reader;
        }
        Ok(())
    }
}

/// Counts a connection as open as long as it lives.
struct Open(Arc<Ledger>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
