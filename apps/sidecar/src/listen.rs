//! Ports that cannot be opened: why, and what to do.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use telephone_core::hint::Hint;

use crate::exit::Exit;
use crate::usage::Stop;

/// The end of a program that cannot listen where `option` says.
#[must_use]
pub fn cannot_listen(option: &str, address: SocketAddr, error: &Error) -> Stop {
    let hint = match error.kind() {
        ErrorKind::AddrInUse => Some(Hint::PortTaken),
        ErrorKind::PermissionDenied if address.port() < 1024 => Some(Hint::PrivilegedPort),
        ErrorKind::AddrNotAvailable => Some(Hint::ForeignAddress),
        _ => None,
    };
    let hint = hint.map(|hint| format!(". {}", hint.text())).unwrap_or_default();
    Stop::new(Exit::Failed, format!("{option} {address}: cannot listen there: {error}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_has_its_next_step() {
        let text = |kind: ErrorKind, address: &str| {
            cannot_listen("--admin", address.parse().unwrap(), &kind.into()).text().to_owned()
        };
        let taken = text(ErrorKind::AddrInUse, "127.0.0.1:4001");
        assert!(taken.starts_with("error: --admin 127.0.0.1:4001: cannot listen there: "), "{taken}");
        assert!(taken.contains(". Another program listens there"), "{taken}");
        assert!(text(ErrorKind::PermissionDenied, "0.0.0.0:80").contains("CAP_NET_BIND_SERVICE"));
        assert!(!text(ErrorKind::PermissionDenied, "0.0.0.0:8080").contains("1024"));
        assert!(text(ErrorKind::AddrNotAvailable, "192.0.2.1:80").contains("0.0.0.0"));
    }
}
