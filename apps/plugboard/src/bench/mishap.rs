//! What can go wrong with one request.

use std::error::Error;
use std::fmt;
use std::io;

use serde::Serialize;

/// The kinds of errors that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MishapKind {
    /// The connection was refused: nothing listens.
    Refused,
    /// No connection for another reason, such as no route or no free port.
    Unreachable,
    /// There was a connection, and no TLS on it.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "it takes TLS to fail at it"))]
    Tls,
    /// The connection was reset.
    Reset,
    /// It took longer than `--timeout`.
    Timeout,
    /// The connection ended in order, before there was an answer.
    Unanswered,
    /// The answer broke off.
    Truncated,
    /// The answer is not HTTP/1.1.
    Malformed,
}

impl MishapKind {
    /// In the words of a report.
    const fn text(self) -> &'static str {
        match self {
            Self::Refused => "connect refused",
            Self::Unreachable => "connect failed",
            Self::Tls => "TLS failed",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Unanswered => "closed unanswered",
            Self::Truncated => "truncated",
            Self::Malformed => "not HTTP",
        }
    }

    /// Whether no connection came about.
    pub(super) const fn is_of_connecting(self) -> bool {
        match self {
            Self::Refused | Self::Unreachable | Self::Tls => true,
            Self::Reset | Self::Timeout | Self::Unanswered | Self::Truncated | Self::Malformed => false,
        }
    }
}

impl fmt::Display for MishapKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text())
    }
}

/// A request that got no whole answer.
#[derive(Debug)]
pub(super) struct Mishap {
    pub(super) kind: MishapKind,
    /// What the system or the library said.
    pub(super) detail: String,
}

impl Mishap {
    /// There is no connection.
    pub(super) fn connecting(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => MishapKind::Refused,
            io::ErrorKind::ConnectionReset => MishapKind::Reset,
            io::ErrorKind::TimedOut => MishapKind::Timeout,
            _ => MishapKind::Unreachable,
        };
        Self { kind, detail: error.to_string() }
    }

    /// There is a connection, and no head of an answer.
    pub(super) fn asking(error: &hyper::Error) -> Self {
        let kind = match io_kind(error) {
            Some(kind) if is_reset(kind) => MishapKind::Reset,
            _ if error.is_parse() => MishapKind::Malformed,
            _ => MishapKind::Unanswered,
        };
        Self { kind, detail: chain(error) }
    }

    /// There is the head of an answer, and no end.
    pub(super) fn reading(error: &hyper::Error) -> Self {
        let kind = match io_kind(error) {
            Some(kind) if is_reset(kind) => MishapKind::Reset,
            Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => MishapKind::Malformed,
            _ => MishapKind::Truncated,
        };
        Self { kind, detail: chain(error) }
    }

    /// It took too long.
    pub(super) fn timeout() -> Self {
        Self { kind: MishapKind::Timeout, detail: "no whole answer within --timeout".into() }
    }
}

fn is_reset(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
    )
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = cause.source();
    }
    None
}

/// The error with its causes.
fn chain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
