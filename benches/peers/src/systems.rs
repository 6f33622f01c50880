//! The systems that are measured, one file each.

use std::path::PathBuf;

use telephone_tests::bins;
use telephone_tests::process::Plan;

use crate::failed::Failed;
use crate::line::{Line, Site};

mod bore;
mod direct;
mod haproxy;
mod nginx;
mod rathole;
mod telephone;

/// A way to bring clients to a backend.
pub trait System {
    /// What it is called on the command line and in tables.
    fn name(&self) -> &'static str;

    /// What it is.
    fn about(&self) -> &'static str;

    /// Why it cannot be run here, if so.
    fn lacks(&self) -> Option<String> {
        None
    }

    /// Starts it on free ports of loopback, and waits until it serves.
    ///
    /// # Errors
    /// If it does not.
    ///
    /// # Panics
    /// If one of its programs cannot be started.
    fn start(&self, site: &Site) -> Result<Line, Failed>;
}

/// All of them, in the order of the tables.
pub fn all() -> Vec<Box<dyn System>> {
    vec![
        Box::new(direct::Direct),
        Box::new(nginx::NginxHop),
        Box::new(haproxy::HaproxyHop),
        Box::new(rathole::Rathole::TCP),
        Box::new(rathole::Rathole::WEBSOCKET),
        Box::new(bore::Bore),
        Box::new(telephone::Telephone::TOKIO),
        Box::new(telephone::Telephone::SMOL),
        Box::new(telephone::Telephone::UNLOGGED),
    ]
}

/// The relay without an access log, with the sidecar on tokio.
pub fn telephone() -> Box<dyn System> {
    Box::new(telephone::Telephone::UNLOGGED)
}

/// The path of a program that `benches/peers/run` has installed beside the build.
fn installed(name: &str) -> PathBuf {
    bins::directory().with_file_name("peers-bin").join("bin").join(name)
}

/// Says so if such a program is not there.
fn lacks(name: &str) -> Option<String> {
    let path = installed(name);
    (!path.exists()).then(|| format!("there is no {}", path.display()))
}

/// Runs it without its log: what it says of each connection would be measured too.
fn quiet(program: PathBuf) -> Plan {
    Plan::new(program).env("RUST_LOG", "error")
}
