//! One accepted connection, TCP or Unix, that can be shared, shut down from outside and reset.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ledger::Ledger;

/// The stream below.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) {
        // Fails where the peer was faster, which is as good.
        let _done = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }

    /// From now on the close of the last owner is a reset (RST) instead of an end (FIN).
    pub(super) fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Self::Unix(_) => Ok(()),
        }
    }
}

/// A share in a connection; what goes through it is counted.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) socket: Arc<Socket>,
    pub(super) ledger: Arc<Ledger>,
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &*self.socket {
            Socket::Tcp(stream) => (&*stream).read(buffer),
            Socket::Unix(stream) => (&*stream).read(buffer),
        }?;
        self.ledger.bytes_read.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }
}

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let count = match &*self.socket {
            Socket::Tcp(stream) => (&*stream).write(octets),
            Socket::Unix(stream) => (&*stream).write(octets),
        }?;
        self.ledger.bytes_written.fetch_add(count as u64, Ordering::SeqCst);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
