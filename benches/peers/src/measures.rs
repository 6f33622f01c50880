//! What is measured, one file each.

use crate::backend::{Backends, Serving};
use crate::failed::Failed;
use crate::line::{Line, Site};
use crate::link::Shape;
use crate::standing::Standing;
use crate::systems::System;

mod bulk;
mod footprint;
mod idle;
mod keepalive;
mod latency;
mod no_keepalive;
mod over_link;
mod stalled;

/// Something that is measured of each system.
pub trait Measure {
    /// What it is called on the command line and in tables.
    fn name(&self) -> &'static str;

    /// What is done and counted.
    fn about(&self) -> &'static str;

    /// The figures that each turn yields.
    fn columns(&self) -> Vec<Column>;

    /// Measures a system once: a figure for each column, or none where there can be none.
    ///
    /// # Errors
    /// If the figures would mean nothing.
    fn take(&self, subject: &mut Subject<'_>) -> Result<Vec<Option<f64>>, Failed>;
}

/// One of the figures that a measure yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Whether tables compare it between systems; else they only show it.
    pub is_compared: bool,
}

impl Column {
    /// One by which systems are compared.
    pub const fn compared(name: &'static str) -> Self {
        Self { name, is_compared: true }
    }

    /// One that is shown beside the others.
    pub const fn shown(name: &'static str) -> Self {
        Self { name, is_compared: false }
    }
}

/// The system whose turn it is, with all that its measures need.
pub struct Subject<'a> {
    /// The system.
    pub system: &'a dyn System,
    /// What it is to bring clients to.
    pub backends: &'a Backends,
    /// The lines that stand for the whole run.
    pub standing: &'a mut Standing,
    /// How long a load lasts.
    pub seconds: u32,
}

impl Subject<'_> {
    /// Its line to that backend that stands for the whole run, started if it is not there yet.
    ///
    /// # Errors
    /// If it does not start.
    pub fn line(&mut self, serving: Serving) -> Result<&Line, Failed> {
        let site = Site { backend: self.backends.addr(serving), link: None };
        self.standing.line(self.system, serving, &site)
    }

    /// A fresh line, over such a link if wanted.
    ///
    /// # Errors
    /// If it does not start.
    pub fn fresh(&self, link: Option<Shape>) -> Result<Line, Failed> {
        self.system.start(&Site { backend: self.backends.addr(Serving::Files), link })
    }
}

/// All of them, in the order of the tables.
pub fn all() -> Vec<Box<dyn Measure>> {
    let mut measures: Vec<Box<dyn Measure>> = vec![
        Box::new(keepalive::Keepalive::SMALL),
        Box::new(keepalive::Keepalive::TEN_KIB),
        Box::new(latency::Latency),
        Box::new(no_keepalive::NoKeepalive),
        Box::new(bulk::Bulk::Down),
        Box::new(bulk::Bulk::Up),
        Box::new(stalled::Stalled),
        Box::new(idle::Idle),
        Box::new(footprint::Footprint),
    ];
    for link in over_link::OverLink::ALL {
        measures.push(Box::new(link));
    }
    measures
}
