//! A session's state as a recording keeps it.

use core::time::Duration;

use super::stream::{Preface, RecvState, SendState, Stream};
use super::{Session, SessionConfig, StreamId};
use crate::recording::redact;

/// No limit of time is longer: a century and more, and still far from what arithmetic takes.
const TIME_MAX: Duration = Duration::from_secs(1 << 32);

impl SessionConfig {
    /// Whether a session can be made of what was read from a file.
    pub(crate) fn is_sound(&self) -> bool {
        let limits = &self.limits;
        let times = [limits.ping_interval, limits.idle_timeout, limits.ping_timeout, limits.resume_window];
        times.iter().chain([&self.resume_window]).all(|time| *time <= TIME_MAX)
    }
}

impl Session {
    /// Whether the books of a state that was read from a file agree, as far as a session counts on it to come to an end.
    pub(crate) fn is_sound(&self) -> bool {
        self.config.is_sound() && self.sent.is_sound()
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
        self.streams.get(&id).is_some_and(|stream| {
            let has_room = stream.send.is_writable() && stream.send.room() > 0;
            stream.send.wants_room == has_room
        })
    }

    /// Whether a read of a stream would yield anything.
    pub(crate) fn is_readable(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_none_or(|stream| {
            let recv = &stream.recv;
            recv.stopped.is_some() || recv.is_closed() || !recv.heads.is_empty() || !recv.buffer.is_empty()
        })
    }
}

fn redact_stream(stream: &mut Stream) {
    match &mut stream.send.preface {
        Preface::Open(opening) => redact::opening(opening),
        Preface::Heads(heads) => heads.iter_mut().for_each(|head| redact::headers(&mut head.headers)),
        Preface::Said => {}
    }
    stream.send.buffer.blank();
    if let SendState::Ending(trailers) = &mut stream.send.state {
        redact::headers(trailers);
    }
    stream.recv.heads.iter_mut().for_each(|head| redact::headers(&mut head.headers));
    stream.recv.buffer.blank();
    if let RecvState::Ended(trailers) = &mut stream.recv.state {
        redact::headers(trailers);
    }
}
