//! Which requests may be sent a second time.

use crate::error::{Reset, ResetCode, Touched};
use crate::message::RequestHead;

/// Methods whose requests may be repeated: doing them twice is the same as doing them once (RFC 9110 §9.2.2).
#[must_use]
pub fn is_idempotent(method: &[u8]) -> bool {
    if cfg!(planted = "post-repeated") && method == b"POST" {
        return true;
    }
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE")
}

/// Whether a request whose stream ended in `reset`, before any of an answer came, may be given to another session.
///
/// It must be whole in its head, for what was read of a body is gone. Then it may if nobody took it, or if its session was
/// lost and it is idempotent (I31).
#[must_use]
pub fn may_repeat(head: &RequestHead, is_whole: bool, reset: Reset) -> bool {
    let is_lost = reset.code == ResetCode::SessionLost && may_move(head, is_whole);
    let is_untouched =
        reset.touched == Touched::No && matches!(reset.code, ResetCode::Refused | ResetCode::SessionLost);
    (is_whole || cfg!(planted = "half-a-request-repeated")) && (is_untouched || is_lost)
}

/// Whether a request may be given to another session while it may still be under way on the first.
#[must_use]
pub fn may_move(head: &RequestHead, is_whole: bool) -> bool {
    is_whole && is_idempotent(&head.method)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::Headers;

    fn request(method: &'static str) -> RequestHead {
        RequestHead {
            method: Bytes::from_static(method.as_bytes()),
            target: Bytes::from_static(b"/"),
            headers: Headers::new(),
            length: None,
            upgrade: None,
            wants_trailers: false,
        }
    }

    #[test]
    fn only_what_is_whole_and_reached_no_backend_or_is_idempotent_is_repeated() {
        let refused = Reset { code: ResetCode::Refused, touched: Touched::No };
        let lost = Reset { code: ResetCode::SessionLost, touched: Touched::Unknown };
        let rows = [
            ("GET", true, refused, true),
            ("POST", true, refused, true),
            ("POST", false, refused, false),
            ("GET", true, lost, true),
            ("DELETE", true, lost, true),
            ("PUT", false, lost, false),
            ("POST", true, lost, false),
            ("POST", true, Reset { touched: Touched::No, ..lost }, true),
            ("get", true, lost, false),
            ("GET", true, Reset { touched: Touched::Unknown, ..refused }, false),
            ("GET", true, Reset { code: ResetCode::TimedOut, touched: Touched::Yes }, false),
        ];
        for (method, is_whole, reset, expected) in rows {
            assert_eq!(
                may_repeat(&request(method), is_whole, reset),
                expected,
                "{method} {is_whole} {reset:?}"
            );
        }
    }
}
