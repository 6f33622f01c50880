//! One line: the sessions, one after the other, to one plugboard URL, and the links of each.

mod follow;
mod liveness;
mod opened;
mod report;
mod scope;
mod site;
mod token;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future;
use telephone_core::dial_race;
use telephone_core::dialer::{DialEvent, Dialer, GiveUp};
use telephone_core::error::{CloseReason, LeaveCode};
use telephone_core::idle_cut::IdleCuts;
use telephone_core::limits::{DRAIN_TIME, FAREWELL_TIME, RESUME_ALONE_TIME};
use telephone_core::log_limit::{Due, LineKind, LineSource};
use telephone_core::recording::Recorded;
use telephone_core::session::{Event, LinkId, Role, SessionConfig};
use telephone_core::time::Timestamp;
use telephone_core::wire::{Move, Profile, Resume, Welcome};

use super::crew::Serve;
use super::dial::{self, DialError, Established, Wanted};
use super::parting::{Asked, Parting};
use super::{Config, ServeError, SharedStatus, TelephoneEvent};
use crate::flag::Flag;
use crate::link;
use crate::plugboard_url::PlugboardUrl;
use crate::runtime::Runtime;
use crate::shared::{Clock, Ending, SharedSession};
use crate::socket::Socket;
use crate::status::State;
use follow::ReportedUrls;
use report::{Failure, Shown};
pub(in crate::telephone) use scope::Scope;
use token::Taken;
pub(super) use token::Tokens;

/// Everything that one line needs.
pub(super) struct Line<R: Runtime> {
    pub(super) runtime: R,
    pub(super) config: Arc<Config>,
    pub(super) crew: Arc<dyn Serve>,
    pub(super) url: PlugboardUrl,
    /// Where the other lines of the telephone dial.
    pub(super) others: Vec<PlugboardUrl>,
    pub(super) index: usize,
    pub(super) status: Arc<SharedStatus>,
    pub(super) shutdown: Arc<Flag>,
    pub(super) stop: Arc<Flag>,
    /// The mounts of the present session: of those that the telephone serves what the plugboard left it.
    pub(super) scope: Scope,
    pub(super) tokens: Tokens,
    /// What the plugboard named and was not followed to.
    pub(super) reported: ReportedUrls,
}

/// A session that goes on over one link after the other.
struct Live {
    session: SharedSession,
    /// Ends it when the line lets go of it.
    ending: Ending,
    number: u64,
    secret: [u8; 16],
    /// Where this very plugboard can be reached again, if it said so.
    url: Option<PlugboardUrl>,
    /// Whether it is to move.
    asked: Arc<Asked>,
}

/// Where a line stands between two dials.
#[derive(Default)]
struct Standing {
    live: Option<Live>,
    /// Where the plugboard wants the next session to be.
    elsewhere: Option<PlugboardUrl>,
    /// Whether a plugboard had a session for all mounts.
    was_registered: bool,
    /// Whether another subject held a mount at the latest dial.
    was_held: bool,
    /// How the latest links ended.
    idle_cuts: IdleCuts,
    /// When the line lost its latest link, while there is no other.
    away_since: Option<Timestamp>,
}

impl Live {
    fn resume(&self) -> Resume {
        Resume { session: self.number, secret: self.secret, position: self.session.position() }
    }
}

impl<R: Runtime> Line<R> {
    /// What a hello asks for. All mounts, also those that an earlier session lost to a newer process or to a token that
    /// covered less: this session may have them, and a plugboard gives what it can of them. What another subject holds would
    /// be refused with all others, so that the next hello asks for what was left.
    fn wanted(&self, standing: &Standing) -> Wanted {
        let all = || self.config.served.as_slice().iter().map(ToString::to_string).collect();
        Wanted {
            token: self.token_to_dial(),
            mounts: if standing.was_held { self.scope() } else { all() },
            // A token that covers less than the first one takes mounts away, and not the telephone.
            is_partial_enough: standing.was_registered,
            resume: standing.live.as_ref().map(Live::resume),
        }
    }

    /// Dials, serves, and dials again, until it is shut down and what was in flight has finished.
    ///
    /// # Errors
    /// Why it gave up before that.
    pub(super) async fn run(self) -> Result<(), ServeError> {
        let parting = Parting::default();
        let serving = async {
            let served = self.serve_on(&parting).await;
            parting.ended().await;
            served
        };
        let leave = |code| {
            parting.leave(code);
            self.status.leave(self.index, code);
        };
        let drain = async {
            self.shutdown.raised().await;
            leave(LeaveCode::Draining);
            let is_asked = future::or(self.sleep(DRAIN_TIME, false), async {
                self.stop.raised().await;
                true
            });
            let ended = if is_asked.await { Err(ServeError::Stopped) } else { Ok(()) };
            tracing::warn!("stopping with streams open");
            leave(LeaveCode::Stopped);
            // So that the plugboard hears of it, if it can.
            self.sleep(FAREWELL_TIME, ended).await
        };
        let ended = future::or(parting.beside(serving), drain).await;
        self.status.enter(self.index, State::Stopped);
        ended
    }

    async fn sleep<T>(&self, time: Duration, then: T) -> T {
        self.runtime.sleep_until(self.runtime.now() + time).await;
        then
    }

    async fn serve_on<'a>(&'a self, parting: &Parting<'a>) -> Result<(), ServeError> {
        let mut dialer = Dialer::new(self.config.dialer.clone(), fastrand::u64(..), self.runtime.now());
        let (mut last_error, mut shown) = (String::new(), Shown::default());
        let mut standing = Standing::default();
        while standing.live.is_some() || !self.shutdown.is_raised() {
            let wake_ups = self.config.wake_ups.count();
            match dialer.poll_event() {
                Some(DialEvent::Dial) => {
                    if !parting.is_up() {
                        self.status.enter(self.index, State::Connecting);
                    }
                    match self.dial_once(&mut dialer, &mut standing, parting).await {
                        Ok(()) => shown.handle_established(),
                        Err(failure) => {
                            self.report(&dialer, &failure, parting.is_up(), &mut shown);
                            last_error = failure.text;
                        }
                    }
                }
                Some(DialEvent::ReadToken) => {
                    if self.has_new_token() {
                        dialer.handle_token_changed(self.runtime.now());
                    }
                }
                Some(DialEvent::GiveUp(reason)) => return Err(self.given_up(reason, last_error)),
                None => self.wait(&mut dialer, &mut standing.live).await,
            }
            let now = self.runtime.now();
            // One of long ago, while a link was up, cuts no wait short.
            if self.config.wake_ups.count() != wake_ups && self.config.wake_ups.is_recent(now) {
                dialer.handle_woken(now);
            }
        }
        if self.stop.is_raised() { Err(ServeError::Stopped) } else { Ok(()) }
    }

    fn given_up(&self, reason: GiveUp, last_error: String) -> ServeError {
        let url = self.url.to_string();
        match reason {
            GiveUp::Refused => ServeError::Refused { url, reason: last_error },
            GiveUp::AttemptsExhausted => ServeError::AttemptsExhausted { url, reason: last_error },
        }
    }

    /// Waits until it is time to dial again, and keeps the session that waits with it.
    async fn wait(&self, dialer: &mut Dialer, live: &mut Option<Live>) {
        let Some(deadline) = dialer.poll_timeout() else { return };
        let due = async {
            future::or(self.config.wake_ups.next(), self.runtime.sleep_until(deadline)).await;
            None
        };
        let over = self.beside(live.as_ref(), future::or(due, self.until_idle_shutdown(live.as_ref()))).await;
        if over.is_some() {
            *live = None;
        }
        dialer.handle_timeout(self.runtime.now());
    }

    /// Ready when a shutdown was asked for and no session is left that would have to finish.
    async fn until_idle_shutdown(&self, live: Option<&Live>) -> Option<CloseReason> {
        if live.is_some() {
            return future::pending().await;
        }
        self.shutdown.raised().await;
        None
    }

    /// Runs `what`, and beside it keeps the session that waits for a new link. Tells if that is over before.
    async fn beside(
        &self,
        live: Option<&Live>,
        what: impl Future<Output = Option<CloseReason>>,
    ) -> Option<CloseReason> {
        let Some(live) = live else { return what.await };
        let id = live.session.latest_link();
        let over = link::wait(&self.runtime, &live.session, id, |event| {
            self.on_event(&live.session, &live.asked, event);
        });
        future::or(over, what).await
    }

    /// Dials once and serves the link that comes of it.
    async fn dial_once<'a>(
        &'a self,
        dialer: &mut Dialer,
        standing: &mut Standing,
        parting: &Parting<'a>,
    ) -> Result<(), Failure> {
        let url = self.next_url(standing, dialer.attempts()).clone();
        self.status.dial(self.index, &url);
        let wanted = self.wanted(standing);
        let mounts = wanted.mounts.clone();
        let patience = dial_race::patience(dialer.attempts());
        let Some(dialled) = self.dial((&url, patience), wanted, standing.live.as_ref()).await else {
            standing.live = None;
            return Ok(());
        };
        let Established { link, welcome } = match dialled {
            Ok(established) => established,
            Err(error) => {
                // By turns, for the other subject may leave.
                standing.was_held = !standing.was_held && error.is_held();
                return Err(self.fail(dialer, &url, &error));
            }
        };
        standing.was_held = false;
        dialer.handle_established(welcome.spread(), self.runtime.now());
        let Some(id) = self.take_up(standing, &welcome, mounts) else {
            // It may say so once more, to a telephone that has nothing to go on with.
            dialer.handle_lost(None, self.runtime.now());
            return Err("the plugboard goes on with a session that is over here".into());
        };
        (standing.elsewhere, standing.was_registered) = (None, true);
        parting.confirm();
        let Some(one) = standing.live.as_ref() else { return Ok(()) };
        let (session, asked) = (one.session.clone(), one.asked.clone());
        let position = session.position();
        let mut running = Box::pin({
            let (session, asked) = (session.clone(), asked.clone());
            async move {
                let on_event = |event| self.on_event(&session, &asked, event);
                link.run((&self.runtime, &self.config.log), &session, id, (on_event, |_| ()), ()).await
            }
        });
        let wakes = future::or(self.ask_at_wake_ups(&session), self.reload_tokens(&session, &asked));
        let beside = future::or(wakes, self.present_missing(&session));
        let order = future::or(async { Err(asked.order().await) }, beside);
        let ended = future::or(async { Ok(running.as_mut().await) }, order).await;
        if session.position() > position {
            dialer.handle_progress(self.runtime.now());
        }
        match ended {
            Ok(reason) => {
                self.status.lose(self.index);
                self.report_idle_cut(&session, &mut standing.idle_cuts);
                self.on_link_over(dialer, standing, reason)
            }
            Err(order) => {
                self.report_move(&order);
                // Another line is there already, and one identity has one session at a plugboard.
                let told = order.url.as_deref().and_then(|url| self.followed(url));
                standing.elsewhere = told.filter(|url| !self.others.contains(url));
                dialer.handle_move(order.within(), self.runtime.now());
                if let Some(one) = standing.live.take() {
                    parting.add(one.session, one.ending, running, |reason| self.on_moved_over(reason));
                }
                Ok(())
            }
        }
    }

    fn report_move(&self, order: &Move) {
        let Some(Due { suppressed, .. }) = self.log(LineKind::MoveAsked) else { return };
        let within = order.within();
        tracing::info!(plugboard = %self.url, ?within, suppressed, "the plugboard is leaving; moving");
    }

    /// Presents the token each time that it is to be read again.
    async fn reload_tokens<T>(&self, session: &SharedSession, asked: &Asked) -> T {
        let reload = || {
            if !self.config.token.is_fixed() {
                self.on_event(session, asked, Event::RenewalDue);
            }
        };
        self.status.at_reloads(self.reloads_seen(), reload).await
    }

    /// A session that was moved ended.
    fn on_moved_over(&self, reason: CloseReason) {
        if let Some(Due { suppressed, .. }) = self.log(LineKind::MovedSessionEnded) {
            tracing::info!(%reason, suppressed, "a session that was moved is over");
        }
        self.status.lose_ended(self.index);
    }

    /// A line of the log that the plugboard causes, if it is to be written.
    pub(super) fn log(&self, kind: LineKind) -> Option<Due> {
        self.config.log.line(kind, LineSource::Process, self.runtime.now())
    }

    /// Where to dial next: the plugboard that has the session, and while that one does not answer, by turns, the URL that was
    /// given. Likewise where the next session is wanted, by turns from the first time on.
    fn next_url<'a>(&'a self, standing: &'a Standing, attempts: u32) -> &'a PlugboardUrl {
        let (told, is_by_turns) = match &standing.live {
            Some(live) => {
                let away = standing.away_since.map(|since| self.runtime.now().since(since));
                (live.url.as_ref(), away.is_some_and(|away| away > RESUME_ALONE_TIME))
            }
            None => (standing.elsewhere.as_ref(), true),
        };
        told.filter(|_| !is_by_turns || !attempts.is_multiple_of(2)).unwrap_or(&self.url)
    }

    /// Dials, and keeps the session that waits meanwhile. `None` if a shutdown made it needless.
    async fn dial(
        &self,
        to: (&PlugboardUrl, Duration),
        wanted: Wanted,
        live: Option<&Live>,
    ) -> Option<Result<Established<Box<dyn Socket>>, DialError>> {
        let mut dialled = None;
        let dialling = async {
            dialled = Some(dial::dial(&self.runtime, &self.config, to, wanted).await);
            None
        };
        // A session that ends meanwhile has told its streams; the plugboard gives another one.
        let dialling = async {
            let mut dialling = std::pin::pin!(dialling);
            match self.beside(live, dialling.as_mut()).await {
                Some(_) => future::or(dialling, self.until_idle_shutdown(None)).await,
                None => None,
            }
        };
        future::or(dialling, self.until_idle_shutdown(live)).await;
        dialled
    }

    /// Goes on with the session that the welcome is for, which may be a new one with these mounts. `None` if it is one that
    /// ended here.
    fn take_up(&self, standing: &mut Standing, welcome: &Welcome, mounts: Vec<String>) -> Option<LinkId> {
        let live = &mut standing.live;
        let id = match (welcome.resumed, live.as_ref()) {
            (Some(position), Some(one)) => {
                let resumed = one.session.resume(position);
                resumed.inspect_err(|_| *live = None).ok()?
            }
            (Some(_), None) => return None,
            (None, _) => {
                let one = self.begin(welcome);
                self.begin_scope(mounts);
                one.session.link().inspect(|_| *live = Some(one))?
            }
        };
        let one = live.as_ref()?;
        one.session.with(|session, now| session.authorize(welcome.expires_in(), now));
        self.status.connect(self.index, welcome, &one.session, self.scope());
        if self.shutdown.is_raised() {
            self.status.leave(self.index, LeaveCode::Draining);
        }
        let away = standing.away_since.take().map(|since| self.runtime.now().since(since));
        self.report_link(welcome, away);
        self.on_token_taken(welcome.expires_in(), Taken::Dial);
        Some(id)
    }

    /// A new session.
    fn begin(&self, welcome: &Welcome) -> Live {
        let clock: Clock = {
            let runtime = self.runtime.clone();
            Arc::new(move || runtime.now())
        };
        let config = SessionConfig {
            role: Role::Telephone,
            profile: Profile::Binary,
            limits: self.config.limits.clone(),
            peer: welcome.settings.clone(),
            seed: fastrand::u64(..),
            resume_window: welcome.resume_window(),
        };
        let tape = self.config.recorder.as_ref().map(|recorder| recorder.tape(welcome.session));
        let session = SharedSession::new(Recorded::new(config, self.runtime.now(), tape), clock);
        self.config.readiness.join(&session);
        Live {
            ending: Ending(session.clone()),
            session,
            number: welcome.session,
            secret: welcome.secret,
            url: welcome.resume_url.as_deref().and_then(|url| self.followed(url)),
            asked: Arc::default(),
        }
    }

    /// A link ended: its session with it, or not.
    fn on_link_over(
        &self,
        dialer: &mut Dialer,
        standing: &mut Standing,
        reason: Option<CloseReason>,
    ) -> Result<(), Failure> {
        let now = self.runtime.now();
        standing.away_since = Some(now);
        let Some(reason) = reason else {
            let Some(one) = &standing.live else {
                dialer.handle_lost(None, now);
                return Err("the link was lost".into());
            };
            dialer.handle_lost(one.session.resumable_until(), now);
            return Err(self.lost_link(&one.session));
        };
        standing.live = None;
        if self.shutdown.is_raised() {
            return Ok(());
        }
        dialer.handle_session_over(reason, now);
        if reason == CloseReason::Received(LeaveCode::Forbidden) {
            self.on_session_refused();
        }
        let failure = Failure::from(reason);
        self.status
            .tell(self.index, |plugboard| TelephoneEvent::Ended { plugboard, reason: failure.text.clone() });
        Err(failure)
    }

    fn on_event(&self, session: &SharedSession, asked: &Asked, event: Event) {
        match event {
            Event::Opened => self.take_opened(session),
            // One that is to move lives on beside its successor, to which the life of the token belongs.
            Event::RenewalDue if asked.is_set() => self.renew_moved(session),
            Event::Renewed(_) | Event::RenewalRefused(_) if asked.is_set() => {}
            Event::RenewalDue => self.on_renewal_due(session),
            Event::Renewed(expires_in) => {
                self.on_token_taken(expires_in, Taken::Renewal);
                self.present_put_off(session);
            }
            Event::RenewalRefused(refused) => {
                self.on_renewal_refused(&refused);
                self.present_put_off(session);
            }
            Event::ScopeLeft(mounts) if !asked.is_set() => self.on_scope(mounts),
            // The successor goes by its own token.
            Event::ScopeLeft(_) => {}
            Event::Site(urls) if !asked.is_set() => self.on_site(urls),
            Event::Site(_) => {}
            Event::MoveAsked(order) => asked.set(order),
            Event::PeerLeaves(_) => {
                if let Some(Due { suppressed, .. }) = self.log(LineKind::PeerLeaves) {
                    tracing::info!(suppressed, "the plugboard is leaving; streams may finish");
                }
            }
            Event::Closed(reason) => tracing::debug!(%reason, "the session is over"),
            Event::Readable(_)
            | Event::Writable(_)
            | Event::Renewal(_)
            | Event::MountsPresented(_)
            | Event::Moved
            | Event::Expired => {}
        }
    }
}
