//! The mounts that a telephone presents within a session.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::bounded::bounded;
use crate::limits::MOUNTS_MAX;

/// All mounts that a telephone wants, in the notation of the hello, by whether their application accepts connections.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounts {
    /// Mounts whose application accepts connections, as far as the telephone knows.
    #[serde(deserialize_with = "bounded::<MOUNTS_MAX, _, _>")]
    pub ready: Vec<String>,
    /// Mounts whose application does not.
    #[serde(default, deserialize_with = "bounded::<MOUNTS_MAX, _, _>")]
    pub not_ready: Vec<String>,
}

impl Mounts {
    /// How many mounts these are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ready.len().saturating_add(self.not_ready.len())
    }

    /// Whether it is the empty list, which withdraws all mounts.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
