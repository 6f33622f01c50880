//! The command line of `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderMap, Method};
use telephone_sidecar::values::positive_duration;

use super::plan::{End, Goal, Order, Plan, Rate};
use super::target::Target;
use crate::limits::octets;

/// How long a run is if nobody says otherwise.
const DURATION: Duration = Duration::from_secs(10);
/// The same for each of the two runs without a URL.
const DURATION_EACH: Duration = Duration::from_secs(5);
/// Requests in a second: more than a processor can send.
const RATE_MAX: f64 = 1e6;
/// Octets that the built-in application answers with if nobody says otherwise: a small page of an API.
const ANSWER_BYTES: u64 = 1024;
/// Who asks, in servers' logs.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("plugboard-bench/", env!("CARGO_PKG_VERSION")));

pub(crate) const NOTES: &str = "\
Examples:
  What does the tunnel cost on this machine? Needs nothing that runs:
    plugboard bench
    plugboard bench --answer-bytes 10MiB --connections 4

  What does my own path give? Run it against the relay's URL, then beside the application:
    plugboard bench https://plugboard.example/api/health
    plugboard bench http://127.0.0.1:3000/api/health

  How long do answers take at 200 requests a second, and not only at the limit?
    plugboard bench http://127.0.0.1:4000/api --rate 200/s --duration 30s

  Uploads of a mebibyte, with a header, figures for a program:
    plugboard bench http://127.0.0.1:4000/api/files --body-bytes 1MiB --header 'X-Key: k' --json

Without --rate each connection sends its next request when it has its answer (closed loop): a slow path \
is then asked less. With --rate a request is due at its time whether or not earlier answers have come (open \
loop), and its latency counts from that time, also when all connections were busy and it went late; so no \
stall is left out (coordinated omission). What was due and never sent before the end is told.

Latency is to the last octet, a new connection included where a request needs one; those that the run \
begins with are opened before. MB are 10^6 octets of bodies. Redirects are not followed.

Ctrl-C ends a run early and prints the figures so far. Exit codes: 0 if there was a good answer (a status \
below 400), 1 if there was none, 2 for bad usage.";

/// The options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    /// What to ask, http:// or https://; without it a relay, a sidecar and an application in this process,
    /// first the application alone, then through the tunnel
    #[arg(value_name = "URL", value_parser = str::parse::<Target>)]
    url: Option<Target>,

    /// Connections, and so requests at once
    #[arg(long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,

    /// How long to send; answers under way are waited for [default: 10s, without URL 5s for each run]
    #[arg(long, value_name = "D", value_parser = positive_duration)]
    duration: Option<Duration>,

    /// How many requests to send, instead of how long
    #[arg(long, value_name = "N", conflicts_with = "duration",
          value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,

    /// Requests in a second, however long the answers take (open loop): latency counts from when a request
    /// was due, so that no stall is left out
    #[arg(long, value_name = "N/s", value_parser = rate)]
    rate: Option<Rate>,

    /// The method [default: GET, or POST with --body-bytes]
    #[arg(long, value_name = "M", value_parser = method)]
    method: Option<Method>,

    /// Send a body of this length with each request, such as 64KiB
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, value_parser = length)]
    body_bytes: u64,

    /// Open a connection for each request
    #[arg(long)]
    no_keep_alive: bool,

    /// Send this header; repeatable
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,

    /// How long one request may take
    #[arg(long, value_name = "D", default_value = "30s", value_parser = positive_duration)]
    timeout: Duration,

    /// For https://: trust the certificates in this PEM file, and no others
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,

    /// Without URL: how long the application's answers are, such as 10MiB [default: 1KiB]
    #[arg(long, value_name = "N", conflicts_with = "url", value_parser = length)]
    answer_bytes: Option<u64>,

    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

impl From<BenchOptions> for Order {
    fn from(options: BenchOptions) -> Self {
        let duration = if options.url.is_some() { DURATION } else { DURATION_EACH };
        let method = if options.body_bytes > 0 { Method::POST } else { Method::GET };
        let plan = Plan {
            connections: options.connections.into(),
            end: match options.requests {
                Some(requests) => End::Requests(requests),
                None => End::Time(options.duration.unwrap_or(duration)),
            },
            rate: options.rate,
            timeout: options.timeout,
            is_keep_alive: !options.no_keep_alive,
            method: options.method.unwrap_or(method),
            headers: headers(options.header),
            body_bytes: options.body_bytes,
        };
        let goal = match options.url {
            Some(target) => Goal::Url { target, ca: options.ca },
            None => Goal::Loopback { answer_bytes: options.answer_bytes.unwrap_or(ANSWER_BYTES) },
        };
        Self { goal, plan, is_json: options.json }
    }
}

fn headers(given: Vec<(HeaderName, HeaderValue)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(name, value);
    }
    headers.entry(USER_AGENT).or_insert(AGENT);
    headers
}

fn rate(text: &str) -> Result<Rate, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse().ok();
    let rate = number.filter(|rate: &f64| *rate > 0.0 && *rate <= RATE_MAX);
    rate.map(Rate)
        .ok_or_else(|| format!("give requests in a second, up to {RATE_MAX}, such as 200/s or 0.5/s"))
}

fn method(text: &str) -> Result<Method, String> {
    let method = text.parse().ok().filter(|method| *method != Method::CONNECT);
    method.ok_or_else(|| "give a method such as GET or PUT; CONNECT is for proxies".into())
}

fn length(text: &str) -> Result<u64, String> {
    octets(text).ok_or_else(|| "give a number of octets, such as 500, 64KiB or 10MiB".into())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = text.split_once(':').and_then(|(name, value)| {
        Some((name.parse::<HeaderName>().ok()?, value.trim().parse::<HeaderValue>().ok()?))
    });
    match parsed {
        None => Err("write it as 'Name: value'".into()),
        Some((name, _)) if name == CONTENT_LENGTH || name == TRANSFER_ENCODING => {
            Err("--body-bytes says how long the body is".into())
        }
        Some((name, _)) if name == CONNECTION => {
            Err("--no-keep-alive says what becomes of connections".into())
        }
        Some(header) => Ok(header),
    }
}

#[cfg(test)]
mod tests;
