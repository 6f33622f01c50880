//! A token that somebody else keeps fresh in a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use telephone_core::limits::TOKEN_BYTES_MAX;
use telephone_core::text::foreign_encoding;
use telephone_driver::file::{Reading, open_named};
use telephone_driver::{Token, TokenSource};

use crate::secret_file::warn_if_exposed;

/// Reads its file at each dial and each renewal, as projected Kubernetes tokens need. A replacement that
/// is gone, half-written or no token at all leaves the last good one in use, and is logged once (T-22).
///
/// A pipe, such as `/dev/stdin`, gives its token once: there is nothing to read again.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    is_pipe: bool,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    token: Token,
    is_stale: bool,
}

impl TokenFile {
    /// Reads `path` for the first time; warns if others than its owner can read it, too.
    ///
    /// # Errors
    /// The file cannot be read, holds no token, or is a FIFO or a device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (token, is_pipe) = read(path, Reading::First)?;
        if !is_pipe {
            warn_if_exposed("--token-file", path);
        }
        Ok(Self { path: path.to_owned(), is_pipe, last: Mutex::new(Last { token, is_stale: false }) })
    }
}

impl TokenSource for TokenFile {
    fn token(&self) -> io::Result<String> {
        let fresh = (!self.is_pipe).then(|| read(&self.path, Reading::Again));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match fresh {
            None => {}
            Some(Ok((token, _))) => *last = Last { token, is_stale: false },
            Some(Err(error)) => {
                if !last.is_stale {
                    let path = self.path.display();
                    tracing::warn!(%path, %error, "the token file is unusable, the last token stays in use");
                }
                last.is_stale = true;
            }
        }
        Ok(last.token.expose().to_owned())
    }

    fn is_fixed(&self) -> bool {
        self.is_pipe
    }
}

/// The token, and whether it came out of something that is no regular file.
fn read(path: &Path, reading: Reading) -> io::Result<(Token, bool)> {
    use io::Read;
    let mut bytes = Vec::new();
    let most = TOKEN_BYTES_MAX as u64 + 2;
    let file = open_named(path, reading)?;
    let is_pipe = !file.metadata()?.is_file();
    file.take(most).read_to_end(&mut bytes)?;
    if let Some(encoding) = foreign_encoding(&bytes) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, encoding.as_str()));
    }
    let token = str::from_utf8(&bytes).unwrap_or_default().trim_ascii();
    if !is_jwt_shaped(token) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file holds no JWT (three parts, a.b.c)"));
    }
    Ok((Token::from(token), is_pipe))
}

/// Three parts of unpadded base64url, of which a remainder of one character is no whole byte: enough to
/// tell a token from most torsos of one. Whether it is good, the plugboard knows.
pub(crate) fn is_jwt_shaped(token: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.len() % 4 != 1
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    token.len() <= TOKEN_BYTES_MAX && token.split('.').count() == 3 && token.split('.').all(is_part)
}

#[cfg(test)]
mod tests;
