//! A plugboard among hostile telephones and clients.

use std::collections::BTreeMap;

use bytes::Bytes;
use core::time::Duration;
use telephone_core::error::LeaveCode;
use telephone_core::handshake::Reception;
use telephone_core::limits::{RouterLimits, SessionLimits};
use telephone_core::message::{Headers, RequestHead};
use telephone_core::mount::Mount;
use telephone_core::router::{
    Identity, Reduced, Registration, ResumeSecret, Route, Router, RouterEvent, SessionKey,
};
use telephone_core::session::{Event, Role};
use telephone_core::target;
use telephone_core::time::Timestamp;
use telephone_core::wire::{Hello, Opening, Profile, Resume, Setting};

use super::{Record, STEPS_MAX, application, records};
use crate::http::public_connection;
use crate::memory::Meter;
use crate::session::{End, assert_empty};

/// Links that there are at once.
const LINKS: usize = 4;
/// The relay's clock, in milliseconds since 1970.
const CLOCK: u64 = 1_700_000_000_000;
/// Octets of memory without traffic, for each octet that was heard, each stream and each session. [D-20]
const MEMORY_BASE: usize = 128 * 1024;
const MEMORY_FACTOR: usize = 64;
const MEMORY_STREAM: usize = 16 * 1024;
const MEMORY_SESSION: usize = 8 * 1024;

/// What the relay keeps of a session.
struct Line {
    end: End,
    identity: Identity,
    secret: [u8; 16],
    mounts: Vec<Mount>,
    /// A newer process took over all of it.
    is_fenced: bool,
}

struct Relay {
    router: Router,
    lines: BTreeMap<SessionKey, Line>,
    /// The session that each link belongs to.
    links: [Option<SessionKey>; LINKS],
    sessions: u64,
    now: Timestamp,
    heard: usize,
}

/// With an even first octet, what a client sends to the public port. With an odd one, records from telephones on
/// four links: hellos, attempts to resume, messages, breaks, silence, and clients' requests between them. A request
/// goes only to a linked session that registered its mount (I26), which no other subject holds (I27), a session goes on
/// only for whoever knows its secret, memory is bounded (I36), and in the end nothing is left (I38).
pub fn plugboard_input(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    if first % 2 == 0 {
        return public_connection(data);
    }
    let meter = Meter::start();
    let mut relay = Relay::new();
    for record in records(data).take(STEPS_MAX) {
        relay.step(&record);
        relay.settle();
        relay.check(&meter);
    }
    relay.end();
}

impl Relay {
    fn new() -> Self {
        let now = Timestamp::ZERO;
        let router = Router::new(RouterLimits::default(), now);
        Self { router, lines: BTreeMap::new(), links: [None; LINKS], sessions: 0, now, heard: 0 }
    }

    fn step(&mut self, record: &Record<'_>) {
        let slot = usize::from(record.kind) % LINKS;
        let octets = Bytes::copy_from_slice(record.octets);
        self.heard += octets.len();
        match record.kind / 4 % 8 {
            0 => {
                self.lose_link(slot);
                if let Ok(hello) = Reception::start(Profile::Binary, self.now).handle_message(octets) {
                    self.on_hello(slot, &hello);
                }
            }
            1..=4 => self.on_message(slot, octets),
            5 => self.lose_link(slot),
            6 => self.pass(Duration::from_millis(200 * octets.len() as u64)),
            _ => self.request(&octets),
        }
    }

    /// Whoever says it: the token is believed, since it is not what is tested here, and names the subject.
    fn on_hello(&mut self, slot: usize, hello: &Hello) {
        let identity = Identity::new(hello.token.clone(), hello.instance.clone());
        if hello.resume.is_some_and(|resume| self.resume(slot, &identity, &resume)) {
            return;
        }
        let Ok(mounts) = hello.mounts.iter().map(|text| text.parse()).collect::<Result<Vec<Mount>, _>>()
        else {
            return;
        };
        self.sessions += 1;
        let key = SessionKey::new(self.sessions);
        let secret = [self.sessions.to_le_bytes()[0] ^ 0x5a; 16];
        let registration = Registration {
            identity: identity.clone(),
            epoch: hello.epoch,
            claims: mounts.clone(),
            mounts,
            is_partial_enough: hello.settings.has(Setting::Partial),
            secret: ResumeSecret::new(secret),
            sticky: None,
        };
        let Ok(registered) = self.router.register(key, registration, CLOCK, self.now) else { return };
        self.reduce(registered.reduced, &identity);
        let mounts = registered.mounts;
        let is_shared = self.lines.values().any(|other| {
            !other.is_fenced
                && other.end.session.is_open()
                && other.identity.subject() != identity.subject()
                && other.mounts.iter().any(|mount| mounts.contains(mount))
        });
        assert!(!is_shared, "two subjects hold one mount");
        let line = Line { end: self.session(hello), identity, secret, mounts, is_fenced: false };
        self.lines.insert(key, line);
        self.links[slot] = Some(key);
    }

    /// Older sessions of an identity lost mounts.
    fn reduce(&mut self, reduced: Vec<Reduced>, identity: &Identity) {
        for Reduced { session, left } in reduced {
            let Some(old) = self.lines.get_mut(&session) else { panic!("{session:?} is over") };
            assert_eq!(old.identity, *identity, "another identity is fenced");
            assert!(left.iter().all(|mount| old.mounts.contains(mount)), "it has more than before");
            if left.is_empty() {
                old.end.session.leave(LeaveCode::Replaced, self.now);
                old.is_fenced = true;
            }
            old.mounts = left;
        }
    }

    fn session(&self, hello: &Hello) -> End {
        let peer = SessionLimits {
            streams: hello.settings.value(Setting::Streams).unwrap_or(0),
            stream_floor: hello.settings.value(Setting::StreamFloor).unwrap_or(0),
            ..SessionLimits::default()
        };
        let window = SessionLimits::default().resume_window;
        End::at(self.now, Role::Plugboard, &SessionLimits::default(), &peer, window)
    }

    /// Goes on with a session, if the hello proves the right to it and it can.
    fn resume(&mut self, slot: usize, identity: &Identity, resume: &Resume) -> bool {
        let proven = self.router.resumable(identity, resume);
        let key = SessionKey::new(resume.session);
        let is_right =
            |line: &&Line| line.identity == *identity && line.secret == resume.secret && !line.is_fenced;
        assert_eq!(proven, self.lines.get(&key).filter(is_right).map(|_| key), "whose session is it");
        let Some(line) = proven.and_then(|key| self.lines.get_mut(&key)) else { return false };
        let Ok(link) = line.end.session.resume(resume.position, self.now) else { return false };
        line.end.resumed(link, resume.position);
        self.links.iter_mut().filter(|link| **link == Some(key)).for_each(|link| *link = None);
        self.links[slot] = Some(key);
        self.router.handle_link_up(key, self.now);
        true
    }

    fn on_message(&mut self, slot: usize, message: Bytes) {
        if let Some(line) = self.links[slot].and_then(|key| self.lines.get_mut(&key)) {
            line.end.hear(message, self.now);
        }
    }

    fn lose_link(&mut self, slot: usize) {
        if let Some(line) = self.links[slot].take().and_then(|key| self.lines.get_mut(&key)) {
            line.end.lose(self.now);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.router.handle_timeout(self.now);
        assert!(self.router.poll_timeout().is_none_or(|next| next > self.now));
        self.lines.values_mut().for_each(|line| line.end.pass(self.now));
    }

    /// A client's request for a path.
    fn request(&mut self, octets: &[u8]) {
        let Ok(target) = target::canonical(octets) else { return };
        match self.router.route(None, target::path(&target), self.now) {
            Route::To { session, mount, .. } => self.open(session, &mount, target),
            Route::Park(_) | Route::Refuse(_) => {}
        }
    }

    fn open(&mut self, key: SessionKey, mount: &Mount, target: Bytes) {
        let line = self.lines.get_mut(&key).expect("a request goes to a session that is there");
        assert!(line.mounts.contains(mount) && !line.is_fenced, "a request for {mount} goes astray");
        let head = RequestHead {
            method: Bytes::from_static(b"GET"),
            target,
            headers: Headers::new(),
            length: None,
            upgrade: None,
            wants_trailers: false,
        };
        let opening = Opening::Http { mount: mount.to_string().into(), head };
        if let Ok(id) = line.end.session.open(opening, false, self.now) {
            line.end.held.push(id);
        }
        self.router.finish(key);
    }

    /// Sessions and router do what is left to do.
    fn settle(&mut self) {
        let now = self.now;
        while let Some(event) = self.router.poll_event() {
            match event {
                RouterEvent::Unparked { session, mount, .. } => {
                    self.open(session, &mount, Bytes::from_static(b"/"));
                }
                RouterEvent::Refused { .. } | RouterEvent::Rescheduled { .. } => {}
            }
        }
        for (key, line) in &mut self.lines {
            application::serve(&mut line.end, now, |end, event| {
                if let Event::Renewal(_) = event {
                    end.session.confirm_renewal(Some(Duration::from_secs(60)), now);
                }
            });
            let mut messages = 0;
            while line.end.say(now).is_some() {
                messages += 1;
                assert!(messages < 1000, "a session that never falls silent");
            }
            if line.end.session.link().is_none() {
                line.end.link = None;
                self.router.handle_link_down(*key, now);
                self.links.iter_mut().filter(|link| **link == Some(*key)).for_each(|link| *link = None);
            }
        }
        let is_over = |line: &Line| line.end.session.closed().is_some();
        let over: Vec<SessionKey> =
            self.lines.iter().filter(|(_, line)| is_over(line)).map(|(key, _)| *key).collect();
        for key in over {
            self.router.remove(key, now);
            self.lines.remove(&key).into_iter().for_each(|line| end_line(line, now));
        }
    }

    fn check(&self, meter: &Meter) {
        let registered = self.lines.values().filter(|line| !line.is_fenced).count();
        assert_eq!(self.router.counts().sessions, registered);
        let streams: usize = self.lines.values().map(|line| line.end.session.stats().streams_open).sum();
        let bound = MEMORY_BASE
            + MEMORY_FACTOR * self.heard
            + MEMORY_STREAM * streams
            + MEMORY_SESSION * self.lines.len();
        assert!(meter.held() <= bound, "{} octets of memory for {}", meter.held(), self.heard);
        self.lines.values().for_each(|line| line.end.check());
    }

    /// All telephones are gone, and time passes: nothing is left.
    fn end(mut self) {
        (0..LINKS).for_each(|slot| self.lose_link(slot));
        self.pass(SessionLimits::default().resume_window * 2);
        self.settle();
        assert!(self.lines.is_empty(), "a session outlives its window");
        let counts = self.router.counts();
        assert_eq!((counts.sessions, counts.linked, counts.mounts), (0, 0, 0));
    }
}

fn end_line(mut line: Line, now: Timestamp) {
    line.end.lose(now);
    while let Some(id) = line.end.held.pop() {
        line.end.session.release(id);
    }
    assert_empty(&line.end.session);
}
