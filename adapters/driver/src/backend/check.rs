//! What a telephone finds out about its application without a request.

use std::io;

use bytes::{Buf as _, BytesMut};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use telephone_core::http1::{Client, ClientEvent, ResponseError};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead};

use super::BackendConnector;
use crate::runtime::Runtime;

/// Something answered a check, and not as it must.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error("GET {path} was answered with {status}")]
    Status { path: String, status: u16 },
    #[error("GET {path} was answered with what is not HTTP: {error}")]
    NotHttp { path: String, error: ResponseError },
}

impl<R: Runtime> BackendConnector<R> {
    /// Connects once. With a path, asks for it and reads the head of the answer, which must be a 2xx or 3xx.
    ///
    /// # Errors
    /// Why the application counts as down.
    pub(crate) async fn check(&self, path: Option<&str>) -> io::Result<()> {
        let mut socket = self.connect().await?;
        let Some(path) = path else { return Ok(()) };
        let mut client = Client::new(HttpLimits::default());
        client.request(&request(path, self.authority()), true).map_err(io::Error::other)?;
        let waiting = client.output().remaining();
        let written = client.output().copy_to_bytes(waiting);
        socket.write_all(&written).await?;
        socket.flush().await?;
        let (mut input, mut piece, mut is_eof) = (BytesMut::new(), vec![0; 4096], false);
        loop {
            let event = if is_eof { client.handle_eof(&mut input) } else { client.poll_event(&mut input) };
            let not_http = |error| io::Error::other(BadAnswer::NotHttp { path: path.to_owned(), error });
            match event.map_err(not_http)? {
                Some(ClientEvent::Head { head, .. }) => {
                    if (200..400).contains(&head.status) {
                        return Ok(());
                    }
                    let answer = BadAnswer::Status { path: path.to_owned(), status: head.status };
                    return Err(io::Error::other(answer));
                }
                Some(_) => {}
                None => {
                    let count = socket.read(&mut piece).await?;
                    is_eof = count == 0;
                    input.extend_from_slice(piece.get(..count).unwrap_or_default());
                }
            }
        }
    }
}

fn request(path: &str, authority: String) -> RequestHead {
    let mut headers = Headers::new();
    headers.push("Host", authority);
    headers.push("User-Agent", "telephone-check");
    headers.push("Connection", "close");
    RequestHead {
        method: "GET".into(),
        target: path.to_owned().into(),
        headers,
        length: None,
        upgrade: None,
        wants_trailers: false,
    }
}
