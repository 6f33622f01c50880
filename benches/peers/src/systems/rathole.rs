//! rathole: a tunnel of TCP connections, each over a connection of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use telephone_tests::net::free_addr;
use telephone_tests::process::Plan;

use crate::failed::{Failed, io};
use crate::line::{Line, Site, listening};
use crate::systems::{System, installed, lacks, quiet};

/// rathole over one of its transports, without encryption.
#[derive(Debug)]
pub(super) struct Rathole {
    name: &'static str,
    about: &'static str,
    transport: &'static str,
}

impl Rathole {
    /// Plain TCP.
    pub(super) const TCP: Self = Self {
        name: "rathole",
        about: "rathole 0.5.0 over TCP: each client's connection has one of the tunnel's",
        transport: "type = \"tcp\"",
    };

    /// WebSockets.
    pub(super) const WEBSOCKET: Self = Self {
        name: "rathole-ws",
        about: "rathole 0.5.0 over WebSockets, one for each client's connection",
        transport: "type = \"websocket\"\n[ROLE.transport.websocket]\ntls = false",
    };

    /// Writes the configuration of one side.
    fn configure(&self, directory: &Path, role: &str, addresses: &str) -> Result<PathBuf, Failed> {
        let transport = self.transport.replace("ROLE", role);
        let text = format!(
            "[{role}]\ndefault_token = \"between the two\"\n{addresses}\n[{role}.transport]\n{transport}\n"
        );
        let file = directory.join(format!("{role}.toml"));
        std::fs::write(&file, text).map_err(io("a configuration"))?;
        Ok(file)
    }
}

impl System for Rathole {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn lacks(&self) -> Option<String> {
        let lack = lacks("rathole");
        if lack.is_some() || self.name == Self::TCP.name {
            return lack;
        }
        let version = Plan::new(installed("rathole")).arg("--version").finish().stdout;
        (!version.contains("websocket")).then(|| "rathole was built without WebSockets".to_owned())
    }

    fn start(&self, site: &Site) -> Result<Line, Failed> {
        let directory = tempfile::tempdir().map_err(io("a temporary directory"))?;
        let (public, control) = (free_addr(), free_addr());
        let file = self.configure(directory.path(), "server", &server(control, public))?;
        let mut relay = quiet(installed("rathole")).arg("--server").arg(file).start();
        listening(control, &mut relay)?;
        let (dialled, link) = site.way_to(control)?;
        let file = self.configure(directory.path(), "client", &client(dialled, site.backend))?;
        let agent = quiet(installed("rathole")).arg("--client").arg(file);
        let starting = Line::at(public).relay(&relay).agent(|| agent.start());
        starting.keep(link).keep(relay).keep(directory).served()
    }
}

fn server(control: SocketAddr, public: SocketAddr) -> String {
    format!("bind_addr = \"{control}\"\n[server.services.web]\nbind_addr = \"{public}\"")
}

fn client(control: SocketAddr, backend: SocketAddr) -> String {
    format!("remote_addr = \"{control}\"\n[client.services.web]\nlocal_addr = \"{backend}\"")
}
