//! Many telephones at once lose their relay, and come back without a stampede.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use telephone_driver::Handle;
use telephone_tests::client::{Answer, ask};
use telephone_tests::gate;
use telephone_tests::hop::Hop;
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::sizes;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tokio::{Telephone, TokioRuntime};

/// How long there is no relay: long enough for the dials of all to fall into their steady state.
const OUTAGE: Duration = Duration::from_secs(5);
/// The time after the loss that the law leaves out: all telephones lose their links at one moment.
const SETTLING: Duration = Duration::from_secs(2);
/// How soon all are to be back.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// How long a request waits for its telephone before it is answered with 503.
const PARK_TIME: Duration = Duration::from_secs(5);
/// What attempts are counted by.
const BUCKET: Duration = Duration::from_millis(100);

/// Clients that ask beside each other.
const CLIENTS: usize = 4;

/// Telephones inside this process, each with a mount of its own; they end when this is dropped.
struct Crowd {
    handles: Vec<Handle>,
    _runtime: tokio::runtime::Runtime,
}

impl Crowd {
    fn dial(url: &str, token: &str, count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let app = Router::new().fallback(async || "here");
        let start = |number: usize| {
            let telephone = Telephone::builder().url(url).mount(&mount(number)).token(token.to_owned());
            let telephone =
                telephone.service(TokioRuntime::default(), app.clone()).expect("a good description");
            let handle = telephone.handle();
            runtime.spawn(async { telephone.run().await.expect("a telephone that serves") });
            handle
        };
        let handles = (0..count).map(start).collect();
        Self { handles, _runtime: runtime }
    }

    /// How many have a link.
    fn ready(&self) -> usize {
        self.handles.iter().filter(|handle| handle.status().is_ready()).count()
    }

    fn wait_ready(&self, what: &str, within: Duration, count: usize) {
        wait::until_true(what, within, || self.ready() == count);
    }
}

fn mount(number: usize) -> String {
    format!("/crowd/{number}")
}

#[test]
fn after_a_relay_was_gone_all_telephones_are_back_in_ten_seconds_and_without_a_stampede() {
    let _turn = gate::alone();
    let count = sizes::pick(100, 1000);
    let mut relay = Relay::with(&[]);
    let hop = Hop::before(relay.addr());
    let crowd = Crowd::dial(&hop.url(), &relay.token(&["/crowd"]), count);
    crowd.wait_ready("all are there", PATIENCE, count);
    let before = hop.accepted();

    let lost = Instant::now();
    relay.kill();
    crowd.wait_ready("all know of the loss", PATIENCE, 0);
    thread::sleep(OUTAGE.saturating_sub(lost.elapsed()));
    let listening = relay.restart();
    let (back, answers) = ask_until_all_are_back(relay.addr(), &crowd, listening);

    sizes::figure("telephones", count);
    sizes::figure("all of them are back after", format_args!("{back:?}"));
    let at_once = answers.iter().filter(|(answer, _)| answer.status() == 200).count();
    sizes::figure("requests until then, answered 200", format_args!("{at_once} of {}", answers.len()));
    for (answer, took) in &answers {
        assert_fair(answer, *took);
    }
    let is_there = |number: usize| ask(relay.addr(), &Request::get(&mount(number)).close()).text() == "here";
    assert!((0..count).all(is_there), "a mount does not answer");
    let attempts: Vec<Duration> =
        hop.arrivals()[before..].iter().map(|arrival| arrival.saturating_duration_since(lost)).collect();
    assert_no_stampede(&attempts, listening - lost);
}

/// Asks for all mounts in turn until all telephones are back: when that was, and what came of the requests.
fn ask_until_all_are_back(
    addr: SocketAddr,
    crowd: &Crowd,
    listening: Instant,
) -> (Duration, Vec<(Answer, Duration)>) {
    let count = crowd.handles.len();
    let is_over = || crowd.ready() == count || listening.elapsed() > BACK_WITHIN;
    thread::scope(|scope| {
        let ask_in_turn = |first| {
            let numbers = (first..).step_by(CLIENTS).take_while(|_| !is_over());
            let asked = numbers.map(|number| {
                let start = Instant::now();
                let answer = ask(addr, &Request::get(&mount(number % count)).close());
                (answer, start.elapsed())
            });
            asked.collect::<Vec<_>>()
        };
        let asking: Vec<_> = (0..CLIENTS).map(|first| scope.spawn(move || ask_in_turn(first))).collect();
        crowd.wait_ready("all are back", BACK_WITHIN, count);
        let back = listening.elapsed();
        (back, asking.into_iter().flat_map(|one| one.join().expect("a client")).collect())
    })
}

/// A request for a mount whose telephone is on its way is served, or held for its time and put off.
fn assert_fair(answer: &Answer, took: Duration) {
    match answer.status() {
        200 => {}
        503 => {
            assert!(took >= PARK_TIME, "503 after {took:?}: {}", answer.text());
            assert!(answer.head.has("retry-after"), "503 without a word of when to come again");
        }
        status => panic!("{status} after {took:?}: {}", answer.text()),
    }
}

/// No bucket holds more than the steady state lets expect: its mean, and five standard deviations of arrivals that
/// know nothing of each other.
fn assert_no_stampede(attempts: &[Duration], outage: Duration) {
    let bucket = |time: &Duration| (time.as_millis() / BUCKET.as_millis()) as usize;
    let last = attempts.iter().map(bucket).max().unwrap_or_default();
    let mut buckets = vec![0_u32; last.max(bucket(&outage)) + 1];
    attempts.iter().for_each(|time| buckets[bucket(time)] += 1);
    let settled = &buckets[bucket(&SETTLING)..];
    // All are out to dial for as long as there is nobody; the bucket in which that ends is half of each.
    let steady = &buckets[bucket(&SETTLING)..bucket(&outage)];
    let mean = f64::from(steady.iter().sum::<u32>()) / steady.len() as f64;
    let most = settled.iter().copied().max().unwrap_or_default();
    let allowed = mean + 5.0 * mean.sqrt();
    sizes::figure(
        "attempts in 100 ms",
        format_args!("{most} at most, {mean:.1} in the mean, {allowed:.1} allowed"),
    );
    assert!(mean > 0.0, "nobody dialled: {buckets:?}");
    assert!(f64::from(most) <= allowed, "{most} attempts in 100 ms, {allowed:.1} allowed: {buckets:?}");
}
