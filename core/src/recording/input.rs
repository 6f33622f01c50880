//! The inputs of a session, as they are recorded and given again.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use core::time::Duration;
use serde::{Deserialize, Serialize};

use super::Recorded;
use crate::error::{LeaveCode, Misbehaviour, Reset, ResetCode};
use crate::message::{Headers, ResponseHead};
use crate::session::{LinkId, StreamId};
use crate::time::Timestamp;
use crate::wire::{MountUrl, Mounts, Move, Opening, Refused};

/// One call of a method of [`Session`](crate::session::Session) that may change it, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are the arguments of the methods that each variant names")]
pub enum Input {
    /// `handle_message`. `size` is what the message had before it was redacted.
    Message { link: LinkId, octets: Bytes, size: usize, now: Timestamp },
    /// `handle_misbehaviour`.
    Misbehaviour { link: LinkId, misbehaviour: Misbehaviour, now: Timestamp },
    /// `handle_activity`.
    Activity { link: LinkId, now: Timestamp },
    /// `handle_disconnect`.
    Disconnect { link: LinkId, now: Timestamp },
    /// `handle_timeout`.
    Timeout { now: Timestamp },
    /// `poll_transmit`.
    Transmit { link: LinkId, now: Timestamp },
    /// `poll_event`.
    PollEvent,
    /// `open`.
    Open { opening: Opening, end: bool, now: Timestamp },
    /// `accept`.
    Accept,
    /// `send(id).capacity`.
    Capacity { id: StreamId },
    /// `send(id).write`, with no more octets than could make a difference.
    Write { id: StreamId, octets: Bytes },
    /// `send(id).interim`.
    Interim { id: StreamId, head: ResponseHead },
    /// `send(id).respond`.
    Respond { id: StreamId, head: ResponseHead, end: bool },
    /// `send(id).end`.
    End { id: StreamId, trailers: Headers },
    /// `send(id).reset`.
    Reset { id: StreamId, reset: Reset },
    /// `recv(id).peek`.
    Peek { id: StreamId },
    /// `recv(id).read`.
    Read { id: StreamId },
    /// `recv(id).take_head`.
    TakeHead { id: StreamId },
    /// `recv(id).credit`.
    Credit { id: StreamId, count: usize, now: Timestamp },
    /// `recv(id).consume`.
    Consume { id: StreamId, count: usize, now: Timestamp },
    /// `recv(id).stop`.
    Stop { id: StreamId, code: ResetCode },
    /// `release`.
    Release { id: StreamId },
    /// `leave`.
    Leave { code: LeaveCode, now: Timestamp },
    /// `renew`.
    Renew { token: Bytes },
    /// `authorize`.
    Authorize { expires_in: Option<Duration>, now: Timestamp },
    /// `confirm_renewal`.
    ConfirmRenewal { expires_in: Option<Duration>, now: Timestamp },
    /// `ping`.
    Ping,
    /// `refuse_renewal`.
    RefuseRenewal { refused: Refused },
    /// `ask_to_move`.
    AskToMove { order: Move },
    /// `confirm_move`.
    ConfirmMove,
    /// `tell_scope`.
    TellScope { mounts: Vec<String> },
    /// `present_mounts`.
    PresentMounts { mounts: Mounts },
    /// `ask_stats`.
    AskStats { now: Timestamp },
    /// `resume`.
    Resume { peer_position: u64, now: Timestamp },
    /// `abandon`.
    Abandon,
    /// `tell_client`.
    TellClient { id: StreamId, client: u64 },
    /// `tell_site`.
    TellSite { mounts: Vec<MountUrl> },
    /// `handle_woken`.
    Woken { time: Duration, now: Timestamp },
    /// `limit_messages`.
    LimitMessages { link: LinkId, bytes: usize },
}

/// What comes of an input is on the tape.
fn ignore<T>(_: T) {}

impl Input {
    /// Gives the input to a session. What comes of it, the session's tape has noted.
    pub(super) fn apply(self, to: &mut Recorded) {
        match self {
            Self::Message { link, octets, size, now } => to.take_message(link, octets, size, now),
            Self::Misbehaviour { link, misbehaviour, now } => {
                to.handle_misbehaviour(link, misbehaviour, now);
            }
            Self::Activity { link, now } => to.handle_activity(link, now),
            Self::Disconnect { link, now } => to.handle_disconnect(link, now),
            Self::Timeout { now } => to.handle_timeout(now),
            Self::Transmit { link, now } => ignore(to.poll_transmit(link, now)),
            Self::PollEvent => ignore(to.poll_event()),
            Self::Open { opening, end, now } => ignore(to.open(opening, end, now)),
            Self::Accept => ignore(to.accept()),
            Self::Capacity { id } => ignore(to.send(id).capacity()),
            Self::Write { id, mut octets } => ignore(to.send(id).write(&mut octets)),
            Self::Interim { id, head } => ignore(to.send(id).interim(head)),
            Self::Respond { id, head, end } => ignore(to.send(id).respond(head, end)),
            Self::End { id, trailers } => to.send(id).end(trailers),
            Self::Reset { id, reset } => to.send(id).reset(reset),
            Self::Peek { id } => ignore(to.recv(id).peek()),
            Self::Read { id } => ignore(to.recv(id).read()),
            Self::TakeHead { id } => ignore(to.recv(id).take_head()),
            Self::Credit { id, count, now } => to.recv(id).credit(count, now),
            Self::Consume { id, count, now } => to.recv(id).consume(count, now),
            Self::Stop { id, code } => to.recv(id).stop(code),
            Self::Release { id } => to.release(id),
            Self::Leave { code, now } => to.leave(code, now),
            Self::Renew { token } => to.renew(token),
            Self::Authorize { expires_in, now } => to.authorize(expires_in, now),
            Self::ConfirmRenewal { expires_in, now } => to.confirm_renewal(expires_in, now),
            Self::Ping => to.ping(),
            Self::RefuseRenewal { refused } => to.refuse_renewal(refused),
            Self::AskToMove { order } => to.ask_to_move(order),
            Self::ConfirmMove => to.confirm_move(),
            Self::TellScope { mounts } => to.tell_scope(mounts),
            Self::TellSite { mounts } => to.tell_site(mounts),
            Self::PresentMounts { mounts } => to.present_mounts(mounts),
            Self::AskStats { now } => to.ask_stats(now),
            Self::Resume { peer_position, now } => ignore(to.resume(peer_position, now)),
            Self::Abandon => to.abandon(),
            Self::TellClient { id, client } => to.tell_client(id, client),
            Self::Woken { time, now } => to.handle_woken(time, now),
            Self::LimitMessages { link, bytes } => to.limit_messages(link, bytes),
        }
    }

    /// When it came, if the session was told.
    #[must_use]
    pub const fn now(&self) -> Option<Timestamp> {
        match self {
            Self::Message { now, .. }
            | Self::Misbehaviour { now, .. }
            | Self::Activity { now, .. }
            | Self::Disconnect { now, .. }
            | Self::Timeout { now }
            | Self::Woken { now, .. }
            | Self::Transmit { now, .. }
            | Self::Open { now, .. }
            | Self::Credit { now, .. }
            | Self::Consume { now, .. }
            | Self::Leave { now, .. }
            | Self::Authorize { now, .. }
            | Self::ConfirmRenewal { now, .. }
            | Self::AskStats { now }
            | Self::Resume { now, .. } => Some(*now),
            Self::PollEvent
            | Self::Accept
            | Self::Capacity { .. }
            | Self::Write { .. }
            | Self::Interim { .. }
            | Self::Respond { .. }
            | Self::End { .. }
            | Self::Reset { .. }
            | Self::Peek { .. }
            | Self::Read { .. }
            | Self::TakeHead { .. }
            | Self::Stop { .. }
            | Self::Release { .. }
            | Self::Renew { .. }
            | Self::Ping
            | Self::RefuseRenewal { .. }
            | Self::AskToMove { .. }
            | Self::ConfirmMove
            | Self::TellScope { .. }
            | Self::TellSite { .. }
            | Self::PresentMounts { .. }
            | Self::Abandon
            | Self::TellClient { .. }
            | Self::LimitMessages { .. } => None,
        }
    }
}
