//! wrk, which makes the load, and what it says about it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use telephone_tests::process::Plan;
use telephone_tests::wait;

use crate::failed::Failed;

/// A load: clients that ask again as soon as they are answered.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// What is asked for.
    pub path: &'static str,
    /// How many clients.
    pub connections: u32,
    /// Whether each request has a connection of its own.
    pub closes: bool,
    /// For how long.
    pub seconds: u32,
}

/// What came of a load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Requests that were answered.
    pub requests: u64,
    /// Those of a second.
    pub per_second: f64,
    /// What half of them took at most.
    pub half_within: Duration,
    /// What 99 of 100 took at most.
    pub most_within: Duration,
}

impl Load {
    /// Puts it on `addr`.
    ///
    /// # Errors
    /// If a request was not answered with 200, or wrk's words cannot be understood.
    ///
    /// # Panics
    /// If wrk cannot be started, or does not end.
    pub fn put_on(&self, addr: SocketAddr) -> Result<Pace, Failed> {
        self.run(addr, None)
    }

    /// Puts it on `addr`, with requests that a script of wrk's makes instead of those for the path.
    ///
    /// # Errors
    /// Those of [`put_on`](Self::put_on).
    ///
    /// # Panics
    /// Likewise.
    pub fn put_on_by(&self, addr: SocketAddr, script: &Path) -> Result<Pace, Failed> {
        self.run(addr, Some(script))
    }

    fn run(&self, addr: SocketAddr, script: Option<&Path>) -> Result<Pace, Failed> {
        let plan = Plan::new("wrk").args(["--threads", "1", "--latency"]);
        let plan = plan.args(["--connections", &self.connections.to_string()]);
        let plan = plan.args(["--duration", &format!("{}s", self.seconds)]);
        let plan = if self.closes { plan.args(["--header", "Connection: close"]) } else { plan };
        let plan = if let Some(script) = script { plan.arg("--script").arg(script) } else { plan };
        let mut wrk = plan.arg(format!("http://{addr}{}", self.path)).start();
        let status = wrk.wait_exit(Duration::from_secs(self.seconds.into()) + wait::PATIENCE);
        if !status.success() {
            return Err(Failed::Load(format!("wrk ended with {status}: {}", wrk.said())));
        }
        parse(&wrk.stdout())
    }
}

fn parse(text: &str) -> Result<Pace, Failed> {
    let trouble = |line: &&str| line.contains("Socket errors:") || line.contains("Non-2xx or 3xx responses:");
    if let Some(line) = text.lines().find(trouble) {
        return Err(Failed::Load(line.trim().to_owned()));
    }
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests = requests.and_then(|(number, _)| number.parse().ok());
    let per_second = behind(text, "Requests/sec:").and_then(|number| number.parse().ok());
    let half_within = behind(text, "50%").and_then(time);
    let most_within = behind(text, "99%").and_then(time);
    let pace = || {
        Some(Pace {
            requests: requests?,
            per_second: per_second?,
            half_within: half_within?,
            most_within: most_within?,
        })
    };
    if requests == Some(0) {
        return Err(Failed::Load("nothing was answered".to_owned()));
    }
    pace().ok_or_else(|| Failed::Text { what: "wrk's report".to_owned(), text: text.to_owned() })
}

/// The word behind a label at the beginning of a line.
fn behind<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim)
}

/// A time as wrk writes it: `812.00us`, `1.50ms`, `2.00s`, `1.00m`.
fn time(text: &str) -> Option<Duration> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
Running 3s test @ http://127.0.0.1:8080/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.05ms    0.99ms  21.03ms   91.90%
    Req/Sec    66.28k     3.71k   71.95k    74.19%
  Latency Distribution
     50%  812.00us
     75%    1.10ms
     90%    1.62ms
     99%    5.25ms
  204310 requests in 3.10s, 33.51MB read
Requests/sec:  65906.13
Transfer/sec:     10.81MB
";

    #[test]
    fn a_report_is_understood() {
        let pace = parse(REPORT).expect("a report");
        let micros = Duration::from_micros;
        let expected = Pace {
            requests: 204_310,
            per_second: 65906.13,
            half_within: micros(812),
            most_within: micros(5250),
        };
        assert_eq!(pace, expected);
    }

    #[test]
    fn figures_of_a_load_that_met_trouble_are_none() {
        let refused = format!("{REPORT}  Non-2xx or 3xx responses: 7\n");
        assert!(matches!(parse(&refused), Err(Failed::Load(said)) if said.ends_with("responses: 7")));
        let lost = format!("{REPORT}  Socket errors: connect 0, read 1, write 0, timeout 0\n");
        assert!(matches!(parse(&lost), Err(Failed::Load(_))));
    }

    #[test]
    fn a_load_that_was_not_answered_met_trouble() {
        let silence = REPORT.replace("204310 requests", "0 requests");
        assert!(matches!(parse(&silence), Err(Failed::Load(_))));
    }

    #[test]
    fn a_report_that_lacks_something_is_no_report() {
        assert!(matches!(parse("Requests/sec: 5\n"), Err(Failed::Text { .. })));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("2.50s"), Some(Duration::from_millis(2500)));
        assert_eq!(time("1.00m"), Some(Duration::from_secs(60)));
        assert_eq!(time("17"), None);
        assert_eq!(time("17.00parsecs"), None);
    }
}
