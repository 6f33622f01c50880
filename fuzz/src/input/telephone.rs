//! A telephone that a hostile plugboard has talked into dialling it.

use bytes::Bytes;
use core::time::Duration;
use telephone_core::dialer::{DialEvent, DialFailure, Dialer, DialerConfig};
use telephone_core::handshake::{Answer, Greeting, Reception};
use telephone_core::limits::SessionLimits;
use telephone_core::session::{Event, Role};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Hello, Profile, Resume, Setting, Settings, Welcome};

use super::{Record, STEPS_MAX, application, records};
use crate::memory::Meter;
use crate::session::{End, assert_empty};

/// Dials in any 30 s, as the dialer promises. [I41]
const DIALS_MAX: usize = 60;
const DIALS_WINDOW: Duration = Duration::from_secs(30);
/// A window that is longer is waited for no longer: this clock is to stay far from its end.
const RESUME_WINDOW_MAX: Duration = Duration::from_secs(3600);
/// Octets of memory without traffic, and for each octet that was heard and each stream. [D-20]
const MEMORY_BASE: usize = 128 * 1024;
const MEMORY_FACTOR: usize = 64;
const MEMORY_STREAM: usize = 16 * 1024;

/// A telephone and what it knows of the plugboard.
struct Telephone {
    dialer: Dialer,
    /// When it dialled.
    dials: Vec<Timestamp>,
    /// A hello is out.
    greeting: Option<Greeting>,
    line: Option<Line>,
    now: Timestamp,
    heard: usize,
}

/// A session, and what proves the right to go on with it.
struct Line {
    end: End,
    session: u64,
    secret: [u8; 16],
}

/// Records from a plugboard: answers to hellos, messages, links that break, silence. Whatever they are the
/// telephone stays within memory (I36), dials no faster than it may (I41), says nothing that the protocol
/// forbids, and in the end keeps nothing (I38).
pub fn telephone_input(data: &[u8]) {
    let meter = Meter::start();
    let mut telephone = Telephone::new();
    for record in records(data).take(STEPS_MAX) {
        telephone.dial();
        telephone.step(&record);
        telephone.settle();
        telephone.check(&meter);
    }
    telephone.end_line();
}

impl Telephone {
    fn new() -> Self {
        let now = Timestamp::ZERO;
        let dialer = Dialer::new(DialerConfig { attempts_max: 20, ..DialerConfig::default() }, 1, now);
        Self { dialer, dials: Vec::new(), greeting: None, line: None, now, heard: 0 }
    }

    /// Dials if the dialer says so. The hello that goes out is one that a plugboard can read.
    fn dial(&mut self) {
        match self.dialer.poll_event() {
            Some(DialEvent::Dial) => {
                let earliest = self.dials.len().checked_sub(DIALS_MAX).map(|at| self.dials[at]);
                assert!(earliest.is_none_or(|dial| self.now.since(dial) >= DIALS_WINDOW), "too many dials");
                self.dials.push(self.now);
                let hello = self.hello();
                let (message, greeting) = Greeting::start(Profile::Binary, hello.clone(), self.now);
                assert_eq!(Reception::start(Profile::Binary, self.now).handle_message(message), Ok(hello));
                self.greeting = Some(greeting);
            }
            Some(DialEvent::GiveUp(_) | DialEvent::ReadToken) | None => {}
        }
    }

    fn hello(&self) -> Hello {
        let waiting = self.line.as_ref().filter(|line| line.end.session.resumable_until().is_some());
        Hello {
            token: "a.b.c".into(),
            mounts: vec!["/a".into()],
            instance: "b".into(),
            epoch: 1,
            agent: "c".into(),
            settings: Settings::of(&SessionLimits::default()),
            resume: waiting.map(|line| Resume {
                session: line.session,
                secret: line.secret,
                position: line.end.session.position(),
            }),
        }
    }

    fn step(&mut self, record: &Record<'_>) {
        self.heard += record.octets.len();
        match (record.kind % 8, self.greeting.take()) {
            (6, _) => self.lose_link(),
            (7, greeting) => {
                self.pass(Duration::from_millis(100 * record.octets.len() as u64));
                self.greeting = greeting;
            }
            (_, Some(greeting)) => self.on_answer(greeting, Bytes::copy_from_slice(record.octets)),
            (_, None) => self.on_message(Bytes::copy_from_slice(record.octets)),
        }
    }

    fn on_answer(&mut self, greeting: Greeting, octets: Bytes) {
        match greeting.handle_message(octets) {
            Ok(Answer::Welcome(welcome)) => self.on_welcome(&welcome),
            Ok(Answer::Refused(refused)) => {
                self.dialer.handle_failed(DialFailure::from(&refused), self.now);
            }
            Err(_) => self.dialer.handle_failed(DialFailure::Unreachable, self.now),
        }
    }

    fn on_welcome(&mut self, welcome: &Welcome) {
        let waiting = self.line.as_mut().filter(|line| line.end.session.resumable_until().is_some());
        match (welcome.resumed, waiting) {
            (Some(position), Some(line)) => match line.end.session.resume(position, self.now) {
                Ok(link) => {
                    line.end.resumed(link, position);
                    self.dialer.handle_established(welcome.spread(), self.now);
                }
                Err(_) => self.dialer.handle_failed(DialFailure::Unreachable, self.now),
            },
            // Only what was asked for can be granted.
            (Some(_), None) => self.dialer.handle_failed(DialFailure::Unreachable, self.now),
            (None, _) => {
                self.end_line();
                self.begin(welcome);
                self.dialer.handle_established(welcome.spread(), self.now);
            }
        }
    }

    fn begin(&mut self, welcome: &Welcome) {
        let peer = SessionLimits {
            streams: welcome.settings.value(Setting::Streams).unwrap_or(0),
            stream_floor: welcome.settings.value(Setting::StreamFloor).unwrap_or(0),
            ..SessionLimits::default()
        };
        let window = Duration::from_millis(welcome.resume_window_ms).min(RESUME_WINDOW_MAX);
        let mut end = End::at(self.now, Role::Telephone, &SessionLimits::default(), &peer, window);
        end.session.authorize(welcome.expires_in(), self.now);
        self.line = Some(Line { end, session: welcome.session, secret: welcome.secret });
    }

    fn on_message(&mut self, message: Bytes) {
        let Some(line) = &mut self.line else { return };
        let position = line.end.session.position();
        line.end.hear(message, self.now);
        if line.end.session.position() > position {
            self.dialer.handle_progress(self.now);
        }
    }

    fn lose_link(&mut self) {
        if let Some(line) = self.line.as_mut().filter(|line| line.end.link.is_some()) {
            line.end.lose(self.now);
        } else {
            self.dialer.handle_failed(DialFailure::Unreachable, self.now);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.dialer.handle_timeout(self.now);
        assert!(self.dialer.poll_timeout().is_none_or(|next| next > self.now));
        if let Some(line) = &mut self.line {
            line.end.pass(self.now);
        }
    }

    /// The application works, the session says what it has to, and what its end means is told to the dialer.
    fn settle(&mut self) {
        let Some(line) = &mut self.line else { return };
        let now = self.now;
        application::serve(&mut line.end, now, |end, event| {
            if event == Event::RenewalDue {
                end.session.renew(Bytes::from_static(b"d.e.f"));
            }
        });
        let mut messages = 0;
        while line.end.say(now).is_some() {
            messages += 1;
            assert!(messages < 1000, "a session that never falls silent");
        }
        match (line.end.session.closed(), line.end.session.link()) {
            (Some(reason), _) => {
                self.dialer.handle_session_over(reason, now);
                self.end_line();
            }
            (None, None) => {
                let until = line.end.session.resumable_until();
                assert!(until.is_some(), "a session that waits for nothing");
                line.end.link = None;
                self.dialer.handle_lost(until, now);
            }
            (None, Some(_)) => {}
        }
    }

    fn check(&self, meter: &Meter) {
        let streams = self.line.as_ref().map_or(0, |line| line.end.session.stats().streams_open);
        let bound = MEMORY_BASE + MEMORY_FACTOR * self.heard + MEMORY_STREAM * streams;
        assert!(meter.held() <= bound, "{} octets of memory for {}", meter.held(), self.heard);
        if let Some(line) = &self.line {
            line.end.check();
        }
    }

    /// The session is over, or is given up for another: nothing of it is left.
    fn end_line(&mut self) {
        let Some(Line { mut end, .. }) = self.line.take() else { return };
        end.lose(self.now);
        if let Some(until) = end.session.resumable_until() {
            end.pass(until);
        }
        while let Some(id) = end.held.pop() {
            end.session.release(id);
        }
        assert_empty(&end.session);
    }
}
