//! What a run came to.

use serde_json::{Value, json};
use telephone_peers::figures::Turn;
use telephone_peers::statistics::{median, spread};

use crate::axis::Unit;
use crate::curves::{Column, Curve};

/// All figures of a curve.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its name.
    pub name: &'static str,
    /// What was done.
    pub about: &'static str,
    /// What there is more of from point to point.
    pub axis: &'static str,
    /// How that is counted.
    pub unit: Unit,
    /// What the figures are.
    pub columns: Vec<Column>,
    /// Its points, growing.
    pub points: Vec<Point>,
}

/// All figures of a point.
#[derive(Debug, Clone)]
pub struct Point {
    /// How much there was.
    pub at: u64,
    /// The rounds, in their order.
    pub turns: Vec<Turn>,
}

impl Point {
    /// What the rounds came to in one column, as far as they have a figure there.
    fn column(&self, index: usize) -> Vec<f64> {
        self.turns.iter().flatten().filter_map(|figures| figures.get(index).copied().flatten()).collect()
    }

    /// The median over the rounds.
    pub fn median(&self, index: usize) -> Option<f64> {
        median(&self.column(index))
    }

    /// How far the rounds lie apart, as a share of the median.
    pub fn spread(&self, index: usize) -> Option<f64> {
        spread(&self.column(index))
    }

    fn failures(&self) -> usize {
        self.turns.iter().filter(|turn| turn.is_none()).count()
    }
}

impl Taken {
    /// Nothing yet, for the points up to `max`.
    pub fn of(curve: &dyn Curve, max: Option<u64>) -> Self {
        let bound = max.map_or(u64::MAX, |max| curve.unit().bound(max));
        let points = curve.points().into_iter().filter(|&at| at <= bound);
        Self {
            name: curve.name(),
            about: curve.about(),
            axis: curve.axis(),
            unit: curve.unit(),
            columns: curve.columns(),
            points: points.map(|at| Point { at, turns: Vec::new() }).collect(),
        }
    }

    /// Whether there is anything at all.
    pub fn is_empty(&self) -> bool {
        self.points.iter().all(|point| point.turns.iter().all(Option::is_none))
    }

    /// How many turns failed.
    pub fn failures(&self) -> usize {
        self.points.iter().map(Point::failures).sum()
    }

    /// All of it as JSON, with every turn.
    pub fn to_json(&self) -> Value {
        let columns: Vec<_> = self.columns.iter().map(|column| column.name).collect();
        let points = self.points.iter().map(|point| json!({ "at": point.at, "turns": point.turns }));
        let points: Vec<_> = points.collect();
        json!({ "name": self.name, "about": self.about, "axis": self.axis, "columns": columns, "points": points })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::curves::all;

    /// Three points, at the first of which there is no memory to tell, and at the last of which a round failed.
    pub(crate) fn sample() -> Taken {
        let turn = |micros, kib| Some(vec![Some(micros), kib, Some(1e5)]);
        let points = vec![
            Point { at: 1, turns: vec![turn(30.0, None), turn(20.0, None), turn(25.0, None)] },
            Point {
                at: 100,
                turns: vec![turn(20.0, Some(9.0)), turn(22.0, Some(9.0)), turn(21.0, Some(9.0))],
            },
            Point { at: 10_000, turns: vec![None, turn(23.0, Some(8.0)), turn(25.0, Some(9.0))] },
        ];
        let columns = vec![Column::drawn("CPU µs"), Column::drawn("KiB"), Column::told("requests/s")];
        let about = "what a thing costs";
        Taken { name: "things", about, axis: "things in a relay", unit: Unit::One, columns, points }
    }

    #[test]
    fn medians_are_of_the_rounds_that_did_not_fail() {
        let taken = sample();
        let medians = |index| taken.points.iter().map(move |point| point.median(index)).collect::<Vec<_>>();
        assert_eq!(medians(0), [Some(25.0), Some(21.0), Some(24.0)]);
        assert_eq!(medians(1), [None, Some(9.0), Some(8.5)]);
        assert_eq!((taken.failures(), taken.is_empty()), (1, false));
    }

    #[test]
    fn points_beyond_the_largest_are_left_out() {
        for curve in all() {
            let taken = Taken::of(curve.as_ref(), Some(10));
            let ats: Vec<_> = taken.points.iter().map(|point| curve.unit().label(point.at)).collect();
            let expected = match curve.unit() {
                Unit::One => ["1", "10"].as_slice(),
                Unit::Octet => ["0", "1 KiB", "10 KiB"].as_slice(),
            };
            assert_eq!(ats, expected);
        }
    }

    #[test]
    fn json_keeps_every_turn() {
        let json = sample().to_json();
        assert_eq!(json["points"][2]["at"], 10_000);
        assert_eq!(json["points"][2]["turns"], json!([null, [23.0, 8.0, 1e5], [25.0, 9.0, 1e5]]));
    }
}
