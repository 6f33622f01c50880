//! What may stand in a head, whoever wrote it.
//!
//! A peer is not trusted to have parsed anything: a CR in a value, or a framing field in the list, would
//! be a second message on the far side (H-26). The same rules hold for what this end is asked to send,
//! so that a slip of the application costs one stream and not the session.
//!
//! Of sound heads each end of v1 takes most, and some only if it announced so: [`HeadRules`].

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::head::FIELDS_MAX;
use super::{Opening, Setting, Settings};
use crate::error::HeadRefused;
use crate::http1::{self, H2C, UPGRADE_REQUIRED, is_h2c, is_offer, is_offered, is_text, is_upgrade};
use crate::limits::BODY_LENGTH_MAX;
use crate::message::{Headers, RequestHead, ResponseHead};
use crate::mount::Mount;
use crate::target;

/// The largest status that each end of v1 takes.
const STATUS_NARROW_MAX: u16 = 599;

/// Which sound heads an end takes, besides those that each end of v1 takes. A receiver announces them by settings, and what it
/// did not announce ends the session: a sender checks each head against the rules of its peer first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeadRules {
    /// Targets of any octet but controls, space, DEL and `#`; an upgrade beside a length; statuses 600 to 999; the `upgrade` of
    /// a 426. [`Setting::Wide`].
    pub is_wide: bool,
    /// h2c among the protocols that a request offers, to a telephone whose operator wants it. [`Setting::H2c`].
    pub is_h2c: bool,
}

impl HeadRules {
    /// What this version takes.
    pub const WIDE: Self = Self { is_wide: true, is_h2c: false };

    /// What an end with these settings takes.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self { is_wide: settings.has(Setting::Wide), is_h2c: settings.has(Setting::H2c) }
    }

    /// `head` as such a telephone takes it for `mount`, with the target that the client [`sent`](crate::target::Target::sent).
    ///
    /// The mount stands at the front of the target as it was registered, however the client spelled it: a telephone serves
    /// what begins with its mount. An end that did not announce wide heads gets the canonical form of what each plugboard of
    /// v1 takes, and no upgrade beside a body, which then is an ordinary request. h2c is offered where the client does and the
    /// telephone announced that it takes it.
    ///
    /// # Errors
    /// The target is one that each plugboard of v1 refuses.
    pub fn fit_request(
        self,
        head: &RequestHead,
        sent: &Bytes,
        mount: &Mount,
        offers_h2c: bool,
    ) -> Result<RequestHead, HeadRefused> {
        let mut head = head.clone();
        if self.is_h2c && offers_h2c {
            let others = head.upgrade.map(|others| [&others[..], b", ", H2C].concat().into());
            head.upgrade = Some(others.unwrap_or(Bytes::from_static(H2C)));
        }
        if self.is_wide {
            head.target = mounted(sent, mount.path().unwrap_or_default().as_bytes());
            return Ok(head);
        }
        if sent != "*" {
            head.target = target::canonical(sent).map_err(|_| HeadRefused::Malformed)?;
        }
        head.upgrade = head.upgrade.filter(|_| self.takes_upgrade_beside(head.length));
        Ok(head)
    }

    const fn takes_upgrade_beside(self, length: Option<u64>) -> bool {
        self.is_wide || matches!(length, None | Some(0))
    }

    /// Checks a sound opening against these rules.
    pub(crate) fn check_opening(self, opening: &Opening) -> Result<(), HeadRefused> {
        match opening {
            Opening::Http { head, .. } => {
                let takes_target = self.is_wide || head.target.iter().all(u8::is_ascii_graphic);
                let upgrade = head.upgrade.as_deref();
                announced(takes_target && upgrade.is_none_or(|offer| self.takes_offer(offer, head)))
            }
            Opening::Tcp { .. } => Ok(()),
        }
    }

    fn takes_offer(self, offer: &[u8], head: &RequestHead) -> bool {
        self.takes_upgrade_beside(head.length) && (self.is_h2c || !is_offered(offer, H2C))
    }

    /// Checks a sound response's head against these rules; `telephone` are those of the end that sends it.
    pub(crate) fn check_response(self, head: &ResponseHead, telephone: Self) -> Result<(), HeadRefused> {
        let is_switch = |new: &[u8]| is_upgrade(new) || (telephone.is_h2c && is_h2c(new));
        let upgrade = head.upgrade.as_deref();
        let is_demand = self.is_wide && head.status == UPGRADE_REQUIRED;
        let takes_status = self.is_wide || head.status <= STATUS_NARROW_MAX;
        announced(takes_status && (is_demand || upgrade.is_none_or(is_switch)))
    }

    /// Leaves out of a response's head what such an end does not take and can do without.
    pub(crate) fn narrow_response(self, head: &mut ResponseHead) {
        if !self.is_wide && head.status == UPGRADE_REQUIRED {
            head.upgrade = None;
        }
    }
}

/// `sent` with a mount's path at its front as it is registered.
fn mounted(sent: &Bytes, top: &[u8]) -> Bytes {
    match target::behind(sent, top) {
        Some(rest) if !sent.starts_with(top) => [top, rest].concat().into(),
        Some(_) | None => sent.clone(),
    }
}

/// Checks what a stream is opened for.
pub(crate) fn check_opening(opening: &Opening) -> Result<(), HeadRefused> {
    match opening {
        Opening::Http { mount, head } => check(is_text(mount)).and_then(|()| check_request(head)),
        Opening::Tcp { mount, .. } => check(is_text(mount)),
    }
}

fn check_request(head: &RequestHead) -> Result<(), HeadRefused> {
    // A fragment never travels (RFC 9112 §3.2).
    check(http1::check_request(head, true).is_ok() && !head.target.contains(&b'#'))?;
    // Of the protocols that it offers `http1` has checked each.
    check_rest(&head.headers, head.length)
}

/// Checks a response's head.
pub(crate) fn check_response(head: &ResponseHead) -> Result<(), HeadRefused> {
    let is_sound_upgrade = |upgrade: &[u8]| match head.status {
        UPGRADE_REQUIRED => is_offer(upgrade),
        101 => is_upgrade(upgrade) || is_h2c(upgrade),
        _ => is_upgrade(upgrade),
    };
    check(http1::check_response(head).is_ok() && head.upgrade.as_deref().is_none_or(is_sound_upgrade))?;
    check_rest(&head.headers, head.length)
}

fn check_rest(headers: &Headers, length: Option<u64>) -> Result<(), HeadRefused> {
    check(length.is_none_or(|length| length <= BODY_LENGTH_MAX))?;
    check_names(headers)
}

/// Checks a trailer section.
pub(crate) fn check_fields(fields: &Headers) -> Result<(), HeadRefused> {
    check(fields.is_sound())?;
    check_names(fields)
}

/// Checks how many fields there are, and that none of them frames the message. Of heads `http1` has checked the rest.
fn check_names(fields: &Headers) -> Result<(), HeadRefused> {
    if fields.len() > FIELDS_MAX {
        return Err(HeadRefused::TooLarge);
    }
    check(!fields.has_framing())
}

const fn announced(is_taken: bool) -> Result<(), HeadRefused> {
    if is_taken { Ok(()) } else { Err(HeadRefused::Unannounced) }
}

const fn check(is_sound: bool) -> Result<(), HeadRefused> {
    if is_sound { Ok(()) } else { Err(HeadRefused::Malformed) }
}
