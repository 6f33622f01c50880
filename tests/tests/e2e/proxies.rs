//! A telephone in a company's network gets out by its HTTP proxy, and says what the proxy says.

use telephone_tests::certs::Certs;
use telephone_tests::client::get;
use telephone_tests::line::both_programs;
use telephone_tests::net::free_addr;
use telephone_tests::nginx::Nginx;
use telephone_tests::origin::Origin;
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::{Dial, Program};
use telephone_tests::tinyproxy::Tinyproxy;
use telephone_tests::wait::PATIENCE;

fn dial(program: Program, url: &str, relay: &Relay, origin: &Origin) -> Dial {
    program.dial_url(url).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url())
}

#[test]
fn a_link_goes_through_the_proxy_that_the_environment_names() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let proxy = Tinyproxy::start("BasicAuth us-er p.ss");
        let plain = dial(program, &relay.url(), &relay, &origin);
        let _sidecar = plain.env("ALL_PROXY", &proxy.url_as("us-er:p%2Ess")).ready();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        assert!(proxy.has_seen(relay.addr()));
    });
}

#[test]
fn tls_is_spoken_with_the_plugboard_and_not_with_the_proxy() {
    both_programs(|program| {
        let (relay, origin, proxy) = (Relay::start(), Origin::start(), Tinyproxy::start(""));
        let certs = Certs::make(relay.directory());
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let url = format!("wss://{}", nginx.addr());
        let dial = dial(program, &url, &relay, &origin).args(&["--ca", certs.ca.to_str().expect("UTF-8")]);
        let _sidecar = dial.env("https_proxy", &proxy.url()).ready();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        assert!(proxy.has_seen(nginx.addr()));
    });
}

#[test]
fn whoever_is_exempt_is_dialled_directly() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let nobody = format!("http://{}", free_addr());
        let dial = dial(program, &relay.url(), &relay, &origin).env("HTTPS_PROXY", &nobody);
        let _sidecar = dial.env("NO_PROXY", "example.com,127.0.0.0/8").ready();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    });
}

#[test]
fn a_proxy_that_refuses_is_named_and_its_password_is_not() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let proxy = Tinyproxy::start("BasicAuth user right");
        let dial = dial(program, &relay.url(), &relay, &origin).args(&["--max-attempts", "1"]);
        let mut sidecar = dial.env("HTTPS_PROXY", &proxy.url_as("user:canary")).start();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(1));
        let said = sidecar.process().said();
        assert!(said.contains(&format!("the proxy {} answered 40", proxy.url())), "{said}");
        assert!(!said.contains("canary"), "{said}");
    });
}

#[test]
fn a_proxy_that_is_none_is_bad_usage_unless_nobody_needs_it() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let with = |exempt: &str| {
            let dial = dial(program, &relay.url(), &relay, &origin);
            dial.env("ALL_PROXY", "socks5://user:canary@127.0.0.1:1080").env("NO_PROXY", exempt)
        };
        let mut sidecar = with("example.com").start();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(2));
        let said = sidecar.process().stderr();
        assert!(said.contains("ALL_PROXY") && !said.contains("canary"), "{said}");
        let _sidecar = with("127.0.0.1").ready();
    });
}
