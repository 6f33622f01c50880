//! How a relay goes, so that nothing is lost.
//!
//! ```text
//!   announce      answers say `Connection: close`, telephones are asked to move, new ones are refused
//!      │          until the requests that came before are over for as long as the delay: balancers notice, and the
//!      │          clients that were answered last are told. Longer if some telephones have moved and others are at it.
//!      │          Whoever comes is served; the ports of raw connections close when the delay is over.
//!   close         the listener closes; kept connections on which nothing comes are closed
//!      │          until the last requests have their answers, or are cut off when the grace is over
//!   leave         sessions end
//! ```

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::future;
use telephone_core::error::LeaveCode;
use telephone_core::limits::{DRAIN_TIME, FAREWELL_TIME, MOVE_WITHIN_MAX};
use telephone_core::time::{Timestamp, as_millis};
use telephone_core::wire::Move;

use super::{Inner, Plugboard, ports, spread};
use crate::runtime::Runtime;

/// How often a relay that goes looks whether it may go on.
const INTERVAL: Duration = Duration::from_millis(20);
/// How long telephones that have not moved are waited for once others have, when all have dialled.
const MOVE_TIME: Duration = Duration::from_secs(3);
/// How long the first of them may take to dial, and then to have moved: if none has by then there is nowhere to go.
const FIRST_DIAL_TIME: Duration = Duration::from_secs(2);
const FIRST_MOVE_TIME: Duration = Duration::from_secs(1);
/// How long a request whose connection was accepted last may take to come.
const LAST_HEAD_TIME: Duration = Duration::from_millis(200);
/// How long requests that came last may take at least, when others have used up the grace.
const LAST_TIME: Duration = Duration::from_secs(3);

/// How a relay goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainConfig {
    /// How long everything goes on, so that balancers notice, and clients that keep connections. (L13)
    pub delay: Duration,
    /// How much longer what is in flight may take. (L13)
    pub grace: Duration,
    /// Where telephones are to go, `ws://` or `wss://`; if nowhere in particular, where they dialled before.
    pub to: Option<String>,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { delay: Duration::from_secs(1), grace: DRAIN_TIME, to: None }
    }
}

/// What came of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that there were when it began.
    pub sessions: usize,
    /// Those of them whose telephones have another session elsewhere.
    pub moved: usize,
    /// Dials of telephones that were refused meanwhile.
    pub refused_dials: u64,
    /// Requests that were not over when the grace was.
    pub cut_off: usize,
}

/// How many exchanges are in flight.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    /// Those that began before the relay said that it leaves, and those that began later.
    counts: [AtomicUsize; 2],
    is_later: AtomicBool,
}

impl Exchanges {
    /// Counts one for as long as it lives, however its task ends.
    pub(super) fn count(&self) -> InFlight<'_> {
        let [earlier, later] = &self.counts;
        let count = if self.is_later.load(Ordering::Relaxed) { later } else { earlier };
        count.fetch_add(1, Ordering::Relaxed);
        InFlight(count)
    }

    pub(super) fn all(&self) -> usize {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// From now on those that begin are later ones.
    fn divide(&self) {
        self.is_later.store(true, Ordering::Relaxed);
    }

    fn earlier(&self) -> usize {
        self.counts[0].load(Ordering::Relaxed)
    }

    fn later(&self) -> usize {
        self.counts[1].load(Ordering::Relaxed)
    }
}

/// One exchange that is in flight.
pub(super) struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<R: Runtime> Plugboard<R> {
    /// Goes as `config` says: telephones have their next sessions elsewhere before this relay leaves them, and whoever asks
    /// until then is answered. `close` is to close the listener, which comes last but for what is still in flight then.
    ///
    /// Dropping the future leaves the relay as it is at that moment.
    pub async fn drain(&self, config: &DrainConfig, close: impl Future<Output = ()>) -> Drained {
        let relay = &*self.0;
        let (start, sessions) = (relay.runtime.now(), relay.registry.counts().sessions);
        let grace_end = start + config.delay + config.grace;
        let within = spread(relay).min(MOVE_WITHIN_MAX);
        let within_ms = as_millis(within);
        let order = relay.moving.get_or_init(|| Move { within_ms, url: config.to.clone() });
        relay.draining.raise();
        relay.exchanges.divide();
        relay.registry.ask_to_move(order);
        let quiet = self.wait_quiet(config.delay, grace_end);
        let moved = async {
            relay.runtime.sleep_until(start + config.delay).await;
            let first = start + within.min(FIRST_DIAL_TIME) + FIRST_MOVE_TIME;
            let last = start + config.delay.max(within) + MOVE_TIME;
            self.wait_until(first.min(grace_end), || relay.registry.has_all_moved()).await;
            self.wait_until(last.min(grace_end), || relay.registry.is_nobody_moving()).await;
            // Who connects to one cannot be told that the relay leaves.
            ports::close_all(relay);
        };
        future::zip(quiet, moved).await;

        close.await;
        relay.closing.raise();
        relay.runtime.sleep_until(relay.runtime.now() + LAST_HEAD_TIME).await;
        self.wait_until(grace_end, || relay.exchanges.all() == 0).await;
        self.wait_until(relay.runtime.now() + LAST_TIME, || relay.exchanges.later() == 0).await;

        let cut_off = relay.exchanges.all();
        let code = if cut_off == 0 {
            LeaveCode::Draining
        } else {
            relay.stopping.raise();
            LeaveCode::Stopped
        };
        relay.registry.leave_where(code, |_, _| true);
        let is_empty = || relay.exchanges.all() == 0 && relay.registry.counts().sessions == 0;
        self.wait_until(relay.runtime.now() + FAREWELL_TIME, is_empty).await;
        let refused_dials = relay.turned_away.load(Ordering::Relaxed);
        Drained { sessions, moved: relay.registry.moved(), refused_dials, cut_off }
    }

    /// Waits until the requests that came before have been over for `time`.
    async fn wait_quiet(&self, time: Duration, deadline: Timestamp) {
        let Inner { runtime, exchanges, .. } = &*self.0;
        let mut since = runtime.now();
        while runtime.now() < deadline.min(since + time) {
            runtime.sleep_until(deadline.min(since + time).min(runtime.now() + INTERVAL)).await;
            if exchanges.earlier() > 0 {
                since = runtime.now();
            }
        }
    }

    async fn wait_until(&self, deadline: Timestamp, is_reached: impl Fn() -> bool) {
        let runtime = &self.0.runtime;
        while !is_reached() && runtime.now() < deadline {
            runtime.sleep_until(deadline.min(runtime.now() + INTERVAL)).await;
        }
    }
}
