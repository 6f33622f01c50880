//! Which session a request goes to.

use telephone_core::limits::{MOUNTS_MAX, RouterLimits};
use telephone_core::mount::Mount;
use telephone_core::router::{Identity, Registration, ResumeSecret, Route, Router, SessionKey};
use telephone_core::time::Timestamp;

use crate::Work;

/// Requests that are looked up in turn, spread over all mounts.
const REQUESTS: usize = 64;

/// A `Host` field, if the mounts have hosts, and a path.
type Request = (Option<Vec<u8>>, Vec<u8>);

/// A router with `mounts`, each of one session that has at most [`MOUNTS_MAX`] of them.
fn router(mounts: &[Mount]) -> Router {
    let mut router = Router::new(RouterLimits::default(), Timestamp::ZERO);
    for (number, held) in (1..).zip(mounts.chunks(MOUNTS_MAX)) {
        let identity = Identity::new(format!("team-{number}"), "one");
        let secret = ResumeSecret::new([7; 16]);
        let registration = Registration {
            identity,
            epoch: 1,
            mounts: held.to_vec(),
            claims: held.to_vec(),
            is_partial_enough: false,
            secret,
            sticky: None,
        };
        router.register(SessionKey::new(number), registration, 1, Timestamp::ZERO).expect("a free mount");
    }
    router
}

/// One request is given to a session, and is over.
#[derive(Debug)]
pub struct Lookup {
    router: Router,
    requests: Vec<Request>,
    next: usize,
}

impl Lookup {
    /// So many mounts that differ in their paths.
    #[must_use]
    pub fn by_path(count: usize) -> Self {
        let path = |number: usize| format!("/team-{}/application-{number}", number % 100);
        Self::of(count, |number| (path(number), None, path(number)))
    }

    /// So many mounts that differ in their hosts.
    #[must_use]
    pub fn by_host(count: usize) -> Self {
        Self::of(count, |number| {
            let host = format!("application-{number}.example.test");
            (format!("{host}/"), Some(host.into_bytes()), String::new())
        })
    }

    /// `mount` is a mount's notation by its number, and the host and the path that lead there.
    fn of(count: usize, mount: impl Fn(usize) -> (String, Option<Vec<u8>>, String)) -> Self {
        let parsed = |number| mount(number).0.parse().expect("a mount");
        let mounts: Vec<Mount> = (0..count).map(parsed).collect();
        let request = |index: usize| {
            let (_, host, path) = mount(index * count / REQUESTS);
            (host, format!("{path}/orders/4711/positions").into_bytes())
        };
        Self { router: router(&mounts), requests: (0..REQUESTS).map(request).collect(), next: 0 }
    }
}

impl Work for Lookup {
    fn run(&mut self) {
        self.next = (self.next + 1) % REQUESTS;
        let (host, path) = &self.requests[self.next];
        match self.router.route(host.as_deref(), path, Timestamp::ZERO) {
            Route::To { session, .. } => self.router.finish(session),
            route => panic!("not routed: {route:?}"),
        }
    }
}
