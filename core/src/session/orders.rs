//! What concerns a session as a whole: that it is to move, which mounts its telephone wants, which it has and where they are
//! public, and that its fresh token is refused.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::transmit::Message;
use super::{Event, HEAD_BYTES_MAX, Role, Session};
use crate::error::{LeaveCode, Misbehaviour};
use crate::limits::MOUNTS_MAX;
use crate::time::Timestamp;
use crate::wire::{Frame, MountUrl, Mounts, Move, Refused, Scope, Setting, Site};

/// What of that is to be said: of each the latest, and nothing that would not fit a message.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct DueOrders {
    /// What the next move frame says: an order, or from a telephone that it was followed.
    moving: Option<Option<Move>>,
    scope: Option<Scope>,
    site: Option<Site>,
    /// The answer to a renewal that was not taken.
    refused: Option<Refused>,
    mounts: Option<Mounts>,
}

impl DueOrders {
    pub(super) const fn is_any(&self) -> bool {
        let Self { moving, scope, site, refused, mounts } = self;
        moving.is_some() || scope.is_some() || site.is_some() || refused.is_some() || mounts.is_some()
    }

    /// The order that is to be said.
    pub(super) fn moving_mut(&mut self) -> Option<&mut Move> {
        self.moving.as_mut()?.as_mut()
    }

    /// The refusal that is to be said.
    pub(super) const fn refused_mut(&mut self) -> Option<&mut Refused> {
        self.refused.as_mut()
    }
}

fn fits(frame: &Frame) -> bool {
    frame.size() <= HEAD_BYTES_MAX
}

impl Session {
    /// Asks the telephone for its next session elsewhere, while this one goes on. Only a plugboard does: no effect
    /// otherwise, nor with a URL
    /// that fits no message.
    pub fn ask_to_move(&mut self, order: Move) {
        if self.config.role == Role::Plugboard {
            let order = Some(order);
            self.due.orders.moving = Some(order).filter(|order| fits(&Frame::Move(order.clone())));
        }
    }

    /// Says that the session elsewhere is there. Only a telephone does: no effect otherwise.
    pub fn confirm_move(&mut self) {
        if self.config.role == Role::Telephone {
            self.due.orders.moving = Some(None);
        }
    }

    /// Tells which of its mounts a token left the session: a fresh one, ahead of
    /// [`confirm_renewal`](Session::confirm_renewal), or that of its hello. Only a plugboard does: no effect otherwise.
    pub fn tell_scope(&mut self, mounts: Vec<String>) {
        if self.config.role == Role::Plugboard {
            self.due.orders.scope = Some(Scope { mounts }).filter(|scope| fits(&Frame::Scope(scope.clone())));
        }
    }

    /// Tells under which URLs the mounts are public: behind the welcome, and behind each [scope](Session::tell_scope). Only a
    /// plugboard does, and only to a telephone that [announced](Setting::Site) that it shows them: no effect otherwise.
    pub fn tell_site(&mut self, mounts: Vec<MountUrl>) {
        if self.config.role == Role::Plugboard && self.config.peer.has(Setting::Site) {
            self.due.orders.site = Some(Site { mounts }).filter(|site| fits(&Frame::Site(site.clone())));
        }
    }

    /// Answers a renewal that was not taken: the token before it stays in force. Only a plugboard does, to a telephone that
    /// [wants to know](Setting::Refusals): no effect otherwise.
    pub fn refuse_renewal(&mut self, refused: Refused) {
        if self.config.role == Role::Plugboard && self.config.peer.has(Setting::Refusals) {
            self.due.orders.refused = Some(refused).filter(|refused| fits(&Frame::Refused(refused.clone())));
        }
    }

    pub(super) fn on_refused(&mut self, refused: Refused, now: Timestamp) -> Result<(), Misbehaviour> {
        self.charge(now)?;
        match self.config.role {
            Role::Telephone => self.put_news(Event::RenewalRefused(refused)),
            Role::Plugboard => return Err(Misbehaviour::FrameOutOfPlace),
        }
        Ok(())
    }

    /// Presents all mounts that the telephone wants from now on; those that it leaves out are withdrawn, and the plugboard
    /// answers with a scope. Of several lists that were not sent yet the latest counts. Only a telephone does, and only to a
    /// plugboard that [announced](Setting::Mounts) that it takes them: no effect otherwise.
    pub fn present_mounts(&mut self, mounts: Mounts) {
        if self.config.role == Role::Telephone && self.config.peer.has(Setting::Mounts) {
            self.due.orders.mounts = Some(mounts).filter(|mounts| fits(&Frame::Mounts(mounts.clone())));
        }
    }

    /// Whether the peer takes [presented mounts](Self::present_mounts).
    #[must_use]
    pub fn peer_takes_mounts(&self) -> bool {
        self.config.peer.has(Setting::Mounts)
    }

    pub(super) fn on_mounts(&mut self, mounts: Mounts, now: Timestamp) -> Result<(), Misbehaviour> {
        self.charge(now)?;
        if self.config.role == Role::Telephone {
            return Err(Misbehaviour::FrameOutOfPlace);
        }
        if mounts.len() > MOUNTS_MAX {
            return Err(Misbehaviour::FrameMalformed);
        }
        self.put_news(Event::MountsPresented(mounts));
        Ok(())
    }

    pub(super) fn on_move(&mut self, order: Option<Move>, now: Timestamp) -> Result<(), Misbehaviour> {
        self.charge(now)?;
        if cfg!(planted = "move-taken-for-leave") && order.is_some() {
            self.leave(LeaveCode::Draining, now);
        }
        let event = match (self.config.role, order) {
            (Role::Telephone, Some(order)) => Event::MoveAsked(order),
            (Role::Plugboard, None) => Event::Moved,
            (Role::Telephone, None) | (Role::Plugboard, Some(_)) => {
                return Err(Misbehaviour::FrameOutOfPlace);
            }
        };
        self.put_news(event);
        Ok(())
    }

    pub(super) fn on_scope(&mut self, scope: Scope, now: Timestamp) -> Result<(), Misbehaviour> {
        self.charge(now)?;
        match self.config.role {
            Role::Telephone => self.put_news(Event::ScopeLeft(scope.mounts)),
            Role::Plugboard => return Err(Misbehaviour::FrameOutOfPlace),
        }
        Ok(())
    }

    pub(super) fn on_site(&mut self, site: Site, now: Timestamp) -> Result<(), Misbehaviour> {
        self.charge(now)?;
        match self.config.role {
            Role::Telephone => self.put_news(Event::Site(site.mounts)),
            Role::Plugboard => return Err(Misbehaviour::FrameOutOfPlace),
        }
        Ok(())
    }

    pub(super) fn put_orders(&mut self, message: &mut Message) {
        let DueOrders { moving, scope, site, refused, mounts } = &mut self.due.orders;
        let is_put = |message: &mut Message, frame: Frame| message.takes_control() && message.try_put(&frame);
        scope.take_if(|scope| is_put(message, Frame::Scope(scope.clone())));
        site.take_if(|site| is_put(message, Frame::Site(site.clone())));
        refused.take_if(|refused| is_put(message, Frame::Refused(refused.clone())));
        mounts.take_if(|mounts| is_put(message, Frame::Mounts(mounts.clone())));
        moving.take_if(|order| is_put(message, Frame::Move(order.clone())));
    }
}
