//! One request at the origin, in the hands of whoever answers it: octet by octet if need be.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::sync::atomic::Ordering;

use super::socket::Shared;
use crate::wire::{Ending, Framing, Head, Reader};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request is awaited on it, if the body of this one was read.
    KeepAlive,
    /// It is closed in an orderly way (FIN).
    Close,
    /// It is reset (RST).
    Reset,
}

/// One request and the connection that it came on.
#[derive(Debug)]
pub struct Exchange {
    pub(super) head: Head,
    pub(super) reader: Reader<Shared>,
    pub(super) shared: Shared,
    pub(super) is_body_read: bool,
}

impl Exchange {
    /// The head of the request.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Reads the request's body, giving its octets to `sink`, and notes in the ledger how it ended.
    ///
    /// # Errors
    /// A time-out.
    pub fn body(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<Ending> {
        let framing = self.head.request_framing();
        self.is_body_read = true;
        let ending = self.reader.body(framing, sink)?;
        let ledger = &self.shared.ledger;
        let count = if ending.is_complete() { &ledger.uploads_complete } else { &ledger.uploads_broken };
        if framing != Framing::None {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(ending)
    }

    /// Reads a small body whole, with its trailers in wire form.
    ///
    /// # Errors
    /// A time-out; `UnexpectedEof` if it was cut.
    pub fn upload(&mut self) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let mut octets = Vec::new();
        match self.body(&mut |piece| octets.extend_from_slice(piece))? {
            Ending::Complete(trailers) => {
                let lines = trailers.iter().map(|(name, value)| [name, &b": "[..], value, b"\r\n"].concat());
                Ok((octets, lines.collect::<Vec<_>>().concat()))
            }
            Ending::Truncated | Ending::Reset => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Up to `len` octets as they come, past all framing; none at the end of the stream.
    ///
    /// # Errors
    /// Whatever the socket says.
    pub fn receive(&mut self, len: usize) -> io::Result<Vec<u8>> {
        self.is_body_read = true;
        self.reader.some(len)
    }

    /// Writes octets as they are.
    ///
    /// # Errors
    /// Whatever the socket says, once the peer has left.
    pub fn send(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.shared.write_all(octets.as_ref())
    }

    /// Writes a whole answer with a length, in one piece: a link that is cut between a head and its body leaves an answer
    /// that cannot be asked for again. The body is left away where HTTP forbids it.
    ///
    /// # Errors
    /// Whatever the socket says.
    pub fn answer(&mut self, status: u16, body: impl AsRef<[u8]>) -> io::Result<After> {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n\r\n", body.len());
        let body = if self.head.method() == "HEAD" { &[][..] } else { body };
        self.send([head.as_bytes(), body].concat())?;
        Ok(After::KeepAlive)
    }

    /// Waits until the peer has closed the connection, throwing away what it still sends.
    ///
    /// # Errors
    /// A time-out.
    pub fn wait_closed(&mut self) -> io::Result<After> {
        while !self.receive(4096)?.is_empty() {}
        Ok(After::Close)
    }

    /// Ends what is sent (FIN) and goes on receiving.
    pub fn finish_sending(&self) {
        self.shared.socket.shutdown(Shutdown::Write);
    }
}

impl io::Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let octets = self.receive(buffer.len())?;
        buffer[..octets.len()].copy_from_slice(&octets);
        Ok(octets.len())
    }
}

impl io::Write for Exchange {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.shared.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.shared.flush()
    }
}
