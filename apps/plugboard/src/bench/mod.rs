//! `plugboard bench`: a load generator, for whoever wants to know what their own path gives.
//!
//! One task a connection asks and reads (`worker`), paced by the answers or by a clock (`pace`). What it
//! sees is counted (`tally`), summed up at the end of the run (`load`), and shown (`report`).

mod body;
mod dial;
mod interrupt;
mod line;
mod load;
mod mishap;
mod options;
mod pace;
mod path;
mod plan;
mod report;
mod tally;
mod target;
mod tls;
mod worker;

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use telephone_sidecar::{Exit, Stop};

use self::dial::Dialer;
use self::interrupt::Interrupt;
use self::load::Load;
use self::mishap::{Mishap, MishapKind};
pub(crate) use self::options::{BenchOptions, NOTES};
pub use self::plan::{End, Goal, Order, Plan, Rate};
use self::report::{Column, Figures};
pub use self::target::{BadTarget, Target};
use self::tls::Tls;

/// Measures what `order` says, and prints the figures; also those of a run that was cut short by a signal.
///
/// # Errors
/// Nothing could be reached, or no answer was a good one.
pub async fn run(order: Order) -> Result<Exit, Stop> {
    let interrupt = Interrupt::listen().map_err(failed)?;
    let Order { goal, plan, is_json } = order;
    match goal {
        Goal::Url { target, ca } => {
            let tls = Tls::for_target(&target, ca.as_deref())?;
            let found = Dialer::find(&target, tls, plan.timeout);
            let dialer =
                interrupt.or(found).await.ok_or_else(|| failed("stopped before anything was reached"))?;
            let dialer = dialer.map_err(|mishap| unreachable(&target, &mishap))?;
            let title = format!("{target} at {}: {plan}", dialer.address());
            let figures = Load::new(&target, dialer, plan).run("", &interrupt).await?;
            say(is_json, &figures, || report::text(&title, &[Column { name: "", figures: &figures }]));
            judge(&figures)
        }
        Goal::Loopback { answer_bytes } => {
            let comparison = path::compare(&plan, answer_bytes, &interrupt).await?;
            let title = path::title(&plan, answer_bytes);
            say(is_json, &comparison, || report::text(&title, &comparison.columns()));
            comparison.all().into_iter().try_fold(Exit::Clean, |_, figures| judge(figures))
        }
    }
}

/// Prints the figures. That nobody reads them is no error.
fn say(is_json: bool, figures: &impl Serialize, text: impl FnOnce() -> String) {
    let text = if is_json { serde_json::to_string(figures).unwrap_or_default() + "\n" } else { text() };
    let _ = io::stdout().write_all(text.as_bytes());
}

/// One good answer is enough; without any, what to do.
fn judge(figures: &Figures) -> Result<Exit, Stop> {
    if figures.has_good_answer() {
        return Ok(Exit::Clean);
    }
    let why = match (figures.statuses.keys().next(), figures.errors.values().next()) {
        (Some(503), _) => {
            "no good answer: if the 503s are a plugboard's own, no telephone is connected for this path; start it".into()
        }
        (Some(404), _) => {
            "no good answer: if the 404s are a plugboard's own, no telephone has this mount; check the URL's path".into()
        }
        (Some(status), _) => {
            format!("no good answer: the first status is {status}; check the URL, --method and --header")
        }
        (None, Some(trouble)) => format!("no answer at all: {}", trouble.first),
        (None, None) => "no answer yet when the run ended; give it more time (--duration)".into(),
    };
    Err(failed(why))
}

fn unreachable(target: &Target, mishap: &Mishap) -> Stop {
    let advice = match mishap.kind {
        MishapKind::Refused => {
            "Nothing listens there. Start it (`plugboard serve`, or `plugboard demo` to try), or correct the host and port"
        }
        MishapKind::Timeout => "The way may be blocked by a firewall; check the host and port",
        MishapKind::Tls => "--ca FILE trusts a private authority; http:// goes without TLS",
        MishapKind::Unreachable
        | MishapKind::Reset
        | MishapKind::Unanswered
        | MishapKind::Truncated
        | MishapKind::Malformed => "Check the host and port",
    };
    failed(format!(
        "cannot reach {target}: {}\n{advice}. `plugboard bench` without a URL needs nothing that runs",
        mishap.detail
    ))
}

/// Milliseconds, to the microsecond.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

fn failed(error: impl std::fmt::Display) -> Stop {
    Stop::new(Exit::Failed, error)
}

#[cfg(test)]
mod tests;
