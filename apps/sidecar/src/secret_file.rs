//! Files with secrets that others can read.

use std::path::Path;

/// Warns if others than its owner can read, write or execute the secret file that `option` names. No more than that:
/// projected volumes of Kubernetes have mode 0644, and what else keeps others out cannot be seen from here.
pub fn warn_if_exposed(option: &str, path: &Path) {
    if let Some(mode) = mode(path).filter(|mode| mode & 0o077 != 0) {
        let path = path.display();
        tracing::warn!(
            "{option} {path}: others on this machine can access the secret in it (mode {mode:04o}); run `chmod 600 {path}`"
        );
    }
}

/// The permissions of the file itself, whatever links lead to it.
#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).ok().map(|meta| meta.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}
