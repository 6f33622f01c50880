//! How a plugboard that is about to leave sends its telephones away.

use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Asks a telephone for its next session elsewhere, while the present one goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The interval from now on over which all that are asked spread their dials, in milliseconds.
    pub within_ms: u64,
    /// Where to dial, if not at the URL that was dialled before.
    #[serde(default)]
    pub url: Option<String>,
}

impl Move {
    /// [`Move::within_ms`] as a duration.
    #[must_use]
    pub const fn within(&self) -> Duration {
        Duration::from_millis(self.within_ms)
    }
}
