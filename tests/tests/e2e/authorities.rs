//! Private authorities whose certificates are replaced while a telephone runs.

use std::fs;

use telephone_tests::certs::Certs;
use telephone_tests::client::get;
use telephone_tests::line::both_programs;
use telephone_tests::nginx::Nginx;
use telephone_tests::origin::Origin;
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::Sidecar;
use telephone_tests::wait::{self, PATIENCE};

/// Ends the telephone's link, so that it dials again, to a server with the certificate of the moment.
fn redial(nginx: &mut Nginx, sidecar: &mut Sidecar) {
    let links = |sidecar: &Sidecar| sidecar.page()["plugboards"][0]["reconnects"].as_u64();
    let before = links(sidecar);
    nginx.restart();
    wait::until_true("the telephone connects again", PATIENCE, || links(sidecar) > before);
    sidecar.wait_ready(PATIENCE);
}

#[test]
fn a_link_is_made_with_the_authority_of_the_moment() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let certs = Certs::make(relay.directory());
        let mut nginx = Nginx::tls_before(relay.addr(), &certs);
        let dial = program.dial_url(&format!("wss://{}", nginx.addr())).token(&relay.token(&["/m"]));
        let ca = certs.ca.to_str().expect("UTF-8");
        let mut sidecar = dial.mount("/m").backend(&origin.url()).args(&["--ca", ca]).ready();

        // Somebody is writing it, or has deleted it.
        let whole = fs::read(&certs.ca).expect("the authority's file");
        for torn in [Some(&whole[..whole.len() / 2]), None] {
            match torn {
                Some(half) => fs::write(&certs.ca, half).expect("disk space"),
                None => fs::remove_file(&certs.ca).expect("a file of our own"),
            }
            (0..2).for_each(|_| redial(&mut nginx, &mut sidecar));
        }
        let said = sidecar.process().said();
        assert_eq!(said.matches("WARN cannot read certificates from").count(), 2, "{said}");
        assert!(said.contains(ca) && said.contains("trusting those that were read before"), "{said}");

        Certs::make(relay.directory());
        redial(&mut nginx, &mut sidecar);
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        let said = sidecar.process().said();
        assert!(said.contains(&format!("read certificates from {ca} again")), "{said}");
    });
}

#[test]
fn a_backend_is_reached_with_the_authority_of_the_moment() {
    both_programs(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let certs = Certs::make(relay.directory());
        let mut nginx = Nginx::run(|addr, _| {
            let (cert, key) = (certs.cert.display(), certs.key.display());
            format!(
                "server {{ listen {addr} ssl; ssl_certificate {cert}; ssl_certificate_key {key}; keepalive_timeout 0;
                 location / {{ proxy_pass http://{}; }} }}",
                origin.addr()
            )
        });
        let url = format!("https://localhost:{}", nginx.addr().port());
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&url);
        let _sidecar = dial.args(&["--backend-ca", certs.ca.to_str().expect("UTF-8")]).ready();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        Certs::make(relay.directory());
        nginx.restart();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    });
}
