//! plugboard with one of its two sidecars.

use telephone_tests::relay::Relay;
use telephone_tests::sidecar::Program;

use crate::failed::{Failed, io};
use crate::line::{Line, Site};
use crate::systems::System;

/// What is served: everything, under the paths that the other systems serve it.
const MOUNT: &str = "/";

/// The relay and a sidecar.
#[derive(Debug)]
pub(super) struct Telephone {
    name: &'static str,
    program: Program,
    about: &'static str,
    /// Whether the relay writes its access log, as it is shipped.
    has_access_log: bool,
}

impl Telephone {
    /// The sidecar on tokio, with the access log.
    pub(super) const TOKIO: Self = Self {
        name: "telephone",
        program: Program::Tokio,
        about: "plugboard and telephone (tokio), as shipped: all requests over one WebSocket, each in the access log",
        has_access_log: true,
    };

    /// The sidecar on smol, with the access log.
    pub(super) const SMOL: Self = Self {
        name: "telephone-smol",
        program: Program::Smol,
        about: "plugboard and telephone-smol (smol), as shipped: all requests over one WebSocket, each in the access log",
        has_access_log: true,
    };

    /// What the access log costs is the difference to `telephone`.
    pub(super) const UNLOGGED: Self = Self {
        name: "telephone-unlogged",
        program: Program::Tokio,
        about: "plugboard with --access-log off, and telephone (tokio)",
        has_access_log: false,
    };
}

impl System for Telephone {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn start(&self, site: &Site) -> Result<Line, Failed> {
        // Into a file: on standard output this program would read along, and take the time of a processor for it.
        let directory = tempfile::tempdir().map_err(io("a temporary directory"))?;
        let file = directory.path().join("access.log");
        let access_log = if self.has_access_log { file.to_string_lossy() } else { "off".into() };
        let relay = Relay::with(&["--access-log", &access_log]);
        let (dialled, link) = site.way_to(relay.addr())?;
        let dial = self.program.dial_url(&format!("ws://{dialled}")).token(&relay.token(&[MOUNT]));
        let dial = dial.mount(MOUNT).backend(&format!("http://{}", site.backend));
        let starting = Line::at(relay.addr()).relay(relay.process());
        starting.agent(|| dial.start().into_process()).keep(link).keep(relay).keep(directory).served()
    }
}
