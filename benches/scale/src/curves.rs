//! What is measured, one file each.

use telephone_peers::backend::Backends;
use telephone_peers::failed::Failed;

use crate::axis::Unit;

mod bodies;
mod mounts;
mod sessions;
mod streams;

/// Something of which there is more from point to point.
pub trait Curve {
    /// What it is called on the command line, in tables and as a file.
    fn name(&self) -> &'static str;

    /// What is done and counted.
    fn about(&self) -> &'static str;

    /// What there is more of, as the axis says it.
    fn axis(&self) -> &'static str;

    /// How that is counted.
    fn unit(&self) -> Unit {
        Unit::One
    }

    /// How much of it there is at each point, growing.
    fn points(&self) -> Vec<u64>;

    /// The figures of each point.
    fn columns(&self) -> Vec<Column>;

    /// Measures one point once: a figure for each column, or none where there can be none.
    ///
    /// # Errors
    /// If the figures would mean nothing.
    fn take(&self, at: u64, given: &Given<'_>) -> Result<Vec<Option<f64>>, Failed>;
}

/// What all points are measured with.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// What sidecars bring clients to.
    pub backends: &'a Backends,
    /// How long a load lasts.
    pub seconds: u32,
}

/// One of the figures of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Whether it is a line of the plot, or only stands in the table.
    pub is_drawn: bool,
}

impl Column {
    /// A line of the plot.
    pub const fn drawn(name: &'static str) -> Self {
        Self { name, is_drawn: true }
    }

    /// In the table alone.
    pub const fn told(name: &'static str) -> Self {
        Self { name, is_drawn: false }
    }
}

/// From one to ten thousand.
const COUNTS: [u64; 5] = [1, 10, 100, 1_000, 10_000];

/// All of them, in the order of the tables.
pub fn all() -> Vec<Box<dyn Curve>> {
    vec![
        Box::new(streams::Streams),
        Box::new(sessions::Sessions),
        Box::new(mounts::Mounts),
        Box::new(bodies::Bodies),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_grow_and_the_first_is_within_any_bound() {
        for curve in all() {
            let points = curve.points();
            assert!(points.is_sorted_by(|one, next| one < next), "{}: {points:?}", curve.name());
            assert!(points.first().is_some_and(|&first| first <= curve.unit().bound(1)), "{}", curve.name());
        }
    }
}
