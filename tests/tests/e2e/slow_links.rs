//! A slow uplink: what a download leaves of it to others.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use telephone_tests::client::{Client, try_get};
use telephone_tests::namespace;
use telephone_tests::net::free_addr;
use telephone_tests::origin::Origin;
use telephone_tests::relay::{NO_GRACE, Relay};
use telephone_tests::request::Request;
use telephone_tests::sidecar::Program;
use telephone_tests::sizes;
use telephone_tests::wait::{self, PATIENCE};

/// Small requests beside the download.
const REQUESTS: usize = 10;
/// The uplink, kbit/s.
const KBITS: u32 = 1_000;
/// How long three of four small requests may take. Without a tunnel it is 0.1 s, with 128 KiB unsent in the kernel 1.8 s.
const WAIT_MAX: Duration = Duration::from_millis(600);
/// Bytes of the download a second: nine tenths of the uplink, but for the heads of TCP and IP.
const RATE_MIN: f64 = 0.85 * KBITS as f64 * 125.0;

/// What was measured beside a download.
struct Measured {
    waits: Vec<Duration>,
    /// Bytes a second.
    rate: f64,
}

fn measure(site: SocketAddr, mount: &str) -> Measured {
    let mut download = Client::connect(site);
    download.send(Request::get(&format!("{mount}/bytes?n=2000000000")).to_vec());
    assert_eq!(download.head().status(), 200);
    // The first quarter of a megabyte fills the queues, and shows how fast the link is.
    download.take(256 * 1024);
    let reader = thread::spawn(move || {
        let (start, mut taken) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(8) {
            taken += download.some(64 * 1024).expect("an open connection").len();
        }
        taken as f64 / start.elapsed().as_secs_f64()
    });
    let mut waits: Vec<Duration> = (0..REQUESTS)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(try_get(site, &format!("{mount}/echo")).expect("an answer").status(), 200);
            start.elapsed()
        })
        .collect();
    waits.sort_unstable();
    Measured { waits, rate: reader.join().expect("a download that goes on") }
}

#[test]
fn a_small_request_beside_a_download_on_a_slow_uplink_waits_a_fraction_of_a_second() {
    let name = "slow_links::a_small_request_beside_a_download_on_a_slow_uplink_waits_a_fraction_of_a_second";
    if !namespace::is_inside(name, ("ipv4/tcp_migrate_req", "1")) {
        return;
    }
    namespace::prepare_site();
    let at_site = || SocketAddr::new(namespace::SITE.into(), free_addr().port());
    for program in Program::BOTH {
        let (relay, origin) = (Relay::at_addr(at_site(), NO_GRACE), Origin::at(at_site()));
        let plan = namespace::uplink(KBITS, &telephone_tests::bins::path(program.name()));
        let plan = plan.args(["--plugboard", &relay.url(), "--mount", "/m", "--backend", &origin.url()]);
        let _sidecar = plan.env("TELEPHONE_TOKEN", relay.token(&["/m"])).start();
        wait::until_true("the telephone is there", PATIENCE, || {
            try_get(relay.addr(), "/m/echo").is_some_and(|answer| answer.status() == 200)
        });
        let Measured { waits, rate } = measure(relay.addr(), "/m");
        sizes::figure("waits beside a download at 1 Mbit/s", format!("{waits:?}"));
        sizes::figure("bytes a second of the download", rate);
        assert!(waits[REQUESTS * 3 / 4] <= WAIT_MAX, "{waits:?}");
        assert!(rate >= RATE_MIN, "{rate} bytes a second");
    }
}
