//! What each metric is, in words.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Describes all metrics to the recorder of this thread.
pub(super) fn all() {
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
    describe_gauge!(
        "plugboard_replay_bytes",
        "Bytes of messages that sessions keep until their telephones acknowledge them"
    );
    describe_gauge!("plugboard_streams_open", "Streams that are open, of all sessions");
    describe_histogram!("plugboard_round_trip_seconds", "Round trips of pings over links");
    describe_gauge!("plugboard_requests_waiting", "Requests that wait for a session");
    describe_histogram!(
        "plugboard_request_wait_seconds",
        "How long requests waited for a session, by how that ended"
    );
    describe_histogram!(
        "plugboard_request_phase_seconds",
        "Where the time went until the answer's head: in the relay, in the tunnel, at the application; a sample"
    );
    describe_histogram!("plugboard_resume_seconds", "How long resumed sessions were without a link");
    describe_counter!("plugboard_handshakes_total", "First messages of telephones, by what came of them");
    describe_gauge!("plugboard_memory_limit_bytes", "Memory that may be in use, by option or control group");
    describe_gauge!("plugboard_build_info", "1, with version, compiler and features as labels");
    describe_counter!(
        "plugboard_link_bytes_total",
        "Octets of messages from telephones (in) and to them (out)"
    );
    describe_gauge!("plugboard_sessions", "Sessions that are registered");
    describe_counter!("plugboard_sessions_ended_total", "Sessions that ended, by why");
    describe_gauge!("plugboard_links", "Links that are up");
    describe_counter!("plugboard_link_starts_total", "Links that came up, by whether they resumed a session");
    describe_counter!(
        "plugboard_tokens_refused_total",
        "Tokens that were refused, by why; overloaded: without a check"
    );
    describe_counter!("plugboard_revocations_total", "Revocations that were asked for");
    describe_counter!("plugboard_access_lines_dropped_total", "Access-log lines that could not be written");
}
