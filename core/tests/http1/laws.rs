//! Laws over generated messages and generated noise.

use crate::support::{NOW, fetch, get, limits, serve, taken};
use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use telephone_core::http1::{Client, ClientEvent, Server, ServerEvent};
use telephone_core::message::{Headers, RequestHead, ResponseHead};

fn token() -> impl Strategy<Value = Bytes> {
    // Names that mean nothing to a connection.
    "[Xx]-[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}".prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    let inner = prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8];
    vec(inner, 0..20).prop_map(|octets| Bytes::copy_from_slice(octets.trim_ascii()))
}

fn headers() -> impl Strategy<Value = Headers> {
    vec((token(), value()), 0..5).prop_map(|fields| {
        let is_internal = |name: &[u8]| name.to_ascii_lowercase().starts_with(b"x-forwarded");
        fields.into_iter().filter(|(name, _)| !is_internal(name)).collect()
    })
}

fn body() -> impl Strategy<Value = Vec<Bytes>> {
    vec(vec(any::<u8>(), 1..2000).prop_map(Bytes::from), 0..4)
}

fn trailers() -> impl Strategy<Value = Headers> {
    vec((token(), value()), 0..3)
        .prop_map(|fields| fields.into_iter().filter(|(name, _)| name.len() < 8).collect())
}

/// A message's body: its pieces, whether its length is declared, its trailers.
#[derive(Debug, Clone)]
struct Content {
    pieces: Vec<Bytes>,
    is_declared: bool,
    trailers: Headers,
}

impl Content {
    fn length(&self) -> Option<u64> {
        let total: usize = self.pieces.iter().map(Bytes::len).sum();
        self.is_declared.then_some(total as u64)
    }

    fn whole(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// Trailers cross only behind chunks.
    fn expected_trailers(&self) -> Headers {
        if self.is_declared { Headers::new() } else { self.trailers.clone() }
    }
}

fn content() -> impl Strategy<Value = Content> {
    (body(), any::<bool>(), trailers()).prop_map(|(pieces, is_declared, trailers)| Content {
        pieces,
        is_declared,
        trailers,
    })
}

fn request() -> impl Strategy<Value = (RequestHead, Content)> {
    let method = "[A-Z]{1,4}|M-SEARCH|HEAD|POST";
    let target = "(/[a-z0-9~%]{0,0}[a-z0-9._~:@!$&'()*+,=-]{1,6}x){1,3}(\\?[a-z0-9/?&=%]{0,0}[a-z=&]{0,6})?";
    (method, target, headers(), content(), any::<bool>()).prop_map(
        |(method, target, mut headers, content, wants_trailers)| {
            headers.push(&b"Host"[..], &b"example.com:8080"[..]);
            let length = content.length();
            let (method, target) = (Bytes::from(method), Bytes::from(target));
            (RequestHead { method, target, headers, length, upgrade: None, wants_trailers }, content)
        },
    )
}

fn response() -> impl Strategy<Value = (ResponseHead, Content)> {
    let status = prop_oneof![Just(200), Just(206), Just(404), Just(503), Just(599), Just(299)];
    (status, value(), headers(), content()).prop_map(|(status, reason, headers, content)| {
        let length = content.length();
        (ResponseHead { status, reason, headers, length, upgrade: None }, content)
    })
}

/// Writes a request afresh.
fn written(head: &RequestHead, content: &Content) -> Vec<u8> {
    let mut client = Client::new(limits());
    client.request(head, false).expect("sendable");
    content.pieces.iter().for_each(|piece| client.write(piece.clone()));
    client.end(&content.trailers);
    taken(client.output())
}

/// Streams that are nearly requests: pieces of the grammar in any order.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"GET / HTTP/1.1\r\n",
        b"POST /a HTTP/1.1\r\n",
        b"GET / HTTP/1.0\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 204 N\r\n",
        b"HTTP/1.1 103 E\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"Host: a\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: upgrade\r\nUpgrade: x\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n",
        b"0\r\n\r\n",
        b"hello",
        b"X: y\r\n",
        b"\r",
        b"\n",
        b" ",
        b";a=\"b\"",
        b"1",
        b"\0",
        b"\xff",
        b"G",
    ];
    let piece = prop_oneof![9 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..4)];
    // Most noise would be refused at its first line.
    let starts: Vec<&'static [u8]> = vec![
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n",
    ];
    (proptest::sample::select(starts), vec(piece, 0..14))
        .prop_map(|(start, pieces)| [start, &pieces.concat()[..]].concat())
}

fn cut<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| &input[ends[0]..ends[1]]).collect()
}

/// A slow, obvious chunked decoder over a whole body: its data and what lies behind it.
fn reference_chunks(input: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut data = Vec::new();
    let mut rest = input;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 2..];
        let (digits, extension) =
            line.split_once(';').map_or((line, None), |(digits, rest)| (digits, Some(rest)));
        if extension
            .is_some_and(|text| text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_alphanumeric()))
        {
            return None;
        }
        if digits.is_empty() || digits.len() > 16 || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            return rest.strip_prefix(b"\r\n").map(|rest| (data, rest));
        }
        data.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// Bodies that are nearly chunked, in the reference's dialect: plain extensions, no trailers.
fn nearly_chunked() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"5\r\nhello\r\n",
        b"1;a\r\nx\r\n",
        b"000a\r\n0123456789\r\n",
        b"0\r\n\r\n",
        b"0;z\r\n\r\n",
        b"\r\n",
        b"5\r\nhell\r\n",
        b"5\r\nhello!\r\n",
        b"5\nhello\r\n",
        b";\r\n",
        b"0x1\r\n",
        b"1\r\nx",
    ];
    vec(proptest::sample::select(pieces), 0..6).prop_map(|pieces| pieces.concat())
}

/// What is nearly a section of fields that mean nothing to a connection.
fn nearly_fields() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"X-a:", b"X-b: ", b"X:\t", b"y", b":", b"b c", b"\xff", b"\"", b" ", b"\t", b"\r\n", b"\r\n",
        b"\r\n", b"\r", b"\n", b"\0", b"\x7f",
    ];
    // Few enough to stay within the limit of trailers.
    vec(proptest::sample::select(pieces), 0..9)
        .prop_map(|pieces| [&pieces.concat()[..], b"\r\n\r\n"].concat())
}

/// A slow, obvious reading of a section of fields. Each octet is a character of its own here.
fn reference_fields(section: &[u8]) -> Option<Headers> {
    let text: String = b"\r\n".iter().chain(section).copied().map(char::from).collect();
    let (lines, _) = text.split_once("\r\n\r\n")?;
    lines.split("\r\n").skip(1).map(reference_field).collect()
}

fn reference_field(line: &str) -> Option<(Bytes, Bytes)> {
    let (name, value) = line.split_once(':')?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let is_text = |c: char| c == '\t' || !c.is_ascii_control();
    let octets = |text: &str| text.chars().map(|c| u8::try_from(c).expect("an octet")).collect::<Bytes>();
    let is_field = !name.is_empty() && name.chars().all(is_token) && value.chars().all(is_text);
    is_field.then(|| (octets(name), octets(value.trim_matches([' ', '\t']))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// I3, H-08
    #[test]
    fn requests_are_the_same_however_they_are_cut(input in nearly_http(), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        prop_assert_eq!(serve(cut(&input, &cuts)), serve([&input[..]]));
    }

    /// I3
    #[test]
    fn responses_are_the_same_however_they_are_cut(input in nearly_http(), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let head = RequestHead { upgrade: Some(Bytes::from_static(b"x")), ..get("/") };
        prop_assert_eq!(fetch(&head, cut(&input, &cuts), true), fetch(&head, [&input[..]], true));
    }

    /// I18, H-07: what we write is one strict message, and the same one.
    #[test]
    fn a_request_written_afresh_reads_as_itself((head, content) in request()) {
        prop_assume!(!["TRACE", "TRACK", "CONNECT"].iter().any(|method| head.method == method));
        let mut input = BytesMut::from(&written(&head, &content)[..]);
        let mut server = Server::new(limits(), NOW);
        let mut body = Vec::new();
        let mut trailers = None;
        let Some(ServerEvent::Request { head: read, end, .. }) = server.poll_event(&mut input, NOW) else {
            return Err(TestCaseError::fail("no request"));
        };
        while let Some(event) = server.poll_event(&mut input, NOW) {
            match event {
                ServerEvent::Body(data) => body.extend_from_slice(&data),
                ServerEvent::End(fields) => trailers = Some(fields),
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
        prop_assert_eq!(read, head);
        prop_assert_eq!(body, content.whole());
        prop_assert_eq!(end, trailers.is_none());
        prop_assert_eq!(trailers.unwrap_or_default(), content.expected_trailers());
        prop_assert!(input.is_empty());
    }

    /// I18 for responses.
    #[test]
    fn a_response_written_afresh_reads_as_itself((head, content) in response()) {
        let mut server = Server::new(limits(), NOW);
        let mut request = BytesMut::from(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]);
        prop_assert!(server.poll_event(&mut request, NOW).is_some());
        server.respond(&head, false).expect("sendable");
        content.pieces.iter().for_each(|piece| server.write(piece.clone()));
        server.end(&content.trailers);
        let output = taken(server.output());
        let fetched = fetch(&get("/"), [&output[..]], false);
        prop_assert_eq!(fetched.error, None);
        prop_assert!(fetched.is_reusable);
        let mut events = fetched.events.into_iter();
        let Some(ClientEvent::Head { head: read, .. }) = events.next() else { return Err(TestCaseError::fail("no head")) };
        prop_assert_eq!(read, head);
        let mut body = Bytes::new();
        let mut trailers = Headers::new();
        for event in events {
            match event {
                ClientEvent::Body(data) => body = data,
                ClientEvent::End(fields) => trailers = fields,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
        prop_assert_eq!(body, content.whole());
        prop_assert_eq!(trailers, content.expected_trailers());
    }

    /// I17, I19: whatever is accepted is written as exactly that many strict messages, with a clean head.
    #[test]
    fn what_is_accepted_passes_on_as_the_same_request(input in nearly_http()) {
        for event in serve([&input[..]]).events {
            let ServerEvent::Request { head, .. } = event else { continue };
            let head = RequestHead { length: None, upgrade: None, ..head };
            let mut client = Client::new(limits());
            client.request(&head, true).expect("what we accept we can send");
            let output = taken(client.output());
            let text = String::from_utf8_lossy(&output).into_owned();
            prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']));
            prop_assert_eq!(text.matches("\r\n\r\n").count(), 1);
            if head.headers.has("host") {
                let again = serve([&output[..]]);
                let Some(ServerEvent::Request { head: read, .. }) = again.events.into_iter().next() else {
                    return Err(TestCaseError::fail(text));
                };
                prop_assert_eq!((read.method, read.target, read.headers), (head.method, head.target, head.headers));
            }
        }
    }

    /// F5: a second parser agrees with each verdict, and on what each field is.
    #[test]
    fn fields_are_split_as_in_a_slow_reference(section in nearly_fields()) {
        let expected = reference_fields(&section);
        let request = [&b"GET / HTTP/1.0\r\n"[..], &section].concat();
        let of_request = serve([&request[..]]).events.into_iter().find_map(|event| match event {
            ServerEvent::Request { head, .. } => Some(head.headers),
            _ => None,
        });
        prop_assert_eq!(&of_request, &expected);
        let response = [&b"HTTP/1.1 200 OK\r\n"[..], &section].concat();
        let of_response = fetch(&get("/"), [&response[..]], false).events.into_iter().find_map(|event| match event {
            ClientEvent::Head { head, .. } => Some(head.headers),
            _ => None,
        });
        // Of an odd answer more has one meaning, and nothing of it may break the head that is written of it.
        match (&of_response, &expected) {
            (Some(fields), None) => {
                let mut octets = fields.iter().flat_map(|(name, value)| [name, value]).flatten();
                prop_assert!(!octets.any(|octet| octet.is_ascii_control() && *octet != b'\t'));
            }
            _ => prop_assert_eq!(&of_response, &expected),
        }
        let start = &b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"[..];
        let of_trailers = serve([&[start, &section].concat()[..]]).events.into_iter().find_map(|event| match event {
            ServerEvent::End(trailers) => Some(trailers),
            _ => None,
        });
        prop_assert_eq!(&of_trailers, &expected);
    }

    /// F6
    #[test]
    fn chunks_decode_as_in_a_slow_reference(body in nearly_chunked(), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let head = &b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"[..];
        let mut pieces = vec![head];
        pieces.extend(cut(&body, &cuts));
        let events = serve(pieces).events;
        let data: Vec<u8> = events.iter().filter_map(|event| match event {
            ServerEvent::Body(data) => Some(data.to_vec()),
            _ => None,
        }).flatten().collect();
        let is_ended = events.iter().any(|event| matches!(event, ServerEvent::End(_)));
        match reference_chunks(&body) {
            Some((expected, _)) => {
                prop_assert!(is_ended);
                prop_assert_eq!(data, expected);
            }
            None => prop_assert!(!is_ended, "it looks complete"),
        }
    }

    /// I1, I4
    #[test]
    fn noise_is_refused_once_and_quietly(input in vec(any::<u8>(), 0..300)) {
        let served = serve([&input[..]]);
        prop_assert!(served.events.len() <= 1);
        let fetched = fetch(&get("/"), [&input[..]], true);
        prop_assert!(fetched.error.is_some());
    }
}
