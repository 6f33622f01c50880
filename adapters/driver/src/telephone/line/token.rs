//! The token of one line: which one is presented, and what is said of its end.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use telephone_core::log_limit::{Due, LineKind};
use telephone_core::text::{readable, rough_duration};
use telephone_core::token_life::{TokenId, TokenLife, TokenWarning, expiry, is_expired_for_good};
use telephone_core::wire::{Refused, RefusedCode};

use super::super::TelephoneEvent;
use super::Line;
use crate::runtime::Runtime;
use crate::shared::SharedSession;
use crate::telephone::dial::DialError;

/// What a line knows of its tokens.
pub(in crate::telephone) struct Tokens(Mutex<Known>);

struct Known {
    life: TokenLife,
    /// The one that was presented last.
    presented: String,
    /// The one that the plugboard took last, in case the next one is refused.
    last_good: String,
    /// Why the token was refused that there is, if the latest dial presents the last good one in its place.
    displaced: Option<String>,
    /// How often it was to be read again when it was read for the latest dial.
    reloads: u64,
}

/// What there is to say of a token whose leeway is over.
const OVER: &str = "the token has ended: every client gets 503 (token_expired)";

fn id(token: &str) -> TokenId {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    TokenId(hasher.finish())
}

impl Tokens {
    pub(in crate::telephone) fn new(is_fixed: bool) -> Self {
        let life = TokenLife::new(is_fixed);
        let (presented, last_good) = (String::new(), String::new());
        Self(Mutex::new(Known { life, presented, last_good, displaced: None, reloads: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This machine's clock, in seconds since 1970.
fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How a token came to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Dial,
    Renewal,
}

/// When something is, for people, and how long that is from now.
fn told_end(left: Duration) -> String {
    let end = SystemTime::now().checked_add(left);
    let end = end.map_or_else(|| "never".to_owned(), httpdate::fmt_http_date);
    format!("{end}, in {}", rough_duration(left))
}

impl<R: Runtime> Line<R> {
    fn is_fixed(&self) -> bool {
        self.config.token.is_fixed()
    }

    /// The token for the dial that is about to begin.
    pub(super) fn token_to_dial(&self) -> io::Result<String> {
        let reloads = self.status.reloads();
        let read = self.config.token.token()?;
        let mut known = self.tokens.lock();
        known.reloads = reloads;
        if known.life.handle_dial(id(&read), self.runtime.now()) {
            tracing::info!(plugboard = %self.url, "presenting the last good token once, in place of the refused one");
            known.presented = known.last_good.clone();
        } else {
            known.presented = read;
            known.displaced = None;
        }
        Ok(known.presented.clone())
    }

    /// How often the token was to be read again when it was read for the latest dial.
    pub(super) fn reloads_seen(&self) -> u64 {
        self.tokens.lock().reloads
    }

    /// Whether there is another token than the one that was refused.
    pub(super) fn has_new_token(&self) -> bool {
        self.config.token.token().is_ok_and(|read| self.tokens.lock().life.is_news(id(&read)))
    }

    /// The dial was refused for its token, because of `why`. Says whether to dial at once with the last good one.
    pub(super) fn on_token_refused(&self, why: &str) -> bool {
        let mut known = self.tokens.lock();
        let wants_last_good = known.life.handle_refused_dial(self.runtime.now());
        known.displaced = wants_last_good.then(|| why.to_owned());
        wants_last_good
    }

    /// What to add to a refusal as expired of a token that by this machine's clock has not.
    pub(super) fn clock_to_blame(&self, error: &DialError) -> Option<String> {
        let DialError::Refused(Refused { code: RefusedCode::Expired, .. }, date) = error else { return None };
        let exp = expiry(&self.tokens.lock().presented)?;
        if is_expired_for_good(Some(exp), unix_now()) {
            return None;
        }
        let end = UNIX_EPOCH.checked_add(Duration::from_secs(exp));
        let [end, here, there] = [end, Some(SystemTime::now()), *date]
            .map(|time| time.map_or_else(|| "unknown".to_owned(), httpdate::fmt_http_date));
        Some(format!(
            "; the token ends at {end}, the clock here says {here}, the plugboard's {there}: set the one that is wrong"
        ))
    }

    /// The plugboard took the token that was presented last; it is good for `expires_in` from now on.
    pub(super) fn on_token_taken(&self, expires_in: Option<Duration>, how: Taken) {
        let mut known = self.tokens.lock();
        let taken = id(&known.presented);
        let expired_for = expiry(&known.presented).map_or(0, |exp| unix_now().saturating_sub(exp));
        let is_in_leeway = expires_in.is_some_and(|left| left.is_zero());
        let expired_for = Duration::from_secs(if is_in_leeway { expired_for } else { 0 });
        let has_moved = known.life.handle_taken(taken, expires_in, expired_for, self.runtime.now());
        let is_over = known.life.is_over(self.runtime.now());
        if !self.is_fixed() {
            known.last_good = known.presented.clone();
        }
        let displaced = known.displaced.take();
        drop(known);
        let expires = expires_in.map(|life| SystemTime::now() + life);
        self.status.expire(expires);
        if has_moved && how == Taken::Renewal {
            self.status.tell(self.index, |plugboard| TelephoneEvent::Renewed { plugboard, expires });
        }
        if is_over {
            self.status.expire_token(self.index, OVER);
        } else {
            self.status.renew(self.index);
            if let Some(why) = displaced {
                self.status.complain(self.index, &format!("{why}; the last good token is in use"));
            }
        }
        if how == Taken::Dial && !has_moved {
            return;
        }
        let Some(Due { suppressed, .. }) = self.log(LineKind::Renewed) else { return };
        let ends = expires_in.map_or_else(|| "never".to_owned(), told_end);
        let what = match how {
            Taken::Dial if self.is_fixed() => "the token is fixed: nothing renews it",
            Taken::Dial => "the token is read again before it ends",
            Taken::Renewal if has_moved => "the token was renewed",
            Taken::Renewal => "the token was replaced by one that does not end later",
        };
        tracing::info!(plugboard = %self.url, ends, suppressed, "{what}");
    }

    /// A renewal is due: presents a token if there is another one, and says what is to be said of the end of this one.
    pub(super) fn on_renewal_due(&self, session: &SharedSession) {
        let now = self.runtime.now();
        match self.config.token.token() {
            Ok(token) => {
                let mut known = self.tokens.lock();
                if known.life.handle_due(id(&token), now) {
                    known.presented.clone_from(&token);
                    drop(known);
                    session.renew(Bytes::from(token));
                }
            }
            Err(error) => {
                if let Some(Due { suppressed, .. }) = self.log(LineKind::TokenUnreadable) {
                    let what = "cannot read the token to renew the session with; the one before stays in use until it ends";
                    tracing::warn!(%error, suppressed, "{what}");
                }
            }
        }
        loop {
            let warning = self.tokens.lock().life.poll_warning(now);
            let Some(warning) = warning else { return };
            self.warn(warning);
        }
    }

    /// The plugboard has answered a renewal: presents a token that came meanwhile.
    pub(super) fn present_put_off(&self, session: &SharedSession) {
        let is_due = self.tokens.lock().life.take_put_off();
        if is_due {
            self.on_renewal_due(session);
        }
    }

    /// Presents the token that there is to a session that was asked to move.
    pub(super) fn renew_moved(&self, session: &SharedSession) {
        if let Ok(token) = self.config.token.token().map(Bytes::from)
            && !self.is_fixed()
        {
            session.renew(token);
        }
    }

    /// The plugboard ended the session for a renewal.
    pub(super) fn on_session_refused(&self) {
        self.tokens.lock().life.handle_session_ended();
    }

    /// The plugboard refused a renewal.
    pub(super) fn on_renewal_refused(&self, refused: &Refused) {
        let is_first = self.tokens.lock().life.handle_refused();
        let next = match refused.code {
            RefusedCode::Busy => "it is presented again",
            _ => "correct the new one",
        };
        let error = format!("the plugboard refused the new token: {}", readable(&refused.reason));
        self.status.complain(self.index, &error);
        if is_first {
            tracing::warn!(plugboard = %self.url, "{error}; the one before stays in use until it ends; {next}");
        }
    }

    fn warn(&self, warning: TokenWarning) {
        let (plugboard, is_fixed) = (&self.url, self.is_fixed());
        match warning {
            TokenWarning::Unanswered => {
                let error = "the plugboard did not take the new token";
                self.status.complain(self.index, error);
                tracing::warn!(%plugboard, "{error}; its log says why");
            }
            TokenWarning::Ending { left } => {
                let ends = told_end(left);
                let next = if is_fixed {
                    "it is fixed: start again with another one, or give a token file"
                } else {
                    "nothing has renewed it: see what writes the token file"
                };
                tracing::warn!(%plugboard, ends, "the token ends soon, and then every client gets 503; {next}");
            }
            TokenWarning::Over => {
                self.status.expire_token(self.index, OVER);
                let next =
                    if is_fixed { "start again with another one" } else { "write another one to its file" };
                tracing::error!(%plugboard, "{OVER}; {next}");
            }
        }
    }
}
