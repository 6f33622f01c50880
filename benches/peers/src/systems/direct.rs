//! No system at all: what the backend, the clients and the machine can do.

use crate::failed::Failed;
use crate::line::{Line, Site};
use crate::systems::System;

/// The backend itself.
#[derive(Debug)]
pub(super) struct Direct;

impl System for Direct {
    fn name(&self) -> &'static str {
        "direct"
    }

    fn about(&self) -> &'static str {
        "the backend itself"
    }

    fn start(&self, site: &Site) -> Result<Line, Failed> {
        let (addr, link) = site.way_to(site.backend)?;
        Line::at(addr).keep(link).served()
    }
}
