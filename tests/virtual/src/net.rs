//! A virtual network: listeners, connections, and faults that strike them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use telephone_driver::core::time::Timestamp;

use crate::executor::Executor;
use crate::pipe::{Cut, Fate, Pipe, Segment, Weather, log_uniform};

/// How long octets of a tuned socket may stay unacknowledged: the driver asks for so much on a link.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// One end of a connection.
#[derive(Default)]
struct End {
    is_dropped: bool,
    /// The drop is to be a reset.
    is_abortive: bool,
    is_tuned: bool,
    broken: Option<io::ErrorKind>,
}

struct Connection {
    port: u16,
    weather: Weather,
    /// The end that connected, and the one that was connected to.
    ends: [End; 2],
    /// What each end sends.
    pipes: [Pipe; 2],
    /// Something in the middle ended it.
    is_severed: bool,
}

#[derive(Default)]
struct Backlog {
    waiting: VecDeque<(u64, SocketAddr)>,
    acceptor: Option<Waker>,
}

struct State {
    random: fastrand::Rng,
    listeners: BTreeMap<SocketAddr, Backlog>,
    names: BTreeMap<String, Vec<IpAddr>>,
    weather: BTreeMap<u16, Weather>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    next_port: u16,
}

/// The network. Clones are the same one.
#[derive(Clone)]
pub struct Net {
    executor: Executor,
    state: Arc<Mutex<State>>,
}

impl Net {
    /// An empty network; what it draws follows from `seed`.
    #[must_use]
    pub fn new(executor: Executor, seed: u64) -> Self {
        let state = State {
            random: fastrand::Rng::with_seed(seed),
            listeners: BTreeMap::new(),
            names: BTreeMap::new(),
            weather: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next_port: 30_000,
        };
        Self { executor, state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a name its addresses.
    pub fn name(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        self.lock().names.insert(name.into(), addresses.into_iter().collect());
    }

    pub(crate) fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        self.lock().names.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What connections to `port` are like from now on.
    pub fn set_weather(&self, port: u16, weather: Weather) {
        self.lock().weather.insert(port, weather);
    }

    /// Strikes every connection to `port`.
    pub fn cut_all(&self, port: u16, cut: Cut) {
        let ids: Vec<u64> = {
            let state = self.lock();
            state.connections.iter().filter(|(_, one)| one.port == port).map(|(id, _)| *id).collect()
        };
        ids.into_iter().for_each(|id| self.cut(id, cut));
    }

    /// No connection to `port` is cut by itself any more, and none stays dark.
    pub fn heal(&self, port: u16) {
        let mut ids = Vec::new();
        for (id, one) in self.lock().connections.iter_mut().filter(|(_, one)| one.port == port) {
            one.pipes.iter_mut().for_each(|pipe| pipe.cut = None);
            ids.push(*id);
        }
        ids.into_iter().for_each(|id| self.lighten(id));
    }

    /// Ends of connections that are open.
    #[must_use]
    pub fn sockets(&self) -> usize {
        let state = self.lock();
        state.connections.values().flat_map(|one| &one.ends).filter(|end| !end.is_dropped).count()
    }

    /// Octets that the ends `side` of the connections to `port` sent and the other ends read. 0 is the end that connected.
    #[must_use]
    pub fn read_of(&self, port: u16, side: usize) -> u64 {
        let state = self.lock();
        let connections = state.connections.values().filter(|one| one.port == port);
        connections.map(|one| one.pipes[side].taken()).sum()
    }

    pub(crate) fn listen(&self, address: SocketAddr) -> io::Result<()> {
        let mut state = self.lock();
        if state.listeners.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.listeners.insert(address, Backlog::default());
        Ok(())
    }

    /// Ends a listener. Connections that nobody accepted go with it.
    pub(crate) fn unlisten(&self, address: SocketAddr) {
        let backlog = self.lock().listeners.remove(&address);
        for (id, _) in backlog.into_iter().flat_map(|backlog| backlog.waiting) {
            self.abort(id, 1);
            self.drop_end(id, 1);
        }
    }

    pub(crate) fn poll_accept(
        &self,
        address: SocketAddr,
        cx: &Context<'_>,
    ) -> Poll<io::Result<(u64, SocketAddr)>> {
        let mut state = self.lock();
        let Some(backlog) = state.listeners.get_mut(&address) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match backlog.waiting.pop_front() {
            Some(accepted) => Poll::Ready(Ok(accepted)),
            None => {
                backlog.acceptor = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Connects after a round trip. Says the connection's number.
    pub(crate) async fn connect(&self, from: IpAddr, to: SocketAddr) -> io::Result<u64> {
        let weather = self.lock().weather.get(&to.port()).cloned().unwrap_or_default();
        self.executor.sleep(weather.latency * 2).await;
        match weather.fate {
            Fate::Answered => {}
            Fate::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Fate::Swallowed => std::future::pending().await,
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(backlog) = state.listeners.get_mut(&to) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let id = state.next_connection;
        state.next_connection += 1;
        state.next_port = state.next_port.checked_add(1).unwrap_or(30_000);
        backlog.waiting.push_back((id, SocketAddr::new(from, state.next_port)));
        let acceptor = backlog.acceptor.take();
        let mut pipes = [Pipe::default(), Pipe::default()];
        let (percent, kinds) = &weather.cuts;
        if state.random.u8(..100) < *percent
            && let Some(kind) = state.random.choice(kinds)
        {
            let after = log_uniform(&mut state.random, &weather.cut_after) as u64;
            pipes[usize::from(state.random.bool())].cut = Some((after, *kind));
        }
        let connection =
            Connection { port: to.port(), weather, ends: Default::default(), pipes, is_severed: false };
        state.connections.insert(id, connection);
        drop(guard);
        self.executor.trace(&[1, id, u64::from(to.port())]);
        acceptor.into_iter().for_each(Waker::wake);
        Ok(id)
    }

    pub(crate) fn poll_read(
        &self,
        id: u64,
        side: usize,
        buffer: &mut [u8],
        cx: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        let one = state.connection(id)?;
        let pipe = &mut one.pipes[1 - side];
        if !pipe.inbox.is_empty() {
            let count = pipe.read(buffer);
            let writer = pipe.writer.take();
            drop(state);
            writer.into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(count));
        }
        if let Some(kind) = one.ends[side].broken {
            return Poll::Ready(Err(kind.into()));
        }
        if pipe.has_end_arrived {
            return Poll::Ready(Ok(0));
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(crate) fn poll_write(
        &self,
        id: u64,
        side: usize,
        octets: &[u8],
        cx: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let now = self.executor.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        let one = state.connections.get_mut(&id).ok_or(io::ErrorKind::NotConnected)?;
        if let Some(kind) = one.ends[side].broken {
            return Poll::Ready(Err(kind.into()));
        }
        let pipe = &mut one.pipes[side];
        if pipe.is_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = octets.len().min(one.weather.capacity.saturating_sub(pipe.held));
        if count == 0 {
            pipe.writer = Some(cx.waker().clone());
            return if octets.is_empty() { Poll::Ready(Ok(0)) } else { Poll::Pending };
        }
        pipe.held += count;
        pipe.free_at = pipe.free_at.max(now);
        let mut rest = Bytes::copy_from_slice(&octets[..count]);
        let mut arrivals = Vec::new();
        while !rest.is_empty() {
            let size = log_uniform(&mut state.random, &one.weather.segment).min(rest.len());
            let micros = (size as u64 * 1_000_000).div_ceil(one.weather.rate);
            pipe.free_at = pipe.free_at + Duration::from_micros(micros);
            let arrives = pipe.free_at + one.weather.latency;
            pipe.flight.push_back(Segment { sent: now, arrives, octets: Some(rest.split_to(size)) });
            arrivals.push(arrives);
        }
        drop(guard);
        self.executor.trace(&[2, id, side as u64, count as u64]);
        self.expect(id, side, arrivals);
        Poll::Ready(Ok(count))
    }

    /// Ends the direction of `side`.
    pub(crate) fn end(&self, id: u64, side: usize) -> io::Result<()> {
        let now = self.executor.now();
        let mut state = self.lock();
        let one = state.connection(id)?;
        if let Some(kind) = one.ends[side].broken {
            return Err(kind.into());
        }
        let pipe = &mut one.pipes[side];
        if std::mem::replace(&mut pipe.is_ended, true) {
            return Ok(());
        }
        let arrives = pipe.free_at.max(now) + one.weather.latency;
        pipe.flight.push_back(Segment { sent: now, arrives, octets: None });
        drop(state);
        self.expect(id, side, [arrives]);
        Ok(())
    }

    pub(crate) fn abort(&self, id: u64, side: usize) {
        if let Ok(one) = self.lock().connection(id) {
            one.ends[side].is_abortive = true;
        }
    }

    pub(crate) fn tune(&self, id: u64, side: usize) {
        if let Ok(one) = self.lock().connection(id) {
            one.ends[side].is_tuned = one.weather.has_user_timeout;
        }
    }

    /// Closes one end: with a reset if it was asked for or if octets came that nobody read, as systems do.
    pub(crate) fn drop_end(&self, id: u64, side: usize) {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let Ok(one) = state.connection(id) else { return };
        one.ends[side].is_dropped = true;
        let is_gone = one.ends.iter().all(|end| end.is_dropped);
        let is_abortive = one.ends[side].is_abortive || !one.pipes[1 - side].inbox.is_empty();
        let is_heard = !one.pipes[side].is_dark && !one.is_severed;
        let latency = one.weather.latency;
        if is_abortive {
            one.pipes[side].lose_flight();
        }
        one.pipes[1 - side].inbox.clear();
        one.pipes[1 - side].lose_flight();
        one.pipes[1 - side].take_wakers(&mut wakers);
        if is_gone {
            let gone = state.connections.remove(&id);
            drop(state);
            return drop(gone);
        }
        let has_ended = one.ends[side].broken.is_some();
        drop(state);
        self.executor.trace(&[3, id, side as u64, u64::from(is_abortive)]);
        wakers.into_iter().for_each(Waker::wake);
        if !is_abortive {
            // A broken end has nothing more to say.
            let _ = self.end(id, side);
        } else if is_heard && !has_ended {
            let net = self.clone();
            let at = self.executor.now() + latency;
            self.executor.at(at, move || net.break_end(id, 1 - side, io::ErrorKind::ConnectionReset));
        }
    }

    /// Has what `side` sent delivered when it arrives, and looked after if it does not.
    fn expect(&self, id: u64, side: usize, arrivals: impl IntoIterator<Item = Timestamp>) {
        for arrives in arrivals {
            let net = self.clone();
            self.executor.at(arrives, move || net.deliver(id, side));
        }
        let is_watched = match self.lock().connection(id) {
            Ok(one) => one.pipes[side].is_dark && one.ends[side].is_tuned,
            Err(_) => false,
        };
        if is_watched {
            self.watch(id, side);
        }
    }

    fn watch(&self, id: u64, side: usize) {
        let net = self.clone();
        self.executor.at(self.executor.now() + USER_TIMEOUT, move || net.check_acknowledged(id, side));
    }

    /// Gives up a tuned end whose octets have been on their way for too long.
    fn check_acknowledged(&self, id: u64, side: usize) {
        let now = self.executor.now();
        let is_late = match self.lock().connection(id) {
            Ok(one) => {
                let pipe = &one.pipes[side];
                let oldest = pipe.flight.front().filter(|_| pipe.is_dark && one.ends[side].is_tuned);
                oldest.is_some_and(|segment| now.since(segment.sent) >= USER_TIMEOUT)
            }
            Err(_) => false,
        };
        if is_late {
            self.break_end(id, side, io::ErrorKind::TimedOut);
        }
    }

    /// Moves what `side` sent and what has arrived into the other end's inbox.
    fn deliver(&self, id: u64, side: usize) {
        let now = self.executor.now();
        let mut cut = None;
        let mut is_unwanted = false;
        let mut reader = None;
        let mut state = self.lock();
        let Ok(one) = state.connection(id) else { return };
        let (is_closed, is_severed) = (one.ends[1 - side].is_dropped, one.is_severed);
        let is_answered = !one.pipes[1 - side].is_dark;
        let pipe = &mut one.pipes[side];
        while let Some(segment) = pipe.take_arrived(now) {
            match segment.octets {
                Some(_) if is_closed || is_severed => is_unwanted = true,
                Some(octets) => {
                    pipe.arrived += octets.len() as u64;
                    if !octets.is_empty() {
                        pipe.inbox.push_back(octets);
                    }
                }
                None => pipe.has_end_arrived = true,
            }
            reader = reader.or(pipe.reader.take());
            cut = pipe.cut.take_if(|(at, _)| *at <= pipe.arrived).map(|(_, cut)| cut);
            if cut.is_some() || is_unwanted {
                break;
            }
        }
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        if is_unwanted && is_answered {
            // Octets for a socket that is closed are answered with a reset.
            self.break_end(id, side, io::ErrorKind::ConnectionReset);
        }
        if let Some(cut) = cut {
            self.cut(id, cut);
            self.deliver(id, side);
        }
    }

    /// One end learns that the connection is no more.
    fn break_end(&self, id: u64, side: usize, kind: io::ErrorKind) {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let Ok(one) = state.connection(id) else { return };
        if one.ends[side].is_dropped {
            return;
        }
        one.ends[side].broken.get_or_insert(kind);
        one.pipes[side].lose_flight();
        one.pipes[side].take_wakers(&mut wakers);
        let incoming = &mut one.pipes[1 - side];
        incoming.lose_flight();
        if one.weather.resets_discard {
            incoming.inbox.clear();
            incoming.held = 0;
        }
        incoming.take_wakers(&mut wakers);
        drop(state);
        self.executor.trace(&[4, id, side as u64]);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Strikes one connection.
    fn cut(&self, id: u64, cut: Cut) {
        self.executor.trace(&[5, id]);
        match cut {
            Cut::Reset => {
                self.break_end(id, 0, io::ErrorKind::ConnectionReset);
                self.break_end(id, 1, io::ErrorKind::ConnectionReset);
            }
            Cut::Fin => self.sever(id),
            Cut::Dark { up, down, time } => self.darken(id, [up, down], time),
        }
    }

    fn sever(&self, id: u64) {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let Ok(one) = state.connection(id) else { return };
        one.is_severed = true;
        for pipe in &mut one.pipes {
            pipe.lose_flight();
            pipe.has_end_arrived = true;
            pipe.take_wakers(&mut wakers);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn darken(&self, id: u64, ways: [bool; 2], time: Option<Duration>) {
        let mut watched = Vec::new();
        let mut state = self.lock();
        let Ok(one) = state.connection(id) else { return };
        for side in [0, 1].into_iter().filter(|side| ways[*side]) {
            one.pipes[side].is_dark = true;
            if !one.pipes[side].flight.is_empty() && one.ends[side].is_tuned {
                watched.push(side);
            }
        }
        drop(state);
        watched.into_iter().for_each(|side| self.watch(id, side));
        if let Some(time) = time {
            let net = self.clone();
            self.executor.at(self.executor.now() + time, move || net.lighten(id));
        }
    }

    /// What was on its way arrives after all.
    fn lighten(&self, id: u64) {
        if let Ok(one) = self.lock().connection(id) {
            one.pipes.iter_mut().for_each(|pipe| pipe.is_dark = false);
        }
        self.deliver(id, 0);
        self.deliver(id, 1);
    }
}

impl State {
    fn connection(&mut self, id: u64) -> io::Result<&mut Connection> {
        self.connections.get_mut(&id).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}
