//! For each bucket of the durations of requests the latest request in it, by its trace (OpenMetrics 1.0, "Exemplars").

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use telephone_driver::core::traceparent::TraceParent;

use super::{CLASSES, SECONDS};

/// What samples of the histogram's buckets begin with.
const BUCKET: &str = "plugboard_request_duration_seconds_bucket{";
/// A request that takes so long is worth a look.
const SLOW: Duration = Duration::from_secs(1);

/// Few requests come here, for each takes a lock: those whose phases were measured, slow ones and failed ones.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<[Row; CLASSES.len()]>);

/// By the bucket's place, the last one being that without a bound.
type Row = [Option<Exemplar>; SECONDS.len() + 1];

#[derive(Debug, Clone, Copy)]
struct Exemplar {
    trace: TraceParent,
    duration: Duration,
    at: SystemTime,
}

impl Exemplars {
    /// Whether a request that nobody measured is worth being kept.
    pub(super) fn is_notable(status: Option<u16>, duration: Duration) -> bool {
        duration >= SLOW || status.is_none_or(|status| status >= 500)
    }

    /// Keeps a request of the class in this place of [`CLASSES`], which ended `at` that moment.
    pub(super) fn keep(&self, class: usize, trace: TraceParent, duration: Duration, at: SystemTime) {
        let place = SECONDS.partition_point(|bound| *bound < duration.as_secs_f64());
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = rows.get_mut(class).and_then(|row| row.get_mut(place)) {
            *kept = Some(Exemplar { trace, duration, at });
        }
    }

    /// What stands behind a sample of the text format, if that is of a bucket with a request.
    pub(super) fn behind(&self, sample: &str) -> Option<String> {
        let labels = sample.strip_prefix(BUCKET)?;
        let class = CLASSES.iter().position(|class| label(labels, "class") == Some(class))?;
        let bound = label(labels, "le")?;
        let place = match bound {
            "+Inf" => SECONDS.len(),
            bound => SECONDS.iter().position(|known| bound.parse() == Ok(*known))?,
        };
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Exemplar { trace, duration, at } = (*rows.get(class)?.get(place)?)?;
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(format!(
            " # {{trace_id=\"{:032x}\"}} {} {}.{:03}",
            trace.trace(),
            duration.as_secs_f64(),
            at.as_secs(),
            at.subsec_millis()
        ))
    }
}

/// The value of a label that has no quote in it.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = labels.split('"');
    // Name and value by turns.
    while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
        if before.trim_start_matches(',').strip_suffix('=') == Some(name) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_the_latest_request_that_falls_into_it() {
        let exemplars = Exemplars::default();
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        let keep = |class, trace, millis| {
            exemplars.keep(class, TraceParent::start(trace, 1), Duration::from_millis(millis), at);
        };
        keep(2, 7, 30);
        keep(2, 8, 50);
        keep(5, 9, 400_000);
        let behind = |class: &str, bound: &str| {
            exemplars.behind(&format!("{BUCKET}class=\"{class}\",le=\"{bound}\"}} 1"))
        };
        let trace = "00000000000000000000000000000008";
        assert_eq!(
            behind("2xx", "0.05").as_deref(),
            Some(&*format!(" # {{trace_id=\"{trace}\"}} 0.05 1700000000.250"))
        );
        assert!(behind("5xx", "+Inf").is_some_and(|text| text.contains("} 400 ")));
        assert_eq!((behind("2xx", "0.1"), behind("5xx", "0.05"), behind("6xx", "0.05")), (None, None, None));
        assert_eq!(exemplars.behind("plugboard_request_duration_seconds_sum{class=\"2xx\"} 1"), None);
    }

    #[test]
    fn failed_and_slow_requests_are_notable() {
        let (short, long) = (Duration::from_millis(999), Duration::from_secs(1));
        assert!(Exemplars::is_notable(Some(502), short) && Exemplars::is_notable(None, short));
        assert!(Exemplars::is_notable(Some(200), long) && !Exemplars::is_notable(Some(404), short));
    }
}
