//! A tap on a line: everything that an end says is held against PROTOCOL.md and against what it has heard.
//!
//! It knows nothing of sessions but their octets. What it would not believe of an honest end is a panic.

use std::collections::BTreeMap;

use bytes::Bytes;
use telephone_core::error::{LeaveCode, Touched};
use telephone_core::limits::{DATA_BYTES_MAX, MESSAGE_BYTES_MAX, SessionLimits};
use telephone_core::session::Role;
use telephone_core::wire::{Frame, Frames, Opening, StreamId};

use super::rules::{Direction, Stage};

/// What one end said and heard.
#[derive(Debug)]
pub(super) struct Tap {
    role: Role,
    /// Octets that this end may send on a stream of its own, and the other on its, without more credit.
    floors: [u64; 2],
    /// Streams that this end may open: the limit that it has heard, and how many it opened.
    streams_limit: u64,
    opened: u64,
    highest: u64,
    /// What the peer was told of streams.
    streams_told: u64,
    /// What this end sends, and what it reads.
    sends: BTreeMap<StreamId, Direction>,
    reads: BTreeMap<StreamId, Direction>,
    /// Numbered messages that it sent, without their acknowledgements and unnumbered frames.
    numbered: Vec<Vec<Frame>>,
    /// Which of them the link is given next.
    next: usize,
    /// The peer asked for numbers.
    is_asked: bool,
    /// A last word was said: nothing follows it.
    is_over: bool,
}

/// Whether `role` opened a stream.
pub(super) const fn is_opener(role: Role, id: StreamId) -> bool {
    matches!(role, Role::Telephone) == (id.number() % 2 == 1)
}

/// Whether a frame may stand behind one of this rank: control first, then streams in turn. [I15]
const fn rank(frame: &Frame) -> u8 {
    match frame {
        Frame::Ping(_) | Frame::Pong(_) | Frame::Ack | Frame::Leave { .. } => 0,
        Frame::Streams { .. }
        | Frame::Renew { .. }
        | Frame::Renewed { .. }
        | Frame::Stats(_)
        | Frame::Move(_)
        | Frame::Refused(_)
        | Frame::Scope(_)
        | Frame::Site(_)
        | Frame::Mounts(_) => 1,
        Frame::Credit { .. } | Frame::Stop { .. } => 2,
        Frame::Client { .. }
        | Frame::Open { .. }
        | Frame::Head { .. }
        | Frame::Data { .. }
        | Frame::End { .. }
        | Frame::Reset { .. } => 3,
        Frame::Hello(_) | Frame::Welcome(_) | Frame::Skipped { .. } => 4,
    }
}

impl Tap {
    pub(super) const fn new(role: Role, own: &SessionLimits, peer: &SessionLimits) -> Self {
        Self {
            role,
            floors: [peer.stream_floor, own.stream_floor],
            streams_limit: peer.streams,
            opened: 0,
            highest: 0,
            streams_told: own.streams,
            sends: BTreeMap::new(),
            reads: BTreeMap::new(),
            numbered: Vec::new(),
            next: 0,
            is_asked: false,
            is_over: false,
        }
    }

    /// Numbered messages that this end has sent.
    pub(super) fn position(&self) -> u64 {
        self.numbered.len() as u64
    }

    /// A direction that this end sends.
    pub(super) fn sends(&self, id: StreamId) -> Option<&Direction> {
        self.sends.get(&id)
    }

    /// Of each direction that this end reads and `writer` may still send on: the octets beyond the floor that it was
    /// told of and that did not come.
    pub(super) fn unused(&self, writer: &Self, floor: u64) -> impl Iterator<Item = u64> {
        let open = writer.sends.iter().filter(|(_, sent)| !sent.is_over());
        let both = open.filter_map(|(id, sent)| Some((sent, self.reads.get(id)?)));
        both.map(move |(sent, read)| sent.reach(read.told).saturating_sub(sent.sent + floor))
    }

    /// Whether the peer has sent more than it was told that it may.
    pub(super) fn has_excess(&self) -> bool {
        self.reads.values().any(|read| read.sent > read.told)
    }

    /// A new link: the peer has so many messages, and is told the others again.
    pub(super) fn resume(&mut self, peer_position: u64) {
        self.next = usize::try_from(peer_position).expect("a position of ours");
        assert!(self.next <= self.numbered.len());
    }

    /// This end said `message`, and has received so many numbered messages before.
    pub(super) fn say(&mut self, message: &Bytes, received: u64) {
        assert!(!self.is_over, "something is said behind a last word");
        assert!(message.len() <= MESSAGE_BYTES_MAX, "a message of {} octets", message.len());
        let (ack, frames) = Frames::of(message.clone()).expect("a message with an acknowledgement");
        assert!(ack <= received, "an acknowledgement of what did not arrive");
        let frames: Vec<Frame> = frames.map(|frame| frame.expect("a frame that can be read")).collect();
        assert!(!frames.is_empty() && frames.is_sorted_by_key(rank), "control behind streams: {frames:?}");
        let (numbered, unnumbered): (Vec<Frame>, Vec<Frame>) =
            frames.into_iter().partition(Frame::is_numbered);
        unnumbered.iter().for_each(|frame| self.say_unnumbered(frame));
        if numbered.is_empty() {
            return;
        }
        match self.numbered.get(self.next) {
            // [I8: the same messages in the same order, or none]
            Some(earlier) => assert_eq!(&numbered, earlier, "said otherwise on a later link"),
            None => {
                numbered.iter().for_each(|frame| self.say_numbered(frame));
                self.numbered.push(numbered);
            }
        }
        self.next += 1;
    }

    fn say_unnumbered(&mut self, frame: &Frame) {
        if let Frame::Leave { code, .. } = frame {
            assert!(!matches!(code, LeaveCode::Other(_)));
            self.is_over = *code != LeaveCode::Draining;
        }
    }

    fn say_numbered(&mut self, frame: &Frame) {
        match frame {
            Frame::Open { id, grant, end, opening } => self.say_open(*id, *grant, *end, opening),
            Frame::Head { id, end, head } => self.sending(*id).on_head(head, *end),
            Frame::Data { id, octets } => {
                assert!(
                    octets.len() <= DATA_BYTES_MAX && !octets.is_empty(),
                    "{} octets in a turn",
                    octets.len()
                );
                self.sending(*id).on_data(octets.len());
            }
            Frame::End { id, .. } => self.sending(*id).on_end(),
            Frame::Reset { id, reset } => {
                let is_openers = is_opener(self.role, *id);
                assert!(!is_openers || reset.touched != Touched::No, "an opener says untouched");
                self.sending(*id).on_reset();
            }
            Frame::Stop { id, .. } => self.reading(*id).on_stop(),
            Frame::Credit { id, limit } => self.reading(*id).on_credit(*limit),
            Frame::Streams { limit } => {
                assert!(*limit > self.streams_told, "slots that raise nothing");
                self.streams_told = *limit;
            }
            Frame::Renew { .. } | Frame::Mounts(_) => assert_eq!(self.role, Role::Telephone),
            Frame::Renewed { .. } => assert_eq!(self.role, Role::Plugboard),
            Frame::Move(order) => assert_eq!(self.role == Role::Plugboard, order.is_some()),
            Frame::Scope(_) | Frame::Site(_) | Frame::Refused(_) | Frame::Client { .. } => {
                assert_eq!(self.role, Role::Plugboard);
            }
            Frame::Stats(None) => {}
            Frame::Stats(Some(_)) => assert!(std::mem::take(&mut self.is_asked), "nobody asked"),
            other => panic!("a session says {other:?}"),
        }
    }

    /// [I5]
    fn say_open(&mut self, id: StreamId, grant: u64, end: bool, opening: &Opening) {
        assert!(is_opener(self.role, id) && id.number() > self.highest, "{id} behind {}", self.highest);
        self.highest = id.number();
        self.opened += 1;
        assert!(self.opened <= self.streams_limit, "more streams than slots");
        let declared =
            if let Opening::Http { head, .. } = opening { head.length.filter(|_| !end) } else { None };
        let (stage, reads) = match opening {
            Opening::Http { .. } => (Stage::Open, Stage::Head),
            Opening::Tcp { .. } => (Stage::Open, Stage::Open),
        };
        let stage = if end { Stage::Ended } else { stage };
        self.sends.insert(id, Direction::new(stage, self.floors[0], declared));
        self.reads.insert(id, Direction::new(reads, grant, None));
    }

    fn sending(&mut self, id: StreamId) -> &mut Direction {
        self.sends.get_mut(&id).unwrap_or_else(|| panic!("{id} was never opened"))
    }

    fn reading(&mut self, id: StreamId) -> &mut Direction {
        self.reads.get_mut(&id).unwrap_or_else(|| panic!("{id} was never opened"))
    }

    /// This end was given `message`. Of what breaks a rule nothing is believed: the end must not either.
    pub(super) fn hear(&mut self, message: &Bytes) {
        let Ok((ack, frames)) = Frames::of(message.clone()) else { return };
        // What the peer has after all is not said again.
        let acknowledged = usize::try_from(ack).ok().filter(|ack| *ack <= self.numbered.len());
        self.next = self.next.max(acknowledged.unwrap_or(0));
        for frame in frames.map_while(Result::ok) {
            match frame {
                Frame::Open { id, grant, end, opening } if !is_opener(self.role, id) => {
                    self.hear_open(id, grant, end, &opening);
                }
                Frame::Credit { id, limit } => {
                    if let Some(direction) = self.sends.get_mut(&id) {
                        direction.limit = direction.limit.max(limit);
                    }
                }
                Frame::Streams { limit } => self.streams_limit = self.streams_limit.max(limit),
                Frame::Stats(None) => self.is_asked = true,
                Frame::Data { id, octets } => {
                    let read = self.reads.get_mut(&id).filter(|read| read.stage == Stage::Open);
                    read.into_iter().for_each(|read| read.sent += octets.len() as u64);
                }
                Frame::Head { id, end, head } if !head.is_interim() => {
                    let stage = if end { Stage::Ended } else { Stage::Open };
                    self.hear_stage(id, stage);
                }
                Frame::End { id, .. } => self.hear_stage(id, Stage::Ended),
                Frame::Reset { id, .. } => self.hear_stage(id, Stage::Reset),
                _ => {}
            }
        }
    }

    fn hear_stage(&mut self, id: StreamId, stage: Stage) {
        let read = self.reads.get_mut(&id).filter(|read| !read.is_over());
        read.into_iter().for_each(|read| read.stage = stage);
    }

    fn hear_open(&mut self, id: StreamId, grant: u64, end: bool, opening: &Opening) {
        let sends = if matches!(opening, Opening::Tcp { .. }) { Stage::Open } else { Stage::Head };
        let reads = if end { Stage::Ended } else { Stage::Open };
        self.sends.entry(id).or_insert(Direction::new(sends, grant, None));
        self.reads.entry(id).or_insert(Direction::new(reads, self.floors[1], None));
    }
}
