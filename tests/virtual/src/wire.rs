//! Just enough HTTP/1.1 for actors that speak octets and check every one that comes back.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_lite::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use crate::executor::Executor;
use crate::socket::VirtualSocket;
use telephone_sim::content::{Content, PIECE_BYTES_MAX};

/// Octets of a head that no actor sends.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After so many octets.
    Length(u64),
    /// By its last chunk.
    Chunked,
    /// With the direction: what follows a 101.
    UntilEnd,
}

/// How fast an actor reads or writes a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Octets between two pauses.
    pub piece: usize,
    /// How long it pauses.
    pub pause: Duration,
}

impl Pace {
    /// Without pauses.
    pub const FULL: Self = Self { piece: PIECE_BYTES_MAX, pause: Duration::ZERO };
}

/// Why a body or a head did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ended before it was whole.
    CutOff,
    /// It is not what was sent, or not HTTP.
    Wrong(String),
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::CutOff
    }
}

/// A message's first line and fields.
pub(crate) struct Head {
    pub(crate) first_line: String,
    fields: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The framing of the message's body, where one may follow.
    pub(crate) fn framing(&self) -> Result<Framing, Fault> {
        match (self.field("content-length"), self.field("transfer-encoding")) {
            (Some(length), None) => {
                length.parse().map(Framing::Length).map_err(|_| Fault::Wrong(format!("length {length}")))
            }
            (None, Some("chunked")) => Ok(Framing::Chunked),
            (None, None) => Ok(Framing::Length(0)),
            (length, encoding) => Err(Fault::Wrong(format!("framed by {length:?} and {encoding:?}"))),
        }
    }

    fn parse(octets: &[u8]) -> Result<Self, Fault> {
        let text =
            String::from_utf8(octets.to_vec()).map_err(|_| Fault::Wrong("a head of no text".into()))?;
        let mut lines = text.split("\r\n");
        let first_line = lines.next().unwrap_or_default().to_owned();
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Ok(Self { first_line, fields: lines.filter_map(field).collect() })
    }
}

/// The reading half of a connection.
pub(crate) struct Reader {
    executor: Executor,
    half: ReadHalf<VirtualSocket>,
    input: BytesMut,
}

/// The writing half of a connection.
pub(crate) struct Writer {
    executor: Executor,
    half: WriteHalf<VirtualSocket>,
}

pub(crate) fn split(executor: &Executor, socket: VirtualSocket) -> (Reader, Writer) {
    let (reading, writing) = futures_lite::io::split(socket);
    let reader = Reader { executor: executor.clone(), half: reading, input: BytesMut::new() };
    (reader, Writer { executor: executor.clone(), half: writing })
}

impl Reader {
    /// Reads once. False at the end.
    async fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let count = self.half.read(&mut buffer).await?;
        self.input.extend_from_slice(&buffer[..count]);
        Ok(count > 0)
    }

    async fn need(&mut self) -> Result<(), Fault> {
        if self.fill().await? { Ok(()) } else { Err(Fault::CutOff) }
    }

    /// The next head; `None` if the connection ended before its first octet.
    pub(crate) async fn head(&mut self) -> Result<Option<Head>, Fault> {
        loop {
            if let Some(end) = self.input.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = Head::parse(&self.input[..end])?;
                self.input.advance(end + 4);
                return Ok(Some(head));
            }
            if self.input.len() > HEAD_BYTES_MAX {
                return Err(Fault::Wrong("a head without an end".into()));
            }
            if !self.fill().await? {
                return if self.input.is_empty() { Ok(None) } else { Err(Fault::CutOff) };
            }
        }
    }

    async fn line(&mut self) -> Result<String, Fault> {
        loop {
            if let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.input.split_to(end)).into_owned();
                self.input.advance(2);
                return Ok(line);
            }
            self.need().await?;
        }
    }

    /// Reads a whole body, of which every octet must be `content`'s. Says how many there were.
    pub(crate) async fn body(
        &mut self,
        framing: Framing,
        content: Content,
        pace: Pace,
    ) -> Result<u64, Fault> {
        let mut taken = Taken { content, pace, offset: 0, until_pause: pace.piece };
        match framing {
            Framing::Length(length) => self.stretch(length, &mut taken).await?,
            Framing::Chunked => loop {
                let line = self.line().await?;
                let size = u64::from_str_radix(&line, 16);
                let size = size.map_err(|_| Fault::Wrong(format!("a chunk of size {line:?}")))?;
                self.stretch(size, &mut taken).await?;
                let end = self.line().await?;
                if !end.is_empty() {
                    return Err(Fault::Wrong(format!("{end:?} behind a chunk")));
                }
                if size == 0 {
                    break;
                }
            },
            Framing::UntilEnd => loop {
                let count = self.input.len();
                self.stretch(count as u64, &mut taken).await?;
                if !self.fill().await? {
                    break;
                }
            },
        }
        Ok(taken.offset)
    }

    /// Takes `left` octets.
    async fn stretch(&mut self, mut left: u64, taken: &mut Taken) -> Result<(), Fault> {
        while left > 0 {
            if self.input.is_empty() {
                self.need().await?;
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.input.len());
            let count = count.min(taken.until_pause);
            let octets = self.input.split_to(count);
            if let Some(wrong) = taken.content.first_wrong(taken.offset, &octets) {
                return Err(Fault::Wrong(format!("the octet at {wrong}")));
            }
            left -= count as u64;
            taken.offset += count as u64;
            taken.until_pause -= count;
            if taken.until_pause == 0 {
                taken.until_pause = taken.pace.piece;
                if !taken.pace.pause.is_zero() {
                    self.executor.sleep(taken.pace.pause).await;
                }
            }
        }
        Ok(())
    }
}

/// A body being read.
struct Taken {
    content: Content,
    pace: Pace,
    offset: u64,
    until_pause: usize,
}

impl Writer {
    pub(crate) async fn text(&mut self, text: &str) -> io::Result<()> {
        self.half.write_all(text.as_bytes()).await
    }

    /// Writes `length` octets of `content`, and the end.
    pub(crate) async fn body(
        &mut self,
        framing: Framing,
        content: Content,
        length: u64,
        pace: Pace,
    ) -> io::Result<()> {
        let mut offset = 0;
        while offset < length {
            let left = usize::try_from(length - offset).unwrap_or(usize::MAX);
            let piece = content.piece(offset, left.min(pace.piece));
            if framing == Framing::Chunked {
                self.text(&format!("{:x}\r\n", piece.len())).await?;
            }
            self.half.write_all(&piece).await?;
            if framing == Framing::Chunked {
                self.text("\r\n").await?;
            }
            offset += piece.len() as u64;
            if !pace.pause.is_zero() {
                self.executor.sleep(pace.pause).await;
            }
        }
        match framing {
            Framing::Length(_) => Ok(()),
            Framing::Chunked => self.text("0\r\n\r\n").await,
            Framing::UntilEnd => self.half.close().await,
        }
    }
}
