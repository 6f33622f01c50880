//! nginx, as the backend that many have and as the hop in front that ends TLS.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::certs::Certs;
use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::wait;

/// A running nginx; it ends when it is dropped.
#[derive(Debug)]
pub struct Nginx {
    addr: SocketAddr,
    process: Process,
    directory: TempDir,
}

impl Nginx {
    /// Serves the files below the files folder at `location` (which ends in a slash).
    pub fn files_at(location: &str) -> Self {
        Self::run(|addr, directory| {
            let files = directory.join("files");
            fs::create_dir(&files).expect("a directory of our own");
            format!(
                "server {{ listen {addr}; location {location} {{ alias {}/; etag on; }} }}",
                files.display()
            )
        })
    }

    /// Ends TLS with `certs` and passes everything on to `upstream`, WebSockets too: the configuration that the
    /// README recommends.
    pub fn tls_before(upstream: SocketAddr, certs: &Certs) -> Self {
        let (cert, key) = (certs.cert.display().to_string(), certs.key.display().to_string());
        Self::run(|addr, _| {
            format!(
                "map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
                 server {{
                   listen {addr} ssl;
                   ssl_certificate {cert};
                   ssl_certificate_key {key};
                   location / {{
                     proxy_pass http://{upstream};
                     proxy_http_version 1.1;
                     proxy_set_header Host $host;
                     proxy_set_header Upgrade $http_upgrade;
                     proxy_set_header Connection $connection_upgrade;
                     proxy_set_header X-Forwarded-For $remote_addr;
                     proxy_set_header X-Forwarded-Proto $scheme;
                     proxy_set_header X-Forwarded-Host $host;
                     proxy_buffering off;
                     proxy_request_buffering off;
                     client_max_body_size 0;
                   }}
                 }}"
            )
        })
    }

    /// Passes everything on to `upstream`: a plain hop to compare with.
    pub fn before(upstream: SocketAddr) -> Self {
        Self::run(|addr, _| {
            format!(
                "server {{ listen {addr}; location / {{ proxy_pass http://{upstream}; proxy_http_version 1.1; }} }}"
            )
        })
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Puts a file where [`Nginx::files_at`] serves it.
    ///
    /// # Panics
    /// If it cannot.
    pub fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.directory.path().join("files").join(name), content).expect("a directory of our own");
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Runs with these blocks of the `http` context, made for an address to listen at and a directory of its own.
    ///
    /// # Panics
    /// If it does not listen in time.
    pub fn run(servers: impl FnOnce(SocketAddr, &Path) -> String) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let addr = free_addr();
        let config = directory.path().join("nginx.conf");
        fs::write(&config, configuration(&servers(addr, directory.path()))).expect("a directory of our own");
        let nginx = Plan::new("nginx").arg("-p").arg(directory.path()).arg("-c").arg(&config);
        let process = nginx.args(["-e", "stderr"]).start();
        wait::until_true("nginx listens", wait::PATIENCE, || is_listening(addr));
        Self { addr, process, directory }
    }
}

/// One process in the foreground, which writes nowhere but below its prefix.
fn configuration(servers: &str) -> String {
    format!(
        "daemon off;
         master_process off;
         pid nginx.pid;
         events {{ worker_connections 8192; }}
         http {{
           access_log off;
           client_body_temp_path body;
           proxy_temp_path proxy;
           fastcgi_temp_path fastcgi;
           uwsgi_temp_path uwsgi;
           scgi_temp_path scgi;
           {servers}
         }}"
    )
}
