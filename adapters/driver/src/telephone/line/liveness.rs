//! Links that may be gone without a sign, and links that something on the way closes because they are idle.

use telephone_core::idle_cut::IdleCuts;
use telephone_core::limits::IDLE_CUT_LINKS;

use super::Line;
use crate::runtime::Runtime;
use crate::shared::SharedSession;

impl<R: Runtime> Line<R> {
    /// Has `session` ask for an answer each time that this process stood still. Never ready.
    pub(super) async fn ask_at_wake_ups<T>(&self, session: &SharedSession) -> T {
        loop {
            self.config.wake_ups.next().await;
            let time = self.config.wake_ups.latest();
            session.with(|session, now| session.handle_woken(time, now));
        }
    }

    /// The latest link of `session` is over.
    pub(super) fn report_idle_cut(&self, session: &SharedSession, cuts: &mut IdleCuts) {
        let Some(silence) = session.silence_of_closed_link(self.runtime.now()) else { return };
        let Some(interval) = cuts.handle_closed(silence) else { return };
        let (silence, interval) = (silence.as_secs_f32(), interval.as_secs());
        tracing::warn!(
            plugboard = %self.url,
            "{IDLE_CUT_LINKS} links in a row were closed after {silence:.0} s without traffic: something on the way closes \
             idle connections; give --ping-interval {interval}s"
        );
    }
}
