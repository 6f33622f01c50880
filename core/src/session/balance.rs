//! The books of credit, for whoever checks them: laws 2 and 3 hold if they agree.

use super::Session;

/// The credit of all streams of a session, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// Octets that came and have not been read.
    pub unread: u64,
    /// Octets that came and whose credit has not been given back: those, and what was read but not credited.
    pub uncredited: u64,
    /// Octets that the streams have reserved of the session window: what [`Session::window`] tells, too.
    pub reserved: u64,
    /// Octets that streams have reserved though nothing of the kind can come any more: none.
    pub idle: u64,
    /// Octets that were sent or taken past a limit: none.
    pub overdrawn: u64,
}

impl Session {
    /// Adds up the credit of all streams. Looks at each of them: for tests, not for each message.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let mut balance = Balance::default();
        for stream in self.streams.values() {
            let grant = &stream.recv.grant;
            balance.unread += stream.recv.buffer.len() as u64;
            balance.uncredited += grant.received().saturating_sub(grant.consumed());
            balance.reserved += grant.reserved();
            if stream.recv.is_closed() {
                balance.idle +=
                    grant.reserved().saturating_sub(grant.received().saturating_sub(grant.consumed()));
            }
            balance.overdrawn += grant.received().saturating_sub(grant.limit());
            balance.overdrawn += stream.send.sent.saturating_sub(stream.send.limit);
        }
        balance
    }
}
