//! A client that keeps its connection and throws bodies away: whoever carries them should be what is measured.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use telephone_peers::failed::{Failed, io};
use telephone_peers::patient::retry;
use telephone_peers::transfer::{answer, connect};

/// Octets that are taken in one go.
const PIECE: usize = 256 * 1024;

/// One connection.
#[derive(Debug)]
pub struct Kept {
    addr: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Kept {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn connect(addr: SocketAddr) -> Result<Self, Failed> {
        Ok(Self { addr, stream: connect(addr)?, buffer: vec![0; PIECE] })
    }

    /// GETs a body of so many octets, and tells how long it took to the first octet of the answer.
    ///
    /// # Errors
    /// If the answer is not a 200 with as many.
    pub fn ask_for(&mut self, path: &str, octets: u64) -> Result<Duration, Failed> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.addr);
        let started = Instant::now();
        self.stream.write_all(request.as_bytes()).map_err(io("to ask"))?;
        let (head, first) = answer(&mut self.stream, started)?;
        if head.length != Some(octets) {
            return Err(Failed::Answer(format!("{path} has {:?} octets", head.length)));
        }
        let mut left = octets.saturating_sub(head.surplus.len() as u64);
        while left > 0 {
            let room = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match retry(|| self.stream.read(&mut self.buffer[..room])).map_err(io("to read a body"))? {
                0 => return Err(Failed::Answer(format!("{path} lacks {left} octets"))),
                count => left -= count as u64,
            }
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Says one thing to whoever connects, however often it is asked.
    fn say(text: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            while stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {
                stream.write_all(text.as_bytes()).expect("a client that reads");
            }
        });
        addr
    }

    #[test]
    fn one_connection_brings_one_body_after_the_other() {
        let mut client =
            Kept::connect(say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")).expect("a port");
        assert!((0..3).all(|_| client.ask_for("/", 4).is_ok()));
    }

    #[test]
    fn a_body_of_another_length_is_no_answer() {
        let mut client =
            Kept::connect(say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")).expect("a port");
        assert!(client.ask_for("/", 4).is_err());
    }
}
