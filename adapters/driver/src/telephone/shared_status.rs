//! The state of all lines, written by them and read from outside.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use event_listener::Event;
use telephone_core::error::LeaveCode;
use telephone_core::wire::{MountUrl, Welcome};

use super::events::{Readers, TelephoneEvent};
use super::readiness::Readiness;
use crate::plugboard_url::PlugboardUrl;
use crate::shared::SharedSession;
use crate::status::{LineStatus, MissingMount, State, Status};

struct LineState {
    status: LineStatus,
    session: Option<SharedSession>,
    has_connected: bool,
}

impl LineState {
    /// The line's status now. The plugboard is asked for its numbers, for the next time.
    fn status(&self) -> LineStatus {
        LineStatus {
            stats: self.session.as_ref().map(SharedSession::report),
            plugboard_stats: self.session.as_ref().and_then(SharedSession::peer_stats),
            ..self.status.clone()
        }
    }
}

pub(super) struct SharedStatus {
    lines: Mutex<Vec<LineState>>,
    token_expires: Mutex<Option<SystemTime>>,
    requests: AtomicU64,
    readiness: Arc<Readiness>,
    /// A line got a session.
    connecting: Event,
    /// The token is to be read again.
    reloading: Event,
    reloads: AtomicU64,
    started: SystemTime,
    pub(super) events: Readers,
}

impl SharedStatus {
    pub(super) fn new(urls: &[PlugboardUrl], readiness: Arc<Readiness>) -> Self {
        let line = |url: &PlugboardUrl| LineState {
            status: LineStatus {
                plugboard: url.to_string(),
                dialled: url.to_string(),
                state: State::Connecting,
                mounts: Vec::new(),
                missing: Vec::new(),
                urls: Vec::new(),
                session: None,
                since: SystemTime::now(),
                attempts: 0,
                last_error: None,
                reconnects: 0,
                stats: None,
                plugboard_stats: None,
            },
            session: None,
            has_connected: false,
        };
        let lines = Mutex::new(urls.iter().map(line).collect());
        Self {
            lines,
            token_expires: Mutex::default(),
            requests: AtomicU64::new(0),
            readiness,
            connecting: Event::new(),
            reloading: Event::new(),
            reloads: AtomicU64::new(0),
            started: SystemTime::now(),
            events: Readers::default(),
        }
    }

    /// Tells who reads events what happened to a line, whose plugboard's URL it gives.
    pub(super) fn tell(&self, index: usize, event: impl FnOnce(String) -> TelephoneEvent) {
        let url = || self.lines().get(index).map(|line| line.status.plugboard.clone()).unwrap_or_default();
        self.events.tell(|| event(url()));
    }

    /// Tells of a dial that came to nothing.
    pub(super) fn tell_failed(&self, index: usize, attempts: u32, reason: &str, is_refusal: bool) {
        let reason = || reason.to_owned();
        self.tell(index, |plugboard| match is_refusal {
            true => TelephoneEvent::Refused { plugboard, attempts, reason: reason() },
            false => TelephoneEvent::Failed { plugboard, attempts, reason: reason() },
        });
    }

    fn lines(&self) -> MutexGuard<'_, Vec<LineState>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, index: usize, change: impl FnOnce(&mut LineState)) {
        if let Some(line) = self.lines().get_mut(index) {
            change(line);
        }
    }

    pub(super) fn enter(&self, index: usize, state: State) {
        let mut before = state;
        self.change(index, |line| {
            before = core::mem::replace(&mut line.status.state, state);
            if before != state {
                line.status.since = SystemTime::now();
            }
            if !matches!(state, State::Connected | State::Expired | State::Draining) {
                line.status.session = None;
            }
        });
        match (before, state) {
            (State::Connected | State::Expired, State::Connecting) => {
                self.tell(index, |plugboard| TelephoneEvent::Lost { plugboard });
            }
            (State::Connecting | State::Connected | State::Expired, State::Draining) => {
                self.tell(index, |plugboard| TelephoneEvent::Draining { plugboard });
            }
            (State::Connecting | State::Connected | State::Expired | State::Draining, State::Stopped) => {
                self.tell(index, |plugboard| TelephoneEvent::Stopped { plugboard });
            }
            _ => {}
        }
    }

    /// A dial begins, to `url`.
    pub(super) fn dial(&self, index: usize, url: &PlugboardUrl) {
        self.change(index, |line| line.status.dialled = url.to_string());
    }

    pub(super) fn connect(
        &self,
        index: usize,
        welcome: &Welcome,
        session: &SharedSession,
        mounts: Vec<String>,
    ) {
        self.enter(index, State::Connected);
        let served = mounts.clone();
        self.change(index, |line| {
            line.status.mounts = mounts;
            if welcome.resumed.is_none() {
                line.status.urls.clear();
            }
            line.session = Some(session.clone());
            line.status.reconnects += u64::from(core::mem::replace(&mut line.has_connected, true));
            line.status.session = Some(format!("{:016x}", welcome.session));
            line.status.attempts = 0;
            line.status.last_error = None;
        });
        self.expire(welcome.expires_in().map(|life| SystemTime::now() + life));
        self.connecting.notify(usize::MAX);
        self.tell(index, |plugboard| match welcome.resumed {
            Some(_) => TelephoneEvent::Resumed { plugboard, mounts: served },
            None => TelephoneEvent::Connected { plugboard, mounts: served },
        });
    }

    /// The sessions that take streams, those with a link first.
    pub(super) fn sessions(&self) -> Vec<SharedSession> {
        let mut sessions: Vec<_> = self.lines().iter().filter_map(|line| line.session.clone()).collect();
        sessions.retain(SharedSession::is_open);
        sessions.sort_by_key(|session| !session.is_up());
        sessions
    }

    /// Ready once there is a session.
    pub(super) async fn connected(&self) {
        while self.sessions().is_empty() {
            let listener = self.connecting.listen();
            // It may have come between the look and the wait.
            if self.sessions().is_empty() {
                listener.await;
            }
        }
    }

    pub(super) fn reload_token(&self) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.reloading.notify(usize::MAX);
    }

    /// How often the token was to be read again.
    pub(super) fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    /// Runs `reload` each time that the token is to be read again, and at once if that was so since it was `seen`.
    pub(super) async fn at_reloads<T>(&self, mut seen: u64, reload: impl Fn()) -> T {
        loop {
            let listener = self.reloading.listen();
            if std::mem::replace(&mut seen, self.reloads()) == self.reloads() {
                listener.await;
            }
            reload();
        }
    }

    pub(super) fn fail(&self, index: usize, attempts: u32, error: &str) {
        self.change(index, |line| {
            line.status.attempts = attempts;
            line.status.last_error = Some(error.to_owned());
        });
    }

    /// A shutdown was asked for: the line's session is left, with what is open or not.
    pub(super) fn leave(&self, index: usize, code: LeaveCode) {
        self.enter(index, State::Draining);
        let session = self.lines().get(index).and_then(|line| line.session.clone());
        if let Some(session) = session {
            session.leave(code);
        }
    }

    /// A line's link is gone; its session may be, too.
    pub(super) fn lose(&self, index: usize) {
        self.enter(index, State::Connecting);
        self.change(index, |line| {
            line.session = line.session.take().filter(|one| one.closed().is_none());
            line.status.missing.iter_mut().for_each(|mount| mount.asked_again = None);
        });
    }

    /// A session that was moved is over: if nothing took its place, the line has none.
    pub(super) fn lose_ended(&self, index: usize) {
        let is_over = self.lines().get(index).is_some_and(|line| {
            let session = line.session.as_ref();
            matches!(line.status.state, State::Connected | State::Expired)
                && session.is_some_and(|one| one.closed().is_some())
        });
        if is_over {
            self.lose(index);
        }
    }

    /// The line's session has these mounts; `is_less` is whether it lost some.
    pub(super) fn narrow(&self, index: usize, mounts: Vec<String>, is_less: bool) {
        if is_less {
            self.tell(index, |plugboard| TelephoneEvent::Narrowed { plugboard, mounts: mounts.clone() });
        }
        self.change(index, |line| line.status.mounts = mounts);
    }

    /// The line's session lacks these mounts.
    pub(super) fn set_missing(&self, index: usize, missing: Vec<MissingMount>) {
        self.change(index, |line| line.status.missing = missing);
    }

    /// Where the line's mounts are public. Tells what was known of that before.
    pub(super) fn set_urls(&self, index: usize, urls: &[MountUrl]) -> Vec<MountUrl> {
        let mut before = Vec::new();
        self.change(index, |line| before = std::mem::replace(&mut line.status.urls, urls.to_vec()));
        before
    }

    /// The line goes on, and something about it is wrong.
    pub(super) fn complain(&self, index: usize, error: &str) {
        self.change(index, |line| line.status.last_error = Some(error.to_owned()));
    }

    /// The line's token is over: nothing more comes on its session.
    pub(super) fn expire_token(&self, index: usize, error: &str) {
        if self.state(index) == Some(State::Connected) {
            self.enter(index, State::Expired);
        }
        self.complain(index, error);
    }

    /// The line has a good token again.
    pub(super) fn renew(&self, index: usize) {
        if self.state(index) == Some(State::Expired) {
            self.enter(index, State::Connected);
        }
        self.change(index, |line| line.status.last_error = None);
    }

    fn state(&self, index: usize) -> Option<State> {
        self.lines().get(index).map(|line| line.status.state)
    }

    pub(super) fn expire(&self, at: Option<SystemTime>) {
        *self.token_expires.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn status(&self) -> Status {
        let lines = self.lines();
        let streams = lines
            .iter()
            .filter_map(|line| line.session.as_ref())
            .map(|session| session.stats().streams_open as u64)
            .sum();
        Status {
            lines: lines.iter().map(LineState::status).collect(),
            token_expires: *self.token_expires.lock().unwrap_or_else(PoisonError::into_inner),
            streams,
            requests: self.requests.load(Ordering::Relaxed),
            backends: self.readiness.status(),
            started: self.started,
        }
    }
}
