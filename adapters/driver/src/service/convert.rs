//! Heads between the core's types and those of `http`.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri, response};
use http_body::SizeHint;
use telephone_core::error::{HeadRefused, ResetCode};
use telephone_core::http1::{end_to_end, is_trailer};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::target::Target;

use super::Incoming;

/// An answer whose head is ready to be sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    /// Whether octets may follow it at all.
    pub(super) has_body: bool,
    /// How many must follow, if that is known.
    pub(super) owed: Option<u64>,
}

/// Why an answer cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadResponse {
    /// 1xx is not final, and 600 and above is nothing (RFC 9110 §15).
    #[error("{0} is no final status")]
    Status(u16),
    #[error("{0} header fields are too many")]
    TooManyFields(usize),
    #[error(transparent)]
    HeadRefused(#[from] HeadRefused),
}

impl BadResponse {
    pub(super) const fn reset_code(&self) -> ResetCode {
        match self {
            Self::Status(_) => ResetCode::Malformed,
            Self::TooManyFields(_) => ResetCode::HeadTooLarge,
            Self::HeadRefused(refused) => refused.reset_code(),
        }
    }
}

/// `head` and `body` as a handler sees them.
///
/// # Errors
/// `http` is narrower than HTTP: what it cannot hold is not for this handler.
pub(super) fn request(head: RequestHead, body: Incoming) -> Result<Request<Incoming>, http::Error> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(&head.method)?;
    *request.uri_mut() = uri(&head.target)?;
    let headers = request.headers_mut();
    for (name, value) in head.headers.iter() {
        let value = HeaderValue::from_bytes(value)?;
        headers.try_append(HeaderName::from_bytes(name)?, value)?;
    }
    if let Some(length) = head.length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    if head.wants_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    Ok(request)
}

/// A target as it was sent, or in canonical form where `http` does not take what was sent raw.
fn uri(target: &Bytes) -> Result<Uri, http::Error> {
    let sent = Uri::from_maybe_shared(target.clone());
    sent.or_else(|error| match Target::read(target) {
        Ok(read) => Ok(Uri::from_maybe_shared(read.canonical)?),
        Err(_) => Err(error.into()),
    })
}

/// The answer to a request that `http` cannot hold.
pub(super) fn bad_request() -> ResponseHead {
    ResponseHead {
        status: 400,
        reason: Bytes::from_static(b"Bad Request"),
        headers: Headers::new(),
        length: Some(0),
        upgrade: None,
    }
}

/// What a handler answered, as it crosses the tunnel: framing as a number, nothing hop-by-hop.
pub(super) fn answer(parts: &response::Parts, is_head: bool, hint: &SizeHint) -> Result<Answer, BadResponse> {
    let status = parts.status;
    if !(200..=599).contains(&status.as_u16()) {
        return Err(BadResponse::Status(status.as_u16()));
    }
    let declared = declared_length(&parts.headers);
    let owed = declared.or(hint.exact());
    // HTTP/1.1 has no place for trailers behind a body of declared length (RFC 9112 §7.1.2).
    let is_open = parts.headers.contains_key(header::TRAILER);
    // RFC 9110 §8.6: none on 204; on 304 and to HEAD the length that a GET would have had, if known.
    let (length, has_body) = match status {
        StatusCode::NO_CONTENT => (None, false),
        StatusCode::NOT_MODIFIED => (declared, false),
        _ if is_head => (owed.filter(|&length| length > 0 || declared.is_some()), false),
        _ => (if is_open { None } else { owed }, true),
    };
    let mut headers = headers(&parts.headers);
    end_to_end(&mut headers);
    if headers.len() > HttpLimits::default().response_headers {
        return Err(BadResponse::TooManyFields(headers.len()));
    }
    let reason = Bytes::from_static(status.canonical_reason().unwrap_or_default().as_bytes());
    let head = ResponseHead { status: status.as_u16(), reason, headers, length, upgrade: None };
    Ok(Answer { head, has_body, owed })
}

/// The trailers that may cross, as far as their limit reaches.
pub(super) fn trailers(map: &HeaderMap) -> Headers {
    let trailers = headers(map);
    let allowed = trailers.iter().filter(|(name, _)| is_trailer(name));
    allowed.take(HttpLimits::default().trailers).collect()
}

/// Fields as a map. A field that `http` cannot hold is left out.
pub(super) fn header_map(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

fn headers(map: &HeaderMap) -> Headers {
    map.iter().collect()
}

/// The length that the handler itself declared, if it is one and clear.
fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
    // `parse` alone would take a sign.
    let is_number = value.bytes().all(|octet| octet.is_ascii_digit());
    if is_number { value.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(status: u16, fields: &[(&'static str, &'static str)]) -> response::Parts {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    fn answered(status: u16, fields: &[(&'static str, &'static str)], is_head: bool, body: u64) -> Answer {
        answer(&parts(status, fields), is_head, &SizeHint::with_exact(body)).unwrap()
    }

    #[test]
    fn a_target_reaches_a_handler_as_it_was_sent_or_else_in_canonical_form() {
        for (target, seen) in [
            ("/a%7eb?%7e", "/a%7eb?%7e"),
            ("//a/x", "//a/x"),
            ("*", "*"),
            ("/a^b<c>", "/a%5Eb%3Cc%3E"),
            ("/a?b=^\\", "/a?b=^\\"),
        ] {
            assert_eq!(uri(&Bytes::from_static(target.as_bytes())).unwrap().to_string(), seen, "{target}");
        }
        assert!(uri(&Bytes::from_static(b"/a b")).is_err());
        let raw = uri(&Bytes::from_static("/\u{fc}?\u{fc}".as_bytes())).unwrap();
        assert!(["/\u{fc}?\u{fc}", "/%C3%BC?%C3%BC"].contains(&raw.to_string().as_str()), "{raw}");
    }

    #[test]
    fn a_length_crosses_as_a_number_and_never_as_a_field() {
        let answer = answered(200, &[("content-length", "5"), ("x", "y")], false, 5);
        assert_eq!(answer.head.length, Some(5));
        assert_eq!(answer.head.headers.iter().count(), 1);
        assert!(answer.has_body);
    }

    #[test]
    fn a_length_that_nobody_declared_is_the_bodys_own() {
        assert_eq!(answered(200, &[], false, 7).head.length, Some(7));
        assert_eq!(answered(200, &[("content-length", "+9")], false, 7).head.length, Some(7));
    }

    #[test]
    fn an_answer_that_announces_trailers_leaves_them_room_and_owes_its_length_all_the_same() {
        for fields in [&[("trailer", "x-sum"), ("content-length", "7")][..], &[("trailer", "x-sum")]] {
            let answer = answered(200, fields, false, 7);
            assert_eq!((answer.head.length, answer.owed), (None, Some(7)));
        }
    }

    #[test]
    fn an_answer_to_head_keeps_the_length_of_the_body_it_leaves_out() {
        let declared = answered(200, &[("content-length", "1234")], true, 0);
        assert_eq!((declared.head.length, declared.has_body), (Some(1234), false));
        assert_eq!(answered(200, &[], true, 7).head.length, Some(7));
        // An empty body may only stand for one that was stripped.
        assert_eq!(answered(200, &[], true, 0).head.length, None);
    }

    #[test]
    fn no_content_has_no_length_and_not_modified_only_a_declared_one() {
        assert_eq!(answered(204, &[("content-length", "0")], false, 0).head.length, None);
        assert_eq!(answered(304, &[], false, 3).head.length, None);
        let declared = answered(304, &[("content-length", "3")], false, 3);
        assert_eq!((declared.head.length, declared.has_body), (Some(3), false));
    }

    #[test]
    fn hop_by_hop_fields_of_an_answer_end_here() {
        let fields = [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("x-kept", "1"),
        ];
        let names: Vec<_> =
            answered(200, &fields, false, 0).head.headers.iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [b"x-kept"]);
    }

    #[test]
    fn a_status_that_is_not_final_is_no_answer() {
        for status in [100, 101, 103, 600, 999] {
            let refused = answer(&parts(status, &[]), false, &SizeHint::default()).unwrap_err();
            assert_eq!(refused, BadResponse::Status(status));
        }
    }

    #[test]
    fn framing_and_routing_names_are_no_trailers() {
        let map = parts(200, &[("x-sum", "1"), ("content-length", "3"), ("host", "a"), ("te", "x")]).headers;
        let names: Vec<_> = trailers(&map).iter().map(|(name, _)| name.to_vec()).collect();
        assert_eq!(names, [b"x-sum"]);
    }
}
