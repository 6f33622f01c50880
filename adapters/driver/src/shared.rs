//! A session shared between its link and the legs of its streams.
//!
//! The lock is held for one verb of the core, or to take apart one message: never across IO or an
//! `.await`. Whoever leaves something to say behind wakes the link.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use std::time::Duration;

use bytes::Bytes;
use futures_lite::future;
use telephone_core::error::{CloseReason, LeaveCode};
use telephone_core::session::{
    Accepted, CannotResume, Event, LinkId, OpenError, Session, SessionStats, StreamId,
};
use telephone_core::time::Timestamp;
use telephone_core::wire::Opening;

use crate::runtime::Runtime;
use crate::stream::StreamHandle;

/// A clock as the legs see it, without the runtime's other parts.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Who waits for one stream.
#[derive(Debug, Default)]
struct StreamWakers {
    read: Option<Waker>,
    write: Option<Waker>,
}

struct State {
    session: Session,
    streams: HashMap<StreamId, StreamWakers>,
    link: Option<Waker>,
    /// Where the session stood when its link's task last looked.
    seen: Option<LinkId>,
}

/// One session, shared. Clones are the same session.
#[derive(Clone)]
pub(crate) struct SharedSession {
    state: Arc<Mutex<State>>,
    /// A link came or went.
    changes: Arc<event_listener::Event>,
    clock: Clock,
}

impl SharedSession {
    pub(crate) fn new(session: Session, clock: Clock) -> Self {
        let seen = session.link();
        let state = State { session, streams: HashMap::new(), link: None, seen };
        Self { state: Arc::new(Mutex::new(state)), changes: Arc::default(), clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A panic under the lock poisons it; the session's own state is consistent between verbs, and
    /// the panic ends only the task in which it happened.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one verb, then wakes the link if there is something to say.
    pub(crate) fn with<T>(&self, verb: impl FnOnce(&mut Session, Timestamp) -> T) -> T {
        let now = self.now();
        let mut state = self.lock();
        let result = verb(&mut state.session, now);
        let up = state.session.link();
        let has_changed = std::mem::replace(&mut state.seen, up) != up;
        let is_link_due = has_changed || state.session.has_transmit() || state.session.closed().is_some();
        let link = if is_link_due { state.link.take() } else { None };
        drop(state);
        if has_changed {
            self.changes.notify(usize::MAX);
        }
        if let Some(link) = link {
            link.wake();
        }
        result
    }

    /// Runs one input or output of the link itself, which needs no waking.
    pub(crate) fn with_link<T>(&self, turn: impl FnOnce(&mut Session) -> T) -> T {
        turn(&mut self.lock().session)
    }

    /// Remembers the task of `link`, or the one that waits for the next, to be woken when there is something to
    /// say or when the session moves on. True if that is so already.
    pub(crate) fn register_link(&self, link: Option<LinkId>, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        let has_moved = state.session.link() != link || state.session.closed().is_some();
        let is_due = has_moved || state.session.has_transmit();
        if !has_moved {
            set_waker(&mut state.link, cx);
        }
        is_due
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

    pub(crate) fn position(&self) -> u64 {
        self.lock().session.position()
    }

    /// Ready once the session has had no link for `time`, or is over.
    pub(crate) async fn dark_for<R: Runtime>(&self, runtime: &R, time: Duration) {
        loop {
            let change = self.changes.listen();
            if self.closed().is_some() {
                return;
            }
            if self.link().is_some() {
                change.await;
                continue;
            }
            let is_dark = async {
                runtime.sleep_until(runtime.now() + time).await;
                true
            };
            let has_changed = async {
                change.await;
                false
            };
            if future::or(is_dark, has_changed).await {
                return;
            }
        }
    }

    /// Takes the session's news: wakes the streams concerned and returns what concerns the session.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut wakers = Vec::new();
        let mut state = self.lock();
        while let Some(event) = state.session.poll_event() {
            match event {
                Event::Readable(id) => wakers.extend(state.streams.get_mut(&id).and_then(|w| w.read.take())),
                Event::Writable(id) => wakers.extend(state.streams.get_mut(&id).and_then(|w| w.write.take())),
                other => events.push(other),
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        events
    }

    /// Opens a stream for `opening`.
    pub(crate) fn open(&self, opening: Opening, end: bool) -> Result<StreamHandle, OpenError> {
        let id = self.with(|session, now| session.open(opening, end, now))?;
        Ok(StreamHandle::new(self.clone(), id))
    }

    /// Takes the next stream that the peer opened.
    pub(crate) fn accept(&self) -> Option<(Opening, StreamHandle)> {
        let Accepted { id, opening } = self.with(|session, _| session.accept())?;
        Some((opening, StreamHandle::new(self.clone(), id)))
    }

    pub(crate) fn leave(&self, code: LeaveCode) {
        self.with(|session, now| session.leave(code, now));
    }

    pub(crate) fn renew(&self, token: Bytes) {
        self.with(|session, _| session.renew(token));
    }

    pub(crate) fn closed(&self) -> Option<CloseReason> {
        self.lock().session.closed()
    }

    /// Whether new requests may come here: the session is open, and has a link to say so on.
    pub(crate) fn takes_requests(&self) -> bool {
        let state = self.lock();
        state.session.is_open() && state.session.link().is_some()
    }

    /// The octets that the session holds for its next link, if it has none.
    pub(crate) fn held_without_link(&self) -> Option<u64> {
        let state = self.lock();
        let held = state.session.kept().saturating_add(state.session.buffered());
        state.session.link().is_none().then(|| u64::try_from(held).unwrap_or(u64::MAX))
    }

    /// Ends the session without a word.
    pub(crate) fn abandon(&self) {
        self.with(|session, _| session.abandon());
    }

    pub(crate) fn stats(&self) -> SessionStats {
        self.lock().session.stats()
    }

    /// Waits for a stream to become readable.
    pub(crate) fn wait_read(&self, id: StreamId, cx: &Context<'_>) {
        set_waker(&mut self.lock().streams.entry(id).or_default().read, cx);
    }

    /// Waits for a stream to become writable.
    pub(crate) fn wait_write(&self, id: StreamId, cx: &Context<'_>) {
        set_waker(&mut self.lock().streams.entry(id).or_default().write, cx);
    }

    pub(crate) fn release(&self, id: StreamId) {
        self.lock().streams.remove(&id);
        self.with(|session, _| session.release(id));
    }
}

/// Ends a session when whoever keeps it ends, however that comes: nobody else would tell its streams.
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
