//! What a terminal, or a log that is asked for it, shows of each request.

use serde_json::Value;
use telephone_tests::bins;
use telephone_tests::client::get;
use telephone_tests::net::free_addr;
use telephone_tests::origin::Origin;
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::Program;
use telephone_tests::terminal::OnTerminal;
use telephone_tests::wait::{self, PATIENCE};

#[test]
fn a_sidecar_logs_each_request_if_that_is_asked_for_and_no_query() {
    let (relay, origin) = (Relay::start(), Origin::start());
    for program in Program::BOTH {
        let dial = |mount: &str, backend: &str| {
            program.dial(&relay).token(&relay.token(&[mount])).mount(mount).backend(backend)
        };
        let silent = dial("/silent", &origin.url()).ready();
        let text = dial("/text", &origin.url()).env("LOG_REQUESTS", "true").ready();
        let json = dial("/json", &origin.url()).args(&["--log-requests", "--log-format", "json"]).ready();
        let down = dial("/down", "http://127.0.0.1:1").args(&["--log-requests"]).start();
        down.process().wait_stderr("connected", PATIENCE);
        for path in ["/text/echo?token=hunter2", "/json/echo?token=hunter2", "/silent/echo?token=hunter2"] {
            assert_eq!(get(relay.addr(), path).status(), 200, "{path}");
        }
        assert_eq!(get(relay.addr(), "/down/x").status(), 502);
        let line = text.process().wait_stderr("/text/echo", PATIENCE);
        assert!(line.contains("INFO GET     200 ") && line.ends_with("  /text/echo  complete"), "{line}");
        let line = json.process().wait_stderr("/json/echo", PATIENCE);
        let line: Value = serde_json::from_str(&line).expect("JSON");
        for (name, value) in [("method", "GET"), ("path", "/json/echo"), ("cause", "complete")] {
            assert_eq!(line[name], value, "{line}");
        }
        assert!(line["status"] == 200 && line["duration_ms"].as_f64().is_some(), "{line}");
        let line = down.process().wait_stderr("/down/x", PATIENCE);
        assert!(line.contains(" GET     502 ") && line.ends_with("/down/x  connection_refused"), "{line}");
        assert!(!silent.process().stderr().contains("/silent/echo"), "no terminal, no lines");
        assert!([text, json].iter().all(|one| !one.process().stderr().contains("hunter2")));
    }
}

#[test]
fn on_a_terminal_relay_and_sidecar_show_each_request_for_people() {
    let relay = Relay::start();
    let origin = Origin::start();
    let path = |name| bins::path(name).to_str().expect("UTF-8").to_owned();
    let (program, public, secret) = (path("plugboard"), free_addr().to_string(), relay.secret_file());
    let serve = ["--admin", "127.0.0.1:0", "--secret-file", secret.to_str().expect("UTF-8")];
    let serve = [&[&program, "serve", "--listen", &public][..], &serve].concat();
    let shown = OnTerminal::start(None, &serve, &[]);
    shown.wait_for("listening on");
    let (url, token) = (format!("ws://{public}"), relay.token(&["/a"]));
    for name in ["telephone", "telephone-smol"] {
        let program = path(name);
        let backend = origin.url();
        let dial = [program.as_str(), "--plugboard", &url, "--mount", "/a", "--backend", &backend];
        let variables = [("TELEPHONE_TOKEN", token.as_str()), ("NO_COLOR", "1"), ("INSTANCE", name)];
        let sidecar = OnTerminal::start(None, &dial, &variables);
        sidecar.wait_for("connected");
        let address = public.parse().expect("an address");
        let request = format!("/a/echo/{name}");
        wait::until_true("it serves", PATIENCE, || get(address, &request).status() != 503);
        let line = sidecar.wait_for(&request);
        assert!(line.contains(" GET ") && line.trim_end().ends_with("complete"), "{line}");
        let row = shown.wait_for(&request);
        assert!(
            row.contains("Z GET ") && row.trim_end().ends_with("complete") && !row.contains('{'),
            "{row}"
        );
    }
}
