//! Why something could not be measured.

use std::io;

/// Why something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// An answer came, and not the one that was asked for.
    #[error("an answer that was not asked for: {0}")]
    Answer(String),
    /// The load was not answered as it should be, so that its figures mean nothing.
    #[error("the load met trouble: {0}")]
    Load(String),
    /// Something stands in `/proc`, in wrk's words or in a file that cannot be understood.
    #[error("{what} cannot be understood: {text:?}")]
    Text {
        /// What was read.
        what: String,
        /// What it said.
        text: String,
    },
    /// It does not serve.
    #[error("{0}")]
    Unserved(String),
}

/// Tells what was tried when the system said no: for `map_err`.
pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failed {
    let what = what.into();
    |source| Failed::Io { what, source }
}
