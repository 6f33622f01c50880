//! WebSockets on both ends of the line, with tungstenite.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tungstenite::WebSocket;
use tungstenite::handshake::client::Response;
use tungstenite::handshake::{HandshakeError, derive_accept_key};
use tungstenite::protocol::Role;

use crate::origin::{After, Exchange};
use crate::steady::Steady;

/// How long a client waits for one message.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers an upgrade with 101 and echoes messages until the peer closes; its code and reason are echoed too.
///
/// # Errors
/// When the connection breaks.
pub(crate) fn echo(exchange: &mut Exchange) -> io::Result<After> {
    accept(exchange)?;
    let mut socket = WebSocket::from_raw_socket(exchange, Role::Server, None);
    loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => {
                socket.send(message).map_err(io::Error::other)?;
            }
            Ok(_control_that_tungstenite_answers) => {}
            Err(tungstenite::Error::ConnectionClosed) => return Ok(After::Close),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// Answers an upgrade with 101 (RFC 6455 §4.2.2).
///
/// # Errors
/// When the connection breaks, or the request is no upgrade.
pub fn accept(exchange: &mut Exchange) -> io::Result<()> {
    let key = exchange.head().value("sec-websocket-key").ok_or(io::ErrorKind::InvalidInput)?;
    let accept = derive_accept_key(key.as_bytes());
    exchange.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

/// Opens a WebSocket; a refusal is the answer that came instead of 101.
///
/// # Errors
/// The status, the fields and the body of a refusal.
///
/// # Panics
/// If the connection breaks.
pub fn open(addr: SocketAddr, target: &str) -> Result<WebSocket<Steady<TcpStream>>, Box<Refusal>> {
    let stream = TcpStream::connect(addr).unwrap_or_else(|error| panic!("{addr}: {error}"));
    stream.set_read_timeout(Some(READ_TIMEOUT)).expect("not zero");
    stream.set_nodelay(true).expect("an option of every socket");
    match tungstenite::client(format!("ws://app.example{target}"), Steady(stream)) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(tungstenite::Error::Http(refusal))) => Err(refusal),
        Err(error) => panic!("no handshake: {error}"),
    }
}

/// What came instead of 101.
pub type Refusal = Response;
