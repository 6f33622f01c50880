//! HAProxy, as the balancer in front of several relays: it goes by their `/readyz`.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::client::try_get;
use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::relay::Relay;
use crate::{bins, wait};

/// A running HAProxy; it ends when it is dropped.
#[derive(Debug)]
pub struct HaProxy {
    addr: SocketAddr,
    statistics: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

impl HaProxy {
    /// Spreads requests over these relays: over those that are ready, as it finds out five times a second. What no relay
    /// has answered is sent to another one if it may be repeated. The configuration is the one that is shipped, with this
    /// test's addresses.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn before(relays: &[&Relay]) -> Self {
        let (addr, statistics) = (free_addr(), free_addr());
        let mut servers = String::new();
        for (number, relay) in relays.iter().enumerate() {
            let (public, admin) = (relay.addr(), relay.admin());
            let _ = writeln!(
                servers,
                "server relay{number} {public} check addr {} port {}",
                admin.ip(),
                admin.port()
            );
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = directory.path().join("haproxy.cfg");
        let text = format!(
            "{}
             frontend statistics
               bind {statistics}
               stats enable
               stats uri /
",
            with_own(&shipped(), addr, &servers)
        );
        fs::write(&config, text).expect("disk space");
        let mut process = Plan::new("haproxy").arg("-db").arg("-f").arg(&config).start();
        wait::until_true("HAProxy listens", wait::PATIENCE, || {
            if let Some(status) = process.exit_status() {
                panic!("HAProxy ended with {status}: {}", process.said());
            }
            is_listening(addr) && is_listening(statistics)
        });
        let haproxy = Self { addr, statistics, _process: process, _directory: directory };
        (0..relays.len()).for_each(|number| haproxy.wait_up(number));
        haproxy
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until it finds that relay ready.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn wait_up(&self, number: usize) {
        let row = format!("relays,relay{number},");
        wait::until_true("HAProxy finds the relay ready", wait::PATIENCE, || {
            let page = try_get(self.statistics, "/;csv").map(|answer| answer.text()).unwrap_or_default();
            page.lines().any(|line| line.starts_with(&row) && line.split(',').nth(17) == Some("UP"))
        });
    }
}

/// The file that is shipped for an HAProxy in front of relays.
fn shipped() -> String {
    let path = bins::workspace().join("deploy/haproxy/plugboard.cfg");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// That configuration with another address to listen at, and other relays.
fn with_own(shipped: &str, addr: SocketAddr, servers: &str) -> String {
    assert_eq!(shipped.matches("bind :80\n").count(), 1, "in the shipped HAProxy file");
    assert_eq!(shipped.matches("\n    server relay").count(), 2, "in the shipped HAProxy file");
    let kept = shipped.lines().filter(|line| !line.starts_with("    server relay")).collect::<Vec<_>>();
    format!("{}\n{servers}", kept.join("\n").replace("bind :80", &format!("bind {addr}")))
}
