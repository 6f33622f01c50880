//! Path tenants share one web origin: with `--isolate-paths` none speaks for all of it.

use telephone_tests::client::{Answer, ask};
use telephone_tests::line::both_programs;
use telephone_tests::origin::{After, Origin};
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;

/// Fields by which an application decides for its whole origin.
const ORIGIN_WIDE: &[&str] = &[
    "Service-Worker-Allowed",
    "Clear-Site-Data",
    "Strict-Transport-Security",
    "NEL",
    "Report-To",
    "Reporting-Endpoints",
    "Alt-Svc",
    "alt-svc",
];

/// An interim head, a final one and trailers with all of them.
fn speak(origin: &Origin) {
    let wide: String = ORIGIN_WIDE.iter().map(|name| format!("{name}: x\r\n")).collect();
    let answer = format!(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n{wide}\r\n\
         HTTP/1.1 200 OK\r\nX-Kept: 1\r\nTransfer-Encoding: chunked\r\n{wide}\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n{wide}\r\n"
    );
    origin.on_raw("/m/speak", answer, After::KeepAlive);
}

/// How often such a field is in the interim head, the final one and the trailers.
fn counts(answer: &Answer) -> [usize; 3] {
    let is_wide = |name: &[u8]| ORIGIN_WIDE.iter().any(|wide| wide.as_bytes().eq_ignore_ascii_case(name));
    let count = |fields: &[(Vec<u8>, Vec<u8>)]| fields.iter().filter(|(name, _)| is_wide(name)).count();
    [count(&answer.interim[0].fields), count(&answer.head.fields), count(answer.trailers())]
}

#[test]
fn what_speaks_for_the_whole_origin_passes_from_mounts_with_a_host_alone() {
    both_programs(|program| {
        for (options, at_the_path) in [(&["--isolate-paths"][..], [0; 3]), (&[], [8, 8, 7])] {
            let (relay, origin) = (Relay::with(options), Origin::start());
            speak(&origin);
            let token = relay.token(&["/m", "own.example/m"]);
            let dial = program.dial(&relay).token(&token).mount("/m").mount("own.example/m");
            let _sidecar = dial.backend(&origin.url()).ready();
            for (host, expected) in [("shared.example", at_the_path), ("own.example", [8, 8, 7])] {
                let head = format!("GET /m/speak HTTP/1.1\r\nHost: {host}\r\nTE: trailers\r\n");
                let answer = ask(relay.addr(), &Request::raw("GET", &head));
                assert_eq!(counts(&answer), expected, "{host} with {options:?}: {answer:?}");
                assert_eq!((answer.text().as_str(), answer.head.has("x-kept")), ("ok", true));
                assert_eq!(answer.interim[0].value("link").as_deref(), Some("</a.css>"));
                assert!(answer.trailers().iter().any(|(name, _)| name.eq_ignore_ascii_case(b"x-sum")));
            }
        }
    });
}
