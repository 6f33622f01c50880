//! A session's state as a recording keeps it.

use core::time::Duration;

use super::stream::{Preface, RecvState, SendState, Stream};
use super::{Phase, Session, SessionConfig, SessionStats, StreamId};
use crate::limits::{MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN};
use crate::recording::redact;
use crate::time::Timestamp;

/// No limit of time is longer, and no moment later: a century and more, and still far from what arithmetic takes.
pub(super) const TIME_MAX: Duration = Duration::from_secs(1 << 32);
/// A clock that goes back would have a session ping without end if it pinged more often than this.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(1);
/// No session counts so far, and what a recording adds to it is far less.
pub(super) const COUNT_MAX: u64 = 1 << 62;

/// Whether a moment that was read from a file can be one of a session's.
pub(crate) fn is_sound_time(now: Timestamp) -> bool {
    now.since(Timestamp::ZERO) <= TIME_MAX
}

impl SessionConfig {
    /// Whether a session can be made of what was read from a file.
    pub(crate) fn is_sound(&self) -> bool {
        let limits = &self.limits;
        let times = [limits.ping_interval, limits.idle_timeout, limits.ping_timeout, limits.resume_window];
        let is_bounded = times.iter().chain([&self.resume_window]).all(|time| *time <= TIME_MAX);
        is_bounded && limits.ping_interval >= PING_INTERVAL_MIN
    }
}

impl Session {
    /// Whether a state that was read from a file is one that a session goes on from without a panic and without a loop
    /// that has no end. Nothing else is asked of it: the books of a session that a bug had in its hands are to be replayed.
    pub(crate) fn is_sound(&self) -> bool {
        let SessionStats { bytes_sent, links_resumed, streams_opened, .. } = self.stats;
        let counts = [bytes_sent, links_resumed, streams_opened, self.theirs_over, self.link.number()];
        let is_over = matches!(self.phase, Phase::Closing(_) | Phase::Closed(_));
        self.config.is_sound()
            && counts.iter().all(|count| *count <= COUNT_MAX)
            && (MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX).contains(&self.message_bytes_max)
            && self.liveness.is_sound(is_over)
            && self.sent.is_sound()
            && self.received.is_sound()
            && self.streams.values().all(|stream| stream.is_sound())
    }

    /// The session without what people sent, in the same state.
    pub(crate) fn redacted(&self) -> Self {
        let mut copy = self.clone();
        let profile = copy.config.profile;
        copy.sent.messages().for_each(|message| *message = redact::message(profile, message));
        copy.streams.values_mut().for_each(|stream| redact_stream(stream));
        copy.unaccepted.iter_mut().for_each(|accepted| redact::opening(&mut accepted.opening));
        copy.news.iter_mut().for_each(redact::event);
        copy.due.renew.iter_mut().for_each(redact::fill);
        copy.due.orders.moving_mut().into_iter().for_each(redact::order_to_move);
        copy.due.orders.refused_mut().into_iter().for_each(redact::refusal);
        copy
    }

    /// Whether [`Session::poll_event`] would change anything.
    pub(crate) fn has_events(&self) -> bool {
        !self.news.is_empty() || !self.events.is_empty()
    }

    /// Whether [`Session::accept`] would give anything.
    pub(crate) fn has_unaccepted(&self) -> bool {
        !self.unaccepted.is_empty()
    }

    /// Whether it makes a difference that a stream's writer asks for room.
    pub(crate) fn is_room_news(&self, id: StreamId) -> bool {
        let is_alone = self.is_alone_to_send(id);
        self.streams.get(id).is_some_and(|stream| {
            let has_room = stream.send.is_writable() && stream.send.room(is_alone) > 0;
            stream.send.wants_room == has_room
        })
    }

    /// Whether a read of a stream would yield anything.
    pub(crate) fn is_readable(&self, id: StreamId) -> bool {
        self.streams.get(id).is_none_or(|stream| {
            let recv = &stream.recv;
            recv.stopped.is_some() || recv.is_closed() || !recv.heads.is_empty() || !recv.buffer.is_empty()
        })
    }
}

fn redact_stream(stream: &mut Stream) {
    match &mut stream.send.preface {
        Preface::Open(opening) => redact::opening(opening),
        Preface::Heads(heads) => heads.iter_mut().for_each(redact::head),
        Preface::Said => {}
    }
    stream.send.buffer.blank();
    if let SendState::Ending(trailers) = &mut stream.send.state {
        redact::headers(trailers);
    }
    stream.recv.heads.iter_mut().for_each(redact::head);
    stream.recv.buffer.blank();
    if let RecvState::Ended(trailers) = &mut stream.recv.state {
        redact::headers(trailers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SessionLimits;
    use crate::session::Role;
    use crate::wire::{Opening, Profile, Settings};
    use bytes::Bytes;

    fn config(limits: SessionLimits) -> SessionConfig {
        let (role, profile, peer) = (Role::Plugboard, Profile::Binary, Settings::of(&limits));
        SessionConfig { role, profile, limits, peer, seed: 1, resume_window: Duration::ZERO }
    }

    /// A session with one stream.
    fn session() -> Session {
        let mut session = Session::new(config(SessionLimits::default()), Timestamp::ZERO);
        let opening = Opening::Tcp { mount: Bytes::from_static(b"tcp:22"), from: None };
        session.open(opening, false, Timestamp::ZERO).expect("a free slot");
        session
    }

    fn link(number: u64) -> super::super::LinkId {
        let octets = postcard::to_allocvec(&number).expect("a number");
        postcard::from_bytes(&octets).expect("a link")
    }

    #[test]
    fn a_state_whose_counts_are_about_to_run_over_is_refused() {
        let cases: [fn(&mut Session, u64); 7] = [
            |session, count| session.stats.bytes_sent = count,
            |session, count| session.stats.links_resumed = count,
            |session, count| session.stats.streams_opened = count,
            |session, count| session.theirs_over = count,
            |session, count| session.link = link(count),
            |session, count| session.streams.values_mut().for_each(|of| of.send.interims = count as usize),
            |session, count| session.streams.values_mut().for_each(|of| of.recv.interims = count as usize),
        ];
        for (case, set) in cases.into_iter().enumerate() {
            let mut session = session();
            set(&mut session, COUNT_MAX);
            assert!(session.is_sound(), "{case}");
            set(&mut session, COUNT_MAX + 1);
            assert!(!session.is_sound(), "{case}");
        }
    }

    #[test]
    fn a_session_that_would_ping_without_end_is_refused() {
        let is_sound = |ping_interval| config(SessionLimits { ping_interval, ..<_>::default() }).is_sound();
        assert!(is_sound(PING_INTERVAL_MIN) && is_sound(TIME_MAX));
        assert!(!is_sound(Duration::from_micros(999)) && !is_sound(TIME_MAX + Duration::from_nanos(1)));
    }
}
