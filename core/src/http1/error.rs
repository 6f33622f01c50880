//! Why a message was refused: one variant per rule, each with its clause.
//!
//! No variant carries input, so that no answer and no log line made from one can reflect it. [H-30]

use thiserror::Error;

use crate::cause::Cause;
use crate::error::ResetCode;

/// What one rule says: the status of the answer, the clause that it comes from, and words for a person.
#[derive(Debug, Clone, Copy)]
struct Rule(u16, &'static str, &'static str);

/// A rule that requests and responses share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{}", self.reason())]
pub enum Malformed {
    /// CR that no LF follows.
    BareCr,
    /// LF without CR before it.
    BareLf,
    /// A control octet, NUL and DEL among them.
    Control,
    /// A line that starts with white space: obs-fold, or space before the first field.
    LeadingSpace,
    /// An empty line where a start line belongs.
    BlankStartLine,
    /// The start line is longer than the limit.
    StartLineTooLong,
    /// A field line is longer than the limit.
    LineTooLong,
    /// More fields than the limit.
    TooManyFields,
    /// The head or the trailer section is longer than the limit.
    SectionTooLong,
    /// A field line without colon, or whose name is no token.
    FieldLine,
    /// A framing field's name with `_` for `-`, which CGI-like backends cannot tell from the real one.
    FramingAlias,
    /// `Connection` names something that is no token.
    ConnectionOption,
    /// `Connection` names a field that is not the sender's to remove.
    ProtectedOption,
    /// `Content-Length` is not 1 to 19 digits alone, or past 2^63 - 1.
    Length,
    /// More than one `Content-Length`, equal or not.
    LengthRepeated,
    /// Both `Content-Length` and `Transfer-Encoding`.
    LengthAndCoding,
    /// `Transfer-Encoding` that does not end in exactly one `chunked`.
    Coding,
    /// More than one `Transfer-Encoding`.
    CodingRepeated,
    /// A transfer coding besides `chunked`.
    CodingUnknown,
    /// `Transfer-Encoding` in HTTP/1.0.
    CodingInHttp10,
    /// A chunk size that is not 1 to 16 hexadecimal digits.
    ChunkSize,
    /// A chunk extension outside the grammar.
    ChunkExtension,
    /// More chunk extensions in one body than the limit.
    ChunkExtensionsTooLong,
    /// No CRLF behind a chunk's data or size.
    ChunkEnd,
}

impl Malformed {
    const fn rule(self) -> Rule {
        match self {
            Self::BareCr => Rule(400, "RFC 9112 §2.2, H-06", "bare CR"),
            Self::BareLf => Rule(400, "RFC 9112 §2.2, H-06", "bare LF"),
            Self::Control => Rule(400, "RFC 9110 §5.5, H-06", "control character"),
            Self::LeadingSpace => Rule(400, "RFC 9112 §5.2, H-06", "line starts with white space"),
            Self::BlankStartLine => Rule(400, "RFC 9112 §2.2, H-06", "empty start line"),
            Self::StartLineTooLong => Rule(414, "RFC 9112 §3, H-24", "start line too long"),
            Self::LineTooLong => Rule(431, "RFC 6585 §5, H-24", "field line too long"),
            Self::TooManyFields => Rule(431, "RFC 6585 §5, H-24", "too many fields"),
            Self::SectionTooLong => Rule(431, "RFC 6585 §5, H-24", "fields too long together"),
            Self::FieldLine => Rule(400, "RFC 9112 §5.1, H-06", "malformed field line"),
            Self::FramingAlias => Rule(400, "H-02, H-03", "look-alike of a framing field"),
            Self::ConnectionOption => Rule(400, "RFC 9110 §7.6.1, H-13", "malformed Connection"),
            Self::ProtectedOption => {
                Rule(400, "RFC 9110 §7.6.1, H-13", "Connection names an end-to-end field")
            }
            Self::Length => Rule(400, "RFC 9112 §6.3, H-02", "malformed Content-Length"),
            Self::LengthRepeated => Rule(400, "RFC 9112 §6.3, H-02", "repeated Content-Length"),
            Self::LengthAndCoding => {
                Rule(400, "RFC 9112 §6.1, H-01", "Content-Length beside Transfer-Encoding")
            }
            Self::Coding => Rule(400, "RFC 9112 §6.3, H-03", "Transfer-Encoding is not chunked"),
            Self::CodingRepeated => Rule(400, "RFC 9112 §6.1, H-03", "repeated Transfer-Encoding"),
            Self::CodingUnknown => Rule(501, "RFC 9112 §6.1, H-03", "unknown transfer coding"),
            Self::CodingInHttp10 => Rule(400, "RFC 9112 §6.1, H-12", "Transfer-Encoding in HTTP/1.0"),
            Self::ChunkSize => Rule(400, "RFC 9112 §7.1, H-04", "malformed chunk size"),
            Self::ChunkExtension => Rule(400, "RFC 9112 §7.1.1, H-05", "malformed chunk extension"),
            Self::ChunkExtensionsTooLong => Rule(400, "RFC 9112 §7.1.1, H-05", "chunk extensions too long"),
            Self::ChunkEnd => Rule(400, "RFC 9112 §7.1, H-04", "chunk does not end where it should"),
        }
    }

    const fn reset_code(self) -> ResetCode {
        match self {
            Self::StartLineTooLong | Self::LineTooLong | Self::TooManyFields | Self::SectionTooLong => {
                ResetCode::HeadTooLarge
            }
            Self::Coding
            | Self::CodingRepeated
            | Self::CodingUnknown
            | Self::CodingInHttp10
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkExtensionsTooLong
            | Self::ChunkEnd => ResetCode::Coding,
            Self::BareCr
            | Self::BareLf
            | Self::Control
            | Self::LeadingSpace
            | Self::BlankStartLine
            | Self::FieldLine
            | Self::FramingAlias
            | Self::ConnectionOption
            | Self::ProtectedOption
            | Self::Length
            | Self::LengthRepeated
            | Self::LengthAndCoding => ResetCode::Malformed,
        }
    }

    /// The clause that was broken: an RFC's section, a row of the faults table.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        self.rule().1
    }

    /// What is wrong, in words that hold nothing of the input.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.rule().2
    }
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{}", self.reason())]
pub enum RequestError {
    /// A rule that requests and responses share.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Not `method SP target SP version`.
    RequestLine,
    /// A version that is not 1.0 or 1.1, the preface of HTTP/2 among them.
    Version,
    /// The method is longer than `METHOD_BYTES_MAX`.
    MethodTooLong,
    /// CONNECT, TRACE or TRACK, which a reverse tunnel does not serve.
    MethodNotAllowed,
    /// The target is longer than the limit.
    TargetTooLong,
    /// A target that is neither origin-form nor absolute-form, or `*` without OPTIONS.
    TargetForm,
    /// A path or query that has no canonical form.
    Target,
    /// HTTP/1.1 without `Host`.
    HostMissing,
    /// More than one `Host`.
    HostRepeated,
    /// `Host`, or the authority of an absolute-form target, is no host with an optional port.
    Host,
    /// An expectation besides `100-continue`.
    Expectation,
    /// The body is longer than the limit.
    BodyTooLong,
    /// The head did not come in time.
    HeadTimeout,
    /// The body came too slowly.
    BodyTimeout,
}

impl RequestError {
    const fn rule(self) -> Rule {
        match self {
            Self::Malformed(malformed) => malformed.rule(),
            Self::RequestLine => Rule(400, "RFC 9112 §3, H-06", "malformed request line"),
            Self::Version => Rule(505, "RFC 9110 §15.6.6, H-19", "unsupported HTTP version"),
            Self::MethodTooLong => Rule(501, "RFC 9112 §3, H-18", "method too long"),
            Self::MethodNotAllowed => Rule(405, "RFC 9110 §15.5.6, H-18", "method not allowed"),
            Self::TargetTooLong => Rule(414, "RFC 9110 §15.5.15, H-24", "target too long"),
            Self::TargetForm => Rule(400, "RFC 9112 §3.2, H-17", "malformed request target"),
            Self::Target => Rule(400, "RFC 3986 §6.2, H-16", "request target without canonical form"),
            Self::HostMissing => Rule(400, "RFC 9112 §3.2, H-15", "missing Host"),
            Self::HostRepeated => Rule(400, "RFC 9112 §3.2, H-15", "repeated Host"),
            Self::Host => Rule(400, "RFC 9112 §3.2, H-15", "malformed Host"),
            Self::Expectation => Rule(417, "RFC 9110 §10.1.1, H-21", "unknown expectation"),
            Self::BodyTooLong => Rule(413, "RFC 9110 §15.5.14", "body too long"),
            Self::HeadTimeout => Rule(408, "RFC 9110 §15.5.9, H-25", "request head came too slowly"),
            Self::BodyTimeout => Rule(408, "RFC 9110 §15.5.9, H-25", "request body came too slowly"),
        }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.rule().0
    }

    /// The word for logs, metrics and `Proxy-Status`.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self.status() {
            405 => Cause::MethodNotAllowed,
            408 => Cause::RequestTooSlow,
            413 | 414 | 431 => Cause::RequestTooLarge,
            _ => Cause::BadRequest,
        }
    }

    /// The clause that was broken: an RFC's section, a row of the faults table.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        self.rule().1
    }

    /// What is wrong, in words that hold nothing of the input.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.rule().2
    }
}

/// Why a response was refused; the client gets 502, or its response is aborted if it has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{}", self.reason())]
pub enum ResponseError {
    /// A rule that requests and responses share.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Not `HTTP/1.x SP status SP reason`, or a status outside 100 to 599.
    StatusLine,
    /// A 101 that nobody asked for, or to another protocol.
    UnaskedSwitch,
    /// Octets that came without a request. [B-13]
    Unasked,
    /// The connection ended before the first octet of a response: safe to repeat if the request is. [B-12]
    NoResponse,
    /// The connection ended inside of a response. [B-06]
    Truncated,
}

impl ResponseError {
    /// What a stream whose answer it is is reset with.
    #[must_use]
    pub const fn reset_code(self) -> ResetCode {
        match self {
            Self::NoResponse | Self::Truncated => ResetCode::BackendFailed,
            Self::StatusLine | Self::UnaskedSwitch | Self::Unasked => ResetCode::Malformed,
            Self::Malformed(malformed) => malformed.reset_code(),
        }
    }

    /// The clause that was broken: an RFC's section, a row of the faults table.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.clause(),
            Self::StatusLine => "RFC 9112 §4, H-26",
            Self::UnaskedSwitch => "RFC 9110 §15.2.2, H-20",
            Self::Unasked => "RFC 9112 §9.2, B-13",
            Self::NoResponse => "RFC 9112 §9.3.1, B-12",
            Self::Truncated => "RFC 9112 §8, B-06",
        }
    }

    /// What is wrong, in words that hold nothing of the input.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.reason(),
            Self::StatusLine => "malformed status line",
            Self::UnaskedSwitch => "unasked switch of protocols",
            Self::Unasked => "octets without a request",
            Self::NoResponse => "connection closed before the response",
            Self::Truncated => "connection closed inside of the response",
        }
    }
}

/// Why a head that the application gave cannot be written: nothing of it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Unsendable {
    /// The method is no token, or too long.
    #[error("method is no token")]
    Method,
    /// The target holds white space or a control, or starts like neither form.
    #[error("malformed target")]
    Target,
    /// The status is outside 100 to 999, or interim where a final one belongs, or the reverse.
    #[error("impossible status")]
    Status,
    /// The reason phrase, a field's name or its value holds an octet that would break the head. [H-26]
    #[error("octet that would break the head")]
    Octet,
    /// A 101 that was not asked for, or to another protocol. [H-20]
    #[error("unasked switch of protocols")]
    Switch,
    /// A length above zero together with the end of the body.
    #[error("declared length without a body")]
    Length,
    /// The connection still has an exchange, or has ended.
    #[error("connection is not free")]
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_cause() {
        for (error, status, cause) in [
            (RequestError::MethodNotAllowed, 405, Cause::MethodNotAllowed),
            (RequestError::HeadTimeout, 408, Cause::RequestTooSlow),
            (RequestError::BodyTimeout, 408, Cause::RequestTooSlow),
            (RequestError::BodyTooLong, 413, Cause::RequestTooLarge),
            (RequestError::TargetTooLong, 414, Cause::RequestTooLarge),
            (RequestError::HostMissing, 400, Cause::BadRequest),
        ] {
            assert_eq!((error.status(), error.cause()), (status, cause), "{error:?}");
        }
    }

    #[test]
    fn only_what_broke_off_is_reset_as_failed() {
        use ResetCode::{BackendFailed, Coding, HeadTooLarge};
        for (error, code) in [
            (ResponseError::NoResponse, BackendFailed),
            (ResponseError::Truncated, BackendFailed),
            (ResponseError::StatusLine, ResetCode::Malformed),
            (ResponseError::UnaskedSwitch, ResetCode::Malformed),
            (ResponseError::Unasked, ResetCode::Malformed),
            (Malformed::BareCr.into(), ResetCode::Malformed),
            (Malformed::Length.into(), ResetCode::Malformed),
            (Malformed::LineTooLong.into(), HeadTooLarge),
            (Malformed::SectionTooLong.into(), HeadTooLarge),
            (Malformed::TooManyFields.into(), HeadTooLarge),
            (Malformed::StartLineTooLong.into(), HeadTooLarge),
            (Malformed::Coding.into(), Coding),
            (Malformed::CodingUnknown.into(), Coding),
            (Malformed::ChunkSize.into(), Coding),
            (Malformed::ChunkEnd.into(), Coding),
        ] {
            assert_eq!(error.reset_code(), code, "{error:?}");
        }
    }

    #[test]
    fn a_rule_says_the_same_of_requests_and_of_responses() {
        let words = "malformed chunk size";
        assert_eq!(Malformed::ChunkSize.reason(), words);
        assert_eq!(RequestError::Malformed(Malformed::ChunkSize).reason(), words);
        assert_eq!(ResponseError::Malformed(Malformed::ChunkSize).reason(), words);
    }
}
