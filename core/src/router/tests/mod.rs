//! What the router promises, one sentence a test.

mod affinity;
mod choice;
mod identities;
mod memory;
mod parking;
mod presenting;
mod registration;
mod waiting;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::{
    Identity, Reduced, Refusal, RegisterError, Registered, Registration, ResumeSecret, Route, Router,
    RouterEvent, SessionKey, Ticket,
};
use crate::limits::RouterLimits;
use crate::mount::Mount;
use crate::time::Timestamp;

const RETRY_AFTER: Duration = Duration::from_secs(1);
const NOBODY: Refusal = Refusal::NobodyConnected { retry_after: RETRY_AFTER };

/// The relay's clock, in milliseconds since 1970.
const CLOCK: u64 = 1_800_000_000_000;

fn mounts(texts: &str) -> Vec<Mount> {
    texts.split_whitespace().map(|mount| mount.parse().unwrap()).collect()
}

fn registration(who: &str, epoch: u64, asked: &str, claims: &str) -> Registration {
    let (subject, instance) = who.split_once('/').unwrap_or((who, "one"));
    Registration {
        identity: Identity::new(subject, instance),
        epoch,
        mounts: mounts(asked),
        claims: mounts(claims),
        is_partial_enough: false,
        secret: ResumeSecret::new([7; 16]),
        sticky: None,
    }
}

type Unparked = (Ticket, u64);
type Refused = (Ticket, Refusal);

/// A router, its clock, and a shorter way to ask.
struct Relay {
    router: Router,
    now: Timestamp,
    /// Those whose wait ends earlier than it was to, each time.
    rescheduled: Vec<Ticket>,
}

impl Relay {
    /// A relay that has run long enough to know its mounts.
    fn new() -> Self {
        Self::with(RouterLimits::default())
    }

    fn with(limits: RouterLimits) -> Self {
        let mut relay = Self::just_started(limits);
        relay.pass(60_000);
        relay
    }

    fn just_started(limits: RouterLimits) -> Self {
        Self { router: Router::new(limits, Timestamp::ZERO), now: Timestamp::ZERO, rescheduled: Vec::new() }
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    /// Registers with a token that claims no more than the mounts. Tells which session is fenced.
    fn ask(&mut self, key: u64, who: &str, epoch: u64, mounts: &str) -> Result<Option<u64>, RegisterError> {
        let registered = self.register_as(key, registration(who, epoch, mounts, mounts))?;
        let fenced: Vec<_> = registered.reduced.iter().filter(|older| older.left.is_empty()).collect();
        assert!(fenced.len() == registered.reduced.len() && fenced.len() < 2, "{registered:?}");
        Ok(fenced.first().map(|older| older.session.number()))
    }

    fn register_as(&mut self, key: u64, registration: Registration) -> Result<Registered, RegisterError> {
        self.router.register(SessionKey::new(key), registration, CLOCK, self.now)
    }

    fn register(&mut self, key: u64, who: &str, mounts: &str) {
        assert_eq!(self.ask(key, who, 1, mounts), Ok(None));
    }

    fn link_up(&mut self, key: u64) {
        self.router.handle_link_up(SessionKey::new(key), self.now);
    }

    fn link_down(&mut self, key: u64) {
        self.router.handle_link_down(SessionKey::new(key), self.now);
    }

    fn remove(&mut self, key: u64) {
        self.router.remove(SessionKey::new(key), self.now);
    }

    fn route(&mut self, place: &str) -> Route {
        if !place.contains('/') {
            return self.router.route_to(&place.parse().unwrap(), self.now);
        }
        let (host, path) = place.split_at(place.find('/').unwrap());
        let host = (!host.is_empty()).then_some(host.as_bytes());
        self.router.route(host, path.as_bytes(), self.now)
    }

    /// The session and the mount that a request goes to.
    fn to(&mut self, place: &str) -> (u64, alloc::string::String) {
        match self.route(place) {
            Route::To { session, mount, .. } => (session.number(), mount.to_string()),
            other => panic!("{place}: {other:?}"),
        }
    }

    fn parks(&mut self, place: &str) -> Ticket {
        match self.route(place) {
            Route::Park(ticket) => ticket,
            other => panic!("{place}: {other:?}"),
        }
    }

    fn refuses(&mut self, place: &str) -> Refusal {
        match self.route(place) {
            Route::Refuse(refusal) => refusal,
            other => panic!("{place}: {other:?}"),
        }
    }

    /// The tickets that were unparked, each with its session, and those that were refused.
    fn events(&mut self) -> (Vec<Unparked>, Vec<Refused>) {
        let (mut unparked, mut refused) = (Vec::new(), Vec::new());
        while let Some(event) = self.router.poll_event() {
            match event {
                RouterEvent::Unparked { ticket, session, .. } => unparked.push((ticket, session.number())),
                RouterEvent::Refused { ticket, refusal } => refused.push((ticket, refusal)),
                RouterEvent::Rescheduled { ticket } => self.rescheduled.push(ticket),
            }
        }
        (unparked, refused)
    }
}
