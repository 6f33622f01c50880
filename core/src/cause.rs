//! How a request ended, in one word: the same in `Proxy-Status`, in the access log and in metrics.
//!
//! What each means for a client and for an operator is the table in FAILURES.md.

/// Declares [`Cause`] with one line for each: its word, and the error type of RFC 9209 §2.3 where the plugboard answers.
macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $error:expr;)*) => {
        /// Why a request ended as it did.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause {
            $($(#[$doc])* $name,)*
        }

        impl Cause {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word for it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// The error type of `Proxy-Status` (RFC 9209 §2.3) in the plugboard's own answer; `None` where it gives none.
            #[must_use]
            pub const fn error(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => $error,)*
                }
            }
        }
    };
}

causes! {
    /// The application's answer went out whole.
    Complete = "complete", None;
    /// The client closed its connection, or broke it, before its answer was complete, or before its request was.
    ClientLeft = "client_left", None;
    /// The client took nothing of its answer for so long that its connection was reset.
    ClientStalled = "client_stalled", None;
    /// A room's client whose token was revoked behind the answer's head: its connection was closed or reset.
    ClientRevoked = "client_revoked", None;
    /// The answer broke off behind its head: the client's connection was reset.
    ResponseAborted = "response_aborted", None;
    /// The application answered whole, and then the body of the request was not read to its end.
    RequestUnread = "request_unread", None;
    /// The plugboard had as many connections as it may have, and closed this one for that of another address.
    ConnectionShed = "connection_shed", None;
    /// A telephone asked for a raw connection that its token does not allow.
    ConnectDenied = "connect_denied", None;

    /// The request breaks a rule of HTTP/1.1.
    BadRequest = "http_request_error", Some("http_request_error");
    /// CONNECT, TRACE or TRACK.
    MethodNotAllowed = "method_not_allowed", Some("http_request_error");
    /// Its target, its fields or its body are larger than a limit.
    RequestTooLarge = "request_too_large", Some("http_request_error");
    /// Its head or its body came too slowly.
    RequestTooSlow = "request_too_slow", Some("http_request_error");
    /// The path belongs to one mount or another, as one reads it.
    AmbiguousPath = "ambiguous_path", Some("http_request_error");
    /// A request for the telephones' path that is no upgrade of theirs.
    NotATelephone = "not_a_telephone", Some("http_request_error");
    /// A room's client that names no room.
    RoomNotNamed = "room_not_named", Some("http_request_error");
    /// A room's client without a good token for it.
    ClientTokenRefused = "http_request_denied", Some("http_request_denied");
    /// A room's client whose address showed too many bad tokens: this one was not looked at.
    TooManyBadTokens = "too_many_bad_tokens", Some("http_request_denied");
    /// A web page whose origin may not come into rooms.
    OriginRefused = "origin_refused", Some("http_request_denied");

    /// Nobody has such a mount.
    NoSuchMount = "destination_not_found", Some("destination_not_found");
    /// Nobody is in the room.
    RoomEmpty = "room_empty", Some("destination_not_found");
    /// No telephone is connected for the mount.
    NobodyConnected = "destination_unavailable", Some("destination_unavailable");
    /// The token of the mount's telephone is over.
    TokenExpired = "token_expired", Some("destination_unavailable");
    /// The plugboard is about to leave and has sent its telephones away.
    Draining = "draining", Some("destination_unavailable");
    /// As many requests wait as may wait.
    TooManyWait = "too_many_wait", Some("connection_limit_reached");
    /// The session has as many streams as its telephone takes, and none came free in time.
    TooManyStreams = "connection_limit_reached", Some("connection_limit_reached");
    /// The telephone took no new stream.
    TelephoneRefused = "telephone_refused", Some("connection_limit_reached");
    /// The telephone had no descriptor left for a connection to the application.
    TelephoneExhausted = "telephone_exhausted", Some("connection_limit_reached");

    /// The tunnel was lost before anything of the request was sent into it.
    LostBeforeDispatch = "lost_before_dispatch", Some("connection_terminated");
    /// The tunnel was lost: the application may have seen the request.
    TunnelLost = "connection_terminated", Some("connection_terminated");
    /// The plugboard left, and its grace was over before the answer was complete.
    CutOff = "relay_stopped", Some("connection_terminated");
    /// The tunnel fell silent: the application may have seen the request.
    TunnelSilent = "tunnel_silent", Some("connection_read_timeout");
    /// The telephone gave the request up without saying that its backend failed.
    GivenUp = "given_up", Some("connection_terminated");
    /// The answer of the application, or of an agent in its place, breaks a rule of HTTP.
    UnusableAnswer = "http_protocol_error", Some("http_protocol_error");
    /// The head or the trailers of the application's answer are larger than the tunnel carries.
    ResponseTooLarge = "http_response_header_size", Some("http_response_header_size");
    /// The application's answer has an unknown transfer coding, or breaks the rules of chunks.
    TransferCoding = "http_response_transfer_coding", Some("http_response_transfer_coding");

    /// The application refused the connection.
    BackendRefused = "connection_refused", Some("connection_refused");
    /// The application did not take the connection in time.
    BackendConnectTimeout = "connection_timeout", Some("connection_timeout");
    /// The application took the request and did not begin to answer in time.
    BackendTimeout = "connection_read_timeout", Some("connection_read_timeout");
    /// The application closed the connection before its answer's head was whole.
    BackendBroke = "http_response_incomplete", Some("http_response_incomplete");
}

impl Cause {
    /// The status with which a plugboard answers for an application that failed ahead of its answer's head. `None` for all other
    /// causes: there the plugboard may have given the request to another telephone, or the client is gone.
    #[must_use]
    pub const fn backend_failure_status(self) -> Option<u16> {
        if matches!(self, Self::BackendConnectTimeout | Self::BackendTimeout) {
            return Some(504);
        }
        let is_failure = matches!(
            self,
            Self::BackendRefused
                | Self::BackendBroke
                | Self::UnusableAnswer
                | Self::ResponseTooLarge
                | Self::TransferCoding
        );
        if is_failure { Some(502) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn each_cause_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.word()).collect();
        assert_eq!(words.len(), Cause::ALL.len());
    }

    #[test]
    fn words_are_tokens_that_need_no_escape_anywhere() {
        for cause in Cause::ALL {
            let is_plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_');
            assert!(is_plain(cause.word()) && cause.error().is_none_or(is_plain), "{cause:?}");
        }
    }
}
