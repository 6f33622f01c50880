//! The life of a telephone inside another program: replicas, events, streams, the end. On both runtimes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use axum::Router;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use rustix::process::Signal;
use telephone_driver::embedding::{Events, TelephoneEvent};
use telephone_driver::{Handle, Runtime, Telephone, TelephoneBuilder};
use telephone_smol::SmolRuntime;
use telephone_tests::bins;
use telephone_tests::client::{self, Client, get};
use telephone_tests::hop::{Cut, Hop};
use telephone_tests::process::{Plan, Process};
use telephone_tests::relay::Relay;
use telephone_tests::request::Request;
use telephone_tests::wait::{self, PATIENCE};
use telephone_tokio::TokioRuntime;

/// Proves a sentence on both runtimes.
fn both(tokio: impl Future<Output = ()>, smol: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(tokio);
    smol::block_on(smol);
}

fn described<R: Runtime>(url: &str, token: &str) -> TelephoneBuilder<R> {
    Telephone::builder().url(url).token(token.to_owned())
}

/// What comes of it, unless it takes too long.
async fn in_time<T>(what: impl Future<Output = T>) -> T {
    let late = async {
        smol::Timer::after(PATIENCE).await;
        panic!("nothing came within {PATIENCE:?}")
    };
    future::or(what, late).await
}

/// Runs a telephone beside the test; the receiver gets its end.
fn run<R: Runtime>(runtime: &R, telephone: Telephone<R>) -> (Handle, smol::channel::Receiver<bool>) {
    let (handle, (ended, end)) = (telephone.handle(), smol::channel::bounded(1));
    runtime.spawn(async move {
        let _ = ended.try_send(telephone.run().await.is_ok());
    });
    (handle, end)
}

async fn two_replicas<R: Runtime + Default>() {
    let relay = Relay::start();
    let token = relay.token(&["/m"]);
    let replicas = ["one", "two"].map(|name| {
        let app = Router::new().fallback(async move || name);
        let telephone = described(&relay.url(), &token).mount("/m").service(R::default(), app);
        run(&R::default(), telephone.expect("a good description"))
    });
    for (handle, _) in &replicas {
        in_time(handle.connected()).await;
    }
    let mut seen = BTreeSet::new();
    wait::until_true("both replicas answer", PATIENCE, || {
        seen.insert(get(relay.addr(), "/m").text());
        seen.contains("one") && seen.contains("two")
    });
    assert!(replicas.iter().all(|(handle, _)| handle.status().is_ready()));
    replicas.iter().for_each(|(handle, _)| handle.stop());
}

#[test]
fn two_replicas_that_name_no_instance_share_a_mount() {
    both(two_replicas::<TokioRuntime>(), two_replicas::<SmolRuntime>());
}

/// The next event, but for dials that failed meanwhile.
async fn event(events: &mut Events) -> Option<TelephoneEvent> {
    let next = async {
        loop {
            match events.next().await {
                Some(TelephoneEvent::Failed { .. }) => {}
                event => return event,
            }
        }
    };
    in_time(next).await
}

async fn events<R: Runtime + Default>() {
    let relay = Relay::start();
    let hop = Hop::before(relay.addr());
    let app = Router::new().fallback(async || "here");
    let telephone = described(&hop.url(), &relay.token(&["/m"])).mount("/m").service(R::default(), app);
    let telephone = telephone.expect("a good description");
    let mut told = telephone.handle().events();
    let (handle, end) = run(&R::default(), telephone);
    let plugboard = format!("{}/.well-known/telephone", hop.url());
    let mounts = vec!["/m".to_owned()];
    let connected = TelephoneEvent::Connected { plugboard: plugboard.clone(), mounts: mounts.clone() };
    assert_eq!(event(&mut told).await, Some(connected));
    assert_eq!(hop.cut(Cut::Reset), 1);
    assert_eq!(event(&mut told).await, Some(TelephoneEvent::Lost { plugboard: plugboard.clone() }));
    let resumed = TelephoneEvent::Resumed { plugboard: plugboard.clone(), mounts };
    assert_eq!(event(&mut told).await, Some(resumed));
    handle.shutdown();
    assert_eq!(event(&mut told).await, Some(TelephoneEvent::Draining { plugboard: plugboard.clone() }));
    assert_eq!(event(&mut told).await, Some(TelephoneEvent::Stopped { plugboard }));
    assert_eq!(event(&mut told).await, None);
    assert!(end.recv().await.expect("its end"));
}

#[test]
fn what_happens_to_a_telephone_is_told_to_its_program() {
    both(events::<TokioRuntime>(), events::<SmolRuntime>());
}

async fn refusal<R: Runtime + Default>() {
    let relay = Relay::start();
    let app = Router::new().fallback(async || "here");
    let telephone = described(&relay.url(), &relay.token(&["/other"])).mount("/m").service(R::default(), app);
    let telephone = telephone.expect("a good description");
    let mut told = telephone.handle().events();
    let (_, end) = run(&R::default(), telephone);
    match event(&mut told).await {
        Some(TelephoneEvent::Refused { attempts: 1, reason, .. }) => {
            assert!(reason.contains("/m"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!end.recv().await.expect("its end"));
    assert!(matches!(event(&mut told).await, Some(TelephoneEvent::Stopped { .. })));
    assert_eq!(event(&mut told).await, None);
}

#[test]
fn a_refusal_is_told_with_its_reason_and_the_events_end_with_the_telephone() {
    both(refusal::<TokioRuntime>(), refusal::<SmolRuntime>());
}

async fn ended_stream<R: Runtime + Default>() {
    let relay = Relay::start();
    let (builder, mut acceptor) =
        described::<R>(&relay.url(), &relay.token(&["tcp:chat:1"])).accept("tcp:chat:1");
    let (host, host_end) = run(&R::default(), builder.raw(R::default()).expect("a host"));
    in_time(host.connected()).await;
    // Nothing is said of connecting, and of no mount.
    let token = relay.token_with("guest", &[], &["--connect", "chat:1"]);
    let guest = described::<R>(&relay.url(), &token).raw(R::default()).expect("a guest");
    let (guest, guest_end) = run(&R::default(), guest);
    in_time(guest.connected()).await;
    let mut ours = guest.connect("tcp:chat:1").expect("a stream");
    ours.write_all(b"hello").await.expect("room");
    ours.close().await.expect("an end");
    let (mut theirs, mut heard) = (acceptor.accept().await, String::new());
    theirs.read_to_string(&mut heard).await.expect("what was said, and its end");
    assert_eq!(heard, "hello");
    theirs.write_all(b"bye").await.expect("room");
    theirs.close().await.expect("an end");
    heard.clear();
    ours.read_to_string(&mut heard).await.expect("what was said, and its end");
    assert_eq!(heard, "bye");
    // Both are still held: what has ended keeps nobody waiting.
    let begun = Instant::now();
    host.shutdown();
    guest.shutdown();
    assert!(host_end.recv().await.expect("its end") && guest_end.recv().await.expect("its end"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(theirs.read(&mut [0; 1]).await.expect("still an end"), 0);
    drop((ours, theirs));
}

#[test]
fn a_shutdown_does_not_wait_for_a_raw_stream_that_is_held_and_has_ended_both_ways() {
    both(ended_stream::<TokioRuntime>(), ended_stream::<SmolRuntime>());
}

fn example(name: &str, relay: &Relay, token: String) -> Process {
    let plan = Plan::new(bins::example(name)).env("PLUGBOARD_URL", relay.url()).env("MOUNT_PATH", "/m");
    plan.env("TELEPHONE_TOKEN", token).start_to_tell()
}

fn wait_linked(relay: &Relay) {
    wait::until_true("it is registered", PATIENCE, || relay.metrics().contains("plugboard_links 1"));
}

#[test]
fn each_example_lets_what_is_in_flight_finish_when_it_is_told_to_stop() {
    for (name, target) in [("embed_axum", "/m/echo"), ("embed_async_std", "/m")] {
        let relay = Relay::start();
        let mut program = example(name, &relay, relay.token(&["/m"]));
        wait_linked(&relay);
        let mut client = Client::connect(relay.addr());
        client.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"));
        let head = client.head();
        assert_eq!((head.status(), client.take(3)), (200, b"abc".to_vec()), "{name}");
        program.signal(Signal::TERM);
        wait::until_true("it drains", PATIENCE, || {
            client::try_get(relay.addr(), target).is_some_and(|answer| answer.status() == 503)
        });
        client.send("def");
        assert_eq!(client.take(3), b"def", "{name}");
        assert_eq!(program.wait_exit(PATIENCE).code(), Some(0), "{name}");
    }
}

#[test]
fn a_call_between_the_examples_finishes_when_both_are_told_to_stop() {
    let relay = Relay::start();
    let mut host = example("chat_tokio", &relay, relay.token(&["tcp:chat:1"]));
    wait_linked(&relay);
    let mut guest = example("chat_smol", &relay, relay.token_with("guest", &[], &["--connect", "chat:1"]));
    guest.tell("hello\n");
    host.wait_stdout("< hello", PATIENCE);
    guest.signal(Signal::INT);
    host.signal(Signal::TERM);
    host.tell("still here\n");
    guest.wait_stdout("< still here", PATIENCE);
    guest.hush();
    assert_eq!(guest.wait_exit(PATIENCE).code(), Some(0), "{}", guest.said());
    assert_eq!(host.wait_exit(PATIENCE).code(), Some(0), "{}", host.said());
}

#[test]
fn a_request_to_an_example_is_answered_before_it_stops_and_refused_after() {
    let relay = Relay::start();
    let mut program = example("embed_smol", &relay, relay.token(&["/m"]));
    wait_linked(&relay);
    assert_eq!(get(relay.addr(), "/m/a").text(), "Hello from smol, /m/a\n");
    program.signal(Signal::TERM);
    assert_eq!(program.wait_exit(PATIENCE).code(), Some(0));
    let mut client = Client::connect(relay.addr());
    assert_eq!(client.ask(&Request::get("/m/a")).status(), 503);
}
