//! What SIGHUP has a relay read again.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use telephone_driver::file::Reading;
use telephone_sidecar::Usage;

use crate::secret::Secret;
use crate::settings::secret;
use crate::telemetry::Telemetry;
use crate::token::{Key, TokenAuthority};

/// Where the keys that verify tokens come from. No output shows a secret of it.
#[derive(Debug)]
pub struct KeySources {
    secret_file: Option<PathBuf>,
    variable: Option<Secret>,
    public_key_files: Vec<PathBuf>,
}

impl KeySources {
    pub(crate) fn new(
        secret_file: Option<PathBuf>,
        variable: Option<OsString>,
        public_key_files: Vec<PathBuf>,
    ) -> Result<Self, Usage> {
        let variable = if secret_file.is_some() { None } else { secret(None, variable, Reading::First)? };
        Ok(Self { secret_file, variable, public_key_files })
    }

    /// The keys as they are now.
    ///
    /// # Errors
    /// A file cannot be read, or holds no key.
    pub fn read(&self, reading: Reading) -> Result<Vec<Key>, Usage> {
        let of_file = secret(self.secret_file.as_deref(), None, reading)?;
        let secrets = of_file.iter().chain(&self.variable);
        let mut keys: Vec<Key> = secrets.map(Key::from_secret).collect();
        for path in &self.public_key_files {
            let named = || format!("--public-key-file {}", path.display());
            keys.push(Key::read(path, reading).map_err(|why| Usage::new(&named(), why))?);
        }
        Ok(keys)
    }
}

/// Reads again what can be read while the relay serves.
pub(crate) struct Reload {
    pub(crate) keys: KeySources,
    pub(crate) authority: Arc<TokenAuthority>,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl Reload {
    /// Opens the access log anew and takes the keys as they are now: all of them, or if one is bad none.
    pub(crate) fn run(&self) {
        self.telemetry.reopen_log();
        match self.keys.read(Reading::Again) {
            Ok(keys) => {
                let count = keys.len();
                self.authority.replace_keys(keys);
                tracing::info!("SIGHUP: opening the access log anew; read {count} keys again");
            }
            Err(error) => tracing::error!(
                "SIGHUP: {error}; the keys of before stay: correct the file, and send SIGHUP again"
            ),
        }
    }
}
