//! nginx as a reverse proxy: one process, connections to the backend kept.

use telephone_tests::nginx::Nginx;

use crate::failed::Failed;
use crate::line::{Line, Site};
use crate::systems::System;

/// One hop through nginx.
#[derive(Debug)]
pub(super) struct NginxHop;

impl System for NginxHop {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn about(&self) -> &'static str {
        "one hop through nginx, no tunnel: one process, connections to the backend kept"
    }

    fn start(&self, site: &Site) -> Result<Line, Failed> {
        let (upstream, link) = site.way_to(site.backend)?;
        let nginx = Nginx::run(|addr, _| {
            format!(
                "upstream backend {{
                   server {upstream};
                   keepalive 1024;
                   keepalive_requests 1000000000;
                   keepalive_timeout 1h;
                 }}
                 keepalive_requests 1000000000;
                 keepalive_timeout 1h;
                 client_max_body_size 0;
                 server {{
                   listen {addr} backlog=4096;
                   location / {{
                     proxy_pass http://backend;
                     proxy_http_version 1.1;
                     proxy_set_header Connection '';
                     proxy_request_buffering off;
                     proxy_max_temp_file_size 0;
                     proxy_read_timeout 1h;
                     proxy_send_timeout 1h;
                   }}
                 }}"
            )
        });
        Line::at(nginx.addr()).relay(nginx.process()).keep(nginx).keep(link).served()
    }
}
