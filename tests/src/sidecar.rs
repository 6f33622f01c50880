//! `telephone` and `telephone-smol`.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::net::free_addr;
use crate::process::{Plan, Process};
use crate::relay::Relay;
use crate::request::Request;
use crate::{bins, wait};

/// Which of the two sidecars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `telephone`, on tokio.
    Tokio,
    /// `telephone-smol`.
    Smol,
}

impl Program {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Tokio, Self::Smol];

    /// The name of the binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokio => "telephone",
            Self::Smol => "telephone-smol",
        }
    }

    /// A bare call of it, without any option.
    pub fn plan(self) -> Plan {
        // Most tests care for the link alone, and many name a backend where nobody listens.
        Plan::new(bins::path(self.name())).env("RUST_LOG", "info").env("TELEPHONE_READY_ON", "link")
    }

    /// Dials that relay.
    pub fn dial(self, relay: &Relay) -> Dial {
        self.dial_url(&relay.url())
    }

    /// Dials that URL.
    pub fn dial_url(self, url: &str) -> Dial {
        let health = free_addr();
        let plan = self.plan().args(["--plugboard", url]).args(["--health", &health.to_string()]);
        Dial { plan, health, program: self }
    }
}

/// A sidecar that is about to be started.
#[derive(Debug)]
pub struct Dial {
    plan: Plan,
    health: SocketAddr,
    program: Program,
}

impl Dial {
    /// Presents that token, by the environment.
    pub fn token(self, token: &str) -> Self {
        self.env("TELEPHONE_TOKEN", token)
    }

    /// Registers that mount.
    pub fn mount(self, mount: &str) -> Self {
        self.args(&["--mount", mount])
    }

    /// Brings everything to that backend: `http://host:port` or `unix:/path`.
    pub fn backend(self, url: &str) -> Self {
        self.args(&["--backend", url])
    }

    /// Adds arguments.
    pub fn args(mut self, args: &[&str]) -> Self {
        self.plan = self.plan.args(args);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.plan = self.plan.env(name, value);
        self
    }

    /// Starts it.
    pub fn start(self) -> Sidecar {
        Sidecar { program: self.program, health: self.health, process: self.plan.start() }
    }

    /// Starts it and waits until its session has a link.
    ///
    /// # Panics
    /// If that takes too long, or it ends.
    pub fn ready(self) -> Sidecar {
        let mut sidecar = self.start();
        sidecar.wait_ready(wait::PATIENCE);
        sidecar
    }
}

/// GETs a path of a health page, if somebody answers. It answers to its own address and not to `app.example`.
pub fn ask_health(addr: SocketAddr, path: &str) -> Option<Answer> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\n");
    Client::try_connect(addr).ok()?.try_ask(&Request::raw("GET", &head).close())
}

/// A running sidecar; it ends when it is dropped.
#[derive(Debug)]
pub struct Sidecar {
    program: Program,
    health: SocketAddr,
    process: Process,
}

impl Sidecar {
    /// Which of the two it is.
    pub fn program(&self) -> Program {
        self.program
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its process alone.
    pub fn into_process(self) -> Process {
        self.process
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Where its health page is.
    pub fn health_addr(&self) -> SocketAddr {
        self.health
    }

    /// Its answer to GET on the health address, if it has one.
    pub fn health(&self, path: &str) -> Option<Answer> {
        ask_health(self.health, path)
    }

    /// What its health page tells; null if nobody answers.
    ///
    /// # Panics
    /// If that is no JSON.
    pub fn page(&self) -> Value {
        let page = self.health("/healthz");
        page.map_or(Value::Null, |page| serde_json::from_str(&page.text()).expect("JSON"))
    }

    /// Whether a session has a link.
    pub fn is_ready(&self) -> bool {
        self.health("/readyz").is_some_and(|answer| answer.status() == 200)
    }

    /// Waits until a session has a link.
    ///
    /// # Panics
    /// After `within`, or if it ends.
    pub fn wait_ready(&mut self, within: Duration) {
        let name = self.program.name();
        wait::until_true(&format!("{name} is ready"), within, || {
            if let Some(status) = self.process.exit_status() {
                panic!("{name} ended with {status}: {}", self.process.said());
            }
            self.is_ready()
        });
    }

    /// Waits for its end and returns its exit code.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait_exit(&mut self, within: Duration) -> Option<i32> {
        self.process.wait_exit(within).code()
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Suspends it (SIGSTOP), as a laptop's lid does.
    pub fn suspend(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn wake(&self) {
        self.process.signal(Signal::CONT);
    }
}
