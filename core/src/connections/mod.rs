//! Which client connections a relay keeps when descriptors run short. (L15, T-19)

mod pace;
mod pool;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::time::Duration;

pub use self::pace::{PACE_TIME, Pace};
use self::pace::{Paces, Slow};
use self::pool::Pool;
use crate::address::AddressBlock;
use crate::time::Timestamp;

/// How long a connection may wait for its first request head before it is closed early, while the table is only nearly
/// full: some round trips on a slow network, so that an ordinary client has sent its head by then.
pub const FIRST_HEAD_TIME: Duration = Duration::from_secs(1);
/// An exchange is cut off for another address only if its own address has this many times the connections that the other
/// one would have. Browsers open six connections to a host.
pub const EXCHANGES_RATIO: usize = 8;

/// Connections beyond the limit that may be open while others close for them, whatever the limit: as many as one look at
/// a listening socket commonly finds.
const CLOSING_MIN: usize = 8;

/// One connection of a [`ConnectionTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// What a connection is used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activity {
    /// Nothing yet: its first request head, or the hello of a telephone, is not complete.
    Waiting,
    /// It was kept alive after an exchange and has no request in progress.
    Idle,
    /// A request, an upgraded connection or a raw connection.
    Exchange,
    /// The link of a registered telephone. Never closed.
    Link,
}

/// What a [`ConnectionTable`] knows of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionState {
    /// What it is used for.
    pub activity: Activity,
    /// Since when.
    pub since: Timestamp,
    /// The client's address as it is counted; `None` is exempt from counting.
    pub block: Option<AddressBlock>,
}

/// Why a connection was closed, or never served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shed {
    /// It was new, and no other one could be closed for it.
    Refused,
    /// It was kept alive and idle.
    Idle,
    /// It waited for its first request head.
    Waiting,
    /// It had an exchange in progress.
    Exchange,
    /// It had an exchange in progress whose client sent and took too little.
    Slow,
}

impl Shed {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Refused, Self::Idle, Self::Waiting, Self::Exchange, Self::Slow];

    /// The word for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Exchange => "exchange",
            Self::Slow => "slow",
        }
    }
}

/// The client connections of a relay, and which of them to close. One per relay.
///
/// **Nearly full.** While more than 80 % of the limit are open, idle kept connections are closed, the longest idle first.
/// If there are none, connections that have waited for their first head for [`FIRST_HEAD_TIME`], of the address with the
/// most such connections (of equal ones, the address whose oldest has waited longest), the oldest first.
///
/// **Slow.** If neither is left, exchanges that wait for their clients and move below the least rate are closed: of the client
/// that has most connections, its slowest first, those of exempt addresses last. No exchange at or above that rate is closed
/// for its slowness, and with fewer connections none is. While memory is short one is closed at each look. What exchanges move
/// is told by [`handle_paces`](Self::handle_paces).
///
/// **Full.** A new connection beyond the limit is refused unless another one can be closed for it. That is, in this order:
///
/// 1. the longest idle connection;
/// 2. the connection that has waited longest, of the address with the most waiting ones, if that address holds more
///    connections than the newcomer's;
/// 3. the longest idle one of the exempt addresses, then the longest waiting one of them;
/// 4. the exchange that began last, of the address with the most exchanges, if those are [`EXCHANGES_RATIO`] times as many
///    as the newcomer's address would hold.
///
/// So one address cannot keep others out, and an address gains nothing by opening more. Links of telephones count, and
/// are never closed. Steps 1, 2 and 4 concern counted addresses only.
///
/// A connection counts until [`handle_closed`](Self::handle_closed), also while it is being closed. So an address whose
/// connections are closed gets no more than it had, and the room for connections that are being closed, an eighth of the
/// limit and eight at least, is left to others. Beyond that all new connections are refused until some have closed.
///
/// **Kept after all.** A connection that is being closed stays open if it becomes the link of a telephone. One that was idle
/// does so too if a request came meanwhile and there is room, or another one can be closed for it as for a new connection.
///
/// **Fronts.** A waiting connection without an address may be a trusted front's, whose client is named only by its first
/// request. It is let in where step 4 could be taken, and takes that step then, for the address of that client: if it
/// may not, it is closed itself.
///
/// Each input costs O(log n), and O(log n) more for each connection that it closes. After each,
/// [`poll_close`](Self::poll_close) is to be drained. Inputs about unknown connections change nothing.
///
/// **Lazy states.** While [`needs_states`](Self::needs_states) is false no decision depends on what connections do:
/// [`handle_changed`](Self::handle_changed) may be left out. When it becomes true the states of all connections are to be
/// given, by [`handle_states`](Self::handle_states), before the next input.
#[derive(Debug)]
pub struct ConnectionTable {
    limit: usize,
    needs_states: bool,
    next: u64,
    entries: BTreeMap<ConnectionId, Entry>,
    closing: usize,
    /// Exempt connections last.
    idle: BTreeSet<(bool, Timestamp, ConnectionId)>,
    waiting: Pool,
    exchanges: Pool,
    /// How many an address has of those three.
    held: BTreeMap<AddressBlock, usize>,
    to_close: VecDeque<(ConnectionId, Shed)>,
    paces: Paces,
}

#[derive(Debug)]
struct Entry {
    state: ConnectionState,
    is_closing: bool,
    /// It is one too many, and may close an exchange for that once it is known who asks.
    is_beyond: bool,
}

impl ConnectionTable {
    /// A table for so many connections.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            needs_states: mark(limit) == 0,
            next: 0,
            entries: BTreeMap::new(),
            closing: 0,
            idle: BTreeSet::new(),
            waiting: Pool::default(),
            exchanges: Pool::default(),
            held: BTreeMap::new(),
            to_close: VecDeque::new(),
            paces: Paces::default(),
        }
    }

    /// A connection was accepted. `None` if it is to be closed at once.
    pub fn handle_opened(&mut self, state: ConnectionState, now: Timestamp) -> Option<ConnectionId> {
        let most = self.limit.saturating_add((self.limit / 8).max(CLOSING_MIN));
        if self.entries.len() >= most {
            return None;
        }
        let mut is_beyond = false;
        if self.entries.len() >= self.limit {
            let (victim, why) = self.replaceable_by(state.block)?;
            is_beyond = why == Shed::Exchange && state.block.is_none() && state.activity == Activity::Waiting;
            if !is_beyond {
                self.close(victim, why);
            }
        }
        let id = ConnectionId(self.next);
        self.next = self.next.saturating_add(1);
        self.entries.insert(id, Entry { state, is_closing: false, is_beyond });
        self.count(id, state, true);
        self.settle(now);
        Some(id)
    }

    /// A connection is used for something else, or by another client.
    pub fn handle_changed(&mut self, id: ConnectionId, state: ConnectionState, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.is_beyond
            && state.activity == Activity::Exchange
        {
            entry.is_beyond = false;
            self.place(id, state);
            self.settle(now);
        } else if self.change(id, state) {
            self.settle(now);
        }
    }

    /// What all connections are used for.
    pub fn handle_states(
        &mut self,
        states: impl IntoIterator<Item = (ConnectionId, ConnectionState)>,
        now: Timestamp,
    ) {
        for (id, state) in states {
            self.change(id, state);
        }
        self.settle(now);
    }

    /// What all exchanges that wait for their clients have moved until now. To be told each second while
    /// [`needs_states`](Self::needs_states) or while memory is short, with the states of all connections before. Those below
    /// `rate_min` bytes a second are slow.
    pub fn handle_paces(
        &mut self,
        paces: impl IntoIterator<Item = (ConnectionId, Pace)>,
        (rate_min, is_memory_short): (u64, bool),
        now: Timestamp,
    ) {
        self.settle(now);
        let entries = &self.entries;
        let client = |(id, rate)| {
            let entry = entries.get(&id).filter(|one: &&Entry| !one.is_closing)?;
            (entry.state.activity == Activity::Exchange).then_some((entry.state.block, id, rate))
        };
        let slow = self.paces.handle(paces, rate_min, now);
        let mut slow = Slow::new(slow.into_iter().filter_map(client), |block| self.holds(block));
        let mut may_close = is_memory_short;
        while may_close || self.live() > mark(self.limit) {
            let Some(id) = slow.take(|block| self.holds(block)) else { break };
            self.close(id, Shed::Slow);
            may_close = false;
        }
    }

    /// A connection that is being closed because it was idle has received a request meanwhile. False if it is to be closed
    /// all the same.
    pub fn handle_asked(&mut self, id: ConnectionId, state: ConnectionState, now: Timestamp) -> bool {
        match self.entries.get(&id) {
            Some(entry) if !entry.is_closing => return true,
            Some(_) if self.live() < self.limit => {}
            Some(_) => {
                let Some((victim, why)) = self.replaceable_by(state.block) else { return false };
                self.close(victim, why);
            }
            None => return false,
        }
        self.take_back(id, state);
        self.settle(now);
        true
    }

    /// A connection is closed: its descriptor is free.
    pub fn handle_closed(&mut self, id: ConnectionId, now: Timestamp) {
        match self.entries.remove(&id) {
            Some(entry) if entry.is_closing => self.closing = self.closing.saturating_sub(1),
            Some(entry) => self.count(id, entry.state, false),
            None => {}
        }
        self.settle(now);
    }

    /// So many connections are allowed from now on.
    pub fn handle_limit(&mut self, limit: usize, now: Timestamp) {
        self.limit = limit;
        self.settle(now);
    }

    /// The next connection to close, and why.
    pub fn poll_close(&mut self) -> Option<(ConnectionId, Shed)> {
        self.to_close.pop_front()
    }

    /// Connections that are open, those that are being closed among them.
    #[must_use]
    pub fn open(&self) -> usize {
        self.entries.len()
    }

    /// Whether the states of connections matter now. It stays true until an eighth fewer connections are open than made it
    /// true, so that giving all states anew costs little for each connection that was opened.
    #[must_use]
    pub const fn needs_states(&self) -> bool {
        self.needs_states
    }

    /// Connections of an address.
    fn holds(&self, block: AddressBlock) -> usize {
        self.held.get(&block).copied().unwrap_or(0)
    }

    fn live(&self) -> usize {
        self.entries.len().saturating_sub(self.closing)
    }

    /// Closes what is to be closed while the table is nearly full.
    fn settle(&mut self, now: Timestamp) {
        let (open, mark) = (self.entries.len(), mark(self.limit));
        let was_needed = self.needs_states;
        self.needs_states = if was_needed { open >= mark - mark / 8 } else { open >= mark };
        // Right after it became true the states are not known yet.
        while was_needed && self.live() > mark {
            let Some((id, why)) = self.dispensable(now) else { break };
            self.close(id, why);
        }
    }

    fn dispensable(&self, now: Timestamp) -> Option<(ConnectionId, Shed)> {
        let waiting = || {
            let (_, block) = self.waiting.most()?;
            let (since, id) = self.waiting.oldest(Some(block))?;
            (now.since(since) >= FIRST_HEAD_TIME).then_some((id, Shed::Waiting))
        };
        self.longest_idle(false).or_else(waiting)
    }

    fn longest_idle(&self, is_exempt: bool) -> Option<(ConnectionId, Shed)> {
        let from = (is_exempt, Timestamp::ZERO, ConnectionId(0));
        let first = self.idle.range(from..).next().filter(|(exempt, ..)| *exempt == is_exempt);
        first.map(|(_, _, id)| (*id, Shed::Idle))
    }

    /// Notes what a connection is used for. False if that changes nothing.
    fn change(&mut self, id: ConnectionId, state: ConnectionState) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        if entry.is_closing {
            // Its telephone is registered already.
            let is_kept = state.activity == Activity::Link;
            if is_kept {
                self.take_back(id, state);
            }
            return is_kept;
        }
        let before = core::mem::replace(&mut entry.state, state);
        if before != state {
            self.count(id, before, false);
            self.count(id, state, true);
        }
        before != state
    }

    /// Closes another connection for one that was one too many, or that one itself.
    fn place(&mut self, id: ConnectionId, state: ConnectionState) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.is_closing) else { return };
        let before = core::mem::replace(&mut entry.state, state);
        self.count(id, before, false);
        // It is not there yet.
        let is_full = self.entries.len() > self.limit;
        let replaced = self.replaceable_by(state.block);
        self.count(id, state, true);
        match replaced {
            _ if !is_full => {}
            Some((victim, why)) => self.close(victim, why),
            None => self.close(id, Shed::Refused),
        }
    }

    fn take_back(&mut self, id: ConnectionId, state: ConnectionState) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.is_closing) else { return };
        (entry.is_closing, entry.state) = (false, state);
        self.closing = self.closing.saturating_sub(1);
        self.count(id, state, true);
    }

    /// What a new connection of an address may take the place of.
    fn replaceable_by(&self, newcomer: Option<AddressBlock>) -> Option<(ConnectionId, Shed)> {
        let own = newcomer.map_or(0, |block| self.holds(block));
        let waiting = |block| self.waiting.oldest(block).map(|(_, id)| (id, Shed::Waiting));
        let of_the_most = || {
            let (_, most) = self.waiting.most()?;
            (self.holds(most) > own).then(|| waiting(Some(most)))?
        };
        let exchange = || {
            let (count, most) = self.exchanges.most()?;
            let is_allowed = count >= EXCHANGES_RATIO.saturating_mul(own.saturating_add(1));
            is_allowed.then(|| self.exchanges.newest(most).map(|id| (id, Shed::Exchange)))?
        };
        self.longest_idle(false)
            .or_else(of_the_most)
            .or_else(|| self.longest_idle(true))
            .or_else(|| waiting(None))
            .or_else(exchange)
    }

    fn close(&mut self, id: ConnectionId, why: Shed) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.is_closing = true;
        let state = entry.state;
        self.closing = self.closing.saturating_add(1);
        self.count(id, state, false);
        self.to_close.push_back((id, why));
    }

    /// Adds a connection to where it counts, or takes it out.
    fn count(&mut self, id: ConnectionId, state: ConnectionState, is_added: bool) {
        let ConnectionState { activity, since, block } = state;
        match activity {
            Activity::Waiting => self.waiting.count(block, (since, id), is_added),
            Activity::Exchange => self.exchanges.count(block, (since, id), is_added),
            Activity::Idle => {
                let key = (block.is_none(), since, id);
                let _was_there = if is_added { self.idle.insert(key) } else { self.idle.remove(&key) };
            }
            Activity::Link => return,
        }
        if let Some(block) = block {
            pool::step(&mut self.held, block, is_added);
        }
    }
}

/// Whether so much of something is in use, beyond 80 % of its limit, that slow exchanges end for it.
#[must_use]
pub const fn is_short(used: u64, limit: u64) -> bool {
    used > limit.saturating_sub(limit.div_ceil(5))
}

/// 80 % of a limit.
const fn mark(limit: usize) -> usize {
    limit.saturating_sub(limit.div_ceil(5))
}
