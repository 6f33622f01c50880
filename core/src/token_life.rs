//! The life of a telephone's token: when to present another one, when to warn, and when no clock calls it good any more.
//!
//! ```text
//!   a session's RenewalDue, the token as it is read now ─▶ handle_due ─▶ present it, or not
//!   welcome, renewed                                    ─▶ handle_taken ─▶ whether the end moved
//!   refused                                             ─▶ handle_refused, handle_refused_dial, handle_session_ended
//!                                                          poll_warning ─▶ what the log is to say
//! ```
//!
//! The session's timer says when to look ([`Event::RenewalDue`](crate::session::Event::RenewalDue)); this machine says what
//! follows. A token that the plugboard has is not presented again: it could not move its end. One that was refused is
//! presented again after a back-off, for the refusal may have been the plugboard's clock or its load. Never are two renewals
//! without an answer at a time, unless the plugboard does not answer: an older one does not if it refuses.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits::{
    RENEWAL_ANSWER_TIME, RENEWAL_RETRY_MAX, RENEWAL_RETRY_MIN, TOKEN_LEEWAY, TOKEN_WARNING_MAX,
};
use crate::time::Timestamp;

/// Tells tokens apart: a hash, so that the machine holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenId(pub u64);

/// What the log is to say. Each is told once for each end of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenWarning {
    /// Nothing has renewed the token, and its life is nearly over.
    Ending {
        /// The time left until `exp`.
        left: Duration,
    },
    /// The plugboard has not answered a renewal: it does not say why it refuses one.
    Unanswered,
    /// `exp` and the leeway are over: the plugboard gives the session no new requests.
    Over,
}

/// A token that was presented and not taken yet.
#[derive(Debug, Clone, Copy)]
struct Presented {
    id: TokenId,
    times: u32,
    at: Timestamp,
    /// Until then an answer to the latest time is awaited; `None` if it has come.
    awaited_until: Option<Timestamp>,
    next_at: Timestamp,
    /// The log was told that it is refused.
    is_told: bool,
}

/// A token that a plugboard refused at a dial.
#[derive(Debug, Clone, Copy)]
struct RefusedDial {
    id: TokenId,
    /// The next dial presents the last good token in its place, once.
    wants_last_good: bool,
}

/// The state of one telephone's token at one plugboard. Inputs may come in any order.
#[derive(Debug)]
pub struct TokenLife {
    is_fixed: bool,
    /// The token that the plugboard took last.
    taken: Option<TokenId>,
    /// The longest life that the plugboard named for it.
    life: Duration,
    ends_at: Option<Timestamp>,
    /// When the leeway behind that is over.
    over_at: Option<Timestamp>,
    is_ending_told: bool,
    is_over_told: bool,
    presented: Option<Presented>,
    /// A token was to be presented while another one waited for its answer.
    is_put_off: bool,
    dialled: Option<TokenId>,
    refused_dial: Option<RefusedDial>,
    /// The one that ended a session as a renewal: it is another subject's, or covers no mount.
    ended_session: Option<TokenId>,
}

impl TokenLife {
    /// Before the first dial. `is_fixed` is whether no other token can come.
    #[must_use]
    pub const fn new(is_fixed: bool) -> Self {
        Self {
            is_fixed,
            taken: None,
            life: Duration::ZERO,
            ends_at: None,
            over_at: None,
            is_ending_told: false,
            is_over_told: false,
            presented: None,
            is_put_off: false,
            dialled: None,
            refused_dial: None,
            ended_session: None,
        }
    }

    /// A dial is about to begin, and this token was read. Says whether the last good one is to be presented instead.
    pub fn handle_dial(&mut self, read: TokenId, now: Timestamp) -> bool {
        self.dialled = Some(read);
        let is_good = !self.is_over(now);
        self.refused_dial
            .as_mut()
            .filter(|refused| refused.id == read)
            .is_some_and(|refused| core::mem::take(&mut refused.wants_last_good) && is_good)
    }

    /// The dial was refused for its token. Says whether to dial again at once, with the last good one.
    #[must_use]
    pub fn handle_refused_dial(&mut self, now: Timestamp) -> bool {
        let Some(id) = self.dialled else { return false };
        let is_known = self.refused_dial.is_some_and(|refused| refused.id == id);
        let wants_last_good =
            !is_known && !self.is_fixed && self.taken.is_some_and(|taken| taken != id) && !self.is_over(now);
        self.refused_dial = Some(RefusedDial { id, wants_last_good });
        wants_last_good
    }

    /// Whether a token that was read is another one than the last dial was refused for.
    #[must_use]
    pub fn is_news(&self, read: TokenId) -> bool {
        self.dialled != Some(read)
    }

    /// The plugboard took a token, at a handshake or as a renewal; it is good for `expires_in` from now on. If that is no
    /// time at all, `expired_for` of the leeway is over. Says whether the end moved to a later time.
    pub fn handle_taken(
        &mut self,
        id: TokenId,
        expires_in: Option<Duration>,
        expired_for: Duration,
        now: Timestamp,
    ) -> bool {
        self.ended_session = self.ended_session.filter(|ended| *ended != id);
        let before = self.taken.map(|_| self.ends_at);
        let is_same = self.taken.replace(id) == Some(id);
        // Another link may be lost while the file still holds the token that was refused: the good one serves again.
        self.refused_dial = self.refused_dial.filter(|refused| refused.id == id);
        let ends_at = expires_in.map(|left| now + left);
        let over_at = ends_at.map(|end| end + TOKEN_LEEWAY.saturating_sub(expired_for));
        self.presented = None;
        // A plugboard names whole seconds, and none once the token lives on the leeway alone.
        let of_both = |new: Option<Timestamp>, old: Option<Timestamp>| match (new, old) {
            (Some(new), Some(old)) if is_same => Some(new.min(old)),
            (new, _) => new,
        };
        (self.ends_at, self.over_at) = (of_both(ends_at, self.ends_at), of_both(over_at, self.over_at));
        let life = expires_in.unwrap_or_default();
        self.life = if is_same { self.life.max(life) } else { life };
        let has_moved = match (before, self.ends_at) {
            (None | Some(Some(_)), None) | (None, Some(_)) => true,
            (Some(Some(old)), Some(new)) => new > old + Duration::from_secs(1),
            (Some(None), _) => false,
        };
        if has_moved {
            self.is_ending_told = false;
            self.is_over_told = false;
        }
        has_moved
    }

    /// The token of a renewal that waits for its answer.
    #[must_use]
    pub fn presented(&self) -> Option<TokenId> {
        self.presented.map(|presented| presented.id)
    }

    /// A renewal is due, and this token was read. Says whether to present it. While the answer to a renewal is awaited no other
    /// one is presented, for answers do not say which token they are about; see [`take_put_off`](Self::take_put_off).
    #[must_use]
    pub fn handle_due(&mut self, read: TokenId, now: Timestamp) -> bool {
        if self.is_fixed || self.taken == Some(read) || self.ended_session == Some(read) {
            return false;
        }
        let is_awaited = |presented: Presented| presented.awaited_until.is_some_and(|until| now < until);
        if self.presented.is_some_and(is_awaited) {
            self.is_put_off |= self.presented() != Some(read);
            return false;
        }
        let earlier = self.presented.filter(|presented| presented.id == read);
        if earlier.is_some_and(|presented| now < presented.next_at) {
            return false;
        }
        let times = earlier.map_or(0, |presented| presented.times);
        let wait = RENEWAL_RETRY_MIN.saturating_mul(1 << times.min(16)).min(RENEWAL_RETRY_MAX);
        let is_told = earlier.is_some_and(|presented| presented.is_told);
        // An answer is awaited since the first time.
        let at = earlier.map_or(now, |presented| presented.at);
        self.presented = Some(Presented {
            id: read,
            times: times.saturating_add(1),
            at,
            awaited_until: Some(now + RENEWAL_ANSWER_TIME),
            next_at: now + wait,
            is_told,
        });
        true
    }

    /// Whether a token was to be presented meanwhile, now that the plugboard has answered: then a renewal is due again.
    #[must_use]
    pub const fn take_put_off(&mut self) -> bool {
        core::mem::replace(&mut self.is_put_off, false)
    }

    /// The plugboard ended the session for the token of the renewal. It is not presented as one again: what is wrong with it
    /// stays wrong, and it would end the next session, too.
    pub fn handle_session_ended(&mut self) {
        self.ended_session = self.presented.take().map(|presented| presented.id).or(self.ended_session);
    }

    /// The plugboard refused the renewal. Says whether that is the first refusal of this token.
    #[must_use]
    pub const fn handle_refused(&mut self) -> bool {
        match &mut self.presented {
            Some(presented) => {
                presented.awaited_until = None;
                !core::mem::replace(&mut presented.is_told, true)
            }
            None => false,
        }
    }

    /// What the log is to say by now.
    pub fn poll_warning(&mut self, now: Timestamp) -> Option<TokenWarning> {
        if let Some(presented) = &mut self.presented
            && !presented.is_told
            && now >= presented.at + RENEWAL_ANSWER_TIME
        {
            presented.is_told = true;
            return Some(TokenWarning::Unanswered);
        }
        if self.is_over(now) {
            return (!core::mem::replace(&mut self.is_over_told, true)).then_some(TokenWarning::Over);
        }
        // One that nobody can renew is known to end, so that there is time to act.
        let part = if self.is_fixed { self.life / 3 } else { self.life / 10 };
        let left = self.ends_at?.since(now);
        let is_ending = left <= part.min(TOKEN_WARNING_MAX);
        (is_ending && !core::mem::replace(&mut self.is_ending_told, true))
            .then_some(TokenWarning::Ending { left })
    }

    /// Whether no clock within the leeway calls the token good.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.over_at.is_some_and(|at| at <= now)
    }
}

/// The `exp` of a JWT in seconds since 1970, read without judging its signature. `None` if there is none to read.
#[must_use]
pub fn expiry(token: &str) -> Option<u64> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let exp = claims.get("exp")?;
    // RFC 7519 §2: it need not be whole.
    exp.as_u64().or_else(|| exp.as_f64().filter(|exp| *exp >= 0.0).map(|exp| exp as u64))
}

/// Whether a refusal as expired is final for a token that cannot be replaced: its `exp` and the leeway are over by the
/// telephone's clock, too. If not, one of the two clocks is wrong, and may be set right.
#[must_use]
pub fn is_expired_for_good(exp: Option<u64>, unix_now: u64) -> bool {
    exp.is_none_or(|exp| exp.saturating_add(TOKEN_LEEWAY.as_secs()) <= unix_now)
}

/// Whether the log is told of the refusal number `count`, of those that a peer causes one after the other: the first, and
/// then ever fewer of them.
#[must_use]
pub const fn is_refusal_told(count: u64) -> bool {
    count.is_power_of_two()
}

#[cfg(test)]
mod tests;
