//! A plugboard's process: what the relay's accept loop, registry and tunnel tasks are.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use telephone_core::error::{CloseReason, LeaveCode};
use telephone_core::handshake::Reception;
use telephone_core::limits::{DARK_TIME, RouterLimits, TOKEN_GRACE};
use telephone_core::retry::RetryBudget;
use telephone_core::router::{Router, SessionKey, Ticket};
use telephone_core::session::{Event as News, LinkId, StreamId};
use telephone_core::wire::Profile;

use super::client::PublicLeg;
use super::drain::Drain;
use super::issuer::BadToken;
use super::presenting::Wanted;
use super::reception::lifetime;
use super::repeats::Repeats;
use crate::clock::{Event, Micros};
use crate::laws;
use crate::line::Line;
use crate::net::{Arrival, Side};
use crate::scenario::Limits;
use crate::stage::{Note, Stage};

/// How long a last word may take, and then some.
const LAST_WORD_TIME: Micros = 5 * crate::clock::SECOND;

/// What a wire is to a plugboard.
#[derive(Debug)]
pub(super) enum Stand {
    /// A hello is awaited.
    Greeted(Option<Reception>),
    /// A session uses it.
    Used(SessionKey),
    /// A session used it, and went on over another one.
    Old(SessionKey, LinkId),
}

/// Where a client's request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// It waits for a session.
    Waiting(Ticket),
    /// A session carries it.
    Carried(SessionKey, StreamId),
}

/// A session that registered.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) line: Line<PublicLeg>,
    /// The telephone whose process greeted.
    pub(super) telephone: u32,
    pub(super) tenant: u8,
    pub(super) epoch: u64,
    pub(super) instance: String,
    /// When its token is no longer good by any clock.
    pub(super) good_until: Micros,
    pub(super) is_suspended: bool,
    pub(super) is_over: bool,
    pub(super) secret: [u8; 16],
    /// When it lost its link, if it has none.
    pub(super) lost_at: Option<Micros>,
    /// Requests that it carries.
    pub(super) load: u32,
    /// Its telephone has another session elsewhere.
    pub(super) has_moved: bool,
    /// What its telephone wants of its mount, as the scope has answered.
    pub(super) wanted: Wanted,
}

/// A plugboard's process.
#[derive(Debug)]
pub struct Plugboard {
    pub(super) index: u32,
    pub(super) router: Router,
    pub(super) sessions: BTreeMap<SessionKey, Held>,
    pub(super) stands: BTreeMap<u32, Stand>,
    pub(super) clients: BTreeMap<u32, (Whereabouts, u32)>,
    pub(super) tickets: BTreeMap<Ticket, u32>,
    pub(super) next_key: u64,
    pub(super) retries: RetryBudget,
    /// Since when it runs, which requests it had since then, and how many of them it repeated.
    pub(super) repeats: Repeats,
    /// Whether it refuses telephones that are new.
    pub is_draining: bool,
    /// How far it is, if another process follows it.
    pub(super) drain: Option<Drain>,
    pub(super) is_settling: bool,
    pub(super) armed: Micros,
    /// From when on no request waits for a mount that was not known.
    pub(super) knows_all_at: Micros,
    pub(super) thawed_at: Micros,
}

/// The core's limits of a scenario's.
#[must_use]
pub fn session_limits(limits: &Limits) -> telephone_core::limits::SessionLimits {
    telephone_core::limits::SessionLimits {
        stream_floor: limits.stream_floor,
        stream_window: limits.stream_window,
        stream_window_max: limits.stream_window * 8,
        session_window: limits.session_window,
        session_window_max: laws::window_max(limits),
        streams: limits.streams,
        unaccepted: usize::try_from(limits.unaccepted).unwrap_or(usize::MAX),
        replay_bytes: limits.replay_bytes as usize,
        replay_bytes_max: limits.replay_bytes as usize * 8,
        ..Default::default()
    }
}

impl Plugboard {
    /// A process that starts now.
    #[must_use]
    pub fn new(index: u32, stage: &mut Stage<'_>) -> Self {
        let limits = RouterLimits {
            park_time: Duration::from_micros(stage.scenario.park_time),
            parked_per_mount: stage.scenario.parked_per_mount as usize,
            retries: stage.scenario.retries.0,
            retries_kept: stage.scenario.retries.1,
            ..RouterLimits::default()
        };
        let knows_all = limits.start_grace + limits.park_time;
        Self {
            index,
            retries: RetryBudget::new(&limits, stage.clock.timestamp()),
            repeats: Repeats::since(stage.now()),
            router: Router::new(limits, stage.clock.timestamp()),
            sessions: BTreeMap::new(),
            stands: BTreeMap::new(),
            clients: BTreeMap::new(),
            tickets: BTreeMap::new(),
            // Numbers of an earlier process are not met again.
            next_key: stage.random.up_to(u64::MAX / 2),
            is_draining: false,
            drain: None,
            is_settling: false,
            armed: Micros::MAX,
            knows_all_at: stage.now() + knows_all.as_micros() as Micros,
            thawed_at: 0,
        }
    }

    /// A wire was accepted.
    pub fn on_connected(&mut self, wire: u32, stage: &mut Stage<'_>) {
        let reception = Reception::start(Profile::Binary, stage.clock.timestamp());
        stage.clock.plan(reception.poll_timeout().as_micros(), Event::Plugboard(self.index));
        self.stands.insert(wire, Stand::Greeted(Some(reception)));
    }

    /// Something came on a wire.
    pub fn on_arrive(&mut self, wire: u32, stage: &mut Stage<'_>) {
        match self.stands.get_mut(&wire) {
            None => {
                // Nobody has this socket: whatever comes is refused.
                let _ = stage.read(wire, Side::Plugboard);
            }
            Some(Stand::Greeted(_)) => self.greet(wire, stage),
            Some(Stand::Used(key)) => {
                let key = *key;
                self.turn(key, stage);
            }
            Some(Stand::Old(key, link)) => {
                let (key, link) = (*key, *link);
                self.on_old(wire, key, link, stage);
            }
        }
    }

    /// What an old link still says must make no difference, and it is given nothing.
    fn on_old(&mut self, wire: u32, key: SessionKey, link: LinkId, stage: &mut Stage<'_>) {
        let now = stage.clock.timestamp();
        let fed = self.sessions.get_mut(&key).and_then(|held| held.line.session.poll_transmit(link, now));
        stage.oracle.check("resume", fed.is_none(), || format!("the old wire {wire} is given a message"));
        while let Some(arrival) = stage.read(wire, Side::Plugboard) {
            let now = stage.clock.timestamp();
            match (arrival, self.sessions.get_mut(&key)) {
                (Arrival::Message(message), Some(held)) => {
                    held.line.session.handle_message(link, message, now);
                }
                (Arrival::Octets, Some(held)) => held.line.session.handle_activity(link, now),
                (Arrival::Over, held) => {
                    if let Some(held) = held {
                        held.line.session.handle_disconnect(link, now);
                    }
                    self.stands.remove(&wire);
                    stage.close(wire, Side::Plugboard);
                }
                (_, None) => {}
            }
        }
        self.turn(key, stage);
    }

    /// Sends a session away.
    pub fn dismiss(&mut self, key: SessionKey, code: LeaveCode, stage: &mut Stage<'_>) {
        if let Some(held) = self.sessions.get_mut(&key) {
            held.line.leave(code, stage);
            self.turn(key, stage);
        }
    }

    /// Lets a session do what it can, and draws the conclusions.
    pub fn turn(&mut self, key: SessionKey, stage: &mut Stage<'_>) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let before = held.line.wire();
        held.line.turn(stage);
        let (number, now) = (key.number(), stage.now());
        let end = held.good_until.saturating_add(TOKEN_GRACE.as_micros() as Micros).max(self.thawed_at);
        let is_over = held.line.session.closed().is_some() || now <= end.saturating_add(LAST_WORD_TIME);
        stage.oracle.check("I28", is_over, || format!("session {number:x} outlives its token, at {now}"));
        let after = held.line.wire();
        let news = std::mem::take(&mut held.line.news);
        let ended = std::mem::take(&mut held.line.ended);
        let is_changed = !news.is_empty() || !ended.is_empty();
        if before != after
            && let Some((wire, _)) = before
        {
            self.stands.remove(&wire);
            held.lost_at = Some(stage.now());
            let number = key.number();
            stage.note(Note::Lost, number, || format!("the plugboard's session {number:x} lost wire {wire}"));
            self.settle_line(key, stage);
            let stranded = Event::Stranded { plugboard: self.index, session: number };
            stage.plan_in(DARK_TIME.as_micros() as Micros, stranded);
        }
        for event in news {
            self.on_news(key, event, stage);
        }
        for (stream, leg, ended) in ended {
            self.on_ended(key, stream, &leg, ended, stage);
        }
        if is_changed {
            return self.turn(key, stage);
        }
        self.settle_end(key, stage);
        self.settle_waits(stage);
    }

    fn on_news(&mut self, key: SessionKey, event: News, stage: &mut Stage<'_>) {
        let now = stage.clock.timestamp();
        match event {
            News::Renewal(token) => self.renew(key, &token, stage),
            News::Expired => self.settle_line(key, stage),
            News::PeerLeaves(_) => {
                self.router.suspend(key, now);
                if let Some(held) = self.sessions.get_mut(&key) {
                    held.is_suspended = true;
                }
            }
            News::Moved => {
                if let Some(held) = self.sessions.get_mut(&key) {
                    held.has_moved = true;
                }
            }
            News::MountsPresented(mounts) => self.on_presented(key, &mounts, stage),
            News::Closed(reason) => self.on_closed(key, reason, stage),
            News::Opened
            | News::Readable(_)
            | News::Writable(_)
            | News::RenewalDue
            | News::Renewed(_)
            | News::ScopeLeft(_)
            | News::Site(_)
            | News::RenewalRefused(_)
            | News::MoveAsked(_) => {}
        }
    }

    fn renew(&mut self, key: SessionKey, token: &Bytes, stage: &mut Stage<'_>) {
        let Some(held) = self.sessions.get_mut(&key) else { return };
        let text = std::str::from_utf8(token).unwrap_or_default();
        let (now, at) = (stage.now(), stage.clock.timestamp());
        match stage.issuer.verify(text, now) {
            Ok(grant) if grant.tenant != held.tenant => held.line.session.leave(LeaveCode::Forbidden, at),
            Ok(grant) if grant.expires_in == Some(Duration::ZERO) => {}
            Ok(grant) => {
                held.line.session.confirm_renewal(grant.expires_in, at);
                held.line.session.authorize(lifetime(&grant, now), at);
                held.good_until = grant.good_until;
                let tenant = held.tenant;
                stage.note(Note::Token, u64::from(tenant), || format!("tenant {tenant} renewed its token"));
            }
            Err(BadToken::Revoked) => held.line.session.leave(LeaveCode::Revoked, at),
            Err(BadToken::Unknown | BadToken::Expired) => {}
        }
        self.settle_line(key, stage);
    }

    /// Tells the router whether a session takes requests.
    pub(super) fn settle_line(&mut self, key: SessionKey, stage: &mut Stage<'_>) {
        let Some(held) = self.sessions.get(&key) else { return };
        let now = stage.clock.timestamp();
        if held.line.session.is_open() && held.line.wire().is_some() {
            self.router.handle_link_up(key, now);
        } else {
            self.router.handle_link_down(key, now);
        }
    }

    fn on_closed(&mut self, key: SessionKey, reason: CloseReason, stage: &mut Stage<'_>) {
        self.router.remove(key, stage.clock.timestamp());
        let Some(held) = self.sessions.get_mut(&key) else { return };
        held.is_over = true;
        let (number, now) = (key.number(), stage.now());
        stage.note(Note::Closed, number, || format!("the plugboard's session {number:x} is over: {reason}"));
        let is_honest = !stage.scenario.telephones[held.telephone as usize].is_hostile;
        stage.oracle.check("I6", !is_honest || !laws::is_misbehaviour(reason), || {
            format!("session {number:x} of two honest ends is over: {reason:?}")
        });
        let is_lost = matches!(reason, CloseReason::LinkLost | CloseReason::Silent);
        let lasted = now.saturating_sub(held.line.heard_at);
        stage.oracle.check("resume", !is_lost || lasted >= stage.scenario.resume_window, || {
            format!("session {number:x} was given up {lasted} us after it was heard of")
        });
        // A process that was stopped does what it should have done as soon as it goes on.
        let due = (held.line.heard_at + stage.scenario.resume_window).max(held.lost_at.unwrap_or(now));
        let is_late = is_lost && now > due.max(self.thawed_at);
        stage.oracle.check("resume", !is_late, || {
            format!("session {number:x} was given up at {now} and not at {due}")
        });
    }

    /// Forgets a session that is over and whose exchanges are.
    fn settle_end(&mut self, key: SessionKey, stage: &mut Stage<'_>) {
        let Some(held) = self.sessions.get(&key) else { return };
        if !held.is_over || !held.line.legs().is_empty() {
            return;
        }
        let session = &held.line.session;
        let (streams, buffered) = (session.stats().streams_open, session.buffered());
        let opened = session.stats().streams_opened;
        stage.sessions += u64::from(opened >= 10 && held.line.cuts > 0);
        stage.oracle.check("I38", streams == 0 && buffered == 0, || {
            format!("a session that is over has {streams} streams and {buffered} octets")
        });
        self.sessions.remove(&key);
    }

    /// A deadline of a session may have come.
    pub fn on_line(&mut self, number: u64, stage: &mut Stage<'_>) {
        let key = SessionKey::new(number);
        if let Some(held) = self.sessions.get_mut(&key) {
            held.line.tick(stage);
            self.turn(key, stage);
        }
    }

    /// A leg asked to be woken.
    pub fn on_leg(&mut self, number: u64, stream: u64, stage: &mut Stage<'_>) {
        let key = SessionKey::new(number);
        if let Some(held) = self.sessions.get_mut(&key) {
            held.line.pump(StreamId::new(stream), stage);
            self.turn(key, stage);
        }
    }

    /// Handshakes and waits may have taken too long.
    pub fn on_clock(&mut self, stage: &mut Stage<'_>) {
        // It may be another process' moment.
        if self.armed <= stage.now() {
            self.armed = Micros::MAX;
        }
        let now = stage.clock.timestamp();
        let is_late = |stand: &Stand| match stand {
            Stand::Greeted(Some(reception)) => reception.poll_timeout() <= now,
            Stand::Greeted(None) => true,
            Stand::Used(_) | Stand::Old(..) => false,
        };
        let late: Vec<u32> =
            self.stands.iter().filter(|(_, stand)| is_late(stand)).map(|(wire, _)| *wire).collect();
        for wire in late {
            self.hang_up(wire, stage);
        }
        self.router.handle_timeout(now);
        self.settle_waits(stage);
    }

    /// Everything that waited while the process was stopped.
    pub fn thaw(&mut self, stage: &mut Stage<'_>) {
        self.thawed_at = stage.now();
        let wires: Vec<u32> = self.stands.keys().copied().collect();
        for wire in wires {
            self.on_arrive(wire, stage);
        }
        for key in self.keys() {
            if let Some(held) = self.sessions.get_mut(&key) {
                held.line.pump_all(stage);
            }
            self.on_line(key.number(), stage);
        }
        self.on_clock(stage);
    }

    /// The process is killed: the kernel closes its sockets.
    pub fn kill(self, stage: &mut Stage<'_>) {
        for wire in self.stands.into_keys() {
            stage.close(wire, Side::Plugboard);
            let delay = stage.random.up_to(crate::clock::MILLI);
            stage.reset(wire, Side::Telephone, delay);
        }
        for held in self.sessions.into_values() {
            let opened = held.line.session.stats().streams_opened;
            stage.sessions += u64::from(opened >= 10);
        }
        for request in self.clients.into_keys() {
            super::exchange::finish(request, crate::oracle::Outcome::Aborted, stage);
        }
    }

    /// Sends all sessions of a tenant, or of everybody, away.
    pub fn dismiss_all(&mut self, tenant: Option<u8>, code: LeaveCode, stage: &mut Stage<'_>) {
        let is_meant = |held: &Held| tenant.is_none_or(|tenant| tenant == held.tenant);
        let keys: Vec<SessionKey> =
            self.sessions.iter().filter(|(_, held)| is_meant(held)).map(|(key, _)| *key).collect();
        for key in keys {
            self.dismiss(key, code, stage);
        }
    }

    /// All sessions.
    pub(super) fn keys(&self) -> Vec<SessionKey> {
        self.sessions.keys().copied().collect()
    }

    /// Whether it has no session, no wire and no request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let counts = self.router.counts();
        let is_routing = counts.sessions > 0 || counts.linked > 0 || counts.parked > 0;
        self.sessions.is_empty() && self.clients.is_empty() && self.tickets.is_empty() && !is_routing
    }

    /// Whether a session that takes requests uses this wire.
    #[must_use]
    pub fn is_using(&self, wire: u32) -> bool {
        let Some(Stand::Used(key)) = self.stands.get(&wire) else { return false };
        self.sessions.get(key).is_some_and(|held| held.line.session.is_open() && held.line.wire().is_some())
    }

    /// What it still has, for whoever asks why it is not empty.
    #[must_use]
    pub fn left(&self) -> String {
        let sessions: Vec<String> = self
            .sessions
            .values()
            .map(|held| {
                let stats = held.line.session.stats();
                format!(
                    "session {:x}: closed {:?}, {} streams",
                    held.line.number,
                    held.line.session.closed(),
                    stats.streams_open
                )
            })
            .collect();
        format!("{sessions:?}, {:?}, {} requests", self.router.counts(), self.clients.len())
    }

    /// Whether a session may be given a request, as the reference sees it. (I26, I28)
    pub(super) fn may_take(&self, key: SessionKey, tenant: u8, now: Micros) -> Result<(), &'static str> {
        let Some(held) = self.sessions.get(&key) else { return Err("no such session") };
        let is_newer = |other: &Held| {
            other.tenant == held.tenant
                && other.instance == held.instance
                && other.epoch > held.epoch
                && !other.is_suspended
                && other.wanted != Wanted::Withdrawn
                // One that says its last word holds nothing any more.
                && other.line.session.is_open()
        };
        match () {
            () if held.tenant != tenant => Err("another tenant's session"),
            () if held.is_over => Err("a session that is over"),
            () if held.line.wire().is_none() => Err("a session without a link"),
            () if held.is_suspended => Err("a session that leaves"),
            () if held.wanted == Wanted::Withdrawn => Err("a session whose mount was withdrawn"),
            () if now >= held.good_until => Err("a session whose token is over"),
            () if self.sessions.values().any(is_newer) => Err("a session of an older process"),
            () => Ok(()),
        }
    }
}
