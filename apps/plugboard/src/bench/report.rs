//! The figures of a run, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::milliseconds;
use super::mishap::MishapKind;
use super::tally::{Counts, Tally, Trouble};

/// Octets of a mean answer from which its head and its end are told apart: below, both come in one piece.
const LARGE_BYTES: u64 = 64 * 1024;
/// Statuses from this one on are not what anybody wanted.
const BAD_STATUS: u16 = 400;

/// The time in which requests were sent, and what had happened at its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) time: Duration,
    pub(super) counts: Counts,
}

/// What a run gave. Rates are those of the time in which requests were sent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    /// The length of that time.
    pub(super) seconds: f64,
    /// Whole answers, with any status.
    pub(super) answers: u64,
    /// Those that came after that time.
    pub(super) answers_late: u64,
    /// Requests that were due in that time and not sent.
    pub(super) unsent: u64,
    pub(super) requests_per_second: f64,
    /// 10^6 octets of answers' bodies.
    pub(super) down_megabytes_per_second: f64,
    /// 10^6 octets of requests' bodies.
    pub(super) up_megabytes_per_second: f64,
    pub(super) answer_bytes_mean: u64,
    /// To an answer's last octet.
    pub(super) latency_milliseconds: Quantiles,
    /// To an answer's head.
    pub(super) first_octet_milliseconds: Quantiles,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) errors: BTreeMap<MishapKind, Trouble>,
}

/// How long most, nearly all, and all took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    #[serde(rename = "p99.9")]
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Quantiles {
    fn new(times: &Histogram<u64>) -> Self {
        let time = |microseconds| milliseconds(Duration::from_micros(microseconds));
        let at = |quantile| time(times.value_at_quantile(quantile));
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: time(times.max()) }
    }

    const fn rows(&self) -> [(&'static str, f64); 5] {
        [("p50", self.p50), ("p90", self.p90), ("p99", self.p99), ("p99.9", self.p999), ("max", self.max)]
    }
}

impl Figures {
    /// `tally` may count answers that came after the `window`.
    pub(super) fn new(window: Window, tally: &Tally, unsent: u64) -> Self {
        let Window { time, counts } = window;
        let per_second = |count: u64| count as f64 / time.as_secs_f64().max(f64::EPSILON);
        let answers = tally.latency.len();
        Self {
            seconds: rounded(time.as_secs_f64()),
            answers,
            answers_late: answers.saturating_sub(counts.answers),
            unsent,
            requests_per_second: rounded(per_second(counts.answers)),
            down_megabytes_per_second: rounded(per_second(counts.received) / 1e6),
            up_megabytes_per_second: rounded(per_second(counts.sent) / 1e6),
            answer_bytes_mean: counts.received.checked_div(counts.answers).unwrap_or(0),
            latency_milliseconds: Quantiles::new(&tally.latency),
            first_octet_milliseconds: Quantiles::new(&tally.first),
            statuses: tally.statuses.clone(),
            errors: tally.mishaps.clone(),
        }
    }

    /// Whether anything was as somebody wanted it.
    pub(super) fn has_good_answer(&self) -> bool {
        self.statuses.keys().any(|status| *status < BAD_STATUS)
    }
}

/// What the tunnel makes of the figures, as factors of the direct ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Ratio {
    requests_per_second: Option<f64>,
    down_megabytes_per_second: Option<f64>,
    latency_p50: Option<f64>,
    latency_p99: Option<f64>,
}

impl Ratio {
    pub(super) fn new(tunnel: &Figures, direct: &Figures) -> Self {
        let [through, without] = [tunnel, direct].map(|figures| &figures.latency_milliseconds);
        Self {
            requests_per_second: factor(tunnel.requests_per_second, direct.requests_per_second),
            down_megabytes_per_second: factor(
                tunnel.down_megabytes_per_second,
                direct.down_megabytes_per_second,
            ),
            latency_p50: factor(through.p50, without.p50),
            latency_p99: factor(through.p99, without.p99),
        }
    }
}

/// `of` / `to`, if that is a number.
fn factor(of: f64, to: f64) -> Option<f64> {
    (to > 0.0).then(|| rounded(of / to))
}

/// With three places behind the point.
fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// The figures of one run, under the name that tells it from another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) figures: &'a Figures,
}

/// How a number is written.
#[derive(Debug, Clone, Copy)]
enum Unit {
    PerSecond,
    Milliseconds,
    Count,
}

/// A table under `title`: a row a figure, a column a run, and between two runs the ratio.
pub(super) fn text(title: &str, columns: &[Column<'_>]) -> String {
    let mut table = Table { text: format!("{title}\n\n"), columns };
    if let [first, rest @ ..] = columns
        && !first.name.is_empty()
    {
        let names = columns.iter().map(|column| column.name.to_owned()).collect();
        table.line("", names, if rest.is_empty() { "" } else { "tunnel / direct" });
    }
    table.row("requests/s", Unit::PerSecond, |figures| figures.requests_per_second);
    table.row("MB/s down", Unit::PerSecond, |figures| figures.down_megabytes_per_second);
    if columns.iter().any(|column| column.figures.up_megabytes_per_second > 0.0) {
        table.row("MB/s up", Unit::PerSecond, |figures| figures.up_megabytes_per_second);
    }
    table.quantiles("latency", |figures| &figures.latency_milliseconds);
    if columns.iter().any(|column| column.figures.answer_bytes_mean >= LARGE_BYTES) {
        table.quantiles("first octet", |figures| &figures.first_octet_milliseconds);
    }
    table.counts();
    table.errors();
    table.text
}

struct Table<'a> {
    text: String,
    columns: &'a [Column<'a>],
}

impl Table<'_> {
    fn line(&mut self, label: &str, cells: Vec<String>, behind: &str) {
        let mut line = format!("{label:24}");
        for cell in cells {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:>14}");
        }
        if !behind.is_empty() {
            let _ = write!(line, "   {behind}");
        }
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn row(&mut self, label: &str, unit: Unit, number: impl Fn(&Figures) -> f64) {
        let numbers: Vec<_> = self.columns.iter().map(|column| number(column.figures)).collect();
        let ratio = match (unit, &*numbers) {
            (Unit::PerSecond | Unit::Milliseconds, [direct, tunnel]) => factor(*tunnel, *direct),
            _ => None,
        };
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:>8.2}"));
        self.line(label, numbers.into_iter().map(|number| unit.cell(number)).collect(), &ratio);
    }

    fn quantiles(&mut self, label: &str, quantiles: impl Fn(&Figures) -> &Quantiles) {
        // Their names are the same in each column.
        for at in 0..5 {
            let Some(first) = self.columns.first() else { return };
            let (name, _) = quantiles(first.figures).rows()[at];
            self.row(&format!("{label} {name}"), Unit::Milliseconds, |figures| {
                quantiles(figures).rows()[at].1
            });
        }
    }

    /// Answers by status, and what the rates leave out.
    fn counts(&mut self) {
        let statuses: Vec<u16> =
            self.columns.iter().flat_map(|column| column.figures.statuses.keys().copied()).collect();
        for status in sorted(statuses) {
            let count = |figures: &Figures| figures.statuses.get(&status).copied().unwrap_or(0) as f64;
            self.row(&format!("status {status}"), Unit::Count, count);
        }
        // Each connection has one; more than a few of all show that the time was short.
        if self.columns.iter().any(|column| is_much(column.figures.answers_late, column.figures.answers)) {
            self.row("answers after the end", Unit::Count, |figures| figures.answers_late as f64);
        }
        if self.columns.iter().any(|column| column.figures.unsent > 0) {
            self.row("due and never sent", Unit::Count, |figures| figures.unsent as f64);
        }
        if self.columns.iter().any(|column| is_much(column.figures.unsent, column.figures.answers)) {
            self.text.push_str("  All connections were busy: the path does not carry this rate, or needs more --connections.\n");
        }
    }

    /// Errors by kind, with what the first of each said.
    fn errors(&mut self) {
        let kinds = self.columns.iter().flat_map(|column| column.figures.errors.keys().copied()).collect();
        for kind in sorted::<MishapKind>(kinds) {
            let count =
                |figures: &Figures| figures.errors.get(&kind).map_or(0, |trouble| trouble.count) as f64;
            self.row(&format!("error {kind}"), Unit::Count, count);
            if let Some(trouble) = self.columns.iter().find_map(|column| column.figures.errors.get(&kind)) {
                self.text.push_str(&format!("  such as: {}\n", trouble.first));
            }
        }
    }
}

/// Whether it is more than a hundredth.
const fn is_much(part: u64, whole: u64) -> bool {
    part > whole / 100
}

/// Each once, in order.
fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
}

impl Unit {
    fn cell(self, number: f64) -> String {
        match self {
            Self::PerSecond if number < 100.0 => format!("{number:.2}"),
            Self::PerSecond => format!("{number:.0}"),
            Self::Count => format!("{number}"),
            Self::Milliseconds if number < 10.0 => format!("{number:.2} ms"),
            Self::Milliseconds if number < 10_000.0 => format!("{number:.0} ms"),
            Self::Milliseconds => format!("{:.1} s", number / 1e3),
        }
    }
}

#[cfg(test)]
mod tests;
