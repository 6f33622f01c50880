//! bore: a tunnel of TCP connections, each over a connection of its own that is made when it is needed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use telephone_tests::net::free_addr;

use crate::failed::Failed;
use crate::line::{Line, Site, listening};
use crate::systems::{System, installed, lacks, quiet};

/// The port at which bore's server waits for its clients: no option of it says another.
const CONTROL_PORT: u16 = 7835;

/// bore, without a secret.
#[derive(Debug)]
pub(super) struct Bore;

impl System for Bore {
    fn name(&self) -> &'static str {
        "bore"
    }

    fn about(&self) -> &'static str {
        "bore 0.6.0: each client's connection has one of the tunnel's, made when it comes"
    }

    fn lacks(&self) -> Option<String> {
        lacks("bore")
    }

    fn start(&self, site: &Site) -> Result<Line, Failed> {
        let (control, public) = (free_control()?, free_addr());
        let relay = quiet(installed("bore")).arg("server").args(["--bind-addr", &control.ip().to_string()]);
        let mut relay = relay.args(["--bind-tunnels", &public.ip().to_string()]).start();
        listening(control, &mut relay)?;
        let (dialled, link) = match site.link {
            Some(_) => site.way(free_control()?, control)?,
            None => (control, None),
        };
        let agent = quiet(installed("bore")).arg("local").args(["--to", &dialled.ip().to_string()]);
        let agent = agent.args(["--port", &public.port().to_string()]);
        let agent = agent.args(["--local-host", &site.backend.ip().to_string()]);
        let agent = agent.arg(site.backend.port().to_string());
        let starting = Line::at(public).relay(&relay).agent(|| agent.start());
        starting.keep(link).keep(relay).served()
    }
}

/// Since the port is fixed, each server has an address of its own: all of 127.0.0.0/8 is loopback.
fn free_control() -> Result<SocketAddr, Failed> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        // The first 16 bits tell processes apart, and no address ends in 0 or 1.
        let number = std::process::id().wrapping_mul(211).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let [_, _, high, low] = number.to_be_bytes();
        let addr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 66, high, low)), CONTROL_PORT);
        if low > 1 && TcpListener::bind(addr).is_ok() {
            return Ok(addr);
        }
    }
    Err(Failed::Unserved(format!("port {CONTROL_PORT} is taken on every address of loopback")))
}
