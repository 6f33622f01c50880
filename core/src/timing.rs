//! `Server-Timing` for clients that ask for it: where the time of their request went.
//!
//! ```text
//!  client ─▶ relay: X-Plugboard-Timing: 1 ═▶ telephone: the same, if it said that it measures
//!  client ◀─ relay: Server-Timing         ◀═ telephone: X-Plugboard-Backend-Time, in microseconds
//! ```
//!
//! Both fields are internal. The relay removes what clients and telephones send under such names, so that neither a
//! client's question nor a backend's forgery passes it, and writes its own.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use crate::message::Headers;

/// Asks for timing: of a client, and of a telephone whose hello has the setting `timing`.
pub const ASK: &str = "X-Plugboard-Timing";
/// What the telephone answers: from the request's handing over to the response's head, in microseconds.
const BACKEND_TIME: &str = "X-Plugboard-Backend-Time";
/// How internal names begin.
const INTERNAL: &[u8] = b"x-plugboard-";

/// Whether a name is internal, as a backend may fold it. [H-14]
pub(crate) fn is_internal(name: &[u8]) -> bool {
    let start = name.get(..INTERNAL.len()).unwrap_or_default();
    let plain = |octet: &u8| if *octet == b'_' { b'-' } else { octet.to_ascii_lowercase() };
    start.iter().map(plain).eq(INTERNAL.iter().copied())
}

/// Whether this very field asks for timing.
pub(crate) fn is_ask(name: &[u8], value: &[u8]) -> bool {
    name.eq_ignore_ascii_case(ASK.as_bytes()) && value == b"1"
}

/// Takes the relay's question out of the head of a request that came through the tunnel.
pub fn take_ask(headers: &mut Headers) -> bool {
    let is_asked = headers.has(ASK);
    if is_asked {
        headers.remove(ASK);
    }
    is_asked
}

/// Answers the relay's question, in the place of whatever the backend wrote there.
pub fn tell(headers: &mut Headers, backend: Duration) {
    headers.set(BACKEND_TIME, backend.as_micros().to_string());
}

/// Takes all internal fields out of a response's head. What a telephone told, if it was asked, is among them.
pub fn take_internal(headers: &mut Headers) -> Option<Duration> {
    if !headers.iter().any(|(name, _)| is_internal(name)) {
        return None;
    }
    let told = headers.first(BACKEND_TIME).and_then(|value| core::str::from_utf8(value).ok()?.parse().ok());
    headers.retain(|name, _| !is_internal(name));
    told.map(Duration::from_micros)
}

/// Where the time of one request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    /// In the relay, from when the request's head was whole to its stream.
    pub relay: Duration,
    /// From there to the response's head.
    pub beyond: Duration,
    /// How much of that the telephone measured at the backend, if it did.
    pub backend: Option<Duration>,
}

impl Stages {
    /// The value of `Server-Timing` (W3C Server Timing §3). Without the telephone's word the time of its backend is the
    /// tunnel's.
    #[must_use]
    pub fn to_field(self) -> String {
        let (relay, tunnel) =
            (Millis(self.relay), Millis(self.beyond.saturating_sub(self.backend.unwrap_or_default())));
        match self.backend {
            Some(backend) => {
                format!("relay;dur={relay}, tunnel;dur={tunnel}, backend;dur={}", Millis(backend))
            }
            None => format!("relay;dur={relay}, tunnel;dur={tunnel}"),
        }
    }
}

/// A duration in milliseconds, to the microsecond.
pub(crate) struct Millis(pub(crate) Duration);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_millis(), self.0.subsec_micros() % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_told_in_milliseconds() {
        let [relay, beyond, backend] = [1_005, 12_000_000, 11_999_500].map(Duration::from_micros);
        let stages = Stages { relay, beyond, backend: Some(backend) };
        assert_eq!(stages.to_field(), "relay;dur=1.005, tunnel;dur=0.500, backend;dur=11999.500");
        assert_eq!(Stages { backend: None, ..stages }.to_field(), "relay;dur=1.005, tunnel;dur=12000.000");
        // Two clocks: what a telephone tells may be longer than all of it.
        assert_eq!(
            Stages { beyond: relay, ..stages }.to_field(),
            "relay;dur=1.005, tunnel;dur=0.000, backend;dur=11999.500"
        );
    }

    #[test]
    fn what_a_telephone_tells_replaces_what_its_backend_forged() {
        let mut headers: Headers =
            [("x-plugboard-backend-time", "1"), ("X-Plugboard-Backend-Time", "2")].into_iter().collect();
        tell(&mut headers, Duration::from_micros(700));
        headers.push("Server", "x");
        headers.push("x_plugboard_backend_time", "3");
        headers.push("X-Plugboard-Other", "4");
        assert_eq!(take_internal(&mut headers), Some(Duration::from_micros(700)));
        assert_eq!(headers, [("Server", "x")].into_iter().collect());
    }

    #[test]
    fn what_is_no_number_tells_nothing() {
        for value in ["", "-1", "1.5", "99999999999999999999999", "\u{e4}"] {
            let mut headers: Headers = [(BACKEND_TIME, value)].into_iter().collect();
            assert_eq!(take_internal(&mut headers), None, "{value:?}");
            assert!(headers.is_empty());
        }
    }

    #[test]
    fn the_question_is_taken_once() {
        let mut headers: Headers = [("Host", "a"), ("x-plugboard-timing", "1")].into_iter().collect();
        assert!(take_ask(&mut headers));
        assert!(!take_ask(&mut headers));
        assert_eq!(headers.len(), 1);
    }
}
