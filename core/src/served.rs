//! What a telephone serves: the streams that its plugboard may open, and the others, which reach no backend.
//!
//! A plugboard routes, but it is not trusted with more than the mounts that were registered at it: what is opened for
//! another mount, or for a target outside the mount's path, is refused before a byte of it reaches an application.

use alloc::vec::Vec;

use crate::mount::{Mount, is_at_or_below};
use crate::target::{self, Target};
use crate::wire::Opening;

/// The mounts that one telephone registers.
///
/// All that it was given, also those that a renewed token no longer covers: a request that was routed before that may
/// arrive after it, and its operator still wants to serve them.
///
/// ```
/// use telephone_core::served::ServedMounts;
/// let served = ServedMounts::new(vec!["/api".parse().unwrap()]);
/// assert!(served.check_request(b"/api", b"/api/users?page=2").is_ok());
/// assert!(served.check_request(b"/api", b"/admin").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedMounts(Vec<Mount>);

/// Why a telephone does not serve a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotServed {
    /// This telephone did not register the mount, or not for this kind of stream.
    #[error("this telephone did not register the mount")]
    Mount,
    /// The target has a dot segment, or no canonical form: a backend could read another path in it than a plugboard routes by.
    #[error("the target has no canonical form, or a dot segment")]
    Form,
    /// The target is neither the mount's path nor below it.
    #[error("the target is outside the mount")]
    Target,
}

impl ServedMounts {
    /// The mounts as they are registered.
    #[must_use]
    pub const fn new(mounts: Vec<Mount>) -> Self {
        Self(mounts)
    }

    /// The mounts.
    #[must_use]
    pub fn as_slice(&self) -> &[Mount] {
        &self.0
    }

    /// Checks what a stream was opened for.
    ///
    /// # Errors
    /// The plugboard may not open it.
    pub fn check(&self, opening: &Opening) -> Result<(), NotServed> {
        match opening {
            Opening::Http { mount, head } => self.check_request(mount, &head.target),
            Opening::Tcp { mount, .. } => {
                self.find(mount).filter(|mount| mount.is_tcp()).map(drop).ok_or(NotServed::Mount)
            }
        }
    }

    /// Checks the target of a request that came for `mount`.
    ///
    /// # Errors
    /// The plugboard may not ask for it.
    pub fn check_request(&self, mount: &[u8], target: &[u8]) -> Result<(), NotServed> {
        let mount = self.find(mount).ok_or(NotServed::Mount)?;
        // `OPTIONS *` asks about the whole server, and is routed to the root alone.
        if target == b"*" {
            return if mount.path() == Some("") { Ok(()) } else { Err(NotServed::Target) };
        }
        let read;
        let canonical = if target::is_canonical(target) {
            target
        } else {
            read = Target::read(target).map_err(|_| NotServed::Form)?;
            // A plugboard sends what has dot segments in canonical form.
            if read.sent != target {
                return Err(NotServed::Form);
            }
            &read.canonical
        };
        // As it stands, too: the mount is spelled as it was registered.
        let is_below = |path: &str| {
            [canonical, target].iter().all(|form| is_at_or_below(path.as_bytes(), target::path(form)))
        };
        match mount.path() {
            Some(path) if is_below(path) => Ok(()),
            Some(_) => Err(NotServed::Target),
            // The target of a room's client holds no mount: all paths of its application are its own.
            // Browsers read a backslash as a slash.
            None if mount.room().is_some() && (target.starts_with(b"//") || target.starts_with(b"/\\")) => {
                Err(NotServed::Form)
            }
            None if mount.room().is_some() => Ok(()),
            None => Err(NotServed::Mount),
        }
    }

    fn find(&self, text: &[u8]) -> Option<&Mount> {
        self.0.iter().find(|mount| mount.as_str().as_bytes() == text)
    }
}

#[cfg(test)]
mod tests;
