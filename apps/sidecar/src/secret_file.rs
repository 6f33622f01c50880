//! Files with secrets that others can read.

use std::path::Path;

/// Warns if others can read, write or execute the secret file that `option` names. No more than that: what else
/// keeps others out cannot be seen from here.
pub fn warn_if_exposed(option: &str, path: &Path) {
    if let Some(warning) = exposure(option, path) {
        tracing::warn!("{warning}");
    }
}

/// What [`warn_if_exposed`] says, for a program that writes no log.
#[must_use]
pub fn exposure(option: &str, path: &Path) -> Option<String> {
    let mode = exposed_mode(path)?;
    let path = path.display();
    Some(format!(
        "{option} {path}: others on this machine can access the secret in it (mode {mode:04o}); run `chmod 600 {path}`"
    ))
}

/// The permissions of the file itself, whatever links lead to it, if they expose it.
#[cfg(unix)]
fn exposed_mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o7777;
    is_exposed(mode, metadata.uid(), rustix::process::geteuid().as_raw()).then_some(mode)
}

#[cfg(not(unix))]
fn exposed_mode(_: &Path) -> Option<u32> {
    None
}

/// Whether a file of `owner` is exposed, for a program that runs as `user`. If it is another user's, this program reads it
/// as one of the group or by an access list, whose mask stands in the group's bits: so projected volumes of Kubernetes
/// (root and `fsGroup`, 0440) and credentials of systemd (root, 0440) are given, and their modes are not the user's to change.
#[cfg(unix)]
const fn is_exposed(mode: u32, owner: u32, user: u32) -> bool {
    let others = if owner == user { 0o077 } else { 0o007 };
    mode & others != 0
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn bits_of_the_group_count_for_a_file_of_our_own_and_bits_of_all_for_each() {
        for (mode, owner, user, expected) in [
            (0o600, 1000, 1000, false),
            (0o400, 0, 0, false),
            (0o640, 1000, 1000, true),
            (0o620, 1000, 1000, true),
            (0o604, 1000, 1000, true),
            (0o644, 1000, 1000, true),
            // A projected volume of Kubernetes, a credential of systemd.
            (0o440, 0, 65534, false),
            (0o640, 0, 1000, false),
            (0o444, 0, 65534, true),
            (0o644, 0, 65534, true),
            (0o441, 0, 1000, true),
            (0o440, 0, 0, true),
        ] {
            assert_eq!(is_exposed(mode, owner, user), expected, "{mode:04o} of {owner} for {user}");
        }
    }
}
