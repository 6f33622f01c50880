//! Streams that this program opens, to mounts of other telephones.

use telephone_core::mount::{Mount, MountError};
use telephone_core::session::OpenError;
use telephone_core::wire::Opening;

use super::Handle;
use crate::raw::RawStream;

/// Why a stream cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// What was named is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] MountError),
    /// A mount that no raw stream goes to.
    #[error("{0} is no endpoint for raw connections: write tcp:NAME:PORT or tcp:PORT")]
    NotRaw(Mount),
    /// No plugboard is connected, or the one that is takes no more streams for now.
    #[error("no session with a plugboard takes a stream now")]
    Unavailable,
}

impl Handle {
    /// Opens a raw stream to what another telephone serves as `endpoint`, `tcp:NAME:PORT` or `tcp:PORT`, which the
    /// token's `connect` claims must hold. Returns at once: whether somebody serves it shows in the stream's first read.
    /// What is written meanwhile is kept, while the plugboard waits up to 5 s for a telephone that it knows.
    ///
    /// # Errors
    /// [`ConnectError`]. While no plugboard is [connected](Self::connected) that is [`ConnectError::Unavailable`].
    pub fn connect(&self, endpoint: &str) -> Result<RawStream, ConnectError> {
        let mount: Mount = endpoint.parse()?;
        if !mount.is_tcp() {
            return Err(ConnectError::NotRaw(mount));
        }
        for session in self.status.sessions() {
            let opening = Opening::Tcp { mount: mount.as_str().to_owned().into(), from: None };
            match session.open(opening, false, session.now()) {
                Ok(stream) => return Ok(RawStream::new(stream, None)),
                Err(OpenError::Leaving | OpenError::TooManyStreams | OpenError::Head(_)) => {}
            }
        }
        Err(ConnectError::Unavailable)
    }

    /// Ready once a session with some plugboard takes streams. It may have lost its link for the moment.
    pub async fn connected(&self) {
        self.status.connected().await;
    }
}
