//! How many lines of the log others can cause.
//!
//! ```text
//!   line of a kind, from a source, at `now` ─▶ LogLimit ─▶ write it, with the count of those that were not
//!                                                      └─▶ do not
//! ```
//!
//! A peer that repeats what is logged would fill a disk, and bury what an operator looks for. So each source has a token
//! bucket for each kind of line, and each kind has one for all sources together. What exceeds either is counted, and the
//! next line that is written says the count. The table of sources is bounded: a source that finds no place in it has the
//! bucket of its kind alone.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::address::AddressBlock;
use crate::limits::{
    LOG_KIND_LINES_BURST, LOG_KIND_LINES_INTERVAL, LOG_LINES_INTERVAL, LOG_SOURCES_MAX, WAIT_LINES_INTERVAL,
};
use crate::time::Timestamp;

/// Whose doing a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineSource {
    /// The peer of a session.
    Session(u64),
    /// A peer without a session, by its address.
    Address(AddressBlock),
    /// A port that the relay opens for telephones.
    Port(u16),
    /// A mount, by a number that stands for it.
    Mount(u64),
    /// Nobody in particular: all lines of the kind are of one source.
    Process,
}

/// Declares [`LineKind`] with one line for each: its name and its burst.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $burst:literal;)*) => {
        /// What a line says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum LineKind {
            $($(#[$doc])* $name,)*
        }

        impl LineKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Lines that one source may cause at once.
            #[must_use]
            pub const fn burst(self) -> u32 {
                match self {
                    $(Self::$name => $burst,)*
                }
            }

            /// The time in which one more comes back.
            const fn interval(self) -> Duration {
                if matches!(self, Self::RequestsWait) { WAIT_LINES_INTERVAL } else { LOG_LINES_INTERVAL }
            }
        }
    };
}

kinds! {
    /// A telephone asked for a raw connection that its token does not allow.
    ConnectDenied = 1;
    /// A hello was refused. The first ones of a fleet behind one address help to find its mistake.
    HelloRefused = 10;
    /// What came instead of a hello breaks the protocol.
    HelloBroken = 10;
    /// A session began. Fleets behind one address connect at once.
    SessionBegan = 32;
    /// A session goes on over a new link.
    SessionResumed = 4;
    /// A session lost its link.
    LinkLost = 4;
    /// A link broke the rules of WebSocket.
    LinkBroken = 4;
    /// A session ended.
    SessionEnded = 32;
    /// A session was ended since all that wait hold too much.
    SessionAbandoned = 4;
    /// A session lost mounts to a newer process of its identity.
    MountsTakenOver = 4;
    /// Mounts that a telephone presented are not served.
    MountsLeftOut = 4;
    /// Tokens were refused without a check.
    TokenUnchecked = 1;
    /// A renewal was refused.
    RenewalRefused = 1;
    /// A port was opened.
    PortOpened = 4;
    /// A port was closed.
    PortClosed = 4;
    /// A port could not be opened again.
    PortFailed = 4;
    /// The backend's answer is no HTTP.
    BackendBroken = 4;
    /// The application accepts no connections.
    BackendDown = 4;
    /// It accepts them again.
    BackendReady = 4;
    /// A login of a connection ends with its answer, since nobody says whose it is.
    LoginUnbound = 1;
    /// An exchange was ended for its slowness, since connections or memory run short.
    ExchangeSlow = 4;
    /// The backend's answer was odd, and was understood.
    BackendOdd = 4;
    /// A port accepts nothing for now.
    AcceptFailed = 1;
    /// No descriptor is left for a connection to the backend.
    DescriptorsShort = 1;
    /// The plugboard opened a stream that the telephone does not serve.
    StreamNotServed = 1;
    /// A request cannot be written to the backend.
    RequestUnsendable = 4;
    /// A handler inside the program failed.
    HandlerFailed = 4;
    /// The plugboard asked the session to move.
    MoveAsked = 4;
    /// A session that was moved ended.
    MovedSessionEnded = 4;
    /// The plugboard leaves.
    PeerLeaves = 4;
    /// The plugboard confirmed a renewal.
    Renewed = 4;
    /// The token for a renewal cannot be read.
    TokenUnreadable = 4;
    /// The plugboard changed the mounts of the session.
    ScopeNarrowed = 4;
    /// The plugboard told where mounts are public.
    SiteTold = 4;
    /// A local connection could not be carried.
    ConnectFailed = 4;
    /// Sessions cannot be recorded.
    RecordingFailed = 4;
    /// Sessions can be recorded again.
    RecordingResumed = 4;
    /// Access lines cannot be written.
    AccessLogFailed = 4;
    /// Requests of a mount wait for a session.
    RequestsWait = 1;
}

/// A line is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Due {
    /// Lines of the same kind and source that were not written since the last one; `None` if there were none.
    pub suppressed: Option<u64>,
    /// Lines of the same kind and of sources that the table holds no longer; `None` if there were none.
    pub suppressed_elsewhere: Option<u64>,
}

/// A token bucket as one moment (the generic cell rate algorithm, ITU-T I.371): when it is full again.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    full_at: Timestamp,
    /// Lines that were not written, and that no line has told of.
    untold: u64,
}

impl Bucket {
    fn has_token(&self, burst: u32, interval: Duration, now: Timestamp) -> bool {
        self.full_at <= now + interval * burst.saturating_sub(1)
    }

    fn take(&mut self, interval: Duration, now: Timestamp) {
        self.full_at = self.full_at.max(now) + interval;
    }

    fn tell(&mut self) -> Option<u64> {
        Some(core::mem::take(&mut self.untold)).filter(|count| *count > 0)
    }
}

/// Decides which lines are written.
#[derive(Debug)]
pub struct LogLimit {
    sources: BTreeMap<(LineSource, LineKind), Bucket>,
    kinds: BTreeMap<LineKind, Bucket>,
    sources_max: usize,
    /// When the table was last searched for buckets that are full again.
    swept_at: Option<Timestamp>,
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::with_sources_max(LOG_SOURCES_MAX)
    }
}

impl LogLimit {
    const fn with_sources_max(sources_max: usize) -> Self {
        Self { sources: BTreeMap::new(), kinds: BTreeMap::new(), sources_max, swept_at: None }
    }

    /// Something happened that is logged. The line is to be written if there is a [`Due`].
    pub fn handle_line(&mut self, kind: LineKind, source: LineSource, now: Timestamp) -> Option<Due> {
        let key = (source, kind);
        if self.sources.len() >= self.sources_max && !self.sources.contains_key(&key) {
            self.sweep(now);
        }
        let has_place = self.sources.len() < self.sources_max || self.sources.contains_key(&key);
        let all = self.kinds.entry(kind).or_default();
        let has_room = all.has_token(LOG_KIND_LINES_BURST, LOG_KIND_LINES_INTERVAL, now);
        if !has_place {
            if !has_room {
                all.untold += 1;
                return None;
            }
            all.take(LOG_KIND_LINES_INTERVAL, now);
            return Some(Due { suppressed: None, suppressed_elsewhere: all.tell() });
        }
        let own = self.sources.entry(key).or_default();
        if !has_room || !own.has_token(kind.burst(), kind.interval(), now) {
            own.untold += 1;
            return None;
        }
        own.take(kind.interval(), now);
        all.take(LOG_KIND_LINES_INTERVAL, now);
        Some(Due { suppressed: own.tell(), suppressed_elsewhere: all.tell() })
    }

    /// Likewise, of the end of `ended`: the line says in [`Due::suppressed`] how many lines of `ended` were not written, of
    /// whatever kind. Nothing of `ended` is kept.
    pub fn handle_end(
        &mut self,
        kind: LineKind,
        source: LineSource,
        ended: LineSource,
        now: Timestamp,
    ) -> Option<Due> {
        let removed = LineKind::ALL.iter().filter_map(|kind| self.sources.remove(&(ended, *kind)));
        let untold: u64 = removed.map(|bucket| bucket.untold).sum();
        let due = self.handle_line(kind, source, now);
        match due {
            Some(Due { suppressed, .. }) if untold > 0 => {
                due.map(|due| Due { suppressed: Some(suppressed.unwrap_or(0) + untold), ..due })
            }
            Some(_) => due,
            None => {
                self.kinds.entry(kind).or_default().untold += untold;
                None
            }
        }
    }

    /// Gives the places of buckets that are full again to others, at most once in a token's time: a search of the whole
    /// table for each line would cost more than the line.
    fn sweep(&mut self, now: Timestamp) {
        if self.swept_at.is_some_and(|at| now.since(at) < LOG_LINES_INTERVAL) {
            return;
        }
        self.swept_at = Some(now);
        let kinds = &mut self.kinds;
        self.sources.retain(|(_, kind), bucket| {
            let is_full = bucket.full_at <= now;
            if is_full {
                kinds.entry(*kind).or_default().untold += bucket.untold;
            }
            !is_full
        });
    }
}

#[cfg(test)]
mod tests;
