//! The lines that stand for a whole run: idle but for their turns.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::backend::Serving;
use crate::failed::Failed;
use crate::line::{Line, Site};
use crate::systems::System;

/// The lines that stand; all of them end when this is dropped.
#[derive(Debug, Default)]
pub struct Standing {
    lines: BTreeMap<(&'static str, Serving), Line>,
}

impl Standing {
    /// The line of a system to a backend, started if it is not there.
    ///
    /// # Errors
    /// If it does not start.
    pub fn line(&mut self, system: &dyn System, serving: Serving, site: &Site) -> Result<&Line, Failed> {
        match self.lines.entry((system.name(), serving)) {
            Entry::Occupied(standing) => Ok(standing.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(system.start(site)?)),
        }
    }

    /// Ends the lines of a system that failed, so that its next turn begins afresh.
    pub fn forget(&mut self, system: &dyn System) {
        self.lines.retain(|(name, _), _| *name != system.name());
    }
}
