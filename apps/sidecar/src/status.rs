//! `telephone status`: the health page of a running sidecar, for people.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use telephone_core::limits::MOUNTS_MAX;
use telephone_core::text::{readable, rough_duration};

use crate::exit::Exit;
use crate::requests::readable as readable_duration;
use crate::usage::Stop;
use crate::values;

/// How long the sidecar may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of its answer: some kilobytes for each plugboard are a hundred of them.
const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Applications that are shown: one for each mount.
const BACKENDS_MAX: usize = MOUNTS_MAX;
/// Plugboards that are shown.
const PLUGBOARDS_MAX: usize = 100;

/// The options of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// The address of its health page, as it was given to it
    #[arg(long, value_name = "ADDR", env = "TELEPHONE_HEALTH", value_parser = values::listen_address)]
    pub(crate) health: SocketAddr,
}

/// Asks the sidecar whose health page is at `health`, and says what it tells. The exit code is 0 if it is ready.
///
/// # Errors
/// Nobody answers, or it is no health page.
pub(crate) fn show(health: SocketAddr) -> Result<Exit, Stop> {
    let page = ask(health).map_err(|error| Stop::new(Exit::Failed, format!("--health {health}: {error}")))?;
    // A page of before there was `ready` has the state alone.
    let is_ready = page["ready"].as_bool().unwrap_or(page["state"] == "connected");
    // A reader that closed the pipe needs no more.
    let _ = std::io::stdout().write_all(told(&page).as_bytes());
    Ok(if is_ready { Exit::Clean } else { Exit::Failed })
}

fn ask(address: SocketAddr) -> std::io::Result<Value> {
    let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    write!(socket, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let answer = String::from_utf8(read_page(socket, Instant::now() + TIMEOUT)?);
    let answer = answer.map_err(|_| std::io::Error::other("this is no health page"))?;
    let page = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
    page.ok_or_else(|| std::io::Error::other("this is no health page"))
}

/// Reads to the end, within [`PAGE_BYTES_MAX`] and until `deadline`: what answers there may be anything.
fn read_page(mut socket: TcpStream, deadline: Instant) -> std::io::Result<Vec<u8>> {
    let (mut page, mut piece) = (Vec::new(), [0; 8 * 1024]);
    while page.len() <= PAGE_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut piece)? {
            0 => return Ok(page),
            count => page.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    Err(std::io::Error::other(format!("it answers more than {PAGE_BYTES_MAX} bytes: this is no health page")))
}

/// A health page as lines. Its texts may come from a plugboard, or from another server at its address.
fn told(page: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &Value| {
        let value = value.as_str().map_or_else(|| readable(&value.to_string()), readable);
        // Writing to text cannot fail.
        let _ = writeln!(text, "{name:<18} {value}");
    };
    for (name, key) in [
        ("state", "state"),
        ("ready", "ready"),
        ("since", "since"),
        ("started", "started"),
        ("token expires", "token_expires"),
        ("requests", "requests"),
        ("streams open", "streams"),
    ] {
        line(name, &page[key]);
    }
    for backend in page["backends"].as_array().into_iter().flatten().take(BACKENDS_MAX) {
        line("application", &backend["backend"]);
        for (name, key) in [("  ready", "ready"), ("  since", "since"), ("  last error", "last_error")] {
            line(name, &backend[key]);
        }
    }
    for plugboard in page["plugboards"].as_array().into_iter().flatten().take(PLUGBOARDS_MAX) {
        let is_up = ["connected", "expired", "draining"].iter().any(|state| plugboard["state"] == *state);
        line("plugboard", &plugboard["url"]);
        // A plugboard may send the telephone elsewhere.
        if plugboard["dialled"].is_string() && plugboard["dialled"] != plugboard["url"] {
            line("  dialled", &plugboard["dialled"]);
        }
        for (name, key) in [
            ("  state", "state"),
            ("  session", "session"),
            ("  failed attempts", "failed_attempts"),
            ("  last error", "last_error"),
            ("  reconnects", "reconnects"),
        ] {
            line(name, &plugboard[key]);
        }
        for url in plugboard["urls"].as_array().into_iter().flatten().take(MOUNTS_MAX) {
            line(if is_up { "  URL" } else { "  URL, offline" }, &url["url"]);
        }
        for missing in plugboard["missing_mounts"].as_array().into_iter().flatten().take(MOUNTS_MAX) {
            line("  missing mount", &missing["mount"]);
            line("    reason", &missing["reason"]);
            line("    asked again", &missing["asked_again"]);
        }
        let stats = &plugboard["stats"];
        let shown =
            |key: &str, show: fn(u64) -> String| stats[key].as_u64().map_or(Value::Null, |n| show(n).into());
        line("  sent", &shown("bytes_sent", readable_size));
        line("  received", &shown("bytes_received", readable_size));
        line("  up for", &shown("uptime_ms", |ms| rough_duration(Duration::from_millis(ms))));
        line("  round trip", &shown("round_trip_us", |us| readable_duration(Duration::from_micros(us))));
    }
    text.replace(" null\n", " -\n")
}

/// So many bytes in the greatest unit of which there is one.
fn readable_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let Some(unit) = (1..=UNITS.len()).rev().find(|unit| bytes >> (10 * unit) > 0) else {
        return format!("{bytes} bytes");
    };
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_page_is_told_line_by_line() {
        let page = serde_json::json!({
            "state": "connected", "since": "2026-01-01T00:00:00Z", "token_expires": null, "requests": 40,
            "ready": false, "backends": [{"backend": "http://app:80", "ready": false, "last_error": "refused"}],
            "plugboards": [{"url": "ws://a/", "dialled": "ws://a/", "state": "connected", "stats": {"bytes_sent": 7, "bytes_received": 1_600_000, "round_trip_us": 940}}],
        });
        let text = told(&page);
        assert!(text.starts_with("state              connected\n"), "{text}");
        assert!(text.contains("\ntoken expires      -\n"), "{text}");
        assert!(text.contains("\nrequests           40\n"), "{text}");
        assert!(text.contains("\nready              false\n"), "{text}");
        assert!(text.contains("\napplication        http://app:80\n  ready            false\n"), "{text}");
        assert!(text.contains("\nplugboard          ws://a/\n"), "{text}");
        assert!(text.contains("\n  sent             7 bytes\n  received         1.5 MiB\n"), "{text}");
        assert!(text.contains("\n  up for           -\n  round trip       0.9 ms\n"), "{text}");
    }

    #[test]
    fn the_url_that_is_dialled_and_the_state_of_the_public_ones_are_told() {
        let told_of = |state: &str, dialled: &str| {
            let urls = serde_json::json!([{"mount": "/m", "url": "http://a/m"}]);
            let line =
                serde_json::json!({"url": "ws://a/", "dialled": dialled, "state": state, "urls": urls});
            told(&serde_json::json!({"state": state, "plugboards": [line]}))
        };
        let text = told_of("connected", "ws://a/");
        assert!(text.contains("\n  URL              http://a/m\n") && !text.contains("  dialled"), "{text}");
        let text = told_of("connecting", "ws://b/");
        assert!(text.contains("\n  dialled          ws://b/\n  state            connecting\n"), "{text}");
        assert!(text.contains("\n  URL, offline     http://a/m\n"), "{text}");
    }

    #[test]
    fn a_missing_mount_is_told_with_its_reason_and_when_it_is_asked_for_again() {
        let missing =
            serde_json::json!([{"mount": "tcp:1", "reason": "taken", "asked_again": "2026-01-01T00:00:00Z"}]);
        let text = told(&serde_json::json!({"plugboards": [{"url": "ws://a/", "missing_mounts": missing}]}));
        let lines =
            "\n  missing mount    tcp:1\n    reason         taken\n    asked again    2026-01-01T00:00:00Z\n";
        assert!(text.contains(lines), "{text}");
    }

    #[test]
    fn an_address_without_a_health_page_is_named() {
        let stop = show("127.0.0.1:1".parse().unwrap()).unwrap_err();
        assert_eq!(stop.exit(), Exit::Failed);
        assert!(stop.text().contains("127.0.0.1:1"), "{}", stop.text());
    }
}
