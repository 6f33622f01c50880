//! What a session is left with.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::bounded::bounded;
use crate::limits::MOUNTS_MAX;

/// The mounts that a session still has, of those that it registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// In the notation of the hello.
    #[serde(deserialize_with = "bounded::<MOUNTS_MAX, _, _>")]
    pub mounts: Vec<String>,
}
