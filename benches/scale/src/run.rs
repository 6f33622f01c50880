//! Round after round, each point of each curve in turn.

use std::fs;
use std::time::Instant;

use serde_json::json;
use telephone_peers::backend::Backends;
use telephone_peers::failed::{Failed, io};
use telephone_peers::run::machine;
use telephone_peers::stop;

use crate::curves::{self, Curve, Given};
use crate::figures::Taken;
use crate::options::Options;

/// What is measured.
pub struct Run {
    options: Options,
    curves: Vec<Box<dyn Curve>>,
    machine: String,
}

impl Run {
    /// Chooses the curves.
    pub fn new(options: Options) -> Self {
        let mut curves = curves::all();
        curves.retain(|curve| options.is_chosen(curve.name()));
        Self { options, curves, machine: machine() }
    }

    /// What stands above the tables.
    pub fn heading(&self) -> String {
        let (rounds, seconds) = (self.options.rounds, self.options.seconds);
        format!("{}; {rounds} rounds, loads of {seconds} s\n", self.machine)
    }

    /// Measures. What fails is told and left out.
    ///
    /// # Errors
    /// If the backends do not start, or the file for the figures cannot be written.
    pub fn measure(&self) -> Result<Vec<Taken>, Failed> {
        let backends = Backends::start()?;
        let given = Given { backends: &backends, seconds: self.options.seconds };
        let taken = self.curves.iter().map(|curve| Taken::of(curve.as_ref(), self.options.max));
        let mut taken: Vec<_> = taken.collect();
        let started = Instant::now();
        for round in 0..self.options.rounds {
            for (curve, taken) in self.curves.iter().zip(&mut taken) {
                take_all(curve.as_ref(), taken, &given);
            }
            if stop::is_asked() {
                break;
            }
            self.keep(&taken)?;
            let minutes = started.elapsed().as_secs_f64() / 60.0;
            say(&format!("round {} of {} is over after {minutes:.1} min", round + 1, self.options.rounds));
        }
        Ok(taken)
    }

    /// Writes the figures so far to the file that was asked for.
    fn keep(&self, taken: &[Taken]) -> Result<(), Failed> {
        let Some(path) = &self.options.json else { return Ok(()) };
        let curves: Vec<_> = taken.iter().map(Taken::to_json).collect();
        let all = json!({ "machine": self.machine, "seconds": self.options.seconds, "curves": curves });
        fs::write(path, format!("{all:#}\n")).map_err(io(path.display().to_string()))
    }
}

/// One turn of each point of a curve.
fn take_all(curve: &dyn Curve, taken: &mut Taken, given: &Given<'_>) {
    for point in &mut taken.points {
        if stop::is_asked() {
            return;
        }
        let turn = curve.take(point.at, given);
        if stop::is_asked() {
            return;
        }
        let place = format!("{} {}", curve.name(), curve.unit().label(point.at));
        match &turn {
            Ok(values) => {
                let present = taken.columns.iter().zip(values);
                let present = present.filter_map(|(column, value)| value.map(|value| (column.name, value)));
                let present: Vec<_> = present.map(|(name, value)| format!("{name} {value:.2}")).collect();
                say(&format!("{place}: {}", present.join("; ")));
            }
            Err(failed) => say(&format!("{place}: {failed}")),
        }
        point.turns.push(turn.ok());
    }
}

fn say(text: &str) {
    eprintln!("scale: {text}");
}
