//! A link of which a test writes every byte: a connection that was upgraded, and WebSocket frames made by hand.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::wait::PATIENCE;

/// The request that upgrades a connection to a link of that subprotocol.
pub fn upgrade(subprotocol: &str) -> String {
    format!(
        "GET /.well-known/telephone HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    )
}

/// The head of a client's frame with a mask of zeros, which leaves the payload as it is: `first` is its first byte.
pub fn head(first: u8, payload: usize) -> Vec<u8> {
    let mut head = vec![first];
    match u16::try_from(payload) {
        Ok(short @ 0..126) => head.push(0x80 | short as u8),
        Ok(medium) => {
            head.push(0x80 | 126);
            head.extend(medium.to_be_bytes());
        }
        Err(_) => {
            head.push(0x80 | 127);
            head.extend((payload as u64).to_be_bytes());
        }
    }
    head.extend([0; 4]);
    head
}

/// A frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&head(first, payload.len())[..], payload].concat()
}

/// A connection from that address of this machine.
///
/// # Panics
/// If there is none to be had.
pub fn connect_from(source: Ipv4Addr, relay: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("an address of this machine");
    socket.connect(&relay.into()).expect("the relay listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_nodelay(true).expect("an option of every socket");
    stream
}

/// A link of the JSON profile that has not said who it is.
#[derive(Debug)]
pub struct RawLink(pub TcpStream);

impl RawLink {
    /// Upgrades a connection from that address.
    ///
    /// # Panics
    /// If the relay does not take it.
    pub fn open(source: Ipv4Addr, relay: SocketAddr) -> Self {
        let mut stream = connect_from(source, relay);
        stream.write_all(upgrade("telephone.v1.json").as_bytes()).expect("the relay reads");
        Self::upgraded(stream)
    }

    /// Takes a connection over that asks for the upgrade already.
    ///
    /// # Panics
    /// If the relay does not take it.
    pub fn upgraded(mut stream: TcpStream) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("an answer");
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self(stream)
    }

    /// Sends one object.
    ///
    /// # Panics
    /// If nobody reads.
    pub fn say(&mut self, kind: &str, data: &Value) {
        let text = json!({"type": kind, "data": data}).to_string();
        self.0.write_all(&frame(0x81, text.as_bytes())).expect("the relay reads");
    }

    /// Greets with a token for the mount `/m`, and gives the answer: its type and its data.
    ///
    /// # Panics
    /// If there is none.
    pub fn greet(&mut self, token: &str, instance: &str) -> (String, Value) {
        self.say("auth", &json!({"token": token, "mounts": ["/m"], "instance": instance, "epoch": 1}));
        let text = self.hear().expect("an answer");
        let mut answer: Value = serde_json::from_slice(&text).expect("an object");
        (answer["type"].as_str().unwrap_or_default().to_owned(), answer["data"].take())
    }

    /// The payload of the next frame.
    ///
    /// # Errors
    /// There is none.
    pub fn hear(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head)?;
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length)?;
                u16::from_be_bytes(length).into()
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload)?;
        Ok(payload)
    }
}
