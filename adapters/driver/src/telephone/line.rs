//! One line: the sessions, one after the other, to one plugboard URL.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_lite::future;
use telephone_core::dialer::{DialEvent, DialFailure, Dialer, GiveUp};
use telephone_core::error::{CloseReason, LeaveCode, ResetCode, Touched};
use telephone_core::session::{Event, Role, Session, SessionConfig};
use telephone_core::wire::{Opening, Welcome};

use super::dial::{self, Established};
use super::{Config, ServeError, SharedStatus};
use crate::backend::Leg;
use crate::flag::Flag;
use crate::plugboard_url::PlugboardUrl;
use crate::runtime::Runtime;
use crate::shared::{Clock, Ending, SharedSession};
use crate::socket::Socket;
use crate::status::State;

/// How long what is in flight may take to finish after a shutdown was asked for. (L13)
const DRAIN_TIME: Duration = Duration::from_secs(30);

/// Everything that one line needs.
pub(super) struct Line<R: Runtime, L> {
    pub(super) runtime: R,
    pub(super) config: Arc<Config>,
    pub(super) leg: Arc<L>,
    pub(super) url: PlugboardUrl,
    pub(super) index: usize,
    pub(super) status: Arc<SharedStatus>,
    pub(super) shutdown: Arc<Flag>,
}

impl<R: Runtime, L: Leg> Line<R, L> {
    /// Dials, serves, and dials again, until it is shut down.
    ///
    /// # Errors
    /// Why it gave up before that.
    pub(super) async fn run(self) -> Result<(), ServeError> {
        let mut dialer = Dialer::new(self.config.dialer.clone(), fastrand::u64(..), self.runtime.now());
        let mut last_error = String::new();
        while !self.shutdown.is_raised() {
            match dialer.poll_event() {
                Some(DialEvent::Dial) => {
                    if let Err(error) = self.dial_once(&mut dialer).await {
                        last_error = error;
                        self.report(&dialer, &last_error);
                    }
                }
                Some(DialEvent::GiveUp(reason)) => {
                    self.status.enter(self.index, State::Stopped);
                    let url = self.url.to_string();
                    return Err(match reason {
                        GiveUp::Refused => ServeError::Refused { url, reason: last_error },
                        GiveUp::AttemptsExhausted => {
                            ServeError::AttemptsExhausted { url, reason: last_error }
                        }
                    });
                }
                None => self.wait(&mut dialer).await,
            }
        }
        self.status.enter(self.index, State::Stopped);
        Ok(())
    }

    async fn wait(&self, dialer: &mut Dialer) {
        if let Some(deadline) = dialer.poll_timeout() {
            future::or(self.runtime.sleep_until(deadline), self.shutdown.raised()).await;
            dialer.handle_timeout(self.runtime.now());
        }
    }

    fn report(&self, dialer: &Dialer, error: &str) {
        let attempts = dialer.attempts();
        self.status.fail(self.index, attempts, error);
        match dialer.delay() {
            Some(delay) => {
                tracing::warn!(plugboard = %self.url, attempts, "{error}; dialling again in {delay:.1?}");
            }
            None => tracing::error!(plugboard = %self.url, attempts, "{error}; giving up"),
        }
    }

    /// Dials once and serves the session that comes of it.
    async fn dial_once(&self, dialer: &mut Dialer) -> Result<(), String> {
        self.status.enter(self.index, State::Connecting);
        let dialling = async { Some(dial::dial(&self.runtime, &self.config, &self.url).await) };
        let stopped = async {
            self.shutdown.raised().await;
            None
        };
        let Some(dialled) = future::or(dialling, stopped).await else { return Ok(()) };
        match dialled {
            Ok(Established { link, welcome }) => {
                dialer.handle_established(welcome.spread(), self.runtime.now());
                self.status.connect(self.index, &welcome);
                tracing::info!(
                    plugboard = %self.url,
                    session = format_args!("{:016x}", welcome.session),
                    mounts = ?self.config.mounts.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "connected"
                );
                let (reason, has_moved) = self.serve(link, &welcome).await;
                self.status.enter(self.index, State::Connecting);
                self.on_session_over(dialer, reason, has_moved)
            }
            Err(error) => {
                dialer.handle_failed(error.failure(), self.runtime.now());
                Err(error.to_string())
            }
        }
    }

    fn on_session_over(
        &self,
        dialer: &mut Dialer,
        reason: CloseReason,
        has_moved: bool,
    ) -> Result<(), String> {
        let now = self.runtime.now();
        if self.shutdown.is_raised() {
            return Ok(());
        }
        if has_moved {
            dialer.handle_progress(now);
        }
        match reason {
            CloseReason::Left | CloseReason::LinkLost | CloseReason::Silent => dialer.handle_lost(None, now),
            CloseReason::Received(LeaveCode::Revoked | LeaveCode::Expired | LeaveCode::Forbidden) => {
                dialer.handle_failed(DialFailure::Forbidden, now);
            }
            CloseReason::Received(_) | CloseReason::Sent(_) | CloseReason::Misbehaved(_) => {
                dialer.handle_failed(DialFailure::Refused { retry_after: None }, now);
            }
        }
        Err(reason.to_string())
    }

    /// Serves one session to its end. Says why it ended, and whether anything went through it.
    async fn serve(
        &self,
        link: crate::link::Link<Box<dyn Socket>>,
        welcome: &Welcome,
    ) -> (CloseReason, bool) {
        let clock: Clock = {
            let runtime = self.runtime.clone();
            Arc::new(move || runtime.now())
        };
        let config = SessionConfig {
            role: Role::Telephone,
            limits: self.config.limits.clone(),
            peer: welcome.settings.clone(),
            seed: fastrand::u64(..),
        };
        let now = self.runtime.now();
        let mut session = Session::new(config, now);
        session.authorize(welcome.expires_in(), now);
        let session = SharedSession::new(session, clock);
        let _ending = Ending(session.clone());
        self.status.attach(self.index, &session);
        let running = link.run(&self.runtime, &session, |event| self.on_event(&session, event));
        let draining = async {
            self.shutdown.raised().await;
            self.status.enter(self.index, State::Draining);
            session.leave(LeaveCode::Draining);
            self.runtime.sleep_until(self.runtime.now() + DRAIN_TIME).await;
            tracing::warn!("streams were still open {} s after the shutdown", DRAIN_TIME.as_secs());
            CloseReason::Sent(LeaveCode::Draining)
        };
        let reason = future::or(running, draining).await;
        self.status.detach(self.index);
        (reason, session.stats().streams_opened > 0)
    }

    fn on_event(&self, session: &SharedSession, event: Event) {
        match event {
            Event::Opened => {
                while let Some((opening, stream)) = session.accept() {
                    self.status.count_request();
                    match opening {
                        Opening::Http { mount, head } => {
                            let leg = self.leg.clone();
                            self.runtime.spawn(async move { leg.serve(&mount, head, stream).await });
                        }
                        Opening::Tcp { .. } => stream.reset(ResetCode::Refused, Touched::No),
                    }
                }
            }
            Event::RenewalDue => match self.config.token.token() {
                Ok(token) => session.renew(Bytes::from(token)),
                Err(error) => tracing::warn!(%error, "cannot read the token to renew the session with"),
            },
            Event::Renewed(expires_in) => {
                tracing::info!(?expires_in, "the token was renewed");
                self.status.expire(expires_in.map(|life| SystemTime::now() + life));
            }
            Event::PeerLeaves(_) => tracing::info!("the plugboard is leaving; streams may finish"),
            Event::Closed(reason) => tracing::debug!(%reason, "the session is over"),
            Event::Readable(_) | Event::Writable(_) | Event::Renewal(_) | Event::Expired => {}
        }
    }
}
