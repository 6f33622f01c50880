//! One body over one connection, as plainly as it can be moved: whoever carries it should be what is measured.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::failed::{Failed, io};
use crate::head::{Head, read_head};
use crate::patient::retry;

/// Octets of the big body: 1 GiB.
pub const BIG: u64 = 1 << 30;

/// Octets that are moved in one go.
const PIECE: usize = 256 * 1024;

/// Nobody may be silent for longer.
const SILENCE: Duration = Duration::from_secs(30);

/// How often a download that ends at a deadline looks at the clock while nothing comes.
const GLANCE: Duration = Duration::from_millis(20);

/// What was moved.
#[derive(Debug, Clone, Copy)]
pub struct Transfer {
    /// Octets of the body.
    pub octets: u64,
    /// From before the connection to the last octet, or to the end of the answer to an upload.
    pub took: Duration,
    /// From before the connection to the first octet of the answer.
    pub first: Duration,
}

impl Transfer {
    /// Megabytes (10^6 octets) in a second.
    pub fn megabytes_per_second(&self) -> f64 {
        self.octets as f64 / 1e6 / self.took.as_secs_f64()
    }
}

/// A download whose head has come.
#[derive(Debug)]
pub struct Download {
    stream: TcpStream,
    started: Instant,
    first: Duration,
    length: u64,
    octets: u64,
    /// Whether a wait that ends for nothing is no error.
    is_impatient: bool,
}

impl Download {
    /// Asks for `path` on a connection of its own.
    ///
    /// # Errors
    /// If the answer is not a 200 with a length.
    pub fn start(addr: SocketAddr, path: &str) -> Result<Self, Failed> {
        let started = Instant::now();
        let mut stream = connect(addr)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(io("to ask"))?;
        let (head, first) = answer(&mut stream, started)?;
        let length = head.length.ok_or_else(|| Failed::Answer("a body without a length".to_owned()))?;
        Ok(Self { stream, started, first, length, octets: head.surplus.len() as u64, is_impatient: false })
    }

    /// How many octets of the body have come.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether all of them have.
    pub fn is_complete(&self) -> bool {
        self.octets == self.length
    }

    /// Takes what there is, but no more than `buffer` has room for, and waits if there is nothing.
    ///
    /// # Errors
    /// If the body breaks off.
    pub fn take(&mut self, buffer: &mut [u8]) -> Result<(), Failed> {
        let count = match retry(|| self.stream.read(buffer)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.is_impatient => return Ok(()),
            other => other.map_err(io("to read the body"))?,
        };
        if count == 0 && !self.is_complete() {
            return Err(Failed::Answer(format!("{} octets of {}", self.octets, self.length)));
        }
        self.octets += count as u64;
        Ok(())
    }

    /// What was moved so far.
    pub fn so_far(&self) -> Transfer {
        Transfer { octets: self.octets, took: self.started.elapsed(), first: self.first }
    }

    /// Takes all of it, or what comes until `deadline`.
    ///
    /// # Errors
    /// If the body breaks off.
    pub fn finish(mut self, deadline: Option<Instant>) -> Result<Transfer, Failed> {
        if deadline.is_some() {
            self.is_impatient = true;
            self.stream.set_read_timeout(Some(GLANCE)).map_err(io("a read time-out"))?;
        }
        let mut buffer = vec![0; PIECE];
        while !self.is_complete() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            self.take(&mut buffer)?;
        }
        Ok(self.so_far())
    }
}

/// Sends a body of so many octets on a connection of its own, and waits for the answer.
///
/// # Errors
/// If the answer is not a 200.
pub fn upload(addr: SocketAddr, octets: u64) -> Result<Transfer, Failed> {
    let started = Instant::now();
    let mut stream = connect(addr)?;
    let head = format!(
        "PUT /sink HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {octets}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).map_err(io("to ask"))?;
    let piece = vec![0; PIECE];
    let mut left = octets;
    while left > 0 {
        let count = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        stream.write_all(&piece[..count]).map_err(io("to send the body"))?;
        left -= count as u64;
    }
    let (_, first) = answer(&mut stream, started)?;
    Ok(Transfer { octets, took: started.elapsed(), first })
}

/// A connection on which nobody may be silent for half a minute.
///
/// # Errors
/// If nobody listens.
pub fn connect(addr: SocketAddr) -> Result<TcpStream, Failed> {
    let stream = TcpStream::connect(addr).map_err(io(format!("to connect to {addr}")))?;
    stream.set_nodelay(true).map_err(io("TCP_NODELAY"))?;
    stream.set_read_timeout(Some(SILENCE)).map_err(io("a read time-out"))?;
    stream.set_write_timeout(Some(SILENCE)).map_err(io("a write time-out"))?;
    Ok(stream)
}

/// Reads the head of a 200, and tells how long after `started` its first octet came.
///
/// # Errors
/// If there is none, or it is that of another answer.
pub fn answer(stream: &mut TcpStream, started: Instant) -> Result<(Head, Duration), Failed> {
    retry(|| stream.peek(&mut [0])).map_err(io("to wait for an answer"))?;
    let first = started.elapsed();
    let head = read_head(stream)?.ok_or_else(|| Failed::Answer("none at all".to_owned()))?;
    if head.start.split(' ').nth(1) == Some("200") {
        Ok((head, first))
    } else {
        Err(Failed::Answer(head.start))
    }
}
