//! plugboard with one of its two sidecars.

use telephone_tests::relay::Relay;
use telephone_tests::sidecar::Program;

use crate::failed::Failed;
use crate::line::{Line, Site};
use crate::systems::System;

/// What is served: everything, under the paths that the other systems serve it.
const MOUNT: &str = "/";

/// The relay and a sidecar, as they are shipped but for the access log.
#[derive(Debug)]
pub(super) struct Telephone {
    program: Program,
    about: &'static str,
}

impl Telephone {
    /// The sidecar on tokio.
    pub(super) const TOKIO: Self = Self {
        program: Program::Tokio,
        about: "plugboard and telephone (tokio): all requests over one WebSocket",
    };

    /// The sidecar on smol.
    pub(super) const SMOL: Self = Self {
        program: Program::Smol,
        about: "plugboard and telephone-smol (smol): all requests over one WebSocket",
    };
}

impl System for Telephone {
    fn name(&self) -> &'static str {
        self.program.name()
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn start(&self, site: &Site) -> Result<Line, Failed> {
        let relay = Relay::with(&["--access-log", "off"]);
        let (dialled, link) = site.way_to(relay.addr())?;
        let dial = self.program.dial_url(&format!("ws://{dialled}")).token(&relay.token(&[MOUNT]));
        let dial = dial.mount(MOUNT).backend(&format!("http://{}", site.backend)).env("RUST_LOG", "error");
        let starting = Line::at(relay.addr()).relay(relay.process());
        starting.agent(|| dial.start().into_process()).keep(link).keep(relay).served()
    }
}
