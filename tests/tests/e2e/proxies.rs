//! A telephone in a company's network dials through its HTTP or SOCKS5 proxy, and reports what the proxy answers.

use telephone_tests::certs::Certs;
use telephone_tests::client::get;
use telephone_tests::line::both_programs;
use telephone_tests::net::{free_addr, unspecified};
use telephone_tests::nginx::Nginx;
use telephone_tests::origin::Origin;
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::{Dial, Program};
use telephone_tests::socks5::Socks5;
use telephone_tests::tinyproxy::Tinyproxy;
use telephone_tests::wait::PATIENCE;

/// The relay's URL, as one on another machine.
fn url(relay: &Relay) -> String {
    format!("ws://{}", unspecified(relay.addr()))
}

fn dial(program: Program, url: &str, relay: &Relay, origin: &Origin) -> Dial {
    program.dial_url(url).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url())
}

#[test]
fn a_link_goes_through_the_proxy_that_the_environment_names() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let proxy = Tinyproxy::start("BasicAuth us-er p.ss");
        let plain = dial(program, &url(&relay), &relay, &origin);
        let _sidecar = plain.env("ALL_PROXY", &proxy.url_as("us-er:p%2Ess")).ready();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        assert!(proxy.has_seen(unspecified(relay.addr())));
    });
}

#[test]
fn tls_is_spoken_with_the_plugboard_and_not_with_the_proxy() {
    both_programs(|program| {
        let (relay, origin, proxy) = (Relay::start(), Origin::start(), Tinyproxy::start(""));
        let certs = Certs::make_for(relay.directory(), &["0.0.0.0"], 4096);
        let nginx = Nginx::tls_before(relay.addr(), &certs);
        let addr = unspecified(nginx.addr());
        let url = format!("https://{addr}");
        let dial = dial(program, &url, &relay, &origin).args(&["--ca", certs.ca.to_str().expect("UTF-8")]);
        let _sidecar = dial.env("https_proxy", &proxy.url()).ready();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        assert!(proxy.has_seen(addr));
    });
}

#[test]
fn exempt_hosts_are_dialled_directly() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let nobody = format!("http://{}", free_addr());
        for exempt in ["example.com,0.0.0.0/8", "example.com; 0.*"] {
            let dial = dial(program, &url(&relay), &relay, &origin).env("HTTPS_PROXY", &nobody);
            let _sidecar = dial.env("NO_PROXY", exempt).ready();
            assert_eq!(get(relay.addr(), "/m/x").status(), 200, "{exempt}");
        }
    });
}

#[test]
fn a_proxy_that_refuses_is_named_and_its_password_is_not() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let proxy = Tinyproxy::start("BasicAuth user right");
        let dial = dial(program, &url(&relay), &relay, &origin).args(&["--max-attempts", "1"]);
        let mut sidecar = dial.env("HTTPS_PROXY", &proxy.url_as("user:canary")).start();
        assert_eq!(sidecar.wait_exit(PATIENCE), Some(1));
        let said = sidecar.process().said();
        assert!(said.contains(&format!("the proxy {} answered 40", proxy.url())), "{said}");
        assert!(!said.contains("canary"), "{said}");
    });
}

#[test]
fn this_machine_is_dialled_directly() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("http://{host}:{}", relay.addr().port());
            let dial = dial(program, &url, &relay, &origin);
            let _sidecar = dial.env("ALL_PROXY", &format!("http://{}", free_addr())).ready();
            assert_eq!(get(relay.addr(), "/m/x").status(), 200, "{host}");
        }
    });
}

#[test]
fn a_link_goes_through_a_socks5_proxy_that_resolves_the_name() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let port = relay.addr().port();
        for (proxy, user) in [(Socks5::start(None), ""), (Socks5::start(Some("us-er:p.ss")), "us-er:p%2Ess")]
        {
            let variable = if user.is_empty() { proxy.url() } else { proxy.url_as(user) };
            let dial = dial(program, &format!("ws://plugboard.test:{port}"), &relay, &origin);
            let _sidecar = dial.env("ALL_PROXY", &variable).ready();
            assert_eq!(get(relay.addr(), "/m/x").status(), 200);
            assert_eq!(proxy.seen(), [format!("plugboard.test:{port}")]);
        }
    });
}

#[test]
fn a_proxy_that_gives_no_tunnel_is_named_with_its_reason() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let (nobody, socks) = (free_addr(), Socks5::start(Some("user:right")));
        let socks_addr =
            socks.url_as("").split_once('@').map(|(_, addr)| addr.to_owned()).expect("an address");
        let closed = free_addr().port();
        let cases = [
            (
                format!("http://user:canary@{nobody}"),
                relay.addr().port(),
                format!("cannot reach the proxy http://{nobody}: "),
            ),
            (
                format!("socks5://user:canary@{nobody}"),
                relay.addr().port(),
                format!("cannot reach the proxy socks5://{nobody}: "),
            ),
            (
                socks.url_as("user:canary"),
                relay.addr().port(),
                format!("the proxy socks5://{socks_addr} refused the login; giving up. It did not accept"),
            ),
            (
                socks.url(),
                relay.addr().port(),
                format!("the proxy socks5://{socks_addr} refused the login; giving up. It wants credentials"),
            ),
            (
                socks.url_as("user:right"),
                closed,
                format!(
                    "the proxy socks5://{socks_addr} did not connect to the plugboard: connection refused"
                ),
            ),
            // A proxy of the other kind.
            (format!("http://{socks_addr}"), relay.addr().port(), format!("the proxy http://{socks_addr} ")),
            (
                format!("socks5://{}", relay.addr()),
                relay.addr().port(),
                format!("the proxy socks5://{} does not answer as such a proxy does", relay.addr()),
            ),
        ];
        for (variable, port, told) in cases {
            let dial = dial(program, &format!("ws://plugboard.test:{port}"), &relay, &origin);
            let mut sidecar = dial.args(&["--max-attempts", "1"]).env("HTTPS_PROXY", &variable).start();
            assert_eq!(sidecar.wait_exit(PATIENCE), Some(1));
            let said = sidecar.process().said();
            assert!(said.contains(&told), "{told}: {said}");
            assert!(!said.contains("canary") && !said.contains("right"), "{said}");
        }
    });
}

#[test]
fn a_variable_without_a_usable_proxy_is_one_warning() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        for value in ["socks4://user:canary@127.0.0.1:1080", "http://user:1#canary@proxy"] {
            let dial = dial(program, &url(&relay), &relay, &origin).env("ALL_PROXY", value);
            let mut sidecar = dial.ready();
            assert_eq!(get(relay.addr(), "/m/x").status(), 200, "{value}");
            sidecar.terminate();
            assert_eq!(sidecar.wait_exit(PATIENCE), Some(0));
            let said = sidecar.process().said();
            assert_eq!(said.matches("ALL_PROXY is ignored").count(), 1, "{said}");
            assert!(
                said.contains("WARN") && said.contains("write http://[") && !said.contains("canary"),
                "{said}"
            );
        }
    });
}
