//! tinyproxy, as the HTTP proxy of a company's network.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, thread};

use tempfile::TempDir;

use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::wait;

/// Bytes of a request head: a JWT is never in one to a proxy.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A running tinyproxy; it ends when it is dropped.
///
/// Its log is no evidence that a test may wait for: lines of a busy machine come late, or in another form with another
/// version. So clients connect to a socket of the test before it, which notes each request before tinyproxy gets it: what
/// tinyproxy has answered has been noted.
#[derive(Debug)]
pub struct Tinyproxy {
    addr: SocketAddr,
    seen: Seen,
    _process: Process,
    _directory: TempDir,
}

/// The request lines so far.
type Seen = Arc<Mutex<Vec<String>>>;

impl Tinyproxy {
    /// Gives tunnels to everywhere, with these lines of configuration besides.
    ///
    /// # Panics
    /// If it does not listen in time.
    pub fn start(lines: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (behind, config) = (free_addr(), directory.path().join("tinyproxy.conf"));
        let (ip, port) = (behind.ip(), behind.port());
        let text = format!("Listen {ip}\nPort {port}\nTimeout 600\nLogLevel Connect\n{lines}\n");
        fs::write(&config, text).expect("a directory of our own");
        let process = Plan::new("tinyproxy").arg("-d").arg("-c").arg(&config).start();
        wait::until_true("tinyproxy listens", wait::PATIENCE, || is_listening(behind));
        let listener = TcpListener::bind(free_addr()).expect("the address is free");
        let addr = listener.local_addr().expect("a socket of our own");
        let seen = Seen::default();
        let noted = Arc::downgrade(&seen);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Some(noted) = noted.upgrade() else { return };
                // A connection that breaks is the test's to judge.
                thread::spawn(move || pass(&client, behind, &noted));
            }
        });
        Self { addr, seen, _process: process, _directory: directory }
    }

    /// What `HTTPS_PROXY` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The same with credentials.
    pub fn url_as(&self, credentials: &str) -> String {
        format!("http://{credentials}@{}", self.addr)
    }

    /// Whether a client has asked for a tunnel to `target`.
    pub fn has_seen(&self, target: SocketAddr) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().any(|line| line.starts_with(&format!("CONNECT {target} ")))
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        // The listener's thread finds that nothing is noted any more.
        self.seen = Seen::default();
        let _ended = TcpStream::connect(self.addr);
    }
}

/// Notes the request of a connection, and passes both directions on.
fn pass(mut client: &TcpStream, behind: SocketAddr, noted: &Mutex<Vec<String>>) -> io::Result<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match client.read(&mut piece)? {
            0 => break,
            count => head.extend_from_slice(&piece[..count]),
        }
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    noted.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let mut server = &TcpStream::connect(behind)?;
    server.write_all(&head)?;
    thread::scope(|scope| {
        scope.spawn(|| copy(server, client));
        copy(client, server)
    })
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    to.shutdown(Shutdown::Write)?;
    copied.map(drop)
}
