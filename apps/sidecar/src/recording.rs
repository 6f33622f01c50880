//! Where the programs record.

use std::path::PathBuf;

use telephone_driver::Recorder;

use crate::usage::{Stop, Usage};

/// Where sessions are recorded, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recording {
    /// Where the files go.
    pub directory: PathBuf,
    /// Whether bodies and secrets stay in them.
    pub keeps_contents: bool,
}

impl Recording {
    /// What the options ask for. `bodies_option` is the name of the one that keeps bodies.
    ///
    /// # Errors
    /// Bodies are to be kept, and nothing is to be recorded.
    pub fn asked_for(
        directory: Option<PathBuf>,
        keeps_contents: bool,
        bodies_option: &str,
    ) -> Result<Option<Self>, Usage> {
        if directory.is_none() && keeps_contents {
            return Err(Usage::new(bodies_option, "nothing is recorded without --record DIR"));
        }
        Ok(directory.map(|directory| Self { directory, keeps_contents }))
    }

    /// Makes the directory, if it is not there, and tells the log that sessions are recorded.
    ///
    /// # Errors
    /// It cannot be made, read or written.
    pub fn open(self, program: &str) -> Result<Recorder, Stop> {
        let Self { directory, keeps_contents } = self;
        let recorder = Recorder::new(&directory, program).map_err(|error| {
            let named = format!("--record {}", directory.display());
            Stop::from(Usage::new(&named, format!("cannot record there: {error}")))
        })?;
        let directory = directory.display();
        if keeps_contents {
            tracing::warn!(%directory, "sessions are recorded with all bodies, tokens and secrets");
            return Ok(recorder.with_contents());
        }
        tracing::info!(%directory, "sessions are recorded, without bodies and secrets");
        Ok(recorder)
    }
}
