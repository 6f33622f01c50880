//! Sockets whose reads go on when a signal interrupts them, as those with a time-out do not by themselves.

use std::io::{self, ErrorKind, Read, Write};

/// A stream that reads on.
#[derive(Debug)]
pub struct Steady<S>(pub S);

impl<S: Read> Read for Steady<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl<S: Write> Write for Steady<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
