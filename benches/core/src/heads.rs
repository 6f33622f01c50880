//! Heads as they are in the wild, as octets and as the core's codec reads them.

use bytes::{Bytes, BytesMut};
use telephone_core::http1::{Client, ClientEvent, Server, ServerEvent};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{RequestHead, ResponseHead};
use telephone_core::time::Timestamp;
use telephone_core::wire::Opening;

/// The mount that the requests match.
pub const MOUNT: &str = "shop.example.test/articles";

/// What a browser sends to a site that it has been to before.
pub const BROWSER_REQUEST: &[u8] = b"GET /articles/4711/reviews?sort=newest&page=2 HTTP/1.1\r\n\
    Host: shop.example.test\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://shop.example.test/articles?category=tents\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=eyJpZCI6IjdhMWYifQ.aGVsbG8td29ybGQ; consent=necessary; theme=dark; _visits=17; basket=4711.2-815.1\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-User: ?1\r\n\
    If-None-Match: W/\"5c1-18f2a\"\r\n\
    Cache-Control: max-age=0\r\n\
    Priority: u=0, i\r\n\r\n";

/// The least that a request can have.
pub const MINIMAL_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.example.test\r\n\r\n";

/// What an application behind a common framework answers, with a body of [`BODY_BYTES`].
pub const SITE_RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Server: nginx\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Content-Length: 512\r\n\
    Cache-Control: private, max-age=0, must-revalidate\r\n\
    ETag: W/\"5c1-18f2b\"\r\n\
    Vary: Accept-Encoding, Cookie\r\n\
    Set-Cookie: session=eyJpZCI6IjdhMWYifQ.aGVsbG8td29ybGQ; Path=/; HttpOnly; Secure; SameSite=Lax\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Strict-Transport-Security: max-age=63072000\r\n\r\n";

/// The least that a response with a body can have.
pub const MINIMAL_RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 512\r\n\r\n";

/// Octets of the body behind either response.
pub const BODY_BYTES: usize = 512;

/// A body of [`BODY_BYTES`].
pub const BODY: &[u8] = &[b'x'; BODY_BYTES];

/// A request's head as the relay's side reads it from `octets`.
///
/// # Panics
/// If `octets` are no request head.
#[must_use]
pub fn request(octets: &[u8]) -> RequestHead {
    let mut server = Server::new(HttpLimits::default(), Timestamp::ZERO);
    match server.poll_event(&mut BytesMut::from(octets), Timestamp::ZERO) {
        Some(ServerEvent::Request { head, .. }) => head,
        event => panic!("not a request: {event:?}"),
    }
}

/// A response's head as the telephone's side reads it from `octets`.
///
/// # Panics
/// If `octets` are no response head.
#[must_use]
pub fn response(octets: &[u8]) -> ResponseHead {
    let mut client = Client::new(HttpLimits::default());
    client.request(&request(MINIMAL_REQUEST), true).expect("a request");
    match client.poll_event(&mut BytesMut::from(octets)) {
        Ok(Some(ClientEvent::Head { head, .. })) => head,
        event => panic!("not a response: {event:?}"),
    }
}

/// An HTTP exchange's opening at [`MOUNT`].
#[must_use]
pub fn opening(head: RequestHead) -> Opening {
    Opening::Http { mount: Bytes::from_static(MOUNT.as_bytes()), head }
}
