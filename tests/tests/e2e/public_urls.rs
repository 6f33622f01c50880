//! The public URLs of mounts: in the log, the health page and `status` of a telephone.

use serde_json::{Value, json};
use telephone_tests::line::both_programs;
use telephone_tests::net::free_addr;
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::wait::{PATIENCE, until};

/// The URLs of the health page, once there are so many.
fn urls(sidecar: &Sidecar, count: usize) -> Vec<String> {
    until("URLs on the health page", PATIENCE, || {
        let urls = sidecar.page()["plugboards"][0]["urls"].as_array()?.clone();
        let text = |one: &Value| one["url"].as_str().unwrap_or_default().to_owned();
        (urls.len() == count).then(|| urls.iter().map(text).collect())
    })
}

/// What `status` prints.
fn status(program: Program, sidecar: &Sidecar) -> String {
    let health = sidecar.health_addr().to_string();
    program.plan().args(["status", "--health", &health]).finish().stdout
}

#[test]
fn the_url_of_each_mount_is_printed_with_what_it_leads_to() {
    both_programs(|program| {
        let port = free_addr().port();
        let range = format!("{port}-{port}");
        let relay = Relay::with(&["--rooms", "--tcp-ports", &range]);
        let tcp = format!("tcp:{port}");
        let token = relay.token(&["/m", "shop.example/", "room:r1", &tcp]);
        let sidecar = program
            .dial(&relay)
            .token(&token)
            .args(&["--mount", "/m", "--mount", "shop.example/", "--room", "r1"])
            .args(&["--port", "3999", "--tcp", &format!("{port}=127.0.0.1:5432")])
            .ready();
        let public = relay.addr();
        let mut shown = urls(&sidecar, 4);
        let expected = [
            format!("http://{public}/client?room=r1"),
            format!("http://{public}/m"),
            format!("http://shop.example:{}/", public.port()),
            format!("tcp://127.0.0.1:{port}"),
        ];
        shown.sort_unstable();
        assert_eq!(shown, expected);
        let backend = "http://localhost:3999";
        sidecar.process().wait_stderr(&format!("http://{public}/m → {backend}"), PATIENCE);
        sidecar.process().wait_stderr(&format!("http://{public}/client?room=r1 → {backend}"), PATIENCE);
        sidecar.process().wait_stderr(&format!("tcp://127.0.0.1:{port} → 127.0.0.1:5432"), PATIENCE);
        let told = status(program, &sidecar);
        assert!(told.contains(&format!("\n  URL              http://{public}/m\n")), "{told}");
    });
}

#[test]
fn the_site_of_the_plugboard_is_shown_and_not_the_address_that_was_dialled() {
    both_programs(|program| {
        let relay = Relay::with(&["--site-url", "https://apps.example/", "--public-url", "ws://127.0.0.1:1"]);
        let sidecar = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").args(&["--port", "1"]);
        let sidecar = sidecar.ready();
        assert_eq!(urls(&sidecar, 1), ["https://apps.example/m"]);
        sidecar.process().wait_stderr("https://apps.example/m → http://localhost:1", PATIENCE);
    });
}

#[test]
fn a_mount_that_a_newer_process_took_over_has_no_url_any_more() {
    both_programs(|program| {
        let relay = Relay::start();
        let start = |mounts: &[&str]| {
            let dial = program.dial(&relay).token(&relay.token(mounts)).args(&["--port", "1"]);
            mounts.iter().fold(dial, |dial, mount| dial.args(&["--mount", mount])).ready()
        };
        let older = start(&["/a", "/b"]);
        assert_eq!(urls(&older, 2).len(), 2);
        let newer = start(&["/b"]);
        assert_eq!(urls(&older, 1), [format!("http://{}/a", relay.addr())]);
        assert_eq!(urls(&newer, 1), [format!("http://{}/b", relay.addr())]);
        let one = json!([{"mount": "/a", "url": format!("http://{}/a", relay.addr())}]);
        assert_eq!(older.page()["plugboards"][0]["urls"], one);
    });
}

#[test]
fn a_site_that_is_no_url_is_refused_with_an_example() {
    let relay = telephone_tests::bins::path("plugboard");
    for bad in ["apps.example", "wss://apps.example", "https://apps.example/?a", "https://me@apps.example"] {
        let said = telephone_tests::process::Plan::new(&relay).args(["serve", "--site-url", bad]).finish();
        assert_eq!(said.code, Some(2), "{bad}");
        assert!(
            said.stderr.contains(bad) && said.stderr.contains("such as https://apps.example.com"),
            "{}",
            said.stderr
        );
    }
}
