//! nginx, as the backend that many have and as the hop in front that ends TLS.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::certs::Certs;
use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::{bins, wait};

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

    /// Ends TLS with `certs` and passes everything on to `upstream`, WebSockets too: the configuration that is shipped,
    /// with this test's addresses and files.
    ///
    /// # Panics
    /// If it does not name them as it did.
    pub fn tls_before(upstream: SocketAddr, certs: &Certs) -> Self {
        Self::run(|addr, _| {
            let own = [
                ("listen 443 ssl;", format!("listen {addr} ssl;")),
                ("server 127.0.0.1:4000;", format!("server {upstream};")),
                ("server_name plugboard.example;", "server_name localhost;".to_owned()),
                ("/etc/nginx/tls/plugboard.crt", certs.cert.display().to_string()),
                ("/etc/nginx/tls/plugboard.key", certs.key.display().to_string()),
            ];
            own.iter().fold(shipped(), |text, (shipped, own)| {
                assert_eq!(text.matches(shipped).count(), 1, "{shipped:?} in the shipped nginx file");
                text.replace(shipped, own)
            })
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
        let process = start(directory.path(), addr);
        Self { addr, process, directory }
    }

    /// Ends it at once, with all connections, and starts it again: with the certificates that its files hold now.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = start(self.directory.path(), self.addr);
    }
}

fn start(directory: &Path, addr: SocketAddr) -> Process {
    let nginx = Plan::new("nginx").arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
    let process = nginx.args(["-e", "stderr"]).start();
    wait::until_true("nginx listens", wait::PATIENCE, || is_listening(addr));
    process
}

/// The file that is shipped for an nginx in front of a relay.
///
/// # Panics
/// If it is not there.
pub fn shipped() -> String {
    let path = bins::workspace().join("deploy/nginx/plugboard.conf");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
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
