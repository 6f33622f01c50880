//! A backend that takes bodies of any length, throws them away and says 200.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use telephone_tests::net::free_addr;

use crate::failed::{Failed, io};
use crate::head::read_head;
use crate::patient::retry;

/// Octets that are taken in one go.
const PIECE: usize = 256 * 1024;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

/// Starts one that lives as long as this process, and says where.
///
/// # Errors
/// If it cannot listen.
pub fn start() -> Result<SocketAddr, Failed> {
    let addr = free_addr();
    let listener = TcpListener::bind(addr).map_err(io(format!("to listen at {addr}")))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that breaks off has seen it itself.
            thread::spawn(move || serve(stream).ok());
        }
    });
    Ok(addr)
}

fn serve(mut stream: TcpStream) -> Result<(), Failed> {
    stream.set_nodelay(true).map_err(io("TCP_NODELAY"))?;
    let mut buffer = vec![0; PIECE];
    while let Some(head) = read_head(&mut stream)? {
        let mut left = head.length.unwrap_or(0).saturating_sub(head.surplus.len() as u64);
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match retry(|| stream.read(&mut buffer[..room])).map_err(io("to read a body"))? {
                0 => return Err(Failed::Answer("half a body".to_owned())),
                count => left -= count as u64,
            }
        }
        stream.write_all(ANSWER).map_err(io("to answer"))?;
        if head.closes {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::upload;

    #[test]
    fn a_body_is_taken_to_its_end() {
        let addr = start().expect("a free port");
        assert_eq!(upload(addr, 5_000_000).expect("an answer").octets, 5_000_000);
        assert_eq!(upload(addr, 0).expect("an answer").octets, 0);
    }
}
