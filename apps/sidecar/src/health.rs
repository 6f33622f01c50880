//! The health page: what it says is a function of the telephone's status alone.

use std::time::SystemTime;

use serde_json::{Value, json};
use telephone_driver::{BackendStatus, LineStatus, MissingMount, State, Status};

use crate::values::ReadyOn;

/// What to answer to one request of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The media type of `body`.
    pub content_type: &'static str,
    /// The whole body.
    pub body: String,
}

/// Answers `method` on `target` (its query is ignored).
///
/// `/livez` says that the process turns over, `/readyz` that the telephone is ready as `ready_on` means it, and `/healthz`
/// tells the whole story as JSON.
#[must_use]
pub fn answer(method: &str, target: &str, status: &Status, ready_on: ReadyOn) -> Answer {
    let path = target.split('?').next().unwrap_or_default();
    if !matches!(path, "/livez" | "/readyz" | "/healthz") {
        return text(404, "not found; there are /livez, /readyz and /healthz\n");
    }
    if !matches!(method, "GET" | "HEAD") {
        return text(405, "only GET and HEAD are answered here\n");
    }
    let is_ready = match ready_on {
        ReadyOn::Link => status.is_connected(),
        ReadyOn::Backend => status.is_ready(),
    };
    match path {
        "/livez" => text(200, "alive\n"),
        "/readyz" if is_ready => text(200, "ready\n"),
        "/readyz" => text(503, "not ready\n"),
        _ => Answer {
            status: 200,
            content_type: "application/json",
            body: format!("{:#}\n", story(status, is_ready)),
        },
    }
}

/// The answer to a request with a `Host` that is not this port's.
pub(crate) fn foreign_host() -> Answer {
    text(
        403,
        "the Host of this request is not answered here; use an address or localhost, or add the name with --health-host\n",
    )
}

fn text(status: u16, body: &str) -> Answer {
    Answer { status, content_type: "text/plain; charset=utf-8", body: body.to_owned() }
}

fn story(status: &Status, is_ready: bool) -> Value {
    let best = status.lines.iter().min_by_key(|line| rank(line.state));
    json!({
        "state": best.map_or(State::Stopped, |line| line.state).label(),
        "ready": is_ready,
        "session": best.and_then(|line| line.session.as_deref()),
        "since": best.map(|line| moment(line.since)),
        "token_expires": status.token_expires.map(moment),
        "streams": status.streams,
        "requests": status.requests,
        "started": moment(status.started),
        "backends": status.backends.iter().map(backend).collect::<Vec<_>>(),
        "plugboards": status.lines.iter().map(line).collect::<Vec<_>>(),
    })
}

/// Which line speaks for all: the one that serves best.
const fn rank(state: State) -> u8 {
    match state {
        State::Connected => 0,
        State::Expired => 1,
        State::Draining => 2,
        State::Connecting => 3,
        State::Stopped => 4,
    }
}

fn line(line: &LineStatus) -> Value {
    json!({
        "url": line.plugboard,
        "dialled": line.dialled,
        "state": line.state.label(),
        "mounts": line.mounts,
        "missing_mounts": line.missing.iter().map(missing).collect::<Vec<_>>(),
        "urls": line.urls,
        "session": line.session,
        "since": moment(line.since),
        "failed_attempts": line.attempts,
        "last_error": line.last_error,
        "reconnects": line.reconnects,
        "stats": line.stats,
        "plugboard_stats": line.plugboard_stats,
    })
}

fn missing(missing: &MissingMount) -> Value {
    json!({
        "mount": missing.mount,
        "reason": missing.reason,
        "asked_again": missing.asked_again.map(moment),
    })
}

fn backend(backend: &BackendStatus) -> Value {
    json!({
        "backend": backend.backend,
        "ready": backend.is_ready,
        "since": moment(backend.since),
        "last_error": backend.last_error,
    })
}

fn moment(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use telephone_driver::{MountUrl, Stats};

    use super::*;

    fn status(states: &[State]) -> Status {
        let line = |(number, state): (usize, &State)| LineStatus {
            plugboard: format!("ws://relay{number}/"),
            dialled: format!("ws://relay{number}/next"),
            state: *state,
            mounts: vec!["/m".into()],
            missing: vec![MissingMount { mount: "tcp:1".into(), reason: "taken", asked_again: None }],
            urls: vec![MountUrl { mount: "/m".into(), url: "http://a/m".into() }],
            session: Some(format!("s{number}")),
            since: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
            attempts: 7,
            last_error: Some("refused \"now\"".into()),
            reconnects: 3,
            stats: Some(Stats { bytes_sent: 9, ..Stats::default() }),
            plugboard_stats: None,
        };
        Status {
            lines: states.iter().enumerate().map(line).collect(),
            token_expires: Some(SystemTime::UNIX_EPOCH),
            streams: 2,
            requests: 40,
            backends: Vec::new(),
            started: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn readiness_is_a_session_with_a_link() {
        for (states, code) in [
            (&[State::Connected][..], 200),
            (&[State::Connecting, State::Connected], 200),
            (&[State::Connecting], 503),
            (&[State::Expired], 503),
            (&[State::Draining], 503),
            (&[State::Stopped], 503),
            (&[], 503),
        ] {
            assert_eq!(
                answer("GET", "/readyz", &status(states), ReadyOn::Backend).status,
                code,
                "{states:?}"
            );
        }
    }

    #[test]
    fn an_application_that_is_down_is_not_ready_unless_the_link_alone_is_asked_for() {
        let backend = |is_ready| BackendStatus {
            backend: "http://app:80".into(),
            is_ready,
            since: SystemTime::UNIX_EPOCH,
            last_error: (!is_ready).then(|| "refused".into()),
        };
        let mut status = status(&[State::Connected]);
        for (backends, codes) in [
            (vec![backend(true)], [200, 200]),
            (vec![backend(false)], [503, 200]),
            (vec![backend(true), backend(false)], [503, 200]),
        ] {
            status.backends = backends;
            let asked =
                [ReadyOn::Backend, ReadyOn::Link].map(|on| answer("GET", "/readyz", &status, on).status);
            assert_eq!(asked, codes);
        }
        let page = answer("GET", "/healthz", &status, ReadyOn::Backend);
        let story: Value = serde_json::from_str(&page.body).unwrap();
        assert_eq!((&story["ready"], &story["state"]), (&json!(false), &json!("connected")));
        let down = json!({
            "backend": "http://app:80", "ready": false, "since": "1970-01-01T00:00:00.000Z", "last_error": "refused"
        });
        assert_eq!(story["backends"][1], down);
    }

    #[test]
    fn a_telephone_without_a_line_is_alive() {
        assert_eq!(
            answer("HEAD", "/livez?verbose", &status(&[State::Connecting]), ReadyOn::Backend).status,
            200
        );
    }

    #[test]
    fn other_paths_and_methods_are_told_what_there_is() {
        let none = status(&[]);
        assert_eq!(answer("GET", "/", &none, ReadyOn::Backend).status, 404);
        assert_eq!(answer("GET", "/healthz/", &none, ReadyOn::Backend).status, 404);
        assert_eq!(answer("POST", "/livez", &none, ReadyOn::Backend).status, 405);
    }

    #[test]
    fn the_story_is_told_by_the_line_that_serves_best() {
        let page =
            answer("GET", "/healthz", &status(&[State::Connecting, State::Connected]), ReadyOn::Backend);
        let story: Value = serde_json::from_str(&page.body).unwrap();
        assert_eq!(story["state"], "connected");
        assert_eq!(story["session"], "s1");
        assert_eq!(story["since"], "1970-01-01T00:00:01.500Z");
        assert_eq!(story["token_expires"], "1970-01-01T00:00:00.000Z");
        assert_eq!(story["requests"], 40);
        assert_eq!(story["plugboards"][0]["state"], "connecting");
        assert_eq!(story["plugboards"][0]["url"], "ws://relay0/");
        assert_eq!(story["plugboards"][0]["dialled"], "ws://relay0/next");
        assert_eq!(story["plugboards"][0]["stats"]["bytes_sent"], 9);
        assert_eq!(story["plugboards"][0]["reconnects"], 3);
        assert_eq!(story["plugboards"][0]["urls"], json!([{"mount": "/m", "url": "http://a/m"}]));
        let missing = json!([{"mount": "tcp:1", "reason": "taken", "asked_again": null}]);
        assert_eq!(story["plugboards"][0]["missing_mounts"], missing);
        assert_eq!(story["plugboards"][0]["last_error"], "refused \"now\"");
    }
}
