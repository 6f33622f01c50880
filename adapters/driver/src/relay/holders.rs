//! Pings the holders of what a process of an older epoch asks for: a dead one is not to keep it out.

use std::sync::Arc;
use std::time::Duration;

use telephone_core::holder_check::HolderCheck;
use telephone_core::mount::Mount;
use telephone_core::router::Identity;
use telephone_core::wire::Hello;

use super::Inner;
use crate::runtime::Runtime;

/// How often it is looked whether they have answered: the time that a refusal takes longer than it must.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Finds out whether the holders of a hello's mounts are alive, where that matters, and tells the router.
pub(super) async fn check<R: Runtime>(relay: &Arc<Inner<R>>, identity: &Identity, hello: &Hello) {
    let mounts: Vec<Mount> = hello.mounts.iter().filter_map(|mount| mount.parse().ok()).collect();
    let rivals = relay.registry.rivals(identity, hello.epoch, &mounts);
    if rivals.is_empty() {
        return;
    }
    let holders = rivals.iter().map(|(key, session)| (*key, session.answer_delay()));
    let mut check = HolderCheck::new(holders, relay.runtime.now());
    for (_, session) in &rivals {
        session.act(telephone_core::recording::Recorded::ping);
    }
    loop {
        for (key, session) in &rivals {
            check.handle_heard(*key, session.last_heard());
        }
        let now = relay.runtime.now();
        if check.is_over(now) {
            break;
        }
        relay.runtime.sleep_until(check.poll_timeout().min(now + LOOK_INTERVAL)).await;
    }
    for (key, _) in rivals {
        relay.registry.set_pinged(key, !check.silent().contains(&key));
    }
}
