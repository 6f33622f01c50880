//! A request as octets, written down the way a client would send it.

/// A request under construction. Nothing is added that was not asked for, but `Host`.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    octets: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// Starts with the request line and `Host: app.example`.
    pub fn new(method: &str, target: &str) -> Self {
        let octets = format!("{method} {target} HTTP/1.1\r\nHost: app.example\r\n").into_bytes();
        Self { method: method.to_owned(), octets, body: Vec::new() }
    }

    /// A GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST with a length.
    pub fn post(target: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// Starts from a head of one's own, without its empty line.
    pub fn raw(method: &str, head: &str) -> Self {
        Self { method: method.to_owned(), octets: head.into(), body: Vec::new() }
    }

    /// The handshake of a WebSocket's client, by hand.
    pub fn upgrade(target: &str) -> Self {
        Self::get(target)
            .field("Connection", "Upgrade")
            .field("Upgrade", "websocket")
            .field("Sec-WebSocket-Version", "13")
            .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Adds a field.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.octets.extend_from_slice(&[name.as_bytes(), b": ", value.as_ref(), b"\r\n"].concat());
        self
    }

    /// Asks for the end of the connection after the answer.
    pub fn close(self) -> Self {
        self.field("Connection", "close")
    }

    /// Sets the body and its length.
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut request = self.field("Content-Length", body.len().to_string());
        request.body = body.to_vec();
        request
    }

    /// Sets a chunked body, one chunk a piece, with trailer lines (each with its line end).
    pub fn chunked(self, pieces: &[&[u8]], trailers: &str) -> Self {
        let mut request = self.field("Transfer-Encoding", "chunked");
        for piece in pieces {
            request.body.extend_from_slice(&chunk(piece));
        }
        request.body.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        request
    }

    /// The method, which decides how the answer is framed.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The head with its empty line.
    pub fn head(&self) -> Vec<u8> {
        [&self.octets[..], b"\r\n"].concat()
    }

    /// All of it.
    pub fn to_vec(&self) -> Vec<u8> {
        [&self.octets[..], b"\r\n", &self.body].concat()
    }
}

/// One chunk of a chunked body.
pub fn chunk(piece: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}
