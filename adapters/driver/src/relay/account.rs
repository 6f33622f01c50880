//! What the observer is told of a request: the line of the access log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use telephone_core::cause::Cause;
use telephone_core::http1::{AbortCause, RequestError};
use telephone_core::message::RequestHead;
use telephone_core::mount::Mount;
use telephone_core::room;
use telephone_core::target::path;
use telephone_core::time::Timestamp;
use telephone_core::timing::Stages;
use telephone_core::traceparent::TraceParent;

use super::Inner;
use super::public::{Client, Request};
use crate::observe::AccessRecord;
use crate::pump::Moved;
use crate::runtime::Runtime;

/// What the access log will say.
pub(super) struct Account {
    pub(super) started: Timestamp,
    /// Whose request it is, behind a trusted proxy too.
    pub(super) client: IpAddr,
    pub(super) is_timed: bool,
    /// Whether it is one of those that metrics measure.
    pub(super) is_measured: bool,
    pub(super) status: Option<u16>,
    pub(super) cause: Cause,
    /// The rule that a body broke.
    rule: Option<&'static str>,
    pub(super) moved: Moved,
    /// How long it waited for a session and for a stream.
    pub(super) waited: Duration,
    /// Where the time went until the answer's head, if that was measured.
    pub(super) stages: Option<Stages>,
    pub(super) trace: Option<TraceParent>,
    pub(super) chosen: Option<(Arc<str>, Arc<Mount>)>,
}

impl Account {
    /// Of a request of which nothing is known to have gone wrong.
    pub(super) fn new(request: &Request, client: IpAddr) -> Self {
        Self {
            started: request.at,
            client,
            is_timed: false,
            is_measured: false,
            status: None,
            cause: Cause::Complete,
            rule: None,
            moved: Moved::default(),
            waited: Duration::ZERO,
            stages: None,
            trace: None,
            chosen: None,
        }
    }

    /// An attempt moved so much.
    pub(super) const fn add(&mut self, moved: Moved) {
        self.moved.inbound += moved.inbound;
        self.moved.outbound += moved.outbound;
    }

    /// The client broke the exchange off.
    pub(super) fn abort(&mut self, cause: AbortCause) {
        self.cause = match cause {
            AbortCause::ClientLeft => Cause::ClientLeft,
            AbortCause::Body(error) => {
                self.status = self.status.or(Some(error.status()));
                self.rule = Some(error.reason());
                error.cause()
            }
        };
    }
}

/// Tells the observer of a request that is over.
pub(super) fn report<R: Runtime>(
    relay: &Inner<R>,
    client: &Client<R>,
    (head, target): (&RequestHead, &[u8]),
    account: &Account,
) {
    let chosen = account.chosen.as_ref();
    let record = AccessRecord {
        method: &head.method,
        host: head.headers.first("host").map(AsRef::as_ref),
        target,
        status: account.status,
        bytes_in: account.moved.inbound,
        bytes_out: account.moved.outbound,
        duration: relay.runtime.now().since(account.started),
        waited: account.waited,
        peer: client.peer,
        mount: chosen.map(|(_, mount)| mount.as_str()),
        subject: chosen.map(|(subject, _)| subject.as_ref()),
        stages: account.stages,
        trace: account.trace,
        cause: account.cause,
    };
    match account.rule {
        Some(rule) => relay.observer.request_refused(&record, rule),
        None => relay.observer.request_ended(&record),
    }
}

/// Reports what was no request: the line of it, if it has one, and the rule that refused it. Nothing else of it is to be
/// trusted.
pub(super) fn report_refused<R: Runtime>(relay: &Inner<R>, client: &Client<R>, error: RequestError) {
    let (peer, line) = (client.peer, client.server.refused_line());
    let rule = error.rule_for(line);
    tracing::debug!(%peer, rule, "refused a request");
    let (method, target) = line.map_or((&b"-"[..], &b"-"[..]), |line| (&line.method, &line.target));
    // A token may stand in the query of a room's client.
    let target = if relay.config.rooms.is_some() && room::is_visit(target) { path(target) } else { target };
    let record = AccessRecord::bare(method, target, peer, error.cause());
    relay.observer.request_refused(
        &AccessRecord { status: Some(error.status()), trace: client.server.trace(), ..record },
        &rule,
    );
}
