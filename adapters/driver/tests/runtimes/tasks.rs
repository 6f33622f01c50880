//! Timers and tasks.

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

async fn timers_end_in_the_order_of_their_deadlines<R: Runtime>(runtime: R) {
    let (ended, order) = channel::unbounded();
    let start = runtime.now();
    for millis in [60, 20, 40] {
        let (runtime, ended) = (runtime.clone(), ended.clone());
        let deadline = start + Duration::from_millis(millis);
        runtime.clone().spawn(async move {
            runtime.sleep_until(deadline).await;
            assert!(runtime.now() >= deadline, "a timer ended early");
            ended.send(millis).await.unwrap();
        });
    }
    for expected in [20, 40, 60] {
        assert_eq!(order.recv().await.unwrap(), expected);
    }
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
