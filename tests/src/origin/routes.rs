//! What an origin answers without a script, chosen by the last segment of the path.

use std::io;

use super::exchange::{After, Exchange};
use crate::prf::{Body, Hasher, STEP};
use crate::websocket;
use crate::wire::Ending;

/// Answers with the route that the path's last segment names; `echo` is for all others.
pub(super) fn serve(exchange: &mut Exchange) -> io::Result<After> {
    let path = exchange.head().path();
    match path.rsplit('/').next().unwrap_or_default() {
        "mirror" => mirror(exchange),
        "bytes" => bytes(exchange),
        "hash" => hash(exchange),
        "status" => status(exchange),
        "websocket" => websocket::echo(exchange),
        _ => echo(exchange),
    }
}

/// All that was seen: the head's octets, the body's, and the trailer lines.
fn echo(exchange: &mut Exchange) -> io::Result<After> {
    expect_continue(exchange)?;
    let (body, trailers) = exchange.upload()?;
    let seen = [exchange.head().octets.clone(), body, trailers].concat();
    exchange.answer(200, seen)
}

/// The body that was sent.
fn mirror(exchange: &mut Exchange) -> io::Result<After> {
    expect_continue(exchange)?;
    let (body, _) = exchange.upload()?;
    exchange.answer(200, body)
}

/// `?n=…&seed=…`: so many octets of that seed.
fn bytes(exchange: &mut Exchange) -> io::Result<After> {
    let n = exchange.head().query("n").unwrap_or(0);
    let mut body = Body::new(exchange.head().query("seed").unwrap_or(0), n);
    exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n"))?;
    let mut buffer = vec![0; STEP];
    while let count @ 1.. = body.read(&mut buffer) {
        exchange.send(&buffer[..count])?;
    }
    Ok(After::KeepAlive)
}

/// The length and the SHA-256 of the body that was sent.
fn hash(exchange: &mut Exchange) -> io::Result<After> {
    expect_continue(exchange)?;
    let mut hasher = Hasher::default();
    match exchange.body(&mut |piece| hasher.update(piece))? {
        Ending::Complete(_) => {
            let digest = hasher.finish();
            exchange.answer(200, format!("{} {}", digest.len, digest.sha256))
        }
        Ending::Truncated | Ending::Reset => Ok(After::Close),
    }
}

/// `?code=…`: an answer with that status, with the length 5 where a length is allowed.
fn status(exchange: &mut Exchange) -> io::Result<After> {
    let code = exchange.head().query("code").unwrap_or(200);
    let (length, body) = match code {
        204 => ("", ""),
        304 => ("Content-Length: 5\r\nETag: \"e\"\r\n", ""),
        _ => ("Content-Length: 5\r\n", "five\n"),
    };
    let body = if exchange.head().method() == "HEAD" { "" } else { body };
    exchange.send(format!("HTTP/1.1 {code} Chosen\r\n{length}\r\n{body}"))?;
    Ok(After::KeepAlive)
}

/// A server that wants the body says so where the client asks (RFC 9110 §10.1.1).
fn expect_continue(exchange: &mut Exchange) -> io::Result<()> {
    if exchange.head().lists("expect", "100-continue") {
        exchange.send("HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    Ok(())
}
