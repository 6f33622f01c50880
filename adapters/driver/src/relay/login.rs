//! A login that belongs to a client's connection, and the session in which its other end is.

use telephone_core::login;
use telephone_core::message::Headers;
use telephone_core::router::SessionKey;

/// What is known of logins on one client connection.
pub(super) struct Login {
    /// The connection's number among all of the relay's.
    number: u64,
    /// A proxy's connection carries the requests of many clients: none of them may have what another one's login opened.
    is_shared: bool,
    /// Where the latest login runs. Later requests of the connection belong there.
    pub(super) session: Option<SessionKey>,
}

impl Login {
    pub(super) const fn on(number: u64, is_shared: bool) -> Self {
        Self { number, is_shared, session: None }
    }

    /// The number that `session` is to be told with a request that has these fields; none if no login runs there.
    pub(super) fn told(&mut self, session: SessionKey, headers: &Headers) -> Option<u64> {
        if !self.is_shared && login::is_carried(headers) {
            self.session = Some(session);
        }
        (self.session == Some(session)).then_some(self.number)
    }
}
