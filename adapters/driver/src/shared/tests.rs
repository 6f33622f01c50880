//! What a stream hears of the end of its session.

use std::task::{Poll, Wake};
use std::time::Duration;

use telephone_core::error::ResetCode;
use telephone_core::limits::SessionLimits;
use telephone_core::message::{Headers, RequestHead};
use telephone_core::session::{Incoming, Role, SessionConfig};
use telephone_core::wire::{Profile, Settings};

use super::*;

#[derive(Default)]
pub(crate) struct Woken(AtomicBool);

impl Woken {
    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A plugboard's session at the beginning of time, with a link that it does not outlive.
pub(crate) fn session() -> SharedSession {
    limited(SessionLimits::default())
}

/// Likewise, with these limits at both ends.
pub(crate) fn limited(limits: SessionLimits) -> SharedSession {
    let config = SessionConfig {
        role: Role::Plugboard,
        profile: Profile::Binary,
        peer: Settings::of(&limits),
        limits,
        seed: 1,
        resume_window: Duration::ZERO,
    };
    SharedSession::new(Recorded::new(config, Timestamp::ZERO, None), Arc::new(|| Timestamp::ZERO))
}

pub(crate) fn opening() -> Opening {
    let head = RequestHead {
        method: Bytes::from_static(b"GET"),
        target: Bytes::from_static(b"/m"),
        headers: Headers::new(),
        length: None,
        upgrade: None,
        wants_trailers: false,
    };
    Opening::Http { mount: Bytes::from_static(b"/m"), head }
}

#[test]
fn a_stream_hears_that_the_task_of_its_link_is_gone() {
    let session = session();
    let ending = Ending(session.clone());
    let stream = session.open(opening(), true, session.now()).unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(stream.poll_read(&mut cx).is_pending());

    drop(ending);

    assert!(woken.is_woken());
    let Poll::Ready(Incoming::Reset(reset)) = stream.poll_read(&mut cx) else {
        panic!("the stream reads as lost");
    };
    assert_eq!(reset.code, ResetCode::SessionLost);
    assert_eq!(session.closed(), Some(CloseReason::LinkLost));
}

#[test]
fn a_link_does_not_sleep_on_a_session_that_ended_a_moment_before() {
    let session = session();
    let cx = Context::from_waker(Waker::noop());
    let link = session.link().unwrap();
    while session.with_link(|session| session.poll_transmit(link, Timestamp::ZERO)).is_some() {}
    let standing = session.stand(Some(link), &cx);
    assert!(!standing.has_moved && !standing.is_due);
    session.with(|session, now| session.handle_disconnect(link, now));
    assert!(session.stand(Some(link), &cx).has_moved);
}
