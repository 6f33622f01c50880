//! A tunnel through a SOCKS5 proxy (RFC 1928), with a user name and a password (RFC 1929) or without.

use std::io;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Credentials;
use crate::socket::Socket;

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
/// The version of the exchange of RFC 1929.
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Bytes of a user name, of a password, and of a host name: each has one byte for its length.
pub(super) const TEXT_BYTES_MAX: usize = 255;

/// Why there is no tunnel.
#[derive(Debug)]
pub(super) enum SocksError {
    /// The connection broke.
    Broken(io::Error),
    /// The answer is not one of SOCKS5.
    NotSocks,
    /// It wants credentials, or others.
    Login,
    /// It answered the request with this code.
    Refused(u8),
}

impl From<io::Error> for SocksError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Whether the same request may succeed later: the proxy could not reach the target.
pub(super) const fn is_temporary(code: u8) -> bool {
    matches!(code, 1 | 3..=6)
}

/// What a code says. (RFC 1928 §6)
pub(super) const fn told(code: u8) -> &'static str {
    match code {
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "general failure",
    }
}

/// Asks for a tunnel. A name is resolved by the proxy: a network that needs one often resolves no outside names.
pub(super) async fn tunnel<S: Socket>(
    socket: &mut S,
    (host, port): (&str, u16),
    credentials: Option<&Credentials>,
) -> Result<(), SocksError> {
    let methods: &[u8] =
        if credentials.is_some() { &[VERSION, 2, NO_LOGIN, PASSWORD] } else { &[VERSION, 1, NO_LOGIN] };
    let mut choice = [0; 2];
    ask(socket, methods, &mut choice).await?;
    match (choice, credentials) {
        ([VERSION, NO_LOGIN], _) => {}
        ([VERSION, PASSWORD], Some(Credentials { user, password })) => {
            let mut request = vec![LOGIN_VERSION];
            put_text(&mut request, user);
            put_text(&mut request, password);
            let mut answer = [0; 2];
            ask(socket, &request, &mut answer).await?;
            if answer[1] != 0 {
                return Err(SocksError::Login);
            }
        }
        ([VERSION, _], _) => return Err(SocksError::Login),
        _ => return Err(SocksError::NotSocks),
    }
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(std::net::IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(std::net::IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            request.push(NAME);
            put_text(&mut request, host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    // Five bytes: the first of the address, which for a name is its length.
    let mut answer = [0; 5];
    ask(socket, &request, &mut answer).await?;
    let length = match answer {
        [VERSION, 0, _, IPV4, _] => 3,
        [VERSION, 0, _, NAME, length] => usize::from(length),
        [VERSION, 0, _, IPV6, _] => 15,
        [VERSION, code, ..] if code != 0 => return Err(SocksError::Refused(code)),
        _ => return Err(SocksError::NotSocks),
    };
    let mut rest = [0; TEXT_BYTES_MAX + 2];
    let rest = rest.get_mut(..length + 2).unwrap_or_default();
    Ok(socket.read_exact(rest).await?)
}

/// Text that fits was checked where the variable was read, and a host of a URL is no longer.
fn put_text(request: &mut Vec<u8>, text: &[u8]) {
    let text = text.get(..TEXT_BYTES_MAX).unwrap_or(text);
    request.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    request.extend(text);
}

/// Sends a request and receives as many bytes as its answer begins with.
async fn ask<S: Socket>(socket: &mut S, request: &[u8], answer: &mut [u8]) -> io::Result<()> {
    socket.write_all(request).await?;
    socket.flush().await?;
    socket.read_exact(answer).await
}
