//! Admission of telephones: judges a hello and finds its session, a new one or one to go on with.

mod mounts;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_lite::future;
use telephone_core::affinity::Sticky;
use telephone_core::claims::Claims;
use telephone_core::connections::Activity;
use telephone_core::error::ResetCode;
use telephone_core::handshake::{self, Reception};
use telephone_core::mount::Mount;
use telephone_core::recording::Recorded;
use telephone_core::router::{Identity, Registration, ResumeSecret, SessionKey};
use telephone_core::session::{CannotResume, LinkId, Role, SessionConfig};
use telephone_core::time::as_millis;
use telephone_core::verification::Overload;
use telephone_core::wire::{Hello, Profile, Refused, RefusedCode, Setting, Settings, Welcome};

use super::connections::Permit;
use super::public::Upgraded;
use super::registry::{Renewed, texts};
use super::site::Site;
use super::verification::{Unverified, verify};
use super::{Inner, holders, ports, renewal, report, spread};
use crate::authority::{AuthError, Grant};
use crate::link::{CloseCode, FAREWELL, Link};
use crate::runtime::Runtime;
use crate::shared::{Clock, Ending, SharedSession};
use crate::socket::Socket as _;
use mounts::{claimed_mounts, port_refused, with_open_ports};

/// When to come back with a token that only has to become good, or to be checked: soon, and not all at once.
const TOKEN_RETRY_MS: RangeInclusive<u64> = 1_000..=5_000;

/// Receives a telephone's hello and finds its session. `None` if there is none: then it has been told why, and the connection
/// is over.
pub(super) async fn greet<R: Runtime>(
    relay: &Arc<Inner<R>>,
    upgraded: Upgraded<R>,
    peer: SocketAddr,
) -> Option<(Link<R::Socket>, Admitted, Permit<R>)> {
    let Upgraded { connection, profile, client, site, permit } = upgraded;
    let site = Site::of(&relay.config, site);
    connection.socket.tune_for_link();
    let mut link = Link::accepted(connection, profile);
    let reception = Reception::start(profile, relay.runtime.now());
    let deadline = relay.runtime.sleep_until(reception.poll_timeout());
    let judged = {
        let mut over = pin!(future::or(deadline, permit.closing()));
        match receive(&mut link, reception, over.as_mut()).await {
            // In boxes, which a link that has not said hello does without.
            Ok(hello) => Box::pin(judge(relay, &mut link, (client, site), hello, over)).await?,
            Err(Unheard::Left) => {
                relay.observer.handshake_ended("silent");
                return None;
            }
            Err(Unheard::Broken(what)) => {
                relay.observer.handshake_ended("broken");
                relay.count_failure(client);
                report::broken(relay, (client, peer), &what);
                let farewell = link.close(&relay.runtime, CloseCode::Protocol);
                Box::pin(future::or(farewell, permit.closing())).await;
                return None;
            }
        }
    };
    match judged {
        Ok(admitted) => {
            let has_resumed = admitted.welcome.resumed.is_some();
            relay.observer.handshake_ended(if has_resumed { "resumed" } else { "new" });
            permit.set(Activity::Link, relay.runtime.now());
            Some((link, admitted, permit))
        }
        Err(refused) => {
            relay.observer.handshake_ended(code_label(refused.refused.code));
            if refused.refused.code == RefusedCode::Leaving {
                relay.turned_away.fetch_add(1, Ordering::Relaxed);
            }
            if refused.is_logged {
                report::refused(relay, (client, peer), &refused.refused.reason);
            }
            Box::pin(dismiss(relay, link, refused.refused, permit.closing())).await;
            None
        }
    }
}

/// Tells a telephone why it is refused, and closes its link, at once if the connection is to be closed in favour of others.
async fn dismiss<R: Runtime>(
    relay: &Inner<R>,
    mut link: Link<R::Socket>,
    refused: Refused,
    closing: impl Future<Output = ()>,
) {
    let refusal = handshake::refuse(link.profile(), refused);
    let told = async move {
        // A telephone that is gone already does not need the answer.
        let _ = link.send(&relay.runtime, refusal).await;
        link.close(&relay.runtime, CloseCode::Policy).await;
    };
    // One that takes nothing must not keep the descriptor.
    let too_late = relay.runtime.sleep_until(relay.runtime.now() + FAREWELL);
    future::or(told, future::or(closing, too_late)).await;
}

/// Why there is no hello.
enum Unheard {
    /// The telephone has left, or said nothing in time.
    Left,
    /// It broke a rule: which.
    Broken(String),
}

async fn receive<S: crate::socket::Socket>(
    link: &mut Link<S>,
    reception: Reception,
    deadline: impl Future<Output = ()>,
) -> Result<Hello, Unheard> {
    let late = async {
        deadline.await;
        Err(io::ErrorKind::TimedOut.into())
    };
    let octets = future::or(link.receive(), late).await.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Unheard::Broken(error.to_string()),
        _ => Unheard::Left,
    })?;
    let checked = reception.check_ahead(link.ahead());
    let hello = checked.and_then(|()| reception.handle_message(octets));
    hello.map_err(|misbehaviour| Unheard::Broken(misbehaviour.to_string()))
}

/// The word for metrics.
const fn code_label(code: RefusedCode) -> &'static str {
    match code {
        RefusedCode::Forbidden => "forbidden",
        RefusedCode::Expired => "expired",
        RefusedCode::Held => "held",
        RefusedCode::Stale => "stale",
        RefusedCode::Busy => "busy",
        RefusedCode::Malformed => "malformed",
        RefusedCode::Leaving => "leaving",
        RefusedCode::Other(_) => "other",
    }
}

/// A refusal, and whether the log has a line of its own for it.
struct Verdict {
    refused: Refused,
    is_logged: bool,
}

impl From<Refused> for Verdict {
    fn from(refused: Refused) -> Self {
        // Of those that a relay refuses since it leaves, its last line has the count.
        let is_logged = refused.code != RefusedCode::Leaving;
        Self { refused, is_logged }
    }
}

/// Judges a hello. `None` if the telephone left meanwhile.
async fn judge<R: Runtime>(
    relay: &Arc<Inner<R>>,
    link: &mut Link<R::Socket>,
    (client, site): (IpAddr, Option<Site>),
    mut hello: Hello,
    deadline: impl Future<Output = ()>,
) -> Option<Result<Admitted, Verdict>> {
    let token = std::mem::take(&mut hello.token);
    let verified = async {
        let verified = verify(relay, client, move |authority| authority.verify(&token)).await;
        Some(verified.map_err(|unverified| unverified_verdict(relay, unverified)))
    };
    let late = async {
        deadline.await;
        relay.observer.token_unchecked();
        Some(Err(overloaded("the token could not be checked in time", Overload::QueueFull).into()))
    };
    let profile = link.profile();
    let left = async {
        link.left().await;
        None
    };
    let grant = match future::or(verified, future::or(late, left)).await? {
        Ok(grant) => grant,
        Err(verdict) => return Some(Err(verdict)),
    };
    let identity = Identity::new(grant.subject.clone(), hello.instance.clone());
    if hello.resume.as_ref().is_none_or(|resume| relay.registry.resumable(&identity, resume).is_none()) {
        let checked = async {
            holders::check(relay, &identity, &hello).await;
            Some(())
        };
        let left = async {
            link.left().await;
            None
        };
        future::or(checked, left).await?;
    }
    Some(admit(relay, profile, &hello, grant, site).map_err(Verdict::from))
}

fn unverified_verdict<R: Runtime>(relay: &Inner<R>, unverified: Unverified) -> Verdict {
    match unverified {
        Unverified::Bad(error) => {
            relay.observer.token_refused(error);
            let retry_after_ms = error.is_temporary().then(|| fastrand::u64(TOKEN_RETRY_MS));
            Refused { retry_after_ms, ..refused(auth_code(error), error) }.into()
        }
        Unverified::Overload(overload) => {
            let reason = match overload {
                Overload::QueueFull => "too many tokens wait to be checked",
                Overload::TooManyFailures { .. } => {
                    "too many hellos from this address failed: try again later, with a good token"
                }
            };
            Verdict { refused: overloaded(reason, overload), is_logged: false }
        }
    }
}

/// The relay has no time for a token that may well be good.
fn overloaded(reason: &str, overload: Overload) -> Refused {
    let jitter = fastrand::u64(..=TOKEN_RETRY_MS.end() - TOKEN_RETRY_MS.start());
    let retry_after_ms = Some(as_millis(overload.retry_after()).saturating_add(jitter));
    Refused { retry_after_ms, ..refused(RefusedCode::Busy, reason) }
}

/// A session whose new link is not running yet.
pub(super) struct Admitted {
    pub(super) key: SessionKey,
    pub(super) session: SharedSession,
    pub(super) link: LinkId,
    pub(super) subject: String,
    pub(super) welcome: Welcome,
}

fn refused(code: RefusedCode, reason: impl ToString) -> Refused {
    Refused { code, reason: reason.to_string(), retry_after_ms: None }
}

/// Judges a hello whose token is good: its mounts against the claims. Then the session that it names goes on, or a new
/// one finds its place among the registered ones.
fn admit<R: Runtime>(
    relay: &Arc<Inner<R>>,
    profile: Profile,
    hello: &Hello,
    grant: Grant,
    site: Option<Site>,
) -> Result<Admitted, Refused> {
    let claims = grant.claims().map_err(|error| {
        relay.observer.token_refused(AuthError::BAD_CLAIM);
        refused(auth_code(AuthError::BAD_CLAIM), error)
    })?;
    let identity = Identity::new(grant.subject.clone(), hello.instance.clone());
    if let Some(resumed) = resume(relay, profile, hello, &identity, (&grant, &claims)) {
        return resumed;
    }
    let mounts = claimed_mounts(hello, &claims).inspect_err(|refused| {
        if refused.code == RefusedCode::Forbidden {
            relay.observer.token_refused(AuthError::NotClaimed);
        }
    })?;
    if relay.draining.is_raised() {
        return Err(refused(RefusedCode::Leaving, "the plugboard is leaving"));
    }
    let (mounts, closed) = with_open_ports(relay, hello, mounts)?;
    let with_ports = mounts.clone();
    let admitted =
        register(relay, profile, hello, identity, (grant, claims), (mounts, site)).and_then(|admitted| {
            // An earlier holder that left meanwhile took them for its own.
            let Some((_, error)) = ports::open_all(relay, &with_ports).into_iter().next() else {
                return Ok(admitted);
            };
            relay.registry.remove(admitted.key, relay.runtime.now());
            // Requests that waited for it may have been given to it already.
            drop(Ending(admitted.session));
            Err(port_refused(error))
        });
    let admitted = admitted.inspect_err(|_| ports::settle(relay))?;
    if !closed.is_empty() && !hello.settings.has(Setting::Mounts) {
        // One that presents them again is reported then.
        let why = |(mount, error): ports::Closed| format!("{mount}: {error}");
        let left_out: Vec<String> = closed.into_iter().map(why).collect();
        report::left_out(relay, admitted.key, &left_out.join("; "));
    }
    Ok(admitted)
}

/// Goes on with the session that a hello names and proves the right to, if that can go on.
fn resume<R: Runtime>(
    relay: &Arc<Inner<R>>,
    profile: Profile,
    hello: &Hello,
    identity: &Identity,
    (grant, claims): (&Grant, &Claims),
) -> Option<Result<Admitted, Refused>> {
    let resume = hello.resume.as_ref()?;
    let (key, session) = relay.registry.resumable(identity, resume)?;
    if session.with_link(|session| session.profile()) != profile {
        // What it keeps is written in the other profile.
        return None;
    }
    match session.act(|session| session.can_resume(resume.position)) {
        Ok(()) => {}
        Err(CannotResume::Over) => return None,
        // A hello that comes late, after one that the session went on with: to register it would end that.
        Err(error @ CannotResume::Position(_)) => return Some(Err(refused(RefusedCode::Stale, error))),
    }
    // The token may be another one by now, and cover less.
    let renewed = relay.registry.renew(key, grant, claims, relay.runtime.now());
    if renewed == Renewed::Useless {
        return None;
    }
    ports::settle(relay);
    let dark_since = relay.registry.dark_since(key);
    let link = session.resume(resume.position).ok()?;
    let now = relay.runtime.now();
    relay.observer.session_resumed(dark_since.map_or(Duration::ZERO, |since| now.since(since)));
    session.with(|session, now| {
        session.authorize(grant.good_for, now);
    });
    renewal::end_if_revoked(relay, &session, grant);
    relay.registry.settle_line(key, relay.runtime.now());
    let secret = ResumeSecret::new(resume.secret);
    let welcome = welcome(relay, key, grant, secret, &session, Some(session.position()));
    Some(Ok(Admitted { key, session, link, subject: grant.subject.clone(), welcome }))
}

fn register<R: Runtime>(
    relay: &Arc<Inner<R>>,
    profile: Profile,
    hello: &Hello,
    identity: Identity,
    (grant, claims): (Grant, Claims),
    (mounts, site): (Vec<Mount>, Option<Site>),
) -> Result<Admitted, Refused> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).map_err(|error| {
        tracing::error!(%error, "the system gives no random octets");
        refused(RefusedCode::Busy, "the plugboard cannot make a secret")
    })?;
    let secret = ResumeSecret::new(secret);
    let now = relay.runtime.now();
    let config = SessionConfig {
        role: Role::Plugboard,
        profile,
        limits: relay.config.session.clone(),
        peer: hello.settings.clone(),
        seed: fastrand::u64(..),
        resume_window: hello.settings.resume_window(relay.config.session.resume_window),
    };
    let key = relay.registry.next_key();
    let tape = relay.config.recorder.as_ref().map(|recorder| recorder.tape(key.number()));
    let mut session = Recorded::new(config, now, tape);
    session.authorize(grant.good_for, now);
    if mounts.len() < hello.mounts.len() {
        session.tell_scope(texts(&mounts));
    }
    let link = session.link().ok_or_else(|| refused(RefusedCode::Busy, "the session has no link"))?;
    let clock: Clock = {
        let relay = relay.clone();
        Arc::new(move || relay.runtime.now())
    };
    let session = SharedSession::new(session, clock);
    let registration = Registration {
        identity,
        epoch: hello.epoch,
        mounts,
        claims: claims.mounts,
        is_partial_enough: hello.settings.has(Setting::Partial),
        secret,
        sticky: hello.settings.value(Setting::Sticky).and_then(Sticky::from_setting),
    };
    let registered =
        relay.registry.register(key, registration, &grant, claims.connect, (session.clone(), site), now);
    registered.map_err(|error| {
        // A telephone that is refused comes again, and again.
        session.act(Recorded::discard_tape);
        refused(error.code(), error)
    })?;
    renewal::end_if_revoked(relay, &session, &grant);
    // Older sessions may have lost ports to it that it does not register.
    ports::settle(relay);
    if let Some(order) = relay.moving.get() {
        // All others were asked meanwhile.
        session.act(|session| session.ask_to_move(order.clone()));
    }
    let welcome = welcome(relay, key, &grant, secret, &session, None);
    Ok(Admitted { key, session, link, subject: grant.subject, welcome })
}

pub(super) const fn auth_code(error: AuthError) -> RefusedCode {
    match error {
        AuthError::Expired => RefusedCode::Expired,
        // The clocks differ: a telephone with this token alone must not give up over that.
        AuthError::NotYetValid => RefusedCode::Busy,
        AuthError::Missing
        | AuthError::TooLong
        | AuthError::Malformed(_)
        | AuthError::BadSignature
        | AuthError::LivesTooLong { .. }
        | AuthError::WrongAudience
        | AuthError::WrongIssuer
        | AuthError::Revoked
        | AuthError::NotClaimed => RefusedCode::Forbidden,
    }
}

fn welcome<R: Runtime>(
    relay: &Inner<R>,
    key: SessionKey,
    grant: &Grant,
    secret: ResumeSecret,
    session: &SharedSession,
    resumed: Option<u64>,
) -> Welcome {
    Welcome {
        session: key.number(),
        secret: secret.octets(),
        resumed,
        resume_url: relay.config.public_url.clone(),
        resume_window_ms: as_millis(session.with_link(|session| session.resume_window())),
        spread_ms: as_millis(spread(relay)),
        expires_in_s: grant.expires_in().map(|life| life.as_secs()),
        settings: Settings::of(&relay.config.session)
            .with(Setting::Exhausted, ResetCode::LEVEL)
            .with(Setting::Mounts, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::HANDSHAKE_OUTCOMES;

    #[test]
    fn each_refusal_has_a_label_that_metrics_show_from_the_start() {
        for code in (0..=7).map(RefusedCode::from) {
            assert!(HANDSHAKE_OUTCOMES.contains(&code_label(code)), "{code:?}");
        }
    }

    #[test]
    fn a_refusal_without_a_check_asks_for_the_wait_that_is_due_and_for_some_jitter() {
        for (wait, least) in [(Duration::from_millis(100), 1_000), (Duration::from_secs(90), 90_000)] {
            let refusals = (0..50).map(|_| overloaded("later", Overload::TooManyFailures { wait }));
            let after: Vec<u64> = refusals.filter_map(|refused| refused.retry_after_ms).collect();
            assert!(
                after.len() == 50 && after.iter().all(|ms| (least..=least + 4_000).contains(ms)),
                "{after:?}"
            );
            assert!(after.iter().any(|ms| *ms != after[0]), "all at once");
        }
    }
}
