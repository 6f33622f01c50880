//! Positions: which numbered messages have arrived, and which are kept to be said again on the next link.

use alloc::collections::VecDeque;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::snapshot::COUNT_MAX;
use crate::limits::{ACK_BYTES, ACK_DELAY, SessionLimits};
use crate::time::Timestamp;
use crate::wire::varint;

/// What a kept message costs beside its octets.
const KEPT_OVERHEAD_BYTES: usize = 64;

/// A numbered message that was sent and is not acknowledged.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    message: Bytes,
    /// Where its numbered frames begin, if others stand before them: those are not said again.
    numbered_at: Option<usize>,
}

impl Kept {
    fn weight(&self) -> usize {
        self.message.len() + KEPT_OVERHEAD_BYTES
    }

    /// What is said on a later link: the very octets, unless unnumbered frames stand among them.
    fn again(&self, ack: u64) -> Bytes {
        let numbered = self.numbered_at.and_then(|at| self.message.get(at..));
        let Some(numbered) = numbered else { return self.message.clone() };
        let mut out = BytesMut::with_capacity(varint::size(ack) + numbered.len());
        varint::put(&mut out, ack);
        out.put_slice(numbered);
        out.freeze()
    }
}

/// The numbered messages of this end: how many there were, and a bounded ring of those that the peer has not
/// acknowledged.
///
/// While the ring is full nothing numbered is built. A full ring that the peer keeps emptying is what holds this end
/// back: it doubles, up to its maximum. One that stays full belongs to a dead link and does not grow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sent {
    is_kept: bool,
    ring: VecDeque<Kept>,
    /// Octets in the ring, with what each message costs beside.
    octets: usize,
    octets_max: usize,
    /// Numbered messages built since the session began.
    position: u64,
    /// Those of them that the peer acknowledged.
    acknowledged: u64,
    /// The message in the ring that the present link is given next.
    next: usize,
}

impl Sent {
    /// Nothing sent yet. Without `is_kept` messages are counted and not kept: no link comes after this one.
    pub(super) const fn new(limits: &SessionLimits, is_kept: bool) -> Self {
        Self {
            is_kept,
            ring: VecDeque::new(),
            octets: 0,
            octets_max: limits.replay_bytes,
            position: 0,
            acknowledged: 0,
            next: 0,
        }
    }

    /// Octets that are kept, with what each message costs beside.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    /// Numbered messages built since the session began.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Whether the peer acknowledged everything.
    pub(super) fn is_settled(&self) -> bool {
        self.ring.is_empty()
    }

    /// Whether no numbered message may be built now.
    pub(super) const fn is_full(&self) -> bool {
        self.octets >= self.octets_max && !cfg!(planted = "ring-unbounded")
    }

    /// Counts and keeps a message that goes out on the present link. `numbered_at` is where its numbered
    /// frames begin if others stand before them, `capacity` what its octets occupy.
    pub(super) fn push(&mut self, message: &Bytes, numbered_at: Option<usize>, capacity: usize) {
        self.position += 1;
        if !self.is_kept {
            return;
        }
        // Much more room than octets is not worth keeping for as long as a link may be dark.
        let is_roomy = capacity > 2 * message.len() + 1024;
        let message = if is_roomy { Bytes::copy_from_slice(message) } else { message.clone() };
        let kept = Kept { message, numbered_at };
        self.octets += kept.weight();
        self.ring.push_back(kept);
        self.next = self.ring.len();
    }

    /// The peer has so many messages. True if that is news, `None` if there never were so many.
    pub(super) fn acknowledge(&mut self, position: u64, limits: &SessionLimits) -> Option<bool> {
        if position > self.position {
            return None;
        }
        let is_news = position > self.acknowledged;
        if is_news && self.is_full() {
            self.octets_max = self.octets_max.saturating_mul(2).min(limits.replay_bytes_max);
        }
        while self.acknowledged < position
            && let Some(kept) = self.ring.pop_front()
        {
            self.acknowledged += 1;
            self.octets -= kept.weight();
            self.next = self.next.saturating_sub(1);
        }
        self.acknowledged = self.acknowledged.max(position);
        if self.ring.is_empty() {
            // A session that has nothing under way keeps no memory for it.
            self.ring.shrink_to(8);
        }
        Some(is_news)
    }

    /// Forgets what is kept: no link comes any more.
    pub(super) fn clear(&mut self) {
        self.ring = VecDeque::new();
        (self.octets, self.next) = (0, 0);
    }

    /// Whether a new link can go on behind so many messages.
    pub(super) const fn can_resume(&self, position: u64) -> bool {
        self.is_kept && self.acknowledged <= position && position <= self.position
    }

    /// The messages that are kept.
    pub(super) fn messages(&mut self) -> impl Iterator<Item = &mut Bytes> {
        self.ring.iter_mut().map(|kept| &mut kept.message)
    }

    /// Whether the counts agree with what is kept.
    pub(super) fn is_sound(&self) -> bool {
        let unacknowledged = self.position.checked_sub(self.acknowledged);
        let is_kept_whole = unacknowledged.is_some_and(|count| self.ring.len() as u64 <= count);
        let octets: usize = self.ring.iter().map(Kept::weight).sum();
        let is_countable = self.position <= COUNT_MAX;
        is_kept_whole && is_countable && self.octets == octets && self.next <= self.ring.len()
    }

    /// A new link: everything that is kept is said again.
    pub(super) const fn rewind(&mut self) {
        self.next = if cfg!(planted = "replay-skips-one") { 1 } else { 0 };
    }

    /// Whether something is to be said again.
    pub(super) fn has_replay(&self) -> bool {
        self.next < self.ring.len()
    }

    /// The next message to be said again.
    pub(super) fn replay(&mut self, ack: u64) -> Option<Bytes> {
        let kept = self.ring.get(self.next)?;
        self.next += 1;
        Some(kept.again(ack))
    }
}

/// The numbered messages of the peer: how many have arrived, and what the peer does not know of that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Received {
    /// Whether the peer waits to be told: it keeps what it sent.
    is_kept: bool,
    position: u64,
    /// Octets of messages that no acknowledgement was sent for.
    octets_owed: usize,
    due_at: Option<Timestamp>,
    is_due: bool,
}

impl Received {
    /// Nothing received yet. Without `is_kept` acknowledgements never go alone.
    pub(super) const fn new(is_kept: bool) -> Self {
        Self { is_kept, position: 0, octets_owed: 0, due_at: None, is_due: false }
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Whether a session goes on from what was read from a file.
    pub(super) const fn is_sound(&self) -> bool {
        self.position <= COUNT_MAX && self.octets_owed as u64 <= COUNT_MAX
    }

    /// A numbered message of so many octets arrived.
    pub(super) fn count(&mut self, octets: usize, now: Timestamp) {
        self.position += if cfg!(planted = "position-counted-twice") && octets > 1000 { 2 } else { 1 };
        if !self.is_kept {
            return;
        }
        self.octets_owed += octets;
        self.is_due |= self.octets_owed >= ACK_BYTES;
        if !self.is_due {
            self.due_at.get_or_insert(now + ACK_DELAY);
        }
    }

    /// Whether an acknowledgement is to go alone.
    pub(super) const fn is_due(&self) -> bool {
        self.is_due
    }

    /// Whether the peer does not know of all that arrived.
    pub(super) const fn is_owed(&self) -> bool {
        self.octets_owed > 0
    }

    /// An acknowledgement is to go at once.
    pub(super) const fn hurry(&mut self) {
        self.is_due = true;
    }

    /// When one is, if nothing goes before.
    pub(super) const fn due_at(&self) -> Option<Timestamp> {
        if self.is_due { None } else { self.due_at }
    }

    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        if cfg!(planted = "acknowledgement-never-alone") {
            self.due_at = None;
            return;
        }
        self.is_due |= self.due_at.is_some_and(|at| at <= now);
    }

    /// The peer is being told, or there is no link to tell it on.
    pub(super) const fn told(&mut self) {
        self.octets_owed = 0;
        self.due_at = None;
        self.is_due = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(bytes: usize, max: usize) -> SessionLimits {
        SessionLimits { replay_bytes: bytes, replay_bytes_max: max, ..SessionLimits::default() }
    }

    /// A message that acknowledges 3 and has numbered frames of `octets` behind `before` octets of others.
    fn message(before: usize, octets: u8) -> (Bytes, Option<usize>) {
        let mut out = BytesMut::new();
        varint::put(&mut out, 3);
        out.put_bytes(0xEE, before);
        let numbered_at = out.len();
        out.put_bytes(octets, usize::from(octets));
        (out.freeze(), (before > 0).then_some(numbered_at))
    }

    fn sent(limits: &SessionLimits, octets: &[u8]) -> Sent {
        let mut sent = Sent::new(limits, true);
        for count in octets {
            let (message, numbered_at) = message(0, *count);
            sent.push(&message, numbered_at, message.len());
        }
        sent
    }

    #[test]
    fn a_new_link_is_given_exactly_what_was_not_acknowledged() {
        let limits = limits(1000, 1000);
        let mut sent = sent(&limits, &[1, 2, 3, 4]);
        assert!(!sent.has_replay());
        assert_eq!(sent.acknowledge(1, &limits), Some(true));
        assert!(sent.can_resume(3) && sent.can_resume(1) && !sent.can_resume(0) && !sent.can_resume(5));
        sent.acknowledge(3, &limits);
        sent.rewind();
        assert_eq!(sent.replay(9), Some(message(0, 4).0));
        assert_eq!(sent.replay(9), None);
        assert!(!sent.is_settled());
    }

    #[test]
    fn an_acknowledgement_in_the_middle_of_a_replay_goes_on_behind_it() {
        let limits = limits(1000, 1000);
        let mut sent = sent(&limits, &[1, 2, 3]);
        sent.rewind();
        sent.replay(0);
        sent.replay(0);
        sent.acknowledge(1, &limits);
        assert_eq!(sent.replay(0), Some(message(0, 3).0));
        assert!(!sent.has_replay());
    }

    #[test]
    fn unnumbered_frames_are_not_said_again() {
        let mut sent = Sent::new(&limits(1000, 1000), true);
        let (mixed, numbered_at) = message(5, 2);
        sent.push(&mixed, numbered_at, mixed.len());
        sent.rewind();
        assert_eq!(sent.replay(3), Some(message(0, 2).0));
    }

    #[test]
    fn a_ring_grows_only_while_the_peer_empties_it() {
        let limits = limits(100, 250);
        let mut sent = Sent::new(&limits, true);
        for (expected, position) in [(200, 1), (250, 2), (250, 3)] {
            while !sent.is_full() {
                let (message, numbered_at) = message(0, 60);
                sent.push(&message, numbered_at, message.len());
            }
            assert_eq!(sent.acknowledge(position, &limits), Some(true));
            assert_eq!(sent.octets_max, expected);
        }
        assert_eq!(sent.acknowledge(3, &limits), Some(false));
        assert_eq!(sent.acknowledge(9, &limits), None);
        assert_eq!(sent.octets_max, 250);
    }

    #[test]
    fn a_ring_that_was_never_full_does_not_grow() {
        let limits = limits(1000, 9000);
        let mut sent = sent(&limits, &[60]);
        assert_eq!(sent.acknowledge(1, &limits), Some(true));
        assert_eq!(sent.octets_max, 1000);
    }

    #[test]
    fn roomy_messages_are_kept_without_their_room() {
        let mut sent = Sent::new(&limits(1000, 1000), true);
        let (message, numbered_at) = message(0, 10);
        sent.push(&message, numbered_at, 64 * 1024);
        sent.rewind();
        let again = sent.replay(0).unwrap();
        assert_eq!(again, message);
        assert_ne!(again.as_ptr(), message.as_ptr());
    }

    #[test]
    fn up_to_as_much_room_as_octets_and_a_kibibyte_is_kept() {
        for (capacity, is_copied) in [(2 * 101 + 1024, false), (2 * 101 + 1025, true)] {
            let mut sent = Sent::new(&limits(10_000, 10_000), true);
            let (message, numbered_at) = message(0, 100);
            assert_eq!(message.len(), 101);
            sent.push(&message, numbered_at, capacity);
            sent.rewind();
            assert_eq!(sent.replay(0).unwrap().as_ptr() != message.as_ptr(), is_copied, "{capacity}");
        }
    }

    #[test]
    fn what_is_forgotten_is_not_said_again_and_takes_no_room() {
        let mut sent = sent(&limits(100, 100), &[60]);
        assert!(sent.is_full() && !sent.is_settled());
        sent.clear();
        sent.rewind();
        assert!(!sent.is_full() && sent.is_settled() && !sent.has_replay());
        assert_eq!((sent.octets(), sent.position), (0, 1));
    }

    #[test]
    fn counts_that_disagree_with_what_is_kept_are_found() {
        let sound = sent(&limits(1000, 1000), &[1, 2, 3]);
        assert!(sound.is_sound());
        let mut cases = [(); 6].map(|()| sound.clone());
        cases[0].acknowledged = 4;
        cases[1].acknowledged = 1;
        cases[2].octets += 1;
        cases[3].octets -= 1;
        cases[4].next = 4;
        cases[5].position = COUNT_MAX + 1;
        for (case, sent) in cases.iter().enumerate() {
            assert!(!sent.is_sound(), "{case}");
        }
        assert!(Sent { position: COUNT_MAX, ..sound }.is_sound());
    }

    #[test]
    fn counts_of_what_arrived_that_are_about_to_run_over_are_found() {
        let received = |position, octets_owed| Received { position, octets_owed, ..Received::new(true) };
        assert!(received(COUNT_MAX, COUNT_MAX as usize).is_sound());
        assert!(!received(COUNT_MAX + 1, 0).is_sound() && !received(0, COUNT_MAX as usize + 1).is_sound());
    }

    /// A forged recording may claim that the peer acknowledged more than there is time to count.
    #[test]
    fn an_acknowledgement_takes_no_longer_than_what_is_kept() {
        let limits = limits(1000, 1000);
        let mut sent = Sent { position: COUNT_MAX, ..sent(&limits, &[1, 2]) };
        assert_eq!(sent.acknowledge(COUNT_MAX - 1, &limits), Some(true));
        assert_eq!((sent.octets(), sent.is_settled()), (0, true));
        assert!(sent.can_resume(COUNT_MAX - 1) && !sent.can_resume(COUNT_MAX - 2));
    }

    #[test]
    fn acknowledgements_wait_for_a_message_but_not_for_long_nor_for_much() {
        let now = Timestamp::from_micros(1_000);
        let mut received = Received::new(true);
        received.count(100, now);
        assert_eq!((received.is_due(), received.due_at()), (false, Some(now + ACK_DELAY)));
        received.handle_timeout(now + ACK_DELAY);
        assert_eq!((received.is_due(), received.due_at()), (true, None));
        received.told();
        received.count(ACK_BYTES, now);
        assert!(received.is_due());
        assert_eq!(received.position(), 2);
    }

    #[test]
    fn an_acknowledgement_is_owed_until_it_is_told_and_may_be_hurried() {
        let mut received = Received::new(true);
        assert!(!received.is_owed());
        received.count(1, Timestamp::ZERO);
        assert!(received.is_owed() && !received.is_due());
        received.hurry();
        assert!(received.is_due());
        received.told();
        assert!(!received.is_owed() && !received.is_due());
    }
}
