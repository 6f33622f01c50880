//! Why a telephone cannot be built.

use telephone_core::follow::BadFollowRule;
use telephone_core::limits::MOUNTS_MAX;
use telephone_core::mount::{Mount, MountError};

use crate::backend::{BackendUrl, BadBackendUrl};
use crate::plugboard_url::BadUrl;

/// Why a telephone cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A URL that is none.
    #[error("the plugboard's URL is not usable: {0}")]
    Url(#[from] BadUrl),
    /// A host to follow to that is none.
    #[error(transparent)]
    Follow(#[from] BadFollowRule),
    /// A mount that is none.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Raw connections at a mount of HTTP.
    #[error("{0} is no mount for raw connections: write tcp:PORT or tcp:NAME:PORT")]
    NotRaw(Mount),
    /// Two services of one mount.
    #[error("{0} is given twice: one service can have it")]
    Twice(Mount),
    /// A backend's URL that is none.
    #[error("the backend's URL is not usable: {0}")]
    Backend(#[from] BadBackendUrl),
    /// No plugboard was named.
    #[error("no plugboard was named: call url()")]
    NoUrl,
    /// No mount was named.
    #[error("no mount was named: call mount()")]
    NoMount,
    /// More mounts than one registration takes.
    #[error("{0} mounts are too many: at most {MOUNTS_MAX}")]
    TooManyMounts(usize),
    /// No token was given.
    #[error("no token was given: call token() or token_source()")]
    NoToken,
    /// A URL that asks for TLS, of a program without it.
    #[cfg(not(feature = "tls"))]
    #[error("this program was built without TLS: use a ws:// URL, or a build with the feature `tls`")]
    NoTls,
    /// A backend that asks for TLS, of a program without it.
    #[cfg(not(feature = "tls"))]
    #[error("this program was built without TLS: use an http:// backend, or a build with the feature `tls`")]
    NoBackendTls,
    /// Raw connections to a backend by TLS.
    #[error("{0}: raw connections carry the client's own bytes, TLS too: give the backend as HOST:PORT")]
    RawTls(BackendUrl),
    /// The roots for TLS cannot be loaded.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Roots(#[from] crate::tls::RootsError),
}
