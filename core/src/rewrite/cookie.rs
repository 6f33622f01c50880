//! The `Path` of `Set-Cookie` (RFC 6265 §5.2.4).

use alloc::vec::Vec;

use super::reference::is_at_or_below;

/// A cookie for the application's path as one for that path below `mount`; `None` if it stays as it is.
///
/// `Path=/` becomes the mount without a slash at its end, which matches `/m` and `/m/x` and not `/mx` (§5.1.4). A cookie
/// without a usable path belongs to the directory of the request's path, which the client sees with the mount, so that it is
/// right but for a request of the bare mount (`is_bare`), whose directory lies above it. A `__Host-` cookie must have
/// `Path=/`, or no browser takes it.
pub(super) fn with_mount(cookie: &[u8], mount: &[u8], is_bare: bool) -> Option<Vec<u8>> {
    if cookie.trim_ascii_start().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"__Host-")) {
        return None;
    }
    let mut changed = Vec::with_capacity(cookie.len().saturating_add(mount.len()));
    let (mut is_changed, mut has_path) = (false, false);
    for (index, part) in cookie.split(|&byte| byte == b';').enumerate() {
        if index > 0 {
            changed.push(b';');
        }
        match path_of(part).filter(|_| index > 0) {
            Some((start, path)) => {
                has_path = true;
                changed.extend_from_slice(start);
                if is_at_or_below(path, mount) {
                    changed.extend_from_slice(path);
                    continue;
                }
                is_changed = true;
                changed.extend_from_slice(mount);
                changed.extend_from_slice(if path == b"/" { b"" } else { path });
            }
            None => changed.extend_from_slice(part),
        }
    }
    if is_bare && !has_path {
        is_changed = true;
        changed.extend_from_slice(b"; Path=");
        changed.extend_from_slice(mount);
    }
    is_changed.then_some(changed)
}

/// An attribute's start up to its value, and the value, if it is a path.
fn path_of(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = part.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (part.get(..equals)?, part.get(equals.checked_add(1)?..)?);
    let path = value.trim_ascii();
    let is_path = name.trim_ascii().eq_ignore_ascii_case(b"path") && path.starts_with(b"/");
    is_path.then(|| part.split_at_checked(equals.saturating_add(1)).map(|(start, _)| (start, path))).flatten()
}
