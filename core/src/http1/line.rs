//! The request line of what was refused, and its trace, as far as they can be read: for logs, which are to say what was refused.

use alloc::string::{String, ToString as _};
use bytes::Bytes;

use super::error::RequestError;
use super::scan::is_token;
use crate::limits::{LOG_FIELD_BYTES_MAX, METHOD_BYTES_MAX};
use crate::target::Target;
use crate::traceparent::TraceParent;

/// Octets of a target that are kept: more than a log shows, so that it can say that it is cut.
const TARGET_BYTES_MAX: usize = LOG_FIELD_BYTES_MAX + 1;

/// Method, target and trace of a request that was refused. Nothing else is to be done with them than to show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLine {
    /// The method token.
    pub method: Bytes,
    /// The target as it came, without a user's name and password, cut behind what a log shows of it.
    pub target: Bytes,
    /// Its `traceparent`, if it has one that is valid.
    pub trace: Option<TraceParent>,
}

impl RefusedLine {
    /// Reads the first line of `input`, of which more may come. `None` if it is not a token and something behind a space.
    pub(super) fn read(input: &[u8]) -> Option<Self> {
        let start = input.iter().position(|octet| !matches!(octet, b'\r' | b'\n'))?;
        let mut words = input.get(start..)?.split(|octet| matches!(octet, b' ' | b'\r' | b'\n'));
        let method = words.next().filter(|method| is_token(method) && method.len() <= METHOD_BYTES_MAX)?;
        let target = words.next().filter(|target| !target.is_empty())?;
        let target = without_user(target);
        let target = target.get(..TARGET_BYTES_MAX).unwrap_or(target);
        Some(Self {
            method: Bytes::copy_from_slice(method),
            target: Bytes::copy_from_slice(target),
            trace: trace(input),
        })
    }
}

impl RequestError {
    /// The rule that refused a request, in words that hold nothing of the input but numbers of octets: of a target the one
    /// that it broke.
    #[must_use]
    pub fn rule_for(self, line: Option<&RefusedLine>) -> String {
        // One that is cut may be broken at the cut.
        let is_whole = |line: &&RefusedLine| self == Self::Target && line.target.len() < TARGET_BYTES_MAX;
        let origin_form = line.filter(is_whole).and_then(|line| origin_form(&line.target));
        let broken = origin_form.and_then(|target| Target::read(target).err());
        broken.map_or_else(|| self.reason().into(), |error| error.to_string())
    }
}

/// The `traceparent` among the lines of a head. `None` if it is not the only one.
fn trace(input: &[u8]) -> Option<TraceParent> {
    let whole = input.split_inclusive(|octet| *octet == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let mut values = whole.filter_map(|line| {
        let (name, value) = line.split_at_checked(line.iter().position(|octet| *octet == b':')?)?;
        let value = value.strip_prefix(b":")?;
        name.eq_ignore_ascii_case(b"traceparent").then(|| value.trim_ascii())
    });
    values.next().and_then(TraceParent::parse).filter(|_| values.next().is_none())
}

/// The path of a target and what is behind it, also of one in absolute form.
fn origin_form(target: &[u8]) -> Option<&[u8]> {
    let scheme = target.windows(3).position(|three| three == b"://").map_or(0, |at| at.saturating_add(3));
    let authority = if target.starts_with(b"/") { 0 } else { scheme };
    let behind = target.get(authority..)?;
    behind.get(behind.iter().position(|octet| *octet == b'/')?..)
}

/// A target without what stands before an at sign in its authority: a password is no matter of a log.
fn without_user(target: &[u8]) -> &[u8] {
    if target.starts_with(b"/") {
        return target;
    }
    let authority = target.windows(3).position(|three| three == b"://").map_or(0, |at| at.saturating_add(3));
    let behind = target.get(authority..).unwrap_or_default();
    let end = behind.iter().position(|octet| matches!(octet, b'/' | b'?' | b'#')).unwrap_or(behind.len());
    let user = behind.get(..end).and_then(|authority| authority.iter().rposition(|octet| *octet == b'@'));
    user.and_then(|at| behind.get(at.saturating_add(1)..)).unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn read(input: &[u8]) -> Option<(Bytes, Bytes)> {
        RefusedLine::read(input).map(|line| (line.method, line.target))
    }

    #[test]
    fn a_line_is_read_as_far_as_it_goes() {
        let line = |method: &'static str, target: &'static str| Some((method.into(), target.into()));
        assert_eq!(read(b"GET /a%zz HTTP/1.1\r\nHost: a\r\n"), line("GET", "/a%zz"));
        assert_eq!(read(b"\r\nGET /a b HTTP/1.1\r\n"), line("GET", "/a"));
        assert_eq!(read(b"POST /half"), line("POST", "/half"));
        assert_eq!(read(b"GET /\r\n"), line("GET", "/"));
        assert_eq!(read(b"CONNECT u:p@a:443 HTTP/1.1\r\n"), line("CONNECT", "a:443"));
        assert_eq!(read(b"GET http://u:p@a/x@y HTTP/1.1\r\n"), line("GET", "a/x@y"));
        assert_eq!(read(b"GET /@ HTTP/1.1\r\n"), line("GET", "/@"));
        for none in [&b""[..], b"\r\n", b"GET", b"GET ", b"G\0T /", b"\x16\x03\x01\x02 x", b"a: b\r\n"] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_trace_of_a_bad_head_is_read_if_there_is_one_that_is_valid() {
        let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = |fields: &str| {
            RefusedLine::read(alloc::format!("GET /%zz HTTP/1.1\r\n{fields}").as_bytes())
                .expect("a line")
                .trace
        };
        let told = trace(&alloc::format!("Bad Name: x\r\nTraceParent: {value} \r\n\r\n"));
        assert_eq!(told.map(|trace| trace.to_string()), Some(value.into()));
        let field = alloc::format!("traceparent: {value}\r\n");
        for none in [
            [&field[..], &field].concat(),
            field.replace('4', "X"),
            field.replace("\r\n", ""),
            "a: b\r\n".into(),
        ] {
            assert_eq!(trace(&none), None, "{none}");
        }
    }

    #[test]
    fn the_rule_of_a_target_is_the_one_that_it_broke() {
        let rule = |error: RequestError, text: &'static str| {
            let line = RefusedLine { method: "GET".into(), target: text.into(), trace: None };
            error.rule_for(Some(&line))
        };
        assert_eq!(rule(RequestError::Target, "/a/..%2fb"), "the path hides a dot segment");
        assert_eq!(rule(RequestError::Target, "/%0"), "the path holds a broken percent escape");
        assert_eq!(rule(RequestError::Target, "http://a/x/..%2fb"), "the path hides a dot segment");
        assert_eq!(rule(RequestError::Target, "a/%00"), "the path holds an encoded NUL");
        assert_eq!(rule(RequestError::Target, "/a?://%/#"), "the target holds the octet 0x23");
        assert_eq!(rule(RequestError::Target, "http://a?#"), "request target without canonical form");
        assert_eq!(rule(RequestError::HostMissing, "/%0"), "missing Host");
        assert_eq!(RequestError::Target.rule_for(None), "request target without canonical form");
    }

    #[test]
    fn no_more_is_kept_than_a_log_shows_and_one_octet() {
        let long = [&b"GET /"[..], &vec![b'x'; 10_000]].concat();
        assert_eq!(read(&long).expect("a line").1.len(), LOG_FIELD_BYTES_MAX + 1);
        assert_eq!(read(&[&vec![b'M'; 33][..], b" / HTTP/1.1\r\n"].concat()), None);
    }
}
