//! Counts what the relay does, and logs each request. docs/metrics.md lists what it counts.

mod describe;
mod exemplars;
mod openmetrics;
mod process;
mod zero;

use std::array;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use metrics::{Counter, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusRecorder};
use telephone_driver::core::cause::Cause;
use telephone_driver::core::connections::Shed;
use telephone_driver::core::timing::Stages;
use telephone_driver::{AccessRecord, AuthError, Observer, Stats};

use crate::access_log::AccessLog;

use exemplars::Exemplars;
pub use openmetrics::{OPENMETRICS, TEXT, is_wanted as wants_openmetrics};
use process::Process;

/// Upper bounds of the buckets for how long something takes, in seconds.
const SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// The status classes, a label.
const CLASSES: [&str; 7] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx", "other"];
/// What the program was built with.
const FEATURES: &str = if cfg!(feature = "tls") { "tls" } else { "" };
/// The recorder keeps each sample until it is summed up, so it is summed up after so many requests,
/// also when nobody ever asks for the metrics.
const SAMPLES_MAX: u64 = 1024;

/// Metrics, and the access log if there is one. Labels come from fixed, small sets (faults S-12): never a
/// path, a host or a subject.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    log: Option<AccessLog>,
    samples: AtomicU64,
    /// Octets of messages of sessions that are over.
    link_bytes_in: AtomicU64,
    link_bytes_out: AtomicU64,
    /// The series that each request counts in, and those of whole answers: to look them up costs more than to count.
    series: Series,
    exemplars: Exemplars,
}

struct Series {
    /// Whole answers of applications, by status class.
    completed: [Counter; CLASSES.len()],
    bytes_in: Counter,
    bytes_out: Counter,
    /// By status class.
    seconds: [Histogram; CLASSES.len()],
    round_trip: Histogram,
}

/// What is in progress when metrics are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Present {
    /// Requests that are served or wait.
    pub requests: usize,
    /// Those that wait for a session.
    pub waiting: usize,
    /// Open connections.
    pub connections: usize,
    /// Bytes of messages that sessions keep until their telephones acknowledge them.
    pub replay_bytes: u64,
    /// The numbers of all sessions that there are.
    pub sessions: Stats,
}

impl Telemetry {
    /// Counts from zero.
    ///
    /// # Errors
    /// Never in practice: the library refuses an empty list of buckets.
    pub fn new(log: Option<AccessLog>) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(SECONDS)?.build_recorder();
        let [samples, link_bytes_in, link_bytes_out] = Default::default();
        let series = with_local_recorder(&recorder, || {
            describe::all();
            zero::all();
            gauge!("plugboard_build_info", "version" => env!("CARGO_PKG_VERSION"),
                "rustc" => env!("PLUGBOARD_RUSTC"), "features" => FEATURES)
            .set(1.0);
            Series {
                completed: array::from_fn(|class| {
                    let complete = Cause::Complete.word();
                    counter!("plugboard_requests_total", "outcome" => complete, "class" => CLASSES[class])
                }),
                bytes_in: counter!("plugboard_body_bytes_total", "direction" => "in"),
                bytes_out: counter!("plugboard_body_bytes_total", "direction" => "out"),
                seconds: array::from_fn(
                    |class| histogram!("plugboard_request_duration_seconds", "class" => CLASSES[class]),
                ),
                round_trip: histogram!("plugboard_round_trip_seconds"),
            }
        });
        Ok(Self {
            recorder,
            log,
            samples,
            link_bytes_in,
            link_bytes_out,
            series,
            exemplars: Exemplars::default(),
        })
    }

    /// Everything in the text format of Prometheus.
    #[must_use]
    pub fn render(&self, present: &Present) -> String {
        let dropped = self.log.as_ref().map_or(0, AccessLog::dropped);
        let Present { requests, waiting, connections, replay_bytes, sessions } = present;
        let [requests, waiting, connections] =
            [requests, waiting, connections].map(|count| u32::try_from(*count).unwrap_or(u32::MAX));
        self.with(|| {
            counter!("plugboard_access_lines_dropped_total").absolute(dropped);
            gauge!("plugboard_requests_in_progress").set(f64::from(requests));
            gauge!("plugboard_requests_waiting").set(f64::from(waiting));
            gauge!("plugboard_connections").set(f64::from(connections));
            gauge!("plugboard_replay_bytes").set(*replay_bytes as f64);
            gauge!("plugboard_streams_open").set(sessions.streams_open as f64);
            let link_bytes = |direction, live, ended: &AtomicU64| {
                let total = ended.load(Ordering::Relaxed).saturating_add(live);
                counter!("plugboard_link_bytes_total", "direction" => direction).absolute(total);
            };
            link_bytes("in", sessions.bytes_received, &self.link_bytes_in);
            link_bytes("out", sessions.bytes_sent, &self.link_bytes_out);
        });
        let mut text = self.recorder.handle().render();
        Process::read().write(&mut text);
        text
    }

    /// The same as OpenMetrics 1.0, with exemplars.
    #[must_use]
    pub fn render_openmetrics(&self, present: &Present) -> String {
        openmetrics::from_text(&self.render(present), |sample| self.exemplars.behind(sample))
    }

    fn with<T>(&self, count: impl FnOnce() -> T) -> T {
        with_local_recorder(&self.recorder, count)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("log", &self.log).finish_non_exhaustive()
    }
}

/// The place of a status in [`CLASSES`].
const fn class(status: Option<u16>) -> usize {
    match status {
        None => 0,
        Some(status @ 100..600) => status as usize / 100,
        Some(_) => CLASSES.len() - 1,
    }
}

impl Telemetry {
    /// Counts a request that is over.
    fn count(&self, record: &AccessRecord<'_>) {
        let class = class(record.status);
        let series = &self.series;
        if record.cause == Cause::Complete {
            series.completed[class].increment(1);
        } else {
            let (outcome, class) = (record.cause.word(), CLASSES[class]);
            self.with(|| {
                counter!("plugboard_requests_total", "outcome" => outcome, "class" => class).increment(1);
            });
        }
        series.bytes_in.increment(record.bytes_in);
        series.bytes_out.increment(record.bytes_out);
        series.seconds[class].record(record.duration);
        let is_kept = record.stages.is_some() || Exemplars::is_notable(record.status, record.duration);
        if let Some(trace) = record.trace.filter(|_| is_kept) {
            self.exemplars.keep(class, trace, record.duration, SystemTime::now());
        }
        if let Some(stages) = record.stages {
            self.count_stages(stages, CLASSES[class]);
        }
        if self.samples.fetch_add(1, Ordering::Relaxed) % SAMPLES_MAX == SAMPLES_MAX - 1 {
            self.recorder.handle().run_upkeep();
        }
    }
}

impl Telemetry {
    /// Counts where the time of a request went. Few are measured, so that their series are looked up.
    fn count_stages(&self, stages: Stages, class: &'static str) {
        let tunnel = stages.backend.map(|backend| stages.beyond.saturating_sub(backend));
        let phases = [("wait", Some(stages.relay)), ("tunnel", tunnel), ("backend", stages.backend)];
        self.with(|| {
            for (phase, time) in phases.into_iter().filter_map(|(phase, time)| Some((phase, time?))) {
                histogram!("plugboard_request_phase_seconds", "class" => class, "phase" => phase)
                    .record(time);
            }
        });
    }
}

impl Observer for Telemetry {
    fn request_ended(&self, record: &AccessRecord<'_>) {
        self.count(record);
        if let Some(log) = &self.log {
            log.record(record);
        }
    }

    fn request_refused(&self, record: &AccessRecord<'_>, rule: &str) {
        self.count(record);
        if let Some(log) = &self.log {
            log.record_refused(record, rule);
        }
    }

    fn request_repeated(&self, is_allowed: bool) {
        let outcome = if is_allowed { "allowed" } else { "denied" };
        self.with(|| counter!("plugboard_retries_total", "outcome" => outcome).increment(1));
    }

    fn connection_shed(&self, why: Shed) {
        self.with(|| counter!("plugboard_connections_shed_total", "reason" => why.label()).increment(1));
    }

    fn session_started(&self, _subject: &str) {
        self.with(|| gauge!("plugboard_sessions").increment(1.0));
    }

    fn session_ended(&self, _subject: &str, reason: &'static str, stats: &Stats) {
        self.link_bytes_in.fetch_add(stats.bytes_received, Ordering::Relaxed);
        self.link_bytes_out.fetch_add(stats.bytes_sent, Ordering::Relaxed);
        self.with(|| {
            gauge!("plugboard_sessions").decrement(1.0);
            counter!("plugboard_sessions_ended_total", "reason" => reason).increment(1);
        });
    }

    fn link_up(&self, is_resume: bool) {
        let kind = if is_resume { "resumed" } else { "new" };
        self.with(|| {
            gauge!("plugboard_links").increment(1.0);
            counter!("plugboard_link_starts_total", "kind" => kind).increment(1);
        });
    }

    fn link_down(&self) {
        self.with(|| gauge!("plugboard_links").decrement(1.0));
    }

    fn handshake_ended(&self, outcome: &'static str) {
        self.with(|| counter!("plugboard_handshakes_total", "outcome" => outcome).increment(1));
    }

    fn request_waited(&self, outcome: &'static str, time: Duration) {
        self.with(|| histogram!("plugboard_request_wait_seconds", "outcome" => outcome).record(time));
    }

    fn session_resumed(&self, dark: Duration) {
        self.with(|| histogram!("plugboard_resume_seconds").record(dark));
    }

    fn round_trip(&self, time: Duration) {
        self.series.round_trip.record(time);
    }

    fn token_refused(&self, error: AuthError) {
        self.with(|| counter!("plugboard_tokens_refused_total", "reason" => error.label()).increment(1));
    }

    fn token_unchecked(&self) {
        self.with(|| counter!("plugboard_tokens_refused_total", "reason" => "overloaded").increment(1));
    }
}

impl Telemetry {
    /// Opens the access log's file anew.
    pub fn reopen_log(&self) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }

    /// So many bytes of memory may be in use before slow exchanges are ended.
    pub fn set_memory_limit(&self, bytes: u64) {
        self.with(|| gauge!("plugboard_memory_limit_bytes").set(bytes as f64));
    }

    /// Somebody was revoked by the admin API.
    pub fn revoked(&self) {
        self.with(|| counter!("plugboard_revocations_total").increment(1));
    }
}

#[cfg(test)]
mod tests;
