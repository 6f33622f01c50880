//! Counts what the relay does, and logs each request.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use metrics::{Counter, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusRecorder};
use telephone_driver::core::cause::Cause;
use telephone_driver::core::connections::Shed;
use telephone_driver::{AccessRecord, AuthError, Observer, Stats};

use crate::access_log::AccessLog;

/// Upper bounds of the buckets for how long requests take, in seconds.
const SECONDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// The recorder keeps each sample until it is summed up, so it is summed up after so many requests,
/// also when nobody ever asks for the metrics.
const SAMPLES_MAX: u64 = 1024;

/// Metrics, and the access log if there is one. Labels come from fixed, small sets (faults S-12): never a
/// path, a host or a subject.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    log: Option<AccessLog>,
    samples: AtomicU64,
    started: Instant,
    /// Octets of messages of sessions that are over.
    link_bytes_in: AtomicU64,
    link_bytes_out: AtomicU64,
    /// The series that each request counts in, and the one for most of them: to look them up costs more than to count.
    completed: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
    seconds: Histogram,
}

impl Telemetry {
    /// Counts from zero.
    ///
    /// # Errors
    /// Never in practice: the library refuses an empty list of buckets.
    pub fn new(log: Option<AccessLog>) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(SECONDS)?.build_recorder();
        let (completed, bytes_in, bytes_out, seconds) = with_local_recorder(&recorder, || {
            describe();
            // A series that is there from the start is a zero and not a gap.
            gauge!("plugboard_sessions").set(0.0);
            gauge!("plugboard_links").set(0.0);
            (
                counter!("plugboard_requests_total", "outcome" => Cause::Complete.word(), "class" => "2xx"),
                counter!("plugboard_body_bytes_total", "direction" => "in"),
                counter!("plugboard_body_bytes_total", "direction" => "out"),
                histogram!("plugboard_request_duration_seconds"),
            )
        });
        let (started, [samples, link_bytes_in, link_bytes_out]) = (Instant::now(), Default::default());
        Ok(Self {
            recorder,
            log,
            samples,
            started,
            link_bytes_in,
            link_bytes_out,
            completed,
            bytes_in,
            bytes_out,
            seconds,
        })
    }

    /// Everything in the text format of Prometheus, with the number of requests that are in progress, of connections that
    /// are open, and the numbers of the sessions that there are.
    #[must_use]
    pub fn render(&self, requests: usize, connections: usize, sessions: &Stats) -> String {
        let dropped = self.log.as_ref().map_or(0, AccessLog::dropped);
        let [requests, connections] =
            [requests, connections].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        self.with(|| {
            counter!("plugboard_access_lines_dropped_total").absolute(dropped);
            gauge!("plugboard_requests_in_progress").set(f64::from(requests));
            gauge!("plugboard_connections").set(f64::from(connections));
            gauge!("plugboard_streams_open").set(sessions.streams_open as f64);
            gauge!("plugboard_round_trip_seconds").set(sessions.round_trip_us.unwrap_or(0) as f64 / 1e6);
            gauge!("plugboard_uptime_seconds").set(self.started.elapsed().as_secs_f64());
            let link_bytes = |direction, live, ended: &AtomicU64| {
                let total = ended.load(Ordering::Relaxed).saturating_add(live);
                counter!("plugboard_link_bytes_total", "direction" => direction).absolute(total);
            };
            link_bytes("in", sessions.bytes_received, &self.link_bytes_in);
            link_bytes("out", sessions.bytes_sent, &self.link_bytes_out);
        });
        self.recorder.handle().render()
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

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("plugboard_requests_total", "Requests that ended, by how and with what status class");
    describe_counter!(
        "plugboard_retries_total",
        "Requests given to another session, or not for want of budget"
    );
    describe_histogram!(
        "plugboard_request_duration_seconds",
        "From when a request's head was whole to its end"
    );
    describe_counter!("plugboard_body_bytes_total", "Body octets of requests (in) and responses (out)");
    describe_gauge!("plugboard_requests_in_progress", "Requests that are served or wait for a session");
    describe_gauge!(
        "plugboard_connections",
        "Connections that are open: of clients, telephones and raw ports"
    );
    describe_counter!(
        "plugboard_connections_shed_total",
        "Connections that were refused or closed because there were too many, by what they were used for"
    );
    describe_gauge!("plugboard_streams_open", "Streams that are open, of all sessions");
    describe_gauge!("plugboard_round_trip_seconds", "The longest last round trip of a session");
    describe_gauge!("plugboard_uptime_seconds", "Since the start");
    describe_counter!(
        "plugboard_link_bytes_total",
        "Octets of messages from telephones (in) and to them (out)"
    );
    describe_gauge!("plugboard_sessions", "Sessions that are registered");
    describe_counter!("plugboard_sessions_ended_total", "Sessions that ended, by why");
    describe_gauge!("plugboard_links", "Links that are up");
    describe_counter!("plugboard_links_total", "Links that came up, by whether they resumed a session");
    describe_counter!(
        "plugboard_tokens_refused_total",
        "Tokens that were refused, by why; overloaded: without a check"
    );
    describe_counter!("plugboard_revocations_total", "Revocations that were asked for");
    describe_counter!("plugboard_access_lines_dropped_total", "Access-log lines that could not be written");
}

/// The status class, a label of seven values.
const fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(status) => match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "other",
        },
    }
}

impl Telemetry {
    /// Counts a request that is over.
    fn count(&self, record: &AccessRecord<'_>) {
        match class(record.status) {
            "2xx" if record.cause == Cause::Complete => self.completed.increment(1),
            class => self.with(|| {
                counter!("plugboard_requests_total", "outcome" => record.cause.word(), "class" => class)
                    .increment(1);
            }),
        }
        self.bytes_in.increment(record.bytes_in);
        self.bytes_out.increment(record.bytes_out);
        self.seconds.record(record.duration);
        if self.samples.fetch_add(1, Ordering::Relaxed) % SAMPLES_MAX == SAMPLES_MAX - 1 {
            self.recorder.handle().run_upkeep();
        }
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
            counter!("plugboard_links_total", "kind" => kind).increment(1);
        });
    }

    fn link_down(&self) {
        self.with(|| gauge!("plugboard_links").decrement(1.0));
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

    /// Somebody was revoked by the admin API.
    pub fn revoked(&self) {
        self.with(|| counter!("plugboard_revocations_total").increment(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::record;

    fn lines(telemetry: &Telemetry, name: &str) -> Vec<String> {
        let text = telemetry.render(0, 0, &Stats::default());
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    #[test]
    fn each_request_counts_once_under_its_outcome() {
        let telemetry = Telemetry::new(None).unwrap();
        let mut aborted = record(b"/x");
        (aborted.status, aborted.cause) = (None, Cause::TunnelLost);
        for record in [&record(b"/x"), &record(b"/y"), &aborted] {
            telemetry.request_ended(record);
        }
        let mut counts = lines(&telemetry, "plugboard_requests_total");
        counts.sort();
        assert_eq!(
            counts,
            [
                "plugboard_requests_total{outcome=\"complete\",class=\"2xx\"} 2",
                "plugboard_requests_total{outcome=\"connection_terminated\",class=\"none\"} 1",
            ]
        );
        assert_eq!(lines(&telemetry, "plugboard_body_bytes_total{direction=\"out\"}").len(), 1);
        assert_eq!(
            lines(&telemetry, "plugboard_request_duration_seconds_count"),
            ["plugboard_request_duration_seconds_count 3"]
        );
    }

    #[test]
    fn what_a_client_chooses_never_makes_a_series() {
        let telemetry = Telemetry::new(None).unwrap();
        telemetry.request_ended(&record(b"/"));
        let before = telemetry.render(0, 0, &Stats::default()).lines().count();
        for n in 0..3000_u32 {
            let (target, host) = (format!("/{n}"), format!("host{n}"));
            let mut record = record(target.as_bytes());
            record.host = Some(host.as_bytes());
            record.mount = Some(&target);
            telemetry.request_ended(&record);
        }
        assert_eq!(telemetry.render(0, 0, &Stats::default()).lines().count(), before);
    }

    #[test]
    fn connections_are_shown_and_those_that_were_shed_counted_by_reason() {
        let telemetry = Telemetry::new(None).unwrap();
        for why in [Shed::Refused, Shed::Idle, Shed::Refused] {
            telemetry.connection_shed(why);
        }
        let text = telemetry.render(0, 5, &Stats::default());
        for line in [
            "plugboard_connections 5",
            "plugboard_connections_shed_total{reason=\"refused\"} 2",
            "plugboard_connections_shed_total{reason=\"idle\"} 1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }

    #[test]
    fn sessions_and_links_go_up_and_down() {
        let telemetry = Telemetry::new(None).unwrap();
        assert_eq!(lines(&telemetry, "plugboard_sessions "), ["plugboard_sessions 0"]);
        telemetry.session_started("canary");
        telemetry.session_started("canary");
        telemetry.session_ended("canary", "replaced", &Stats { bytes_sent: 7, ..Stats::default() });
        telemetry.link_up(false);
        telemetry.link_up(true);
        telemetry.link_down();
        telemetry.token_refused(AuthError::Malformed("x"));
        telemetry.token_unchecked();
        assert_eq!(lines(&telemetry, "plugboard_sessions "), ["plugboard_sessions 1"]);
        assert_eq!(lines(&telemetry, "plugboard_links "), ["plugboard_links 1"]);
        assert_eq!(lines(&telemetry, "plugboard_links_total").len(), 2);
        let mut refused = lines(&telemetry, "plugboard_tokens_refused_total");
        refused.sort();
        let line = |reason| format!("plugboard_tokens_refused_total{{reason=\"{reason}\"}} 1");
        assert_eq!(refused, ["malformed", "overloaded"].map(line));
        assert!(!telemetry.render(0, 0, &Stats::default()).contains("canary"));
    }

    #[test]
    fn what_links_carried_is_counted_of_sessions_that_are_and_that_were() {
        let telemetry = Telemetry::new(None).unwrap();
        let numbers =
            |bytes_sent| Stats { bytes_sent, bytes_received: 1, streams_open: 4, ..Stats::default() };
        telemetry.session_ended("one", "left", &numbers(10));
        let text = telemetry.render(0, 0, &numbers(5));
        for line in [
            "plugboard_link_bytes_total{direction=\"out\"} 15",
            "plugboard_link_bytes_total{direction=\"in\"} 2",
            "plugboard_streams_open 4",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}
