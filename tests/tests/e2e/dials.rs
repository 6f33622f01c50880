//! Names with addresses that do not answer, addresses that move, and machines that were suspended.

use std::time::{Duration, Instant};

use telephone_tests::client::get;
use telephone_tests::line::both_at_once;
use telephone_tests::namespace;
use telephone_tests::nginx::Nginx;
use telephone_tests::origin::Origin;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::sidecar::Program;
use telephone_tests::wait::{self, PATIENCE};

/// A name with an address that refuses while its relay is down, and one that never answers.
const ONE_IS_DARK: &str = "hosts=$(mktemp) && printf '127.0.0.1 plugboard.test\\n192.0.2.1 plugboard.test\\n' > $hosts \
                           && mount --bind $hosts /etc/hosts && rm $hosts && ip route add 192.0.2.0/24 dev lo";

/// How long a relay is down.
const DOWN_FOR: Duration = Duration::from_millis(1_500);

#[test]
fn an_address_that_does_not_answer_costs_little_when_a_relay_restarts() {
    let name = "dials::an_address_that_does_not_answer_costs_little_when_a_relay_restarts";
    if !namespace::is_inside_prepared(name, ONE_IS_DARK) {
        return;
    }
    for program in Program::BOTH {
        let (mut relay, origin) = (Relay::start(), Origin::start());
        let url = format!("ws://plugboard.test:{}", relay.addr().port());
        let dial = program.dial_url(&url).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let mut sidecar = dial.ready();
        relay.kill();
        // As long as a relay takes to start on another machine.
        wait::paced(Instant::now(), DOWN_FOR).nth(1);
        let start = relay.restart();
        // One more dial may have begun just before: its patience, and the longest delay of a quick redial.
        sidecar.wait_ready(Duration::from_secs(4));
        println!("{} was back after {:?}", program.name(), start.elapsed());
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
    }
}

/// nginx that closes a WebSocket after 3 s of silence.
fn impatient_front(relay: &Relay) -> Nginx {
    Nginx::run(|addr, _| {
        format!(
            "server {{ listen {addr}; location / {{ proxy_pass http://{}; proxy_http_version 1.1; proxy_read_timeout 3s;
             proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }} }}",
            relay.addr()
        )
    })
}

#[test]
fn a_front_that_closes_idle_links_is_reported_and_pings_keep_links_open_through_it() {
    both_at_once(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let front = impatient_front(&relay);
        let dial = |mount: &str| {
            let dial = program.dial_url(&format!("http://{}", front.addr())).token(&relay.token(&[mount]));
            dial.mount(mount).backend(&origin.url()).args(&["--instance", mount])
        };
        let with_pings = dial("/with").args(&["--ping-interval", "2s"]).ready();
        let without = dial("/without").ready();
        let told = "3 links in a row were closed after 3 s without traffic: something on the way closes idle connections; \
                    give --ping-interval ";
        without.process().wait_stderr(told, PATIENCE);
        // Meanwhile three links of the other one ended.
        let said = with_pings.process().said();
        assert!(!said.contains("the link was lost"), "{said}");
        assert_eq!(get(relay.addr(), "/with/x").status(), 200);
    });
}

/// The relay's address, and the one from which this machine dials it.
const RELAY_IP: [u8; 4] = [10, 9, 0, 1];
const MACHINE: &str = "ip addr add 10.9.0.1/32 dev lo && ip addr add 10.9.0.2/32 dev lo && \
                       ip route replace local 10.9.0.1 dev lo table local src 10.9.0.2";
/// The machine is in another network when it wakes up.
const MOVED: &str = "ip addr add 10.9.0.3/32 dev lo && \
                     ip route replace local 10.9.0.1 dev lo table local src 10.9.0.3 && ip addr del 10.9.0.2/32 dev lo";

#[test]
fn a_telephone_that_wakes_up_with_another_address_is_back_within_two_seconds() {
    let name = "dials::a_telephone_that_wakes_up_with_another_address_is_back_within_two_seconds";
    if !namespace::is_inside_prepared(name, MACHINE) {
        return;
    }
    for program in Program::BOTH {
        let (relay, origin) = (Relay::on(RELAY_IP.into(), NO_GRACE), Origin::start());
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let sidecar = dial.ready();
        sidecar.suspend();
        namespace::run(MOVED);
        wait::paced(Instant::now(), Duration::from_secs(6)).nth(1);
        sidecar.wake();
        // A request waits at the relay until the link is back.
        let start = Instant::now();
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        let took = start.elapsed();
        println!("{} was back after {took:?}", program.name());
        assert!(took < Duration::from_secs(2), "{took:?}: {}", sidecar.process().said());
        drop((sidecar, relay));
        namespace::run(
            "ip addr del 10.9.0.3/32 dev lo && ip addr add 10.9.0.2/32 dev lo && \
                        ip route replace local 10.9.0.1 dev lo table local src 10.9.0.2",
        );
    }
}

#[test]
fn a_telephone_that_was_stopped_keeps_a_link_that_lives() {
    both_at_once(|program| {
        let (relay, origin) = (Relay::start(), Origin::start());
        let dial = program.dial(&relay).token(&relay.token(&["/m"])).mount("/m").backend(&origin.url());
        let sidecar = dial.ready();
        sidecar.suspend();
        wait::paced(Instant::now(), Duration::from_secs(5)).nth(1);
        sidecar.wake();
        sidecar.process().wait_stderr("this program stopped, for ", PATIENCE);
        // Longer than it waits for an answer.
        wait::paced(Instant::now(), Duration::from_secs(3)).nth(1);
        assert_eq!(get(relay.addr(), "/m/x").status(), 200);
        let said = sidecar.process().said();
        assert!(!said.contains("the link was lost"), "{said}");
    });
}
