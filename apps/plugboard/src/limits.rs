//! `--limit name=value`: any limit of the relay, by the name of its row.

use std::fmt::Write;
use std::time::Duration;

use telephone_core::limits::{
    ConnectionLimits, DATA_BYTES_MAX, HelloLimits, HttpLimits, INTERIM_RESPONSES_MAX, MESSAGE_BYTES_MAX,
    RouterLimits, SessionLimits,
};

/// The limits of one relay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Of each HTTP/1.1 connection.
    pub http: HttpLimits,
    /// Of all connections.
    pub connection: ConnectionLimits,
    /// Of each session.
    pub session: SessionLimits,
    /// Of the routing.
    pub router: RouterLimits,
    /// Of what an address may try in vain.
    pub hellos: HelloLimits,
}

/// One limit: where it is kept, and what it may be.
enum Slot<'a> {
    /// Octets or a count.
    Size(&'a mut usize),
    /// Octets or a count.
    Number(&'a mut u64),
    /// A count.
    Count(&'a mut u32),
    /// A duration.
    Time(&'a mut Duration),
}

struct Row {
    name: &'static str,
    slot: for<'a> fn(&'a mut Limits) -> Slot<'a>,
    /// For durations in milliseconds.
    least: u64,
    most: u64,
}

/// A head must fit one message with room to spare for its frame.
const HEAD_MOST: u64 = MESSAGE_BYTES_MAX as u64 - 8 * KIB;
const KIB: u64 = 1024;
const GIB: u64 = 1024 * 1024 * 1024;
const MILLION: u64 = 1_000_000;
const SECOND: u64 = 1000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

const fn row(name: &'static str, slot: for<'a> fn(&'a mut Limits) -> Slot<'a>, least: u64, most: u64) -> Row {
    Row { name, slot, least, most }
}

const ROWS: &[Row] = &[
    row("request-head-bytes", |l| Slot::Size(&mut l.http.request_head_bytes), KIB, HEAD_MOST),
    row("request-headers", |l| Slot::Size(&mut l.http.request_headers), 1, 1000),
    row("header-line-bytes", |l| Slot::Size(&mut l.http.header_line_bytes), 256, HEAD_MOST),
    row("target-bytes", |l| Slot::Size(&mut l.http.target_bytes), 64, HEAD_MOST),
    row("response-head-bytes", |l| Slot::Size(&mut l.http.response_head_bytes), KIB, HEAD_MOST),
    row("response-headers", |l| Slot::Size(&mut l.http.response_headers), 1, 1000),
    row("head-timeout", |l| Slot::Time(&mut l.http.head_timeout), 10, DAY),
    row("keep-alive-timeout", |l| Slot::Time(&mut l.http.keep_alive_timeout), 10, DAY),
    row("body-window", |l| Slot::Time(&mut l.http.body_window), 10, DAY),
    row("body-bytes-min", |l| Slot::Number(&mut l.http.body_bytes_min), 0, GIB),
    row("body-clock-max", |l| Slot::Time(&mut l.http.body_clock_max), 0, DAY),
    row("send-timeout", |l| Slot::Time(&mut l.http.send_timeout), 10, DAY),
    row("request-body-bytes", |l| Slot::Number(&mut l.http.request_body_bytes), 0, u64::MAX),
    row("chunk-extension-bytes", |l| Slot::Size(&mut l.http.chunk_extension_bytes), 0, 64 * KIB),
    row("trailer-bytes", |l| Slot::Size(&mut l.http.trailer_bytes), 0, HEAD_MOST),
    row("trailers", |l| Slot::Size(&mut l.http.trailers), 0, 1000),
    row("drain-bytes", |l| Slot::Number(&mut l.http.drain_bytes), 0, GIB),
    row("half-close", |l| Slot::Time(&mut l.http.half_close), 0, DAY),
    row("linger", |l| Slot::Time(&mut l.http.linger), 1, 60 * SECOND),
    row("interim-responses", |l| Slot::Size(&mut l.http.interim_responses), 0, INTERIM_RESPONSES_MAX as u64),
    row("connections", |l| Slot::Size(&mut l.connection.connections), 1, u64::MAX),
    row("memory-bytes", |l| Slot::Number(&mut l.connection.memory_bytes), KIB * KIB, u64::MAX),
    row("stream-floor", |l| Slot::Number(&mut l.session.stream_floor), 1, DATA_BYTES_MAX as u64),
    row("stream-window", |l| Slot::Number(&mut l.session.stream_window), KIB, GIB),
    row("stream-window-max", |l| Slot::Number(&mut l.session.stream_window_max), KIB, GIB),
    row("session-window", |l| Slot::Number(&mut l.session.session_window), KIB, GIB),
    row("session-window-max", |l| Slot::Number(&mut l.session.session_window_max), KIB, GIB),
    row("streams", |l| Slot::Number(&mut l.session.streams), 1, MILLION),
    row("unaccepted", |l| Slot::Size(&mut l.session.unaccepted), 1, 65536),
    row("free-frames-burst", |l| Slot::Count(&mut l.session.free_frames_burst), 1, MILLION),
    row("free-frames-per-second", |l| Slot::Count(&mut l.session.free_frames_per_second), 1, MILLION),
    row("hellos-per-address", |l| Slot::Count(&mut l.hellos.per_address), 1, MILLION),
    row("hellos-per-address-burst", |l| Slot::Count(&mut l.hellos.per_address_burst), 1, MILLION),
    row("ping-interval", |l| Slot::Time(&mut l.session.ping_interval), 10, DAY),
    row("idle-timeout", |l| Slot::Time(&mut l.session.idle_timeout), 10, DAY),
    row("ping-timeout", |l| Slot::Time(&mut l.session.ping_timeout), 10, DAY),
    row("resume-window", |l| Slot::Time(&mut l.session.resume_window), 0, DAY),
    row("replay-bytes", |l| Slot::Size(&mut l.session.replay_bytes), KIB, GIB),
    row("replay-bytes-max", |l| Slot::Size(&mut l.session.replay_bytes_max), KIB, GIB),
    row("park-time", |l| Slot::Time(&mut l.router.park_time), 0, DAY),
    row("slot-time", |l| Slot::Time(&mut l.router.slot_time), 0, DAY),
    row("parked-per-mount", |l| Slot::Size(&mut l.router.parked_per_mount), 0, MILLION),
    row("parked", |l| Slot::Size(&mut l.router.parked), 0, MILLION),
    row("start-grace", |l| Slot::Time(&mut l.router.start_grace), 0, DAY),
    row("retries", |l| Slot::Number(&mut l.router.retries), 0, MILLION),
    row("retries-kept", |l| Slot::Number(&mut l.router.retries_kept), 0, MILLION),
    row("retry-after", |l| Slot::Time(&mut l.router.retry_after), SECOND, DAY),
    row("waiting-bytes", |l| Slot::Number(&mut l.router.waiting_bytes), 0, 1024 * GIB),
    row("remembered", |l| Slot::Size(&mut l.router.remembered), 0, MILLION),
    row("remember-time", |l| Slot::Time(&mut l.router.remember_time), 0, DAY),
];

impl Limits {
    /// Sets one limit from `name=value`. Octets take KiB, MiB and GiB, durations their units.
    ///
    /// # Errors
    /// No such limit, or no such value; the text says what there is.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (name, value) = assignment.split_once('=').ok_or("write it as NAME=VALUE")?;
        let row = ROWS.iter().find(|row| row.name == name.replace('_', "-")).ok_or_else(names)?;
        match (row.slot)(self) {
            Slot::Size(slot) => {
                *slot = usize::try_from(row.number(value)?).map_err(|_| row.range())?;
            }
            Slot::Number(slot) => *slot = row.number(value)?,
            Slot::Count(slot) => *slot = u32::try_from(row.number(value)?).map_err(|_| row.range())?,
            Slot::Time(slot) => *slot = row.time(value)?,
        }
        Ok(())
    }

    /// Whether the limits fit each other.
    ///
    /// # Errors
    /// Which two do not.
    pub fn check(&self) -> Result<(), String> {
        let (http, session) = (&self.http, &self.session);
        let pairs = [
            (
                "header-line-bytes",
                http.header_line_bytes as u64,
                "request-head-bytes",
                http.request_head_bytes as u64,
            ),
            ("target-bytes", http.target_bytes as u64, "request-head-bytes", http.request_head_bytes as u64),
            ("stream-window", session.stream_window, "stream-window-max", session.stream_window_max),
            ("session-window", session.session_window, "session-window-max", session.session_window_max),
        ];
        match pairs.into_iter().find(|(_, small, _, large)| small > large) {
            Some((small, a, large, b)) => Err(format!("{small} ({a}) must not be more than {large} ({b})")),
            None if session.ping_interval >= session.idle_timeout => {
                Err("ping-interval must be shorter than idle-timeout, or every idle link dies".into())
            }
            None => Ok(()),
        }
    }
}

impl Row {
    fn number(&self, text: &str) -> Result<u64, String> {
        octets(text).filter(|number| (self.least..=self.most).contains(number)).ok_or_else(|| self.range())
    }

    fn time(&self, text: &str) -> Result<Duration, String> {
        let range = self.least.into()..=self.most.into();
        let time = humantime::parse_duration(text).ok();
        time.filter(|time| range.contains(&time.as_millis())).ok_or_else(|| {
            let [least, most] =
                [self.least, self.most].map(|ms| humantime::format_duration(Duration::from_millis(ms)));
            format!("{} takes a duration from {least} to {most}, such as 10s", self.name)
        })
    }

    fn range(&self) -> String {
        format!("{} takes a number from {} to {}, such as {}", self.name, self.least, self.most, self.most)
    }
}

/// A number, of octets if it has one of the units KiB, MiB and GiB.
pub(crate) fn octets(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => KIB,
        "m" | "mib" => KIB * KIB,
        "g" | "gib" => GIB,
        _ => return None,
    };
    digits.parse().ok().and_then(|number: u64| number.checked_mul(unit))
}

fn names() -> String {
    let mut text = "there is no such limit; there are".to_owned();
    for (at, row) in ROWS.iter().enumerate() {
        let _ = write!(text, "{}{}", if at == 0 { " " } else { ", " }, row.name);
    }
    text
}

#[cfg(test)]
mod tests;
