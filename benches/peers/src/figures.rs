//! What a run came to.

use serde_json::{Value, json};

use crate::measures::{Column, Measure};

/// The figures of one turn: one for each column; none at all if it failed.
pub type Turn = Option<Vec<Option<f64>>>;

/// All figures of a run.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Each measure.
    pub measures: Vec<Taken>,
}

/// All figures of a measure.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its name.
    pub name: &'static str,
    /// What was done.
    pub about: &'static str,
    /// What the figures are.
    pub columns: Vec<Column>,
    /// The systems with their turns, in the order of the rounds.
    pub systems: Vec<(&'static str, Vec<Turn>)>,
}

impl Taken {
    /// Nothing yet, for these systems.
    pub fn of(measure: &dyn Measure, systems: &[&'static str]) -> Self {
        Self {
            name: measure.name(),
            about: measure.about(),
            columns: measure.columns(),
            systems: systems.iter().map(|&name| (name, Vec::new())).collect(),
        }
    }

    /// What a system's turns came to in one column; none where a turn failed or has no such figure.
    pub fn column(&self, system: &str, index: usize) -> Vec<Option<f64>> {
        let turns = self.systems.iter().find(|(name, _)| *name == system).map(|(_, turns)| turns);
        let turns = turns.into_iter().flatten();
        turns.map(|turn| turn.as_ref().and_then(|figures| figures.get(index).copied().flatten())).collect()
    }

    /// Whether there is anything at all.
    pub fn is_empty(&self) -> bool {
        self.systems.iter().all(|(_, turns)| turns.is_empty())
    }

    /// Whether a turn of a system yielded a figure.
    pub fn has_figures(&self, system: &str) -> bool {
        (0..self.columns.len()).any(|index| self.column(system, index).iter().any(Option::is_some))
    }

    /// How many turns of a system failed.
    pub fn failures(&self, system: &str) -> usize {
        let turns = self.systems.iter().filter(|(name, _)| *name == system).flat_map(|(_, turns)| turns);
        turns.filter(|turn| turn.is_none()).count()
    }
}

impl Figures {
    /// Whether a turn failed.
    pub fn has_failed(&self) -> bool {
        let systems = self.measures.iter().flat_map(|taken| &taken.systems);
        systems.flat_map(|(_, turns)| turns).any(Option::is_none)
    }

    /// All of it as JSON: measures, and in each the columns and the systems with a list for each turn.
    pub fn to_json(&self) -> Value {
        let measures = self.measures.iter().map(|taken| {
            let columns: Vec<_> = taken.columns.iter().map(|column| column.name).collect();
            let systems = taken.systems.iter().map(|(name, turns)| ((*name).to_owned(), json!(turns)));
            let systems: serde_json::Map<String, Value> = systems.collect();
            json!({ "name": taken.name, "about": taken.about, "columns": columns, "systems": systems })
        });
        Value::Array(measures.collect())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two systems, one of which failed once and has no CPU time.
    pub(crate) fn sample() -> Figures {
        let columns = vec![Column::compared("req/s"), Column::shown("relay µs")];
        let one = |pace, time| Some(vec![Some(pace), time]);
        let systems = vec![
            ("direct", vec![one(40_000.0, None), None, one(60_000.0, None)]),
            (
                "telephone",
                vec![one(20_000.0, Some(12.25)), one(1.0, Some(12.25)), one(24_000.0, Some(12.25))],
            ),
        ];
        Figures { measures: vec![Taken { name: "keepalive", about: "many requests", columns, systems }] }
    }

    #[test]
    fn a_turn_that_failed_has_no_figures() {
        let taken = &sample().measures[0];
        assert_eq!(taken.column("direct", 0), [Some(40_000.0), None, Some(60_000.0)]);
        assert_eq!(taken.column("direct", 1), [None; 3]);
        assert_eq!((taken.failures("direct"), taken.failures("telephone")), (1, 0));
    }

    #[test]
    fn json_keeps_every_turn() {
        let json = sample().to_json();
        assert_eq!(json[0]["systems"]["direct"], json!([[40_000.0, null], null, [60_000.0, null]]));
        assert_eq!(json[0]["columns"], json!(["req/s", "relay µs"]));
    }
}
