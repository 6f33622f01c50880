//! A session shared between its link and the legs of its streams.
//!
//! The lock is held for one verb of the core, or to take apart one message: never across IO or an
//! `.await`. A caller that leaves something to send wakes the link.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use telephone_core::error::{CloseReason, LeaveCode};
use telephone_core::recording::Recorded;
use telephone_core::session::{
    Accepted, CannotResume, Event, LinkId, OpenError, SessionStats, StreamId, StreamMap,
};
use telephone_core::time::Timestamp;
use telephone_core::timing;
use telephone_core::wire::{Opening, Stats};

use crate::stream::StreamHandle;

mod slots;

use slots::Queue;

/// A clock as the legs see it, without the runtime's other parts.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a task waits for at a stream. Reading and writing may be two tasks'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// That something can be read.
    Read,
    /// That something can be written, or never again.
    Write,
    /// Both.
    Both,
}

/// Who waits for one stream.
#[derive(Debug, Default)]
struct StreamWakers {
    read: Option<Waker>,
    write: Option<Waker>,
}

struct State {
    session: Recorded,
    streams: StreamMap<StreamWakers>,
    /// Who waits for the peer to allow one more stream.
    openers: Queue,
    link: Option<Waker>,
    /// Where the session stood when its link's task last looked.
    seen: Option<LinkId>,
}

/// What the task of a link has to know before it waits.
pub(crate) struct Standing {
    /// Why the session is over, if it is.
    pub(crate) closed: Option<CloseReason>,
    /// The session is over, or goes on over another link.
    pub(crate) has_moved: bool,
    /// There is something to say.
    pub(crate) is_due: bool,
    /// The session's next deadline.
    pub(crate) deadline: Option<Timestamp>,
    /// The last round trip that was measured, with its number.
    pub(crate) round_trip: Option<(u64, Duration)>,
    /// What concerns the whole session.
    pub(crate) events: Vec<Event>,
}

/// A client connection of a plugboard's on which a login runs. No other one in this process is equal to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    /// Which session of this process told of it.
    session: u64,
    client: u64,
}

/// Opens a stream and tells for which client connection, before anything of it is on its way.
fn open_told(
    session: &mut Recorded,
    client: Option<u64>,
    opening: Opening,
    end: bool,
    now: Timestamp,
) -> Result<StreamId, OpenError> {
    let id = session.open(opening, end, now)?;
    if let Some(client) = client {
        session.tell_client(id, client);
    }
    Ok(id)
}

/// One session, shared. Clones are the same session.
#[derive(Clone)]
pub(crate) struct SharedSession(Arc<Shared>);

/// A session for somebody who does not keep it: its recording ends when the last one who does is gone.
pub(crate) struct WeakSession(Weak<Shared>);

impl WeakSession {
    /// The session, unless nobody has it any more.
    pub(crate) fn upgrade(&self) -> Option<SharedSession> {
        self.0.upgrade().map(SharedSession)
    }
}

struct Shared {
    state: Mutex<State>,
    /// Whether there is a link, for those who only want to know that.
    is_up: AtomicBool,
    clock: Clock,
    /// Among all sessions that this process has had.
    number: u64,
}

impl SharedSession {
    pub(crate) fn new(session: Recorded, clock: Clock) -> Self {
        let seen = session.link();
        let (streams, openers) = (StreamMap::default(), Queue::default());
        let state = State { session, streams, openers, link: None, seen };
        let is_up = AtomicBool::new(seen.is_some());
        static SESSIONS: AtomicU64 = AtomicU64::new(0);
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Shared { state: Mutex::new(state), is_up, clock, number }))
    }

    pub(crate) fn downgrade(&self) -> WeakSession {
        WeakSession(Arc::downgrade(&self.0))
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// A panic under the lock poisons it; the session's own state is consistent between verbs, and
    /// the panic ends only the task in which it happened.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one verb, then wakes the link if there is something to say.
    pub(crate) fn with<T>(&self, verb: impl FnOnce(&mut Recorded, Timestamp) -> T) -> T {
        let now = self.now();
        self.change(|state| verb(&mut state.session, now))
    }

    /// Runs one verb that asks for no time, likewise.
    pub(crate) fn act<T>(&self, verb: impl FnOnce(&mut Recorded) -> T) -> T {
        self.change(|state| verb(&mut state.session))
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let up = state.session.link();
        let has_changed = std::mem::replace(&mut state.seen, up) != up;
        let is_link_due = has_changed || state.session.has_transmit() || state.session.closed().is_some();
        let link = if is_link_due { state.link.take() } else { None };
        let mut wakers = Vec::new();
        if has_changed {
            self.0.is_up.store(up.is_some(), Ordering::Release);
            // A request that could go to another session while this one is dark is notified.
            wakers.extend(
                state.streams.values_mut().flat_map(|of| [of.read.take(), of.write.take()]).flatten(),
            );
        }
        let State { session, openers, .. } = &mut *state;
        openers.call(session, &mut wakers);
        drop(state);
        wakers.into_iter().chain(link).for_each(Waker::wake);
        result
    }

    /// Runs one input or output of the link itself, which needs no waking.
    pub(crate) fn with_link<T>(&self, turn: impl FnOnce(&mut Recorded) -> T) -> T {
        turn(&mut self.lock().session)
    }

    /// A message came in on `link`. Returns what it means to the session.
    pub(crate) fn receive(&self, link: LinkId, message: Bytes, now: Timestamp) -> Vec<Event> {
        let mut state = self.lock();
        state.session.handle_message(link, message, now);
        deliver(state)
    }

    /// Takes the news, and remembers the task of `link`, or the one that waits for the next, to be woken when there is
    /// something to say or when the session moves on.
    pub(crate) fn stand(&self, link: Option<LinkId>, cx: &Context<'_>) -> Standing {
        let mut state = self.lock();
        let closed = state.session.closed();
        let has_moved = closed.is_some() || state.session.link() != link;
        if !has_moved {
            set_waker(&mut state.link, cx);
        }
        let (is_due, deadline) = (state.session.has_transmit(), state.session.poll_timeout());
        let round_trip = state.session.measured_round_trip();
        Standing { closed, has_moved, is_due, deadline, round_trip, events: deliver(state) }
    }

    /// The link that is up.
    pub(crate) fn link(&self) -> Option<LinkId> {
        self.lock().session.link()
    }

    /// The link that came last, up or not.
    pub(crate) fn latest_link(&self) -> LinkId {
        self.lock().session.latest_link()
    }

    /// A new link takes over from one that knows nothing of it yet, or that is gone.
    pub(crate) fn resume(&self, peer_position: u64) -> Result<LinkId, CannotResume> {
        self.with(|session, now| session.resume(peer_position, now))
    }

    pub(crate) fn resumable_until(&self) -> Option<Timestamp> {
        self.lock().session.resumable_until()
    }

    /// As [`Session::lost_link`](telephone_core::session::Session::lost_link).
    pub(crate) fn lost_link(&self) -> Option<CloseReason> {
        self.lock().session.lost_link()
    }

    /// As [`Session::silence_of_closed_link`](telephone_core::session::Session::silence_of_closed_link).
    pub(crate) fn silence_of_closed_link(&self, now: Timestamp) -> Option<Duration> {
        self.lock().session.silence_of_closed_link(now)
    }

    pub(crate) fn position(&self) -> u64 {
        self.lock().session.position()
    }

    /// Whether it has a link. Who looks from a stream's task is woken when that changes.
    pub(crate) fn is_up(&self) -> bool {
        self.0.is_up.load(Ordering::Acquire)
    }

    /// Takes the session's news: wakes the streams concerned and returns what concerns the session.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        deliver(self.lock())
    }

    /// Opens a stream for `opening`, unless others wait for a slot.
    pub(crate) fn open(
        &self,
        opening: Opening,
        end: bool,
        now: Timestamp,
    ) -> Result<StreamHandle, OpenError> {
        self.open_for(None, opening, end, now)
    }

    /// The same for a client connection on which a login runs, if that is given.
    pub(crate) fn open_for(
        &self,
        client: Option<u64>,
        opening: Opening,
        end: bool,
        now: Timestamp,
    ) -> Result<StreamHandle, OpenError> {
        let id = self.change(|state| {
            if state.openers.is_empty() {
                open_told(&mut state.session, client, opening, end, now)
            } else {
                Err(OpenError::TooManyStreams)
            }
        })?;
        Ok(StreamHandle::new(self.clone(), id))
    }

    /// Takes the next stream that the peer opened.
    pub(crate) fn accept(&self) -> Option<(Opening, StreamHandle)> {
        let Accepted { id, mut opening, client } = self.act(Recorded::accept)?;
        let mut stream = StreamHandle::new(self.clone(), id);
        stream.owner = client.map(|client| Owner { session: self.0.number, client });
        if let Opening::Http { head, .. } = &mut opening
            && timing::take_ask(&mut head.headers)
        {
            stream.time_from(self.now());
        }
        Some((opening, stream))
    }

    pub(crate) fn leave(&self, code: LeaveCode) {
        self.with(|session, now| session.leave(code, now));
    }

    pub(crate) fn renew(&self, token: Bytes) {
        self.act(|session| session.renew(token));
    }

    pub(crate) fn closed(&self) -> Option<CloseReason> {
        self.lock().session.closed()
    }

    /// Whether the last slots are to be left to requests.
    pub(crate) fn is_crowded(&self) -> bool {
        self.lock().session.is_crowded()
    }

    /// Whether this end may open streams, with a link or without.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().session.is_open()
    }

    /// Whether new requests may come here: the session is open, and has a link to say so on.
    pub(crate) fn takes_requests(&self) -> bool {
        let state = self.lock();
        state.session.is_open() && state.session.link().is_some()
    }

    /// When the last byte came from the peer.
    pub(crate) fn last_heard(&self) -> Timestamp {
        self.lock().session.last_heard()
    }

    /// How long an answer of the peer took lately.
    pub(crate) fn answer_delay(&self) -> Duration {
        self.lock().session.answer_delay()
    }

    /// Whether its token is over.
    pub(crate) fn is_expired(&self) -> bool {
        self.lock().session.is_expired()
    }

    /// The bytes that the session holds for its next link, if it has none.
    pub(crate) fn held_without_link(&self) -> Option<u64> {
        let state = self.lock();
        let held = state.session.kept().saturating_add(state.session.buffered());
        state.session.link().is_none().then(|| u64::try_from(held).unwrap_or(u64::MAX))
    }

    /// Ends the session without a word.
    pub(crate) fn abandon(&self) {
        self.act(Recorded::abandon);
    }

    /// The bytes of messages that it keeps until the peer acknowledges them.
    pub(crate) fn kept(&self) -> u64 {
        self.lock().session.kept() as u64
    }

    pub(crate) fn stats(&self) -> SessionStats {
        self.lock().session.stats()
    }

    /// The session's numbers.
    pub(crate) fn report(&self) -> Stats {
        let now = self.now();
        self.lock().session.report(now)
    }

    /// What the peer told of them last, and asks it again.
    pub(crate) fn peer_stats(&self) -> Option<Stats> {
        self.with(|session, now| {
            session.ask_stats(now);
            session.peer_stats()
        })
    }

    /// Looks at a stream. If that finds nothing, the task is woken when what it waits for has come, and when the
    /// session's link comes or goes.
    pub(crate) fn poll_stream<T>(
        &self,
        id: StreamId,
        wait: Wait,
        cx: &Context<'_>,
        look: impl FnOnce(&mut Recorded) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        let found = look(&mut state.session);
        if found.is_none() {
            let wakers = state.streams.get_or_default(id);
            if wait != Wait::Write {
                set_waker(&mut wakers.read, cx);
            }
            if wait != Wait::Read {
                set_waker(&mut wakers.write, cx);
            }
        }
        found
    }

    pub(crate) fn release(&self, id: StreamId) {
        self.change(|state| {
            state.streams.remove(id);
            state.session.release(id);
        });
    }
}

/// Takes the news of a session: wakes the streams concerned and returns what concerns the session.
fn deliver(mut state: MutexGuard<'_, State>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut wakers = Vec::new();
    while let Some(event) = state.session.poll_event() {
        let State { streams, .. } = &mut *state;
        match event {
            Event::Readable(id) => wakers.extend(streams.get_mut(id).and_then(|of| of.read.take())),
            Event::Writable(id) => wakers.extend(streams.get_mut(id).and_then(|of| of.write.take())),
            other => events.push(other),
        }
    }
    let State { session, openers, .. } = &mut *state;
    openers.call(session, &mut wakers);
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
    events
}

/// Ends a session when its owner ends, for whatever reason: nothing else would notify its streams.
pub(crate) struct Ending(pub(crate) SharedSession);

impl Drop for Ending {
    fn drop(&mut self) {
        let Self(session) = self;
        session.abandon();
        // What is left concerns the streams, which wake; the link has heard of the end if it is there.
        session.take_events();
    }
}

fn set_waker(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
