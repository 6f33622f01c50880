//! HAProxy as a reverse proxy: one thread, connections to the backend kept.

use std::path::PathBuf;

use telephone_tests::net::free_addr;

use crate::failed::{Failed, io};
use crate::line::{Line, Site};
use crate::systems::{System, quiet};

/// One hop through HAProxy.
#[derive(Debug)]
pub(super) struct HaproxyHop;

impl System for HaproxyHop {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn about(&self) -> &'static str {
        "one hop through HAProxy, no tunnel: one thread, connections to the backend kept"
    }

    fn start(&self, site: &Site) -> Result<Line, Failed> {
        let (server, link) = site.way_to(site.backend)?;
        let addr = free_addr();
        let directory = tempfile::tempdir().map_err(io("a temporary directory"))?;
        let file = directory.path().join("haproxy.cfg");
        let configuration = format!(
            "global\n nbthread 1\n maxconn 4096\n\
             defaults\n mode http\n timeout connect 5s\n timeout client 1h\n timeout server 1h\n \
             http-reuse always\n\
             frontend clients\n bind {addr}\n default_backend backend\n\
             backend backend\n server backend {server}\n"
        );
        std::fs::write(&file, configuration).map_err(io("a configuration"))?;
        let process = quiet(PathBuf::from("haproxy")).arg("-db").arg("-f").arg(&file).start();
        let starting = Line::at(addr).relay(&process);
        starting.keep(process).keep(link).keep(directory).served()
    }
}
