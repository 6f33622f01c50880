//! Round after round, each measure with each system in turn.

use std::fs;
use std::time::Instant;

use serde_json::json;

use crate::backend::Backends;
use crate::failed::{Failed, io};
use crate::figures::{Figures, Taken};
use crate::measures::{self, Measure, Subject};
use crate::options::Options;
use crate::standing::Standing;
use crate::stop;
use crate::systems::{self, System};

/// What is measured of what.
pub struct Run {
    options: Options,
    systems: Vec<Box<dyn System>>,
    measures: Vec<Box<dyn Measure>>,
    machine: String,
}

impl Run {
    /// Chooses systems and measures.
    ///
    /// # Errors
    /// If a system that was named cannot run here.
    pub fn new(options: Options) -> Result<Self, Failed> {
        let mut systems = systems::all();
        systems.retain(|system| is_named(&options.systems, system.name()));
        for system in &systems {
            match system.lacks() {
                Some(lack) if options.systems.is_empty() => {
                    say(&format!("{} is left out: {lack}", system.name()));
                }
                Some(lack) => return Err(Failed::Unserved(format!("{}: {lack}", system.name()))),
                None => {}
            }
        }
        systems.retain(|system| system.lacks().is_none());
        let mut measures = measures::all();
        measures.retain(|measure| options.is_chosen(measure.name()));
        Ok(Self { options, systems, measures, machine: machine() })
    }

    /// The system that ratios are made to.
    pub fn reference(&self) -> &'static str {
        let named = self.systems.iter().find(|system| system.name() == self.options.reference);
        named.or(self.systems.first()).map_or("", |system| system.name())
    }

    /// What stands above the tables.
    pub fn heading(&self) -> String {
        let (rounds, seconds) = (self.options.rounds, self.options.seconds);
        let reference = self.reference();
        let programs = self.options.programs.as_ref();
        let programs =
            programs.map(|programs| format!("; programs of {}", programs.display())).unwrap_or_default();
        format!("{}; {rounds} rounds, loads of {seconds} s, ratios to {reference}{programs}\n", self.machine)
    }

    /// Measures. What fails is told and left out.
    ///
    /// # Errors
    /// If the backends do not start, or the file for the figures cannot be written.
    pub fn measure(&self) -> Result<Figures, Failed> {
        let backends = Backends::start()?;
        let mut standing = Standing::default();
        let names: Vec<_> = self.systems.iter().map(|system| system.name()).collect();
        let measures = self.measures.iter().map(|measure| Taken::of(measure.as_ref(), &names));
        let mut figures = Figures { measures: measures.collect() };
        let started = Instant::now();
        for round in 0..self.options.rounds {
            for (measure, taken) in self.measures.iter().zip(&mut figures.measures) {
                self.give_turns(round, measure.as_ref(), taken, &backends, &mut standing);
            }
            if stop::is_asked() {
                break;
            }
            self.keep(&figures)?;
            let minutes = started.elapsed().as_secs_f64() / 60.0;
            say(&format!("round {} of {} is over after {minutes:.1} min", round + 1, self.options.rounds));
        }
        Ok(figures)
    }

    /// One turn of each system, another one first in each round: none profits from its place.
    fn give_turns(
        &self,
        round: u32,
        measure: &dyn Measure,
        taken: &mut Taken,
        backends: &Backends,
        standing: &mut Standing,
    ) {
        let count = self.systems.len();
        for index in (0..count).map(|index| (index + round as usize) % count) {
            if stop::is_asked() {
                return;
            }
            let system = self.systems[index].as_ref();
            let mut subject = Subject { system, backends, standing, seconds: self.options.seconds };
            let turn = measure.take(&mut subject);
            if stop::is_asked() {
                return;
            }
            match &turn {
                Ok(values) => say(&format!("{} {}: {}", measure.name(), system.name(), row(taken, values))),
                Err(failed) => {
                    say(&format!("{} {}: {failed}", measure.name(), system.name()));
                    standing.forget(system);
                }
            }
            taken.systems[index].1.push(turn.ok());
        }
    }

    /// Writes the figures so far to the file that was asked for.
    fn keep(&self, figures: &Figures) -> Result<(), Failed> {
        let Some(path) = &self.options.json else { return Ok(()) };
        let all = json!({
            "machine": self.machine,
            "rounds": self.options.rounds,
            "seconds": self.options.seconds,
            "reference": self.reference(),
            "measures": figures.to_json(),
        });
        fs::write(path, format!("{all:#}\n")).map_err(io(path.display().to_string()))
    }
}

/// The figures of one turn, on one line; a dash if there can be none.
fn row(taken: &Taken, values: &[Option<f64>]) -> String {
    let present =
        taken.columns.iter().zip(values).filter_map(|(column, value)| value.map(|value| (column, value)));
    let present: Vec<_> = present.map(|(column, value)| format!("{} {value:.2}", column.name)).collect();
    if present.is_empty() { "–".to_owned() } else { present.join(", ") }
}

fn is_named(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|named| named == name)
}

/// Cores, their kind, and the kernel.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("of a kind untold");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {model}, Linux {}", kernel.trim())
}

fn say(text: &str) {
    eprintln!("peers: {text}");
}
