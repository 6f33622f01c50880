//! One whole way from a client to an origin, and the ways on which a test is to hold.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use crate::client::{Answer, Client, ask};
use crate::gate;
use crate::hop::Hop;
use crate::origin::Origin;
use crate::relay::{NO_GRACE, Relay};
use crate::request::Request;
use crate::sidecar::{Dial, Program, Sidecar};

/// The mount of every line: what tests ask for lies below it.
pub const MOUNT: &str = "/m";

/// One way from a client to an origin of its own.
#[derive(Debug)]
pub struct Line {
    tunnel: Option<(Sidecar, Relay)>,
    /// Where it ends.
    pub origin: Origin,
}

impl Line {
    /// No tunnel: the client meets the origin. What fails here is the test's own fault.
    pub fn straight() -> Self {
        Self { tunnel: None, origin: Origin::start() }
    }

    /// Through a relay of its own and that sidecar.
    pub fn through(program: Program) -> Self {
        Self::with(program, NO_GRACE, &[])
    }

    /// Through a relay and a sidecar with these options beside the necessary ones.
    pub fn with(program: Program, relay: &[&str], sidecar: &[&str]) -> Self {
        let relay = Relay::with(relay);
        let origin = Origin::start();
        let sidecar = dial(program, &relay.url(), &relay, &origin).args(sidecar).ready();
        Self { tunnel: Some((sidecar, relay)), origin }
    }

    /// Through a relay and a sidecar with a hop between them, which can cut their links.
    pub fn behind_hop(program: Program) -> (Self, Hop) {
        Self::behind_hop_with(program, NO_GRACE)
    }

    /// The same with these options of the relay alone.
    pub fn behind_hop_with(program: Program, options: &[&str]) -> (Self, Hop) {
        Self::behind_hop_following(program, options, &[])
    }

    /// Likewise, with these options of the sidecar.
    pub fn behind_hop_following(program: Program, options: &[&str], sidecar: &[&str]) -> (Self, Hop) {
        let (relay, origin) = (Relay::with(options), Origin::start());
        let hop = Hop::before(relay.addr());
        let sidecar = dial(program, &hop.url(), &relay, &origin).args(sidecar).ready();
        (Self { tunnel: Some((sidecar, relay)), origin }, hop)
    }

    /// Kills the sidecar and starts another one in its place.
    pub fn replace_sidecar(&mut self) {
        self.sidecar_mut().kill();
        let relay = self.relay();
        let next = dial(self.sidecar().program(), &relay.url(), relay, &self.origin).ready();
        *self.sidecar_mut() = next;
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.tunnel.as_ref().map_or_else(|| self.origin.addr(), |(_, relay)| relay.addr())
    }

    /// Whether a tunnel lies between.
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    /// The relay.
    ///
    /// # Panics
    /// On the straight line.
    pub fn relay(&self) -> &Relay {
        &self.tunnel.as_ref().expect("a line with a tunnel").1
    }

    /// The relay, to be killed or started again.
    ///
    /// # Panics
    /// On the straight line.
    pub fn relay_mut(&mut self) -> &mut Relay {
        &mut self.tunnel.as_mut().expect("a line with a tunnel").1
    }

    /// The sidecar.
    ///
    /// # Panics
    /// On the straight line.
    pub fn sidecar(&self) -> &Sidecar {
        &self.tunnel.as_ref().expect("a line with a tunnel").0
    }

    /// The sidecar, to be killed or awaited.
    ///
    /// # Panics
    /// On the straight line.
    pub fn sidecar_mut(&mut self) -> &mut Sidecar {
        &mut self.tunnel.as_mut().expect("a line with a tunnel").0
    }

    /// A connection of a client.
    pub fn connect(&self) -> Client {
        Client::connect(self.addr())
    }

    /// Sends one request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Answer {
        ask(self.addr(), request)
    }

    /// GETs a target on a connection of its own.
    pub fn get(&self, target: &str) -> Answer {
        self.ask(&Request::get(target).close())
    }

    /// The URL of a target, for curl.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.addr())
    }

    fn name(&self) -> &'static str {
        self.tunnel.as_ref().map_or("the straight line", |(sidecar, _)| sidecar.program().name())
    }
}

/// A sidecar between that relay, which it gets to by `url`, and that origin.
fn dial(program: Program, url: &str, relay: &Relay, origin: &Origin) -> Dial {
    program.dial_url(url).token(&relay.token(&[MOUNT])).mount(MOUNT).backend(&origin.url())
}

/// Proves a sentence on the straight line first, which shows that the test is right, then through both sidecars.
pub fn everywhere(test: impl Fn(&Line)) {
    let _turn = gate::shared();
    if is_chosen("straight") {
        on(&Line::straight(), &test);
    }
    through_both(|program| on(&Line::through(program), &test));
}

/// Proves a sentence through both sidecars.
pub fn both(test: impl Fn(&Line)) {
    both_programs(|program| on(&Line::through(program), &test));
}

/// Proves a sentence through both sidecars while no other test runs: for what is measured.
pub fn both_alone(test: impl Fn(&Line)) {
    let _turn = gate::alone();
    through_both(|program| on(&Line::through(program), &test));
}

/// Proves a sentence about a sidecar for both of them at the same time: for what waits long and does little.
pub fn both_at_once(test: impl Fn(Program) + Sync) {
    let _turn = gate::shared();
    thread::scope(|scope| {
        let chosen = Program::BOTH.into_iter().filter(|program| is_chosen(program.name()));
        let test = &test;
        let start = |program| scope.spawn(move || test(program));
        let runs: Vec<_> = chosen.map(start).collect();
        for run in runs {
            run.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

/// Proves a sentence about a sidecar for both of them; the test makes its own line.
pub fn both_programs(test: impl Fn(Program)) {
    let _turn = gate::shared();
    through_both(test);
}

fn through_both(test: impl Fn(Program)) {
    for program in Program::BOTH.into_iter().filter(|program| is_chosen(program.name())) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(program))) {
            eprintln!("... with {}", program.name());
            resume_unwind(panic);
        }
    }
}

fn on(line: &Line, test: &impl Fn(&Line)) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(line))) {
        eprintln!("... on {}: {:?}", line.name(), line.origin.counts());
        resume_unwind(panic);
    }
}

/// `E2E_LINES=straight,telephone,telephone-smol` narrows the ways down while one looks for a fault.
fn is_chosen(name: &str) -> bool {
    std::env::var("E2E_LINES").map_or(true, |chosen| chosen.split(',').any(|item| item == name))
}
