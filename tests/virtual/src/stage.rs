//! The processes of a world: one plugboard, telephones with their backends, clients. They come and go.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use telephone_driver::core::affinity::Sticky;
use telephone_driver::core::limits::HttpLimits;
use telephone_driver::core::router::RouterCounts;
use telephone_driver::{
    AccessRecord, AuthError, DrainConfig, Endpoint, Handle, Observer, Plugboard, RelayConfig, Runtime as _,
    Telephone, WhenFull, accept_loop,
};

use crate::actors;
use crate::executor::{Executor, Group, TimerClock};
use crate::ledger::{Ledger, Plan};
use crate::net::Net;
use crate::runtime::VirtualRuntime;
use crate::tokens::Issuer;

/// Where clients connect.
pub const PUBLIC_PORT: u16 = 80;
/// Where telephones connect.
pub const LINK_PORT: u16 = 8080;
/// Where backends listen.
pub const BACKEND_PORT: u16 = 3000;

/// The epochs of telephones count from here.
const FIRST_EPOCH: u64 = 1_700_000_000_000;

/// Counts what plugboards report.
#[derive(Default)]
struct Watcher {
    requests: AtomicU64,
    sessions: AtomicUsize,
    resumes: AtomicUsize,
    refusals: AtomicUsize,
}

impl Observer for Watcher {
    fn request_ended(&self, _: &AccessRecord<'_>) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn link_up(&self, is_resume: bool) {
        self.resumes.fetch_add(usize::from(is_resume), Ordering::Relaxed);
    }

    fn token_refused(&self, _: AuthError) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    fn session_started(&self, _: &str) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }
}

struct Relay {
    plugboard: Plugboard<VirtualRuntime>,
    connections: Group,
    /// What accepts; it ends first when the plugboard leaves.
    doors: Group,
}

/// One telephone's place in the world: what stays the same when its process is started again.
#[derive(Debug, Clone, Default)]
pub struct Seat {
    /// Which of the mounts it serves.
    pub mount: usize,
    /// Which instance of that mount's subject it is.
    pub instance: usize,
    /// How it has clients bound to it.
    pub sticky: Option<Sticky>,
}

struct Process {
    group: Group,
    handle: Handle,
}

#[derive(Default)]
struct Processes {
    relay: Option<Relay>,
    /// Those that handed over to their successors.
    former_relays: Vec<Relay>,
    telephones: Vec<Option<Process>>,
    backends: Vec<Option<Group>>,
    clients: Vec<Group>,
    starts: u64,
}

/// A world's processes. Clones are the same world.
#[derive(Clone)]
pub struct Stage {
    /// Its executor.
    pub executor: Executor,
    /// Its network.
    pub net: Net,
    /// Its requests.
    pub ledger: Ledger,
    /// Who gives out its tokens.
    pub issuer: Issuer,
    seats: Arc<Vec<Seat>>,
    watcher: Arc<Watcher>,
    processes: Arc<Mutex<Processes>>,
}

fn host(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
}

/// The host of the first plugboard; those that take over have the next ones.
const RELAY_HOST: u8 = 1;

/// The host of the telephone and of the backend in one seat.
fn seat_host(seat: usize) -> IpAddr {
    host(u8::try_from(10 + seat).unwrap_or(u8::MAX))
}

impl Stage {
    /// A world in which nothing runs yet.
    #[must_use]
    pub fn new(executor: Executor, net: Net, ledger: Ledger, seats: Vec<Seat>) -> Self {
        let processes = Processes {
            telephones: seats.iter().map(|_| None).collect(),
            backends: seats.iter().map(|_| None).collect(),
            ..Processes::default()
        };
        let processes = Arc::new(Mutex::new(processes));
        let issuer = Issuer::new(executor.clone());
        Self { executor, net, ledger, issuer, seats: Arc::new(seats), watcher: Arc::default(), processes }
    }

    fn lock(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runtime(&self, name: String, address: IpAddr) -> VirtualRuntime {
        VirtualRuntime::new(&self.executor, &self.net, name, address)
    }

    /// How many seats there are.
    #[must_use]
    pub fn seats(&self) -> usize {
        self.seats.len()
    }

    /// A world in fair weather whose telephones, each of a mount of its own, are linked and have come to rest.
    ///
    /// # Panics
    /// If they are not linked within an hour.
    #[must_use]
    pub fn at_rest(telephones: usize, plans: impl IntoIterator<Item = Plan>) -> Self {
        Self::at_rest_in((0..telephones).map(|mount| Seat { mount, ..Seat::default() }).collect(), plans)
    }

    /// The same with telephones in these seats.
    ///
    /// # Panics
    /// Likewise.
    #[must_use]
    pub fn at_rest_in(seats: Vec<Seat>, plans: impl IntoIterator<Item = Plan>) -> Self {
        fastrand::seed(7);
        let executor = Executor::new();
        let net = Net::new(executor.clone(), 7);
        let ledger = Ledger::new(executor.clone(), plans);
        let stage = Self::new(executor.clone(), net, ledger, seats);
        stage.start();
        let is_linked = executor.run_until(executor.now() + Duration::from_secs(3600), || stage.is_linked());
        assert!(is_linked, "nobody is linked");
        executor.run_for(Duration::from_secs(60));
        stage
    }

    /// Ends the world.
    ///
    /// # Panics
    /// If a law was broken.
    pub fn end(self) {
        let violations = self.ledger.violations();
        self.executor.clear();
        assert!(violations.is_empty(), "{violations:?}");
    }

    /// Starts everything.
    pub fn start(&self) {
        self.start_relay();
        for seat in 0..self.seats() {
            self.start_backend(seat);
            self.start_telephone(seat);
        }
    }

    /// Starts the plugboard.
    pub fn start_relay(&self) {
        self.start_relay_at(host(RELAY_HOST));
    }

    fn start_relay_at(&self, address: IpAddr) {
        let runtime = self.runtime("plugboard".into(), address);
        let doors = self.runtime("plugboard's doors".into(), address);
        let plugboard = Plugboard::new(
            runtime.clone(),
            relay_config(),
            Arc::new(self.issuer.clone()),
            self.watcher.clone(),
        );
        for port in [PUBLIC_PORT, LINK_PORT] {
            let Ok(listener) = doors.bind(SocketAddr::new(address, port)) else {
                self.ledger.violate(format!("the port {port} is still in use"));
                continue;
            };
            let (doors, connections, plugboard) = (doors.clone(), runtime.clone(), plugboard.clone());
            doors.clone().spawn(async move {
                let serve = |socket, peer| {
                    let plugboard = plugboard.clone();
                    connections.spawn(async move { plugboard.serve_connection(socket, peer).await });
                };
                accept_loop(&doors, listener, WhenFull::Shed, serve, std::future::pending()).await;
            });
        }
        let relay = Relay { plugboard, connections: runtime.group(), doors: doors.group() };
        self.lock().relay = Some(relay);
        self.net.name("plugboard", [address]);
    }

    /// Ends the plugboard's process, and starts another one on another host, which has the name from now on.
    pub fn move_relay(&self) {
        self.kill_relay();
        self.start_relay_at(host(RELAY_HOST + 1));
    }

    /// Starts the plugboard that takes over, which has the name from now on, and asks the present one to go.
    pub fn hand_relay_over(&self) {
        self.shut_relay_down();
        let number = {
            let mut processes = self.lock();
            let former = processes.relay.take();
            processes.former_relays.extend(former);
            u8::try_from(processes.former_relays.len()).unwrap_or(u8::MAX)
        };
        self.start_relay_at(host(RELAY_HOST + number));
    }

    /// The tasks of plugboards that handed over, and their sessions.
    #[must_use]
    pub fn left_behind(&self) -> (usize, usize) {
        let processes = self.lock();
        let relays = processes.former_relays.iter();
        let left = relays.map(|one| (self.executor.tasks(one.connections), one.plugboard.counts().sessions));
        left.fold((0, 0), |(tasks, sessions), one| (tasks + one.0, sessions + one.1))
    }

    /// Ends the plugboard's process on the spot.
    pub fn kill_relay(&self) {
        let Some(relay) = self.lock().relay.take() else { return };
        self.executor.kill(relay.doors);
        self.executor.kill(relay.connections);
    }

    /// Starts a telephone's process.
    pub fn start_telephone(&self, seat: usize) {
        let starts = {
            let mut processes = self.lock();
            processes.starts += 1;
            processes.starts
        };
        self.start_telephone_of(seat, FIRST_EPOCH + starts);
    }

    /// Starts a telephone's process with a clock that is behind that of all processes before it.
    pub fn start_telephone_behind(&self, seat: usize) {
        self.start_telephone_of(seat, FIRST_EPOCH - 1);
    }

    fn start_telephone_of(&self, seat: usize, epoch: u64) {
        let Seat { mount, instance, sticky } = self.seats[seat];
        let runtime = self.runtime(format!("telephone {seat}"), seat_host(seat));
        let backend = Endpoint::Tcp { host: seat_host(seat).to_string(), port: BACKEND_PORT };
        let mut builder = Telephone::builder();
        if let Some(sticky) = sticky {
            builder = builder.sticky(sticky);
        }
        let built = builder
            .url(&format!("ws://plugboard:{LINK_PORT}"))
            .mount(&format!("/m{mount}"))
            .token_source(self.issuer.file(&format!("m{mount}")))
            .instance(format!("instance-{instance}"))
            .epoch(epoch)
            .backend(runtime.clone(), backend);
        let telephone = match built {
            Ok(telephone) => telephone,
            Err(error) => return self.ledger.violate(format!("a telephone was not built: {error}")),
        };
        let (handle, ledger) = (telephone.handle(), self.ledger.clone());
        runtime.spawn(async move {
            if let Err(error) = telephone.run().await {
                ledger.violate(format!("telephone {seat} gave up: {error}"));
            }
        });
        self.lock().telephones[seat] = Some(Process { group: runtime.group(), handle });
    }

    /// Ends a telephone's process on the spot.
    pub fn kill_telephone(&self, seat: usize) {
        let killed = self.lock().telephones[seat].take();
        if let Some(process) = killed {
            self.executor.kill(process.group);
        }
    }

    /// Suspends or stops a telephone's process.
    pub fn freeze_telephone(&self, seat: usize) {
        self.telephone_group(seat).into_iter().for_each(|group| self.executor.freeze(group));
    }

    /// Lets it go on.
    pub fn thaw_telephone(&self, seat: usize, clock: TimerClock) {
        self.telephone_group(seat).into_iter().for_each(|group| self.executor.thaw(group, clock));
    }

    fn telephone_group(&self, seat: usize) -> Option<Group> {
        self.lock().telephones[seat].as_ref().map(|process| process.group)
    }

    /// Starts a backend.
    pub fn start_backend(&self, seat: usize) {
        let address = SocketAddr::new(seat_host(seat), BACKEND_PORT);
        let runtime = self.runtime(format!("backend {seat}"), address.ip());
        runtime.spawn(actors::backend(runtime.clone(), self.ledger.clone(), seat, address));
        self.lock().backends[seat] = Some(runtime.group());
    }

    /// Ends a backend on the spot.
    pub fn kill_backend(&self, seat: usize) {
        let killed = self.lock().backends[seat].take();
        if let Some(group) = killed {
            self.executor.kill(group);
        }
    }

    /// Starts a client that carries out these requests.
    pub fn start_client(&self, ids: Vec<u64>) {
        self.start_client_at(host(200), ids);
    }

    /// Starts a client with this address that carries out these requests.
    pub fn start_client_at(&self, address: IpAddr, ids: Vec<u64>) {
        let number = self.lock().clients.len();
        let runtime = self.runtime(format!("client {number}"), address);
        let relay = Endpoint::Tcp { host: "plugboard".into(), port: PUBLIC_PORT };
        runtime.spawn(actors::client(runtime.clone(), self.ledger.clone(), relay, ids));
        self.lock().clients.push(runtime.group());
    }

    /// Whether no client has anything left to do.
    #[must_use]
    pub fn are_clients_done(&self) -> bool {
        let clients = self.lock().clients.clone();
        clients.into_iter().all(|group| self.executor.tasks(group) == 0)
    }

    /// Why a telephone has no link, as its status says.
    pub fn last_error(&self, seat: usize) -> Option<String> {
        let handle = self.lock().telephones[seat].as_ref().map(|process| process.handle.clone());
        handle.and_then(|handle| handle.status().lines.into_iter().find_map(|line| line.last_error))
    }

    /// Whether every telephone takes itself for connected, and the plugboard agrees. A session is the telephone's
    /// only when it has its welcome.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        let processes = self.lock();
        let mut telephones = processes.telephones.iter();
        telephones.all(|one| one.as_ref().is_some_and(|process| process.handle.status().is_connected()))
            && processes.relay.as_ref().is_some_and(|relay| relay.plugboard.counts().linked == self.seats())
    }

    /// What the plugboard counts, if one runs.
    #[must_use]
    pub fn counts(&self) -> Option<RouterCounts> {
        self.lock().relay.as_ref().map(|relay| relay.plugboard.counts())
    }

    /// Requests that the plugboard is serving.
    #[must_use]
    pub fn exchanges(&self) -> usize {
        self.lock().relay.as_ref().map_or(0, |relay| relay.plugboard.exchanges())
    }

    /// Requests that plugboards reported.
    #[must_use]
    pub fn requests_reported(&self) -> u64 {
        self.watcher.requests.load(Ordering::Relaxed)
    }

    /// Sessions that plugboards registered.
    #[must_use]
    pub fn sessions_started(&self) -> usize {
        self.watcher.sessions.load(Ordering::Relaxed)
    }

    /// Links on which sessions went on.
    #[must_use]
    pub fn resumes(&self) -> usize {
        self.watcher.resumes.load(Ordering::Relaxed)
    }

    /// Tokens that plugboards refused.
    #[must_use]
    pub fn refusals(&self) -> usize {
        self.watcher.refusals.load(Ordering::Relaxed)
    }

    /// The tasks of the plugboard, and of all telephones.
    #[must_use]
    pub fn tasks(&self) -> (usize, usize) {
        let processes = self.lock();
        let relay = processes.relay.as_ref().map_or(0, |relay| self.executor.tasks(relay.connections));
        let telephones = processes.telephones.iter().flatten();
        (relay, telephones.map(|process| self.executor.tasks(process.group)).sum())
    }

    /// Polls of the tasks of the plugboard, and of all telephones.
    #[must_use]
    pub fn polls(&self) -> (u64, u64) {
        let processes = self.lock();
        let relay = processes.relay.as_ref().map_or(0, |relay| self.executor.polls(relay.connections));
        let telephones = processes.telephones.iter().flatten();
        (relay, telephones.map(|process| self.executor.polls(process.group)).sum())
    }

    /// Asks a telephone to finish what is open and end.
    pub fn shut_telephone_down(&self, seat: usize) {
        let handle = self.lock().telephones[seat].as_ref().map(|process| process.handle.clone());
        handle.inspect(Handle::shutdown);
    }

    /// Asks the plugboard to finish what is open; what accepts ends when it says so.
    pub fn shut_relay_down(&self) {
        let relay = self.lock().relay.as_ref().map(|one| (one.plugboard.clone(), one.connections, one.doors));
        if let Some((plugboard, relay_group, doors)) = relay {
            let executor = self.executor.clone();
            let drain = async move {
                plugboard.drain(&DrainConfig::default(), async { executor.kill(doors) }).await;
            };
            self.executor.spawn(relay_group, drain);
        }
    }

    /// Ends all backends.
    pub fn kill_backends(&self) {
        (0..self.seats()).for_each(|seat| self.kill_backend(seat));
    }
}

/// Clients that leave shut down their sending half, and are known to have left well before a request is parked no longer.
fn relay_config() -> RelayConfig {
    let http = HttpLimits { half_close: Duration::from_millis(500), ..HttpLimits::default() };
    RelayConfig { http, ..RelayConfig::default() }
}
