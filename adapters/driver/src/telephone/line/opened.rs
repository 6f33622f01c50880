//! Streams that the plugboard opens: to what serves them, or back.

use std::sync::Arc;

use telephone_core::error::{ResetCode, Touched};
use telephone_core::log_limit::{Due, LineKind};
use telephone_core::served::NotServed;
use telephone_core::wire::Opening;

use super::super::crew::Request;
use super::super::raw;
use super::Line;
use crate::log;
use crate::runtime::Runtime;
use crate::shared::SharedSession;

impl<R: Runtime> Line<R> {
    /// Takes up the streams that wait. One that this telephone does not serve is reset before anything of it reaches a
    /// backend or a handler.
    pub(super) fn take_opened(&self, session: &SharedSession) {
        while let Some((opening, mut stream)) = session.accept() {
            self.status.count_request();
            if let (Opening::Http { head, .. }, Some(on_request)) = (&opening, &self.config.on_request) {
                stream.observe(on_request.clone(), head);
            }
            if let Err(why) = self.config.served.check(&opening) {
                self.report_not_served(&opening, why);
                stream.give_up(ResetCode::Denied, Touched::No);
                continue;
            }
            match opening {
                Opening::Http { mount, head } => self.crew.serve(Request { mount, head, stream }),
                Opening::Tcp { mount, from } => match self.config.raw.get(&mount[..]).cloned() {
                    Some(service) => {
                        let tells_peer = self.config.tells_peer;
                        let log = Arc::clone(&self.config.log);
                        let serving =
                            raw::serve((self.runtime.clone(), log), service, tells_peer, from, stream);
                        self.runtime.spawn(Box::pin(serving));
                    }
                    None => stream.give_up(ResetCode::Denied, Touched::No),
                },
            }
        }
    }

    /// Says what was refused, once a second at the most: a plugboard chooses what it opens and how often.
    fn report_not_served(&self, opening: &Opening, why: NotServed) {
        let Some(Due { suppressed, .. }) = self.log(LineKind::StreamNotServed) else { return };
        let (mount, target) = match opening {
            Opening::Http { mount, head } => (mount, &head.target[..]),
            Opening::Tcp { mount, .. } => (mount, &b"-"[..]),
        };
        tracing::warn!(
            plugboard = %self.url,
            mount = log::shown(mount),
            target = log::shown(target),
            suppressed,
            "reset a stream that the plugboard may not open: {why}"
        );
    }
}
