//! Ports and addresses on loopback.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Ports below the range from which the kernel takes those of outgoing connections (32768 on Linux), so that no
/// connection of a busy test can sit on a port between its choice and its use.
const FIRST: u32 = 12_000;
/// How many there are.
const COUNT: u32 = 20_000;

/// An address on loopback where nobody listens, handed out once in a process; parallel processes start apart.
///
/// # Panics
/// If none is free.
pub fn free_addr() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(211);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset).expect("the range lies below 65536");
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if is_free(addr) {
            return addr;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// Whether a socket can have `addr`. It does not listen there: another test may be waiting for its own program to.
fn is_free(addr: SocketAddr) -> bool {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
    // As a listener has it, so that neither is in the other's way.
    socket.set_reuse_address(true).expect("an option of every socket");
    socket.bind(&addr.into()).is_ok()
}

/// Whether somebody accepts connections at `addr`.
pub fn is_listening(addr: SocketAddr) -> bool {
    TcpStream::connect_timeout(&addr, Duration::from_secs(1)).is_ok()
}

/// The same port under an address that no program takes for its own machine's: dials to it use the proxies of the
/// environment. Linux connects it to loopback.
pub fn unspecified(addr: SocketAddr) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port()))
}
