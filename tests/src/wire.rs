//! HTTP/1.1 as it lies on the wire, read without opinion: what a head says is kept to the octet.
//!
//! Both the raw client and the raw origin read with it. It is deliberately not the project's own codec: a fault
//! there must not cancel out here.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use crate::steady::Steady;

/// One field of a head or a trailer section: name and value, as octets.
pub type Field = (Vec<u8>, Vec<u8>);

/// The head of a request or of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// All of it as it came, with the empty line.
    pub octets: Vec<u8>,
    /// The first line, without its end.
    pub start: Vec<u8>,
    /// The fields in order, without the white space around values.
    pub fields: Vec<Field>,
}

impl Head {
    /// Takes apart what was read up to and with the empty line.
    fn parse(octets: Vec<u8>) -> Self {
        let mut lines = octets.split(|&octet| octet == b'\n').map(without_cr);
        let start = lines.next().unwrap_or_default().to_vec();
        let fields = lines.filter(|line| !line.is_empty()).map(field).collect();
        Self { octets, start, fields }
    }

    /// The values of all fields of that name, in order.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        let is_named = |field: &&Field| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(|field| field.1.as_slice()).collect()
    }

    /// The value of the first field of that name, as text.
    pub fn value(&self, name: &str) -> Option<String> {
        self.values(name).first().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Whether a field of that name is there.
    pub fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// The status of a response.
    ///
    /// # Panics
    /// If the first line has none.
    pub fn status(&self) -> u16 {
        let status = String::from_utf8_lossy(self.word(1)).parse();
        status.unwrap_or_else(|_| panic!("no status line: {:?}", String::from_utf8_lossy(&self.start)))
    }

    /// The method of a request.
    pub fn method(&self) -> String {
        String::from_utf8_lossy(self.word(0)).into_owned()
    }

    /// The target of a request.
    pub fn target(&self) -> String {
        String::from_utf8_lossy(self.word(1)).into_owned()
    }

    /// The path of a request: its target without the query.
    pub fn path(&self) -> String {
        let target = self.target();
        target.split('?').next().unwrap_or_default().to_owned()
    }

    /// The number that the query of a request gives for `name`.
    pub fn query(&self, name: &str) -> Option<u64> {
        let target = self.target();
        let (_, query) = target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok())
    }

    /// Whether a comma-separated field holds that token.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        let all = self.values(name).join(&b","[..]).to_ascii_lowercase();
        all.split(|&octet| octet == b',').any(|item| item.trim_ascii() == token.as_bytes())
    }

    /// How the body after the head of a request is framed.
    pub fn request_framing(&self) -> Framing {
        if self.lists("transfer-encoding", "chunked") { Framing::Chunked } else { self.length(Framing::None) }
    }

    /// How the body after the head of a response to `method` is framed (RFC 9112 §6.3).
    pub fn response_framing(&self, method: &str) -> Framing {
        let status = self.status();
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            Framing::None
        } else if self.lists("transfer-encoding", "chunked") {
            Framing::Chunked
        } else {
            self.length(Framing::UntilClose)
        }
    }

    fn length(&self, otherwise: Framing) -> Framing {
        self.value("content-length").map_or(otherwise, |value| {
            Framing::Length(value.parse().unwrap_or_else(|_| panic!("Content-Length: {value}")))
        })
    }

    fn word(&self, index: usize) -> &[u8] {
        self.start.split(|&octet| octet == b' ').nth(index).unwrap_or_default()
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn without_line_end(line: &[u8]) -> &[u8] {
    without_cr(line.strip_suffix(b"\n").unwrap_or(line))
}

fn field(line: &[u8]) -> Field {
    let colon = line.iter().position(|&octet| octet == b':').unwrap_or(line.len());
    let value = line.get(colon + 1..).unwrap_or_default();
    (line[..colon].to_vec(), value.trim_ascii().to_vec())
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many octets.
    Length(u64),
    /// Chunks, the last one empty, and trailers.
    Chunked,
    /// The sender's end of stream.
    UntilClose,
}

/// How a body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// As its framing says, with these trailers.
    Complete(Vec<Field>),
    /// The stream ended (FIN) before the body did.
    Truncated,
    /// The connection was reset.
    Reset,
}

impl Ending {
    /// Whether a reader would take the body for whole.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete(_))
    }
}

/// Reads messages from a stream.
#[derive(Debug)]
pub struct Reader<R> {
    inner: BufReader<Steady<R>>,
}

impl<R: Read> Reader<R> {
    /// Reads from `stream`.
    pub fn new(stream: R) -> Self {
        Self { inner: BufReader::with_capacity(128 * 1024, Steady(stream)) }
    }

    /// The next head, or none where the stream ends before one.
    ///
    /// # Errors
    /// `UnexpectedEof` within a head; whatever the stream says, a time-out among it.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        let mut octets = Vec::new();
        loop {
            let before = octets.len();
            if self.inner.read_until(b'\n', &mut octets)? == 0 {
                return if octets.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            if without_line_end(&octets[before..]).is_empty() {
                return Ok(Some(Head::parse(octets)));
            }
        }
    }

    /// Reads a body to its end, giving its octets (without chunk framing) to `sink`.
    ///
    /// # Errors
    /// A time-out, or a chunk size that is none.
    pub fn body(&mut self, framing: Framing, sink: &mut dyn FnMut(&[u8])) -> io::Result<Ending> {
        let ending = match framing {
            Framing::None => Ok(Ending::Complete(Vec::new())),
            Framing::Length(len) => self.exactly(len, sink).map(|()| Ending::Complete(Vec::new())),
            Framing::Chunked => self.chunks(sink).map(Ending::Complete),
            Framing::UntilClose => self.rest(sink).map(|()| Ending::Complete(Vec::new())),
        };
        ending.or_else(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Ok(Ending::Truncated),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ok(Ending::Reset),
            _ => Err(error),
        })
    }

    /// Up to `len` octets that are there, at least one; none at the end of the stream.
    ///
    /// # Errors
    /// Whatever the stream says.
    pub fn some(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let available = self.inner.fill_buf()?;
        let taken = available[..available.len().min(len)].to_vec();
        self.inner.consume(taken.len());
        Ok(taken)
    }

    /// Exactly `len` octets.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stream ends before; whatever the stream says.
    pub fn take(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut octets = vec![0; len];
        self.inner.read_exact(&mut octets)?;
        Ok(octets)
    }

    /// All octets up to the end of the stream.
    ///
    /// # Errors
    /// Whatever the stream says.
    pub fn rest(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        loop {
            match self.inner.fill_buf()? {
                [] => return Ok(()),
                piece => {
                    sink(piece);
                    let count = piece.len();
                    self.inner.consume(count);
                }
            }
        }
    }

    fn exactly(&mut self, mut left: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        while left > 0 {
            let piece = self.inner.fill_buf()?;
            if piece.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let count = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink(&piece[..count]);
            self.inner.consume(count);
            left -= count as u64;
        }
        Ok(())
    }

    fn chunks(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<Vec<Field>> {
        loop {
            let line = self.line()?;
            let digits = line.split(|&octet| octet == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
            match size.ok_or_else(|| io::Error::other(format!("no chunk size: {line:?}")))? {
                0 => return self.trailers(),
                size => self.exactly(size, sink)?,
            }
            if !self.line()?.is_empty() {
                return Err(io::Error::other("a chunk is longer than it says"));
            }
        }
    }

    fn trailers(&mut self) -> io::Result<Vec<Field>> {
        let mut fields = Vec::new();
        loop {
            match self.line()? {
                line if line.is_empty() => return Ok(fields),
                line => fields.push(field(&line)),
            }
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.inner.read_until(b'\n', &mut line)?;
        let line = line.strip_suffix(b"\n").ok_or(ErrorKind::UnexpectedEof)?;
        Ok(without_cr(line).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(octets: &[u8], framing: Framing) -> (Vec<u8>, Ending) {
        let mut seen = Vec::new();
        let ending = Reader::new(octets).body(framing, &mut |piece| seen.extend_from_slice(piece));
        (seen, ending.expect("a slice never fails"))
    }

    #[test]
    fn a_body_is_complete_only_with_all_of_its_framing() {
        let whole = b"3\r\nabc\r\n0\r\nx: 1\r\n\r\n";
        let trailers = vec![(b"x".to_vec(), b"1".to_vec())];
        assert_eq!(body(whole, Framing::Chunked), (b"abc".to_vec(), Ending::Complete(trailers)));
        for cut in 0..whole.len() {
            assert_eq!(body(&whole[..cut], Framing::Chunked).1, Ending::Truncated, "cut at {cut}");
        }
        assert_eq!(body(b"ab", Framing::Length(3)).1, Ending::Truncated);
        assert_eq!(body(b"abc", Framing::Length(3)).1, Ending::Complete(Vec::new()));
        assert_eq!(body(b"abc", Framing::UntilClose).1, Ending::Complete(Vec::new()));
    }

    #[test]
    fn a_head_keeps_every_octet() {
        let octets = b"GET /a?n=7 HTTP/1.1\r\nHost: x\r\nA:\xff\r\na: 2\r\n\r\n";
        let head = Reader::new(&octets[..]).head().expect("a slice never fails").expect("a head");
        assert_eq!(head.octets, octets);
        assert_eq!((head.method(), head.path(), head.query("n")), ("GET".into(), "/a".into(), Some(7)));
        assert_eq!(head.values("A"), [&b"\xff"[..], b"2"]);
    }
}
