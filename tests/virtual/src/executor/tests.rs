use std::sync::atomic::{AtomicU64, Ordering};

use futures_lite::future;

use super::*;

#[test]
fn time_jumps_from_timer_to_timer_and_costs_a_poll_each() {
    let executor = Executor::new();
    let group = executor.group("sleeper");
    let sleeper = executor.clone();
    executor.spawn(group, async move {
        for _ in 0..3 {
            sleeper.sleep(Duration::from_secs(3600)).await;
        }
    });
    executor.run_for(Duration::from_secs(4 * 3600));
    assert_eq!(executor.now(), Timestamp::ZERO + Duration::from_secs(4 * 3600));
    assert_eq!((executor.polls(group), executor.tasks(group), executor.timers()), (4, 0, 0));
}

#[test]
fn a_dropped_timer_leaves_the_heap_and_wakes_nobody() {
    let executor = Executor::new();
    let group = executor.group("racer");
    let racer = executor.clone();
    executor.spawn(group, async move {
        future::or(racer.sleep(Duration::from_secs(1)), racer.sleep(Duration::from_secs(100))).await;
        future::pending::<()>().await;
    });
    executor.run_for(Duration::from_secs(2));
    assert_eq!((executor.timers(), executor.polls(group)), (0, 2));
}

#[test]
fn a_killed_group_ends_at_once_and_spawns_nothing_more() {
    struct OnDrop(Executor, Group, Arc<AtomicU64>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.2.fetch_add(1, Ordering::Relaxed);
            self.0.spawn(self.1, async {});
        }
    }
    let executor = Executor::new();
    let (group, other) = (executor.group("victim"), executor.group("other"));
    let drops = Arc::new(AtomicU64::new(0));
    for group in [group, group, other] {
        let guard = OnDrop(executor.clone(), group, drops.clone());
        executor.spawn(group, async move {
            future::pending::<()>().await;
            drop(guard);
        });
    }
    executor.run_for(Duration::from_secs(1));
    executor.kill(group);
    assert_eq!(drops.load(Ordering::Relaxed), 2);
    assert_eq!((executor.tasks(group), executor.tasks(other)), (0, 1));
    executor.clear();
}

#[test]
#[should_panic(expected = "spinner is in a busy loop")]
fn a_busy_loop_is_found() {
    let executor = Executor::new();
    let group = executor.group("spinner");
    executor.spawn(
        group,
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        }),
    );
    executor.run_for(Duration::from_secs(1));
}
