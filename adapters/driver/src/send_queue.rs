//! What the kernel holds of TCP connections that their peers have not acknowledged.
//!
//! A socket that is full takes more only once a good part of what it holds is acknowledged, so that a reader of some hundred
//! bytes a second would look as if it took nothing for minutes. The kernel's table of connections tells what it took.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};

/// The tables of IPv4 and of IPv6.
const TABLES: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// Bytes that wait for an acknowledgement, by the inodes of the sockets that hold any. `None` where the system does not tell.
/// It blocks, for about a millisecond for a thousand connections of this machine.
pub(crate) fn read() -> Option<BTreeMap<u64, u64>> {
    let mut queues = BTreeMap::new();
    let mut is_told = false;
    for table in TABLES {
        let Ok(file) = File::open(table) else { continue };
        is_told = true;
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        queues.extend(lines.filter_map(|line| row(&line)).filter(|(_, bytes)| *bytes > 0));
    }
    is_told.then_some(queues)
}

/// The inode of a connection's socket and the bytes that it holds. (proc_pid_net(5))
fn row(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (queues, inode) = (fields.nth(4)?, fields.nth(4)?);
    let (sent, _received) = queues.split_once(':')?;
    Some((inode.parse().ok()?, u64::from_str_radix(sent, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_row_is_read_as_the_kernel_writes_it() {
        let line = "   8: 0100007F:6021 0100007F:A912 01 0000A0F1:00000003 01:00000014 00000000  1000        0 32497 1 \
                    0000000032a49f19 20 4 30 10 -1";
        assert_eq!(row(line), Some((32_497, 0xa0f1)));
        assert_eq!(
            row(
                "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode"
            ),
            None
        );
        assert_eq!(row(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_peer_has_not_taken_is_told_of_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let inode = rustix::fs::fstat(&socket).unwrap().st_ino;
        assert_eq!(read().unwrap().get(&inode), None);
        while socket.write(&[0; 65_536]).is_ok() {}
        assert!(read().unwrap()[&inode] > 0);
        drop(peer);
    }
}
