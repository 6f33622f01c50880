//! tinyproxy, as the HTTP proxy of a company's network.

use std::fs;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::wait;

/// A running tinyproxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Tinyproxy {
    addr: SocketAddr,
    process: Process,
    _directory: TempDir,
}

impl Tinyproxy {
    /// Gives tunnels to everywhere, with these lines of configuration besides.
    ///
    /// # Panics
    /// If it does not listen in time.
    pub fn start(lines: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (addr, config) = (free_addr(), directory.path().join("tinyproxy.conf"));
        let (ip, port) = (addr.ip(), addr.port());
        let text = format!("Listen {ip}\nPort {port}\nTimeout 600\nLogLevel Connect\n{lines}\n");
        fs::write(&config, text).expect("a directory of our own");
        let process = Plan::new("tinyproxy").arg("-d").arg("-c").arg(&config).start();
        wait::until_true("tinyproxy listens", wait::PATIENCE, || is_listening(addr));
        Self { addr, process, _directory: directory }
    }

    /// What `HTTPS_PROXY` takes.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The same with credentials.
    pub fn url_as(&self, credentials: &str) -> String {
        format!("http://{credentials}@{}", self.addr)
    }

    /// Waits until somebody has asked for a tunnel to `target`: its log may be read later than the tunnel is used.
    ///
    /// # Panics
    /// If nobody does.
    pub fn wait_seen(&self, target: SocketAddr) {
        wait::until_true("the link goes through the proxy", wait::PATIENCE, || self.has_seen(target));
    }

    /// Whether somebody has asked for a tunnel to `target`.
    pub fn has_seen(&self, target: SocketAddr) -> bool {
        self.process.said().contains(&format!("CONNECT {target}"))
    }
}
