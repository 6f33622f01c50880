//! F3 and F4: sessions, judged from outside by what they say and by what they deliver.

mod apply;
mod content;
mod hostile;
mod pair;
mod rules;
mod tap;

pub(crate) use apply::End;
pub use hostile::session_hostile;
pub use pair::session_pair;
pub(crate) use pair::used_pair;

use bytes::Bytes;
use telephone_core::limits::SessionLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::random::Random;
use telephone_core::session::Session;
use telephone_core::wire::Opening;

/// Limits drawn so that rare states are common.
fn swarm(random: &mut Random) -> SessionLimits {
    let mut pick = |choices: [u64; 4]| choices[usize::from(random.next_u64().to_le_bytes()[0] % 4)];
    let octets = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let session_window = pick([0, 1, 10_000, 4 << 20]);
    let stream_window = pick([1, 1000, 64 * 1024, 256 * 1024]);
    SessionLimits {
        stream_floor: pick([16, 40, 100, 16 * 1024]),
        stream_window,
        stream_window_max: stream_window * pick([1, 1, 4, 64]),
        session_window,
        session_window_max: session_window * pick([1, 1, 4, 8]),
        streams: pick([1, 2, 5, 1024]),
        unaccepted: octets(pick([1, 2, 3, 256])),
        replay_bytes: octets(pick([1, 300, 5_000, 1 << 20])),
        replay_bytes_max: octets(pick([1, 1_000, 20_000, 8 << 20])),
        ..SessionLimits::default()
    }
}

fn request(length: Option<u64>) -> RequestHead {
    RequestHead {
        method: Bytes::from_static(b"POST"),
        target: Bytes::from_static(b"/"),
        headers: Headers::new(),
        length,
        upgrade: None,
        wants_trailers: false,
    }
}

fn response(status: u16, length: Option<u64>) -> ResponseHead {
    ResponseHead { status, reason: Bytes::new(), headers: Headers::new(), length, upgrade: None }
}

/// An HTTP exchange, or a raw connection.
fn opening(is_raw: bool, length: Option<u64>) -> Opening {
    let mount = Bytes::from_static(b"/");
    if is_raw { Opening::Tcp { mount, from: None } } else { Opening::Http { mount, head: request(length) } }
}

/// Nothing is left of any stream. [I38]
pub(crate) fn assert_empty(session: &Session) {
    assert_eq!(session.stats().streams_open, 0, "a stream is left");
    assert_eq!(session.buffered(), 0, "octets are left");
    assert_eq!(session.window().1, 0, "credit is still reserved");
}

/// What holds of a session at any moment, whatever its peer does. [I12, I36]
fn assert_bounded(session: &Session, limits: &SessionLimits) {
    let (window, reserved) = session.window();
    assert!(reserved <= window, "more credit is granted than there is");
    assert!(window <= limits.session_window_max.max(limits.session_window), "a window past its maximum");
    let kept_max =
        limits.replay_bytes.max(limits.replay_bytes_max) + telephone_core::limits::MESSAGE_BYTES_MAX + 64;
    assert!(session.kept() <= kept_max, "{} octets are kept", session.kept());
}
