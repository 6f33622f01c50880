//! Timers and tasks.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use futures_lite::future;
use smol::channel;
use telephone_driver::Runtime;
use telephone_driver::core::time::Timestamp;

use crate::sleep;

on_every_runtime!(
    timers_end_in_the_order_of_their_deadlines,
    a_deadline_in_the_past_is_ready_at_once,
    a_deadline_beyond_the_clock_does_not_come,
    clones_share_one_epoch,
    a_panic_ends_its_own_task_alone,
);

/// Whenever a timer is found to have ended, so have all with earlier deadlines.
async fn timers_end_in_the_order_of_their_deadlines<R: Runtime>(runtime: R) {
    let start = runtime.now();
    let timer = |millis| {
        let deadline = start + Duration::from_millis(millis);
        (deadline, Some(Box::pin(runtime.sleep_until(deadline))))
    };
    // The latest is made first, and asked first.
    let mut timers = [60, 40, 20, 10].map(timer);
    poll_fn(|cx| {
        let mut is_later_over = false;
        for (deadline, waiting) in &mut timers {
            if waiting.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready()) {
                assert!(runtime.now() >= *deadline, "a timer ended early");
                *waiting = None;
            }
            assert!(waiting.is_none() || !is_later_over, "a later timer ended first");
            is_later_over |= waiting.is_none();
        }
        if timers.iter().all(|(_, waiting)| waiting.is_none()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

async fn a_deadline_in_the_past_is_ready_at_once<R: Runtime>(runtime: R) {
    sleep(&runtime, Duration::from_millis(5)).await;
    for past in [Timestamp::ZERO, runtime.now()] {
        let start = runtime.now();
        runtime.sleep_until(past).await;
        assert!(runtime.now().since(start) < Duration::from_secs(1));
    }
}

async fn a_deadline_beyond_the_clock_does_not_come<R: Runtime>(runtime: R) {
    let never = runtime.sleep_until(Timestamp::from_micros(u64::MAX));
    let soon = sleep(&runtime, Duration::from_millis(20));
    let ended_first = future::or(
        async {
            never.await;
            "never"
        },
        async {
            soon.await;
            "soon"
        },
    );
    assert_eq!(ended_first.await, "soon");
}

async fn clones_share_one_epoch<R: Runtime>(runtime: R) {
    sleep(&runtime, Duration::from_millis(5)).await;
    let before = runtime.now();
    let of_clone = runtime.clone().now();
    assert!(before <= of_clone && of_clone <= runtime.now());
}

async fn a_panic_ends_its_own_task_alone<R: Runtime>(runtime: R) {
    let (sender, receiver) = channel::unbounded();
    let (go, started) = channel::bounded::<()>(1);
    let of_survivor = sender.clone();
    runtime.spawn(async move {
        started.recv().await.unwrap();
        of_survivor.send("the task from before").await.unwrap();
    });
    let (panicked, panic_happened) = channel::bounded::<()>(1);
    runtime.spawn(async move {
        // Dropped by the unwinding, which is how the test learns of it.
        let _panicked = panicked;
        future::yield_now().await;
        panic!("on purpose: this task must not take others along");
    });
    panic_happened.recv().await.unwrap_err();
    go.send(()).await.unwrap();
    assert_eq!(receiver.recv().await.unwrap(), "the task from before");
    runtime.spawn(async move { sender.send("a task from after").await.unwrap() });
    assert_eq!(receiver.recv().await.unwrap(), "a task from after");
}
