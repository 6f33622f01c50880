//! As much of HTTP/1.1 as a client and a sink of bodies need that are to cost nothing.

use std::io::Read;

use crate::failed::{Failed, io};
use crate::patient::retry;

/// Room for any head that comes here.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The head of a request or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its first line.
    pub start: String,
    /// What `Content-Length` says.
    pub length: Option<u64>,
    /// Whether the connection ends behind it.
    pub closes: bool,
    /// What came behind it in the same go: the beginning of the body.
    pub surplus: Vec<u8>,
}

/// Reads the next head; none if the connection ends before it.
///
/// # Errors
/// If the connection breaks in the middle of it.
pub fn read_head(stream: &mut impl Read) -> Result<Option<Head>, Failed> {
    let mut octets = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = retry(|| stream.read(&mut piece)).map_err(io("to read a head"))?;
        octets.extend_from_slice(&piece[..count]);
        if let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            let surplus = octets.split_off(end + 4);
            return Ok(Some(parse(&String::from_utf8_lossy(&octets), surplus)));
        }
        match count {
            0 if octets.is_empty() => return Ok(None),
            0 => return Err(Failed::Answer("half a head".to_owned())),
            _ if octets.len() > HEAD_BYTES_MAX => return Err(Failed::Answer("an endless head".to_owned())),
            _ => {}
        }
    }
}

fn parse(text: &str, surplus: Vec<u8>) -> Head {
    let mut lines = text.lines();
    let start = lines.next().unwrap_or_default().to_owned();
    let mut head = Head { start, length: None, closes: false, surplus };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            head.length = value.trim().parse().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.trim().eq_ignore_ascii_case("close");
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line() {
        let mut octets = &b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 12\r\nConnection: close\r\n\r\nhello"[..];
        let head = read_head(&mut octets).expect("a head").expect("a head");
        assert_eq!((head.start.as_str(), head.length, head.closes), ("HTTP/1.1 200 OK", Some(12), true));
        assert_eq!(head.surplus, b"hello");
    }

    #[test]
    fn an_end_before_a_head_is_none_and_one_within_is_an_error() {
        assert_eq!(read_head(&mut &b""[..]).expect("an end"), None);
        assert!(read_head(&mut &b"HTTP/1.1 200 OK\r\n"[..]).is_err());
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        assert!(read_head(&mut &vec![b'a'; 1 << 20][..]).is_err());
    }
}
