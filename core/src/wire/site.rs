//! Under which URLs the mounts of a session are public.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::bounded::bounded;
use crate::limits::MOUNTS_MAX;

/// A mount and its URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountUrl {
    /// In the notation of the hello.
    pub mount: String,
    /// What a client of the plugboard opens: `https://HOST/PATH`, or `tcp://HOST:PORT` for a port.
    pub url: String,
}

/// The mounts of a session that have a public URL, each with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// In the order of the mounts.
    #[serde(deserialize_with = "bounded::<MOUNTS_MAX, _, _>")]
    pub mounts: Vec<MountUrl>,
}
