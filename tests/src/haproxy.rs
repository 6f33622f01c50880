//! HAProxy, as the balancer in front of several relays: it goes by their `/readyz`.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;

use tempfile::TempDir;

use crate::client::try_get;
use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::relay::Relay;
use crate::wait;

/// A running HAProxy; it ends when it is dropped.
#[derive(Debug)]
pub struct HaProxy {
    addr: SocketAddr,
    statistics: SocketAddr,
    _process: Process,
    _directory: TempDir,
}

impl HaProxy {
    /// Spreads requests over these relays: over those that are ready, as it finds out ten times a second. What no relay
    /// has answered is sent to another one if it may be repeated.
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
            "defaults
               mode http
               timeout connect 5s
               timeout client 60s
               timeout server 60s
               timeout tunnel 1h
             frontend public
               bind {addr}
               default_backend relays
             backend relays
               option redispatch
               retry-on conn-failure empty-response
               http-request disable-l7-retry if METH_POST
               option httpchk
               http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
               http-check expect status 200
               default-server inter 100ms fall 1 rise 1
               {servers}
             frontend statistics
               bind {statistics}
               stats enable
               stats uri /
"
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
