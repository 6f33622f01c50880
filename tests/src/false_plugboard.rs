//! A plugboard that does to a telephone what a test wants: it opens what it may not, and names what it likes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use bytes::Bytes;
use telephone_core::error::Reset;
use telephone_core::handshake::{self, Reception};
use telephone_core::limits::SessionLimits;
use telephone_core::message::{Headers, RequestHead};
use telephone_core::session::{Event, Incoming, LinkId, Role, Session, SessionConfig, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Hello, Opening, Profile, Refused, RefusedCode, Setting, Settings, Welcome};
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use crate::steady::Steady;
use crate::wait::{self, PATIENCE};

/// A false plugboard that listens.
#[derive(Debug)]
pub struct FalsePlugboard {
    listener: TcpListener,
}

/// A telephone that said hello, and has no answer yet.
#[derive(Debug)]
pub struct Caller {
    socket: WebSocket<Steady<TcpStream>>,
    /// What it said.
    pub hello: Hello,
}

/// What became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was reset before an answer.
    Reset(Reset),
    /// A request was answered with this status.
    Answered(u16),
    /// The acceptor of a raw stream sent something.
    Octets(Bytes),
}

/// The link of one telephone.
#[derive(Debug)]
pub struct FalseLink {
    socket: WebSocket<Steady<TcpStream>>,
    /// The plugboard's end of the session.
    pub session: Session,
    link: LinkId,
    started: Instant,
}

impl FalsePlugboard {
    /// Listens on a free port of loopback.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("a free port") }
    }

    /// Where it listens.
    ///
    /// # Panics
    /// Never.
    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound address")
    }

    /// What `--plugboard` takes.
    pub fn url(&self) -> String {
        format!("ws://{}", self.addr())
    }

    /// Whether somebody connected and was not taken yet.
    ///
    /// # Panics
    /// If the socket is broken.
    pub fn has_caller(&self) -> bool {
        self.listener.set_nonblocking(true).expect("an option of every socket");
        let is_there = self.listener.accept().is_ok();
        self.listener.set_nonblocking(false).expect("an option of every socket");
        is_there
    }

    /// Waits for the next connection, of which nothing was read.
    ///
    /// # Panics
    /// If none comes.
    pub fn accept(&self) -> TcpStream {
        self.listener.set_nonblocking(true).expect("an option of every socket");
        let (stream, _) = wait::until("a telephone dials", PATIENCE, || self.listener.accept().ok());
        stream.set_nonblocking(false).expect("an option of every socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream
    }

    /// Waits for the next telephone and hears its hello.
    ///
    /// # Panics
    /// If none comes.
    // The type of the callback is tungstenite's.
    #[allow(clippy::result_large_err)]
    pub fn next(&self) -> Caller {
        let upgrade = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let profile = HeaderValue::from_static(Profile::Binary.subprotocol());
            response.headers_mut().insert("Sec-WebSocket-Protocol", profile);
            Ok(response)
        };
        let mut socket = tungstenite::accept_hdr(Steady(self.accept()), upgrade).expect("an upgrade");
        let message = socket.read().expect("a hello").into_data();
        let hello = Reception::start(Profile::Binary, Timestamp::ZERO).handle_message(message);
        Caller { socket, hello: hello.expect("a hello") }
    }
}

impl Caller {
    /// Refuses it with this text.
    ///
    /// # Panics
    /// If it left.
    pub fn refuse(self, reason: &str) {
        self.refuse_as(RefusedCode::Busy, reason);
    }

    /// Refuses it with this code and text.
    ///
    /// # Panics
    /// If it left.
    pub fn refuse_as(mut self, code: RefusedCode, reason: &str) {
        let refused = Refused { code, reason: reason.into(), retry_after_ms: None };
        let message = handshake::refuse(Profile::Binary, refused);
        self.socket.send(Message::binary(message)).expect("the telephone listens");
    }

    /// Takes it in, with what the welcome may name.
    ///
    /// # Panics
    /// If it left.
    pub fn welcome(mut self, resume_url: Option<String>) -> FalseLink {
        let limits = SessionLimits::default();
        let welcome = Welcome {
            session: 7,
            secret: [7; 16],
            resumed: None,
            resume_url,
            resume_window_ms: 30_000,
            spread_ms: 1,
            expires_in_s: None,
            settings: Settings::of(&limits).with(Setting::Exhausted, 1),
        };
        let message = handshake::welcome(Profile::Binary, welcome);
        self.socket.send(Message::binary(message)).expect("the telephone listens");
        let config = SessionConfig {
            role: Role::Plugboard,
            profile: Profile::Binary,
            resume_window: limits.resume_window,
            limits,
            peer: self.hello.settings,
            seed: 1,
        };
        let session = Session::new(config, Timestamp::ZERO);
        let link = session.link().expect("a new session has a link");
        FalseLink { socket: self.socket, session, link, started: Instant::now() }
    }
}

impl FalseLink {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.started.elapsed()
    }

    /// Opens a stream for a GET.
    ///
    /// # Panics
    /// If the head cannot cross.
    pub fn get(&mut self, mount: &str, target: &str) -> Outcome {
        let mut headers = Headers::new();
        headers.push("Host", "app.example");
        let head = RequestHead {
            method: Bytes::from_static(if target == "*" { b"OPTIONS" } else { b"GET" }),
            target: Bytes::copy_from_slice(target.as_bytes()),
            headers,
            length: None,
            upgrade: None,
            wants_trailers: false,
        };
        self.open(Opening::Http { mount: Bytes::copy_from_slice(mount.as_bytes()), head }, true)
    }

    /// Opens a raw stream, says something in it, and waits for what comes of it.
    ///
    /// # Panics
    /// If nothing does.
    pub fn connect(&mut self, mount: &str) -> Outcome {
        self.open(Opening::Tcp { mount: Bytes::copy_from_slice(mount.as_bytes()), from: None }, false)
    }

    fn open(&mut self, opening: Opening, end: bool) -> Outcome {
        let now = self.now();
        let id = self.session.open(opening, end, now).expect("a stream that can be opened");
        let outcome = self.outcome(id);
        self.session.release(id);
        outcome
    }

    fn outcome(&mut self, id: StreamId) -> Outcome {
        loop {
            match self.session.recv(id).read() {
                Incoming::Pending => self.turn(),
                Incoming::Head => {
                    let head = self.session.recv(id).take_head().expect("a head");
                    return Outcome::Answered(head.status);
                }
                Incoming::Octets(octets) => return Outcome::Octets(octets),
                Incoming::End(_) => panic!("an end without an answer"),
                Incoming::Reset(reset) => return Outcome::Reset(reset),
            }
        }
    }

    /// Sends what there is to send.
    ///
    /// # Panics
    /// If the telephone left.
    pub fn flush(&mut self) {
        let now = self.now();
        while let Some(message) = self.session.poll_transmit(self.link, now) {
            self.socket.send(Message::binary(message)).expect("the telephone listens");
        }
    }

    /// Sends what there is to send, and takes one message.
    ///
    /// # Panics
    /// If none comes, or the telephone left.
    pub fn turn(&mut self) {
        self.flush();
        let message = self.socket.read().expect("the telephone is there");
        let now = self.now();
        if message.is_binary() {
            self.session.handle_message(self.link, message.into_data(), now);
        }
        while self.session.poll_timeout().is_some_and(|at| at <= now) {
            self.session.handle_timeout(now);
        }
        while let Some(event) = self.session.poll_event() {
            assert!(!matches!(event, Event::Closed(_)), "the session ended: {event:?}");
        }
    }
}
