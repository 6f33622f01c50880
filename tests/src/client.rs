//! A raw HTTP client: sends the octets that it is given and tells exactly what came back and how it ended.

use std::io::{self, ErrorKind, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::prf::{Digest, Hasher};
use crate::request::Request;
use crate::wire::{Ending, Field, Head, Reader};

/// No answer takes longer; a test that waits for a slower one says so with [`Client::wait_at_most`].
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The interim answers (1xx) before it.
    pub interim: Vec<Head>,
    /// Its head.
    pub head: Head,
    /// Its body, without framing.
    pub body: Vec<u8>,
    /// How the body ended.
    pub ending: Ending,
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// Its body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Its trailers.
    ///
    /// # Panics
    /// If the body did not end well.
    pub fn trailers(&self) -> &[Field] {
        match &self.ending {
            Ending::Complete(trailers) => trailers,
            broken @ (Ending::Truncated | Ending::Reset) => panic!("the body did not end well: {broken:?}"),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    reader: Reader<TcpStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// If nobody listens.
    pub fn connect(addr: SocketAddr) -> Self {
        Self::try_connect(addr).unwrap_or_else(|error| panic!("{addr}: {error}"))
    }

    /// Connects to what may not listen yet, or no longer.
    ///
    /// # Errors
    /// Those of a connect.
    pub fn try_connect(addr: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(addr).map(Self::over)
    }

    /// Connects from that address of this machine.
    ///
    /// # Errors
    /// Those of a connect.
    pub fn try_connect_from(source: IpAddr, addr: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect(&addr.into())?;
        Ok(Self::over(socket.into()))
    }

    /// Connects with a receive buffer of about `octets`, so that the kernel takes little unread.
    ///
    /// # Panics
    /// If nobody listens.
    pub fn connect_narrow(addr: SocketAddr, octets: usize) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.set_recv_buffer_size(octets).expect("an option of every socket");
        socket.connect(&addr.into()).unwrap_or_else(|error| panic!("{addr}: {error}"));
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("an option of every socket");
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("not zero");
        stream.set_write_timeout(Some(READ_TIMEOUT)).expect("not zero");
        let reader = Reader::new(stream.try_clone().expect("a free descriptor"));
        Self { stream, reader }
    }

    /// Waits longer, or shorter, for octets than usual.
    pub fn wait_at_most(&self, timeout: Duration) {
        self.stream.set_read_timeout(Some(timeout)).expect("not zero");
    }

    /// Gives up sooner, or later, on a peer that takes nothing.
    pub fn write_at_most(&self, timeout: Duration) {
        self.stream.set_write_timeout(Some(timeout)).expect("not zero");
    }

    /// Sends octets.
    ///
    /// # Errors
    /// Whatever the socket says, once the peer has left.
    pub fn try_send(&self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        (&self.stream).write_all(octets.as_ref())
    }

    /// Sends octets.
    ///
    /// # Panics
    /// If the peer takes no more.
    pub fn send(&self, octets: impl AsRef<[u8]>) {
        self.try_send(octets).expect("the peer reads");
    }

    /// Ends what is sent (FIN) and goes on receiving.
    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("an open connection");
    }

    /// Leaves with a reset instead of an orderly end.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("an option of every socket");
    }

    /// The next head, interim ones included.
    ///
    /// # Errors
    /// `UnexpectedEof` if the connection ends before it is whole; a time-out.
    pub fn try_head(&mut self) -> io::Result<Head> {
        self.reader.head()?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// The next head, interim ones included.
    ///
    /// # Panics
    /// If none comes.
    pub fn head(&mut self) -> Head {
        self.try_head().expect("a head")
    }

    /// The next whole answer.
    ///
    /// # Errors
    /// If no final head comes.
    pub fn try_answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut interim = Vec::new();
        let head = loop {
            match self.try_head()? {
                head if head.status() < 200 && head.status() != 101 => interim.push(head),
                head => break head,
            }
        };
        let mut body = Vec::new();
        let framing = head.response_framing(method);
        let ending = self.reader.body(framing, &mut |piece| body.extend_from_slice(piece))?;
        Ok(Answer { interim, head, body, ending })
    }

    /// The next whole answer.
    ///
    /// # Panics
    /// If none comes.
    pub fn answer(&mut self, method: &str) -> Answer {
        self.try_answer(method).expect("an answer")
    }

    /// Sends a request and returns its answer.
    ///
    /// # Panics
    /// If none comes.
    pub fn ask(&mut self, request: &Request) -> Answer {
        self.send(request.to_vec());
        self.answer(request.method())
    }

    /// Sends a request, where there may be nobody any more to answer it.
    pub fn try_ask(&mut self, request: &Request) -> Option<Answer> {
        self.try_send(request.to_vec()).ok()?;
        self.try_answer(request.method()).ok()
    }

    /// Reads the body after `head`, an answer to GET, and keeps only its digest.
    ///
    /// # Errors
    /// A time-out.
    pub fn digest_body(&mut self, head: &Head) -> io::Result<(Digest, Ending)> {
        let mut hasher = Hasher::default();
        let ending = self.reader.body(head.response_framing("GET"), &mut |piece| hasher.update(piece))?;
        Ok((hasher.finish(), ending))
    }

    /// Up to `len` octets as they come; none at the end of the stream.
    ///
    /// # Errors
    /// A reset; a time-out.
    pub fn some(&mut self, len: usize) -> io::Result<Vec<u8>> {
        self.reader.some(len)
    }

    /// Exactly `len` octets.
    ///
    /// # Panics
    /// If they do not come.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        self.reader.take(len).expect("so many octets")
    }

    /// All octets up to the end of the stream, and whether that was in order (FIN).
    ///
    /// # Panics
    /// If the end does not come in time.
    pub fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut octets = Vec::new();
        match self.reader.rest(&mut |piece| octets.extend_from_slice(piece)) {
            Ok(()) => (octets, true),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => (octets, false),
            Err(error) => panic!("no end of the stream: {error}"),
        }
    }
}

/// Sends one request on a connection of its own and returns its answer.
///
/// # Panics
/// If none comes.
pub fn ask(addr: SocketAddr, request: &Request) -> Answer {
    Client::connect(addr).ask(request)
}

/// GETs a target on a connection of its own.
///
/// # Panics
/// If no answer comes.
pub fn get(addr: SocketAddr, target: &str) -> Answer {
    ask(addr, &Request::get(target).close())
}

/// GETs a target, where there may be nobody, or only half an answer.
pub fn try_get(addr: SocketAddr, target: &str) -> Option<Answer> {
    let stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1)).ok()?;
    Client::over(stream).try_ask(&Request::get(target).close())
}
