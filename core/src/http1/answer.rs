//! The plugboard's own answers: errors that it found itself.

use core::time::Duration;

use super::encode::{content_length, put, status_line};
use super::error::RequestError;
use crate::cause::Cause;
use crate::message::Headers;
use crate::output::Output;
use crate::timing::Millis;
use crate::traceparent::TraceParent;

/// An answer that the plugboard makes itself: a status and a line of plain text.
///
/// All text is static, so that nothing of a request can be reflected, whatever is written here later. [H-30]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnAnswer {
    status: u16,
    text: &'static str,
    cause: Cause,
    retry_after: Option<u32>,
    relay_time: Option<Duration>,
    trace: Option<TraceParent>,
}

impl OwnAnswer {
    /// An answer with `status`, 400 to 599, for that cause, and a line of `text` without line end.
    #[must_use]
    pub const fn new(status: u16, cause: Cause, text: &'static str) -> Self {
        Self { status, text, cause, retry_after: None, relay_time: None, trace: None }
    }

    /// Says after how many seconds to try again (RFC 9110 §10.2.3).
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Says how long the relay had the request, to a client that asked for [timing](crate::timing).
    #[must_use]
    pub const fn relay_time(mut self, time: Duration) -> Self {
        self.relay_time = Some(time);
        self
    }

    /// Says in which trace the request is, as `traceresponse` (W3C Trace Context Level 3 §4).
    #[must_use]
    pub const fn trace(mut self, parent: TraceParent) -> Self {
        self.trace = Some(parent);
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Why it is given.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Writes the whole answer, its body only if the request was not a HEAD.
    pub(super) fn write(&self, output: &mut Output, connection: Option<&str>, has_body: bool) {
        status_line(output, self.status, reason_phrase(self.status).as_bytes(), &Headers::new());
        output.text(b"Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n");
        if let Some(seconds) = self.retry_after {
            put(output, format_args!("Retry-After: {seconds}\r\n"));
        }
        self.write_proxy_status(output);
        if let Some(time) = self.relay_time {
            put(output, format_args!("Server-Timing: relay;dur={}\r\n", Millis(time)));
        }
        if let Some(parent) = self.trace {
            put(output, format_args!("traceresponse: {parent}\r\n"));
        }
        if self.status == 401 {
            // RFC 9110 §15.5.2 asks for it.
            output.text(b"WWW-Authenticate: Bearer\r\n");
        }
        if self.status == 405 {
            // RFC 9110 §15.5.6 asks for it; which others a backend serves is its own to say.
            output.text(b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n");
        }
        if self.status == 426 {
            // RFC 9110 §15.5.22 asks for it, and §7.8 for the option.
            output.text(b"Upgrade: websocket\r\nConnection: upgrade\r\n");
        }
        content_length(output, (self.text.len() as u64).saturating_add(1));
        if let Some(option) = connection {
            put(output, format_args!("Connection: {option}\r\n"));
        }
        output.text(b"\r\n");
        if has_body {
            put(output, format_args!("{}\n", self.text));
        }
    }

    /// Says why, for machines (RFC 9209 §2): the registered error, and behind it our word where that says more.
    fn write_proxy_status(&self, output: &mut Output) {
        let Some(error) = self.cause.error() else { return };
        put(output, format_args!("Proxy-Status: plugboard; error={error}"));
        if self.cause.word() != error {
            put(output, format_args!("; details=\"{}\"", self.cause.word()));
        }
        output.text(b"\r\n");
    }
}

impl From<RequestError> for OwnAnswer {
    fn from(error: RequestError) -> Self {
        Self::new(error.status(), error.cause(), error.reason())
    }
}

/// The phrases of the statuses that the plugboard itself answers with (RFC 9110 §15).
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use bytes::Buf;

    #[test]
    fn each_status_of_ours_has_its_phrase() {
        for (status, phrase) in [
            (400, "Bad Request"),
            (401, "Unauthorized"),
            (403, "Forbidden"),
            (404, "Not Found"),
            (405, "Method Not Allowed"),
            (408, "Request Timeout"),
            (413, "Content Too Large"),
            (414, "URI Too Long"),
            (417, "Expectation Failed"),
            (426, "Upgrade Required"),
            (429, "Too Many Requests"),
            (431, "Request Header Fields Too Large"),
            (500, "Internal Server Error"),
            (501, "Not Implemented"),
            (502, "Bad Gateway"),
            (503, "Service Unavailable"),
            (504, "Gateway Timeout"),
            (505, "HTTP Version Not Supported"),
            (599, ""),
        ] {
            let answer = OwnAnswer::new(status, Cause::BadRequest, "text");
            assert_eq!(answer.status(), status);
            let mut output = Output::default();
            answer.write(&mut output, None, true);
            let written = output.copy_to_bytes(output.remaining());
            let line = format!("HTTP/1.1 {status} {phrase}\r\n");
            assert!(written.starts_with(line.as_bytes()), "{}", String::from_utf8_lossy(&written));
        }
    }
}
