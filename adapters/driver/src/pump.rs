//! The pump of one exchange: an HTTP/1.1 connection on one side, a stream on the other, both ways at once.
//!
//! ```text
//!   socket ─▶ codec ─ inbound ─▶ stream        read only while the stream takes more
//!   socket ◀─ codec ◀─ outbound ─ stream       credit returns when the socket took the octets
//! ```
//!
//! The public leg and the backend leg are this pump with the two halves of the core's codec.

use std::cell::Cell;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use telephone_core::error::Reset;
use telephone_core::time::{Timestamp, earliest};

use crate::alarm::Alarm;
use crate::codec::{Codec, Part};
use crate::connection::Connection;
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::stream::{Arrived, StreamHandle};

/// Octets gathered for a socket before it is written to.
const GATHER_BYTES: usize = 64 * 1024;

/// Octets that are read at least where the stream takes fewer: few reads are worth more than the memory that the rest takes.
const READ_BYTES_MIN: usize = 16 * 1024;

/// Between two looks at a socket whose peer shut down its half: how late a reset is noticed.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Room for things that arrived at once which a thread keeps: head, octets and end of a small answer fit many times.
const ARRIVED_MAX: usize = 64;

thread_local! {
    /// Room for what is taken of a stream, empty between turns.
    static ARRIVED: Cell<Vec<Arrived>> = const { Cell::new(Vec::new()) };
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Ended<L> {
    /// Both sides said all that belonged to it.
    Complete,
    /// The stream's peer gave its direction up.
    Reset(Reset),
    /// The stream's peer no longer reads.
    Stopped(Reset),
    /// The codec's side is lost.
    Lost(L),
}

/// Octets of bodies that one exchange has moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    /// From the socket to the stream.
    pub(crate) inbound: u64,
    /// From the stream to the socket.
    pub(crate) outbound: u64,
}

/// What an exchange waits for at its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    /// The socket takes nothing for now. If not, nothing comes from it.
    pub(crate) is_blocked: bool,
    /// Since when it has been so.
    pub(crate) since: Timestamp,
    /// Octets that have passed the socket until now.
    pub(crate) moved: u64,
}

/// One exchange being pumped.
pub(crate) struct Pump<'a, R: Runtime, S, C> {
    runtime: &'a R,
    pub(crate) connection: &'a mut Connection<S>,
    pub(crate) codec: &'a mut C,
    stream: &'a StreamHandle,
    /// The connection's, which outlives the exchange: most deadlines move back before they come.
    alarm: &'a mut Alarm<R>,
    /// Octets from the socket that the stream has not taken yet.
    held: Bytes,
    /// When the task was woken.
    now: Timestamp,
    is_eof: bool,
    /// The socket was asked for more, and had none.
    is_starved: bool,
    /// When a half-closed socket is next checked for an error: no event reports one.
    look_at: Option<Timestamp>,
    is_inbound_done: bool,
    is_outbound_done: bool,
    is_stopped: bool,
    /// Octets whose credit returns when the socket has taken them.
    uncredited: usize,
    pub(crate) moved: Moved,
}

/// What a direction did in one turn.
enum Turn {
    /// It can do nothing until it is woken.
    Idle,
    /// It changed something that the other direction may wait for.
    Moved,
}

impl<'a, R, S, C> Pump<'a, R, S, C>
where
    R: Runtime,
    S: Socket,
    C: Codec,
{
    /// With `is_inbound_done` nothing of the message comes from the socket any more.
    pub(crate) fn new(
        runtime: &'a R,
        (connection, alarm): (&'a mut Connection<S>, &'a mut Alarm<R>),
        codec: &'a mut C,
        stream: &'a StreamHandle,
        is_inbound_done: bool,
    ) -> Self {
        Self {
            runtime,
            connection,
            codec,
            stream,
            alarm,
            held: Bytes::new(),
            now: Timestamp::ZERO,
            is_eof: false,
            is_starved: false,
            look_at: None,
            is_inbound_done,
            is_outbound_done: false,
            is_stopped: false,
            uncredited: 0,
            moved: Moved::default(),
        }
    }

    /// Pumps until the exchange has ended. Dropping the future leaves both sides as they are.
    pub(crate) async fn run(&mut self) -> Ended<C::Lost> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// One turn of [`Pump::run`], for who has something else to watch.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended<C::Lost>> {
        self.now = self.runtime.now();
        loop {
            let turns = self.turn(cx);
            match turns {
                Err(ended) => return Poll::Ready(ended),
                Ok((Turn::Idle, Turn::Idle)) => {}
                Ok(_) => continue,
            }
            let deadline = earliest(self.codec.poll_timeout(), self.send_deadline());
            let look_at = self.next_look();
            if !self.alarm.poll(earliest(deadline, look_at), self.now, cx) {
                return Poll::Pending;
            }
            self.now = self.runtime.now();
            if look_at.is_some_and(|at| at <= self.now) {
                self.look_at = None;
                if self.connection.is_reset(cx) {
                    return Poll::Ready(Ended::Lost(self.codec.handle_broken()));
                }
            }
            if self.send_deadline().is_some_and(|deadline| deadline <= self.now) {
                if let Err(ended) = self.on_broken_write().and_then(|()| self.check_complete()) {
                    return Poll::Ready(ended);
                }
                continue;
            }
            if let Some(lost) = self.codec.handle_timeout(self.now) {
                return Poll::Ready(Ended::Lost(lost));
            }
            // What a timer means may stand in the codec as its next part.
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(Turn, Turn), Ended<C::Lost>> {
        let inbound = self.poll_inbound(cx)?;
        self.check_complete()?;
        let outbound = self.poll_outbound(cx)?;
        self.check_complete()?;
        Ok((inbound, outbound))
    }

    fn check_complete(&mut self) -> Result<(), Ended<C::Lost>> {
        let is_outbound_done = self.is_outbound_done && self.is_drained();
        if self.codec.is_complete(self.is_inbound_done, is_outbound_done) {
            return Err(Ended::Complete);
        }
        Ok(())
    }

    /// Whether all that was put into the output has gone out.
    fn is_drained(&mut self) -> bool {
        self.codec.output().is_empty() && self.connection.is_flushed()
    }

    fn next_look(&mut self) -> Option<Timestamp> {
        let is_due = self.is_eof && self.codec.is_half_closed();
        is_due.then(|| *self.look_at.get_or_insert(self.now + LOOK_INTERVAL))
    }

    fn send_deadline(&self) -> Option<Timestamp> {
        let since = self.connection.blocked_since?;
        self.codec.send_timeout().map(|limit| since + limit)
    }

    /// What the exchange waits for at its socket, if for anything: `expects_input` tells whether more is due to come from it.
    pub(crate) fn wait(&self, expects_input: bool) -> Option<Wait> {
        let is_blocked = self.connection.blocked_since.is_some();
        let is_starved = expects_input && self.is_starved && !self.is_inbound_done && !self.is_stopped;
        let moved = self.moved.inbound + self.connection.written;
        (is_blocked || is_starved).then_some(Wait { is_blocked, since: self.now, moved })
    }

    /// Moves what comes from the socket into the stream.
    fn poll_inbound(&mut self, cx: &mut Context<'_>) -> Result<Turn, Ended<C::Lost>> {
        let mut turn = Turn::Idle;
        self.is_starved = false;
        loop {
            if !self.offer_held(cx)? {
                self.codec.handle_backpressure(self.now);
                return Ok(turn);
            }
            match self.codec.poll_part(&mut self.connection.input, self.now) {
                Part::None => {}
                part => {
                    self.on_part(part)?;
                    turn = Turn::Moved;
                    continue;
                }
            }
            if self.is_eof || !self.codec.wants_read() {
                return Ok(turn);
            }
            let Some(room) = self.room(cx)? else {
                self.codec.handle_backpressure(self.now);
                return Ok(turn);
            };
            match self.connection.poll_fill_most(room.max(READ_BYTES_MIN), cx) {
                Poll::Pending => {
                    self.is_starved = true;
                    return Ok(turn);
                }
                Poll::Ready(Ok(0)) => {
                    self.is_eof = true;
                    self.codec.handle_eof();
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Err(Ended::Lost(self.codec.handle_broken())),
            }
        }
    }

    fn on_part(&mut self, part: Part<C::Lost>) -> Result<(), Ended<C::Lost>> {
        match part {
            Part::None => {}
            Part::Head(head, end) => {
                let is_interim = head.is_interim();
                let sent =
                    if is_interim { self.stream.interim(head) } else { self.stream.respond(head, end) };
                sent.map_err(|refused| Ended::Lost(self.codec.handle_refused_head(refused)))?;
                self.is_inbound_done |= end;
            }
            Part::Octets(octets) => self.held = octets,
            Part::End(trailers) => {
                self.stream.end(trailers);
                self.is_inbound_done = true;
            }
            Part::Lost(lost) => return Err(Ended::Lost(lost)),
        }
        Ok(())
    }

    /// Gives the stream what it takes of the held octets. True if none are left.
    fn offer_held(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended<C::Lost>> {
        while !self.held.is_empty() && self.room(cx)?.is_some() {
            if self.is_stopped {
                self.held = Bytes::new();
            } else if let Ok(taken) = self.stream.write(&mut self.held) {
                self.moved.inbound += taken as u64;
            }
        }
        Ok(self.held.is_empty())
    }

    /// Octets that the stream takes now, if it takes any; notices when its peer no longer reads.
    fn room(&mut self, cx: &mut Context<'_>) -> Result<Option<usize>, Ended<C::Lost>> {
        const BOUNDLESS: Option<usize> = Some(usize::MAX);
        if self.is_stopped || self.is_inbound_done || self.codec.owes_head() {
            return Ok(BOUNDLESS);
        }
        match self.stream.poll_capacity(cx) {
            Poll::Pending => Ok(None),
            Poll::Ready(Ok(room)) => Ok(Some(room)),
            Poll::Ready(Err(stopped)) => self.on_stopped(stopped.0).map(|()| BOUNDLESS),
        }
    }

    fn on_stopped(&mut self, reset: Reset) -> Result<(), Ended<C::Lost>> {
        self.is_stopped = true;
        if self.codec.handle_stopped() { Ok(()) } else { Err(Ended::Stopped(reset)) }
    }

    /// Moves what comes from the stream to the socket.
    fn poll_outbound(&mut self, cx: &mut Context<'_>) -> Result<Turn, Ended<C::Lost>> {
        let mut turn = Turn::Idle;
        loop {
            let has_more = self.gather(cx, &mut turn)?;
            if !self.poll_drain(cx)? || !has_more {
                return Ok(turn);
            }
        }
    }

    /// Takes from the stream until there is enough for one write. True if there may be more.
    fn gather(&mut self, cx: &mut Context<'_>, turn: &mut Turn) -> Result<bool, Ended<C::Lost>> {
        let is_open = !self.is_outbound_done && self.codec.wants_octets();
        let room = GATHER_BYTES.saturating_sub(self.codec.output().len());
        let mut arrived = ARRIVED.take();
        let look = self.stream.poll_all(if is_open { room } else { 0 }, &mut arrived, cx);
        if let Some(reset) = look.stopped.filter(|_| !self.is_stopped) {
            self.on_stopped(reset)?;
        }
        for one in arrived.drain(..) {
            *turn = Turn::Moved;
            self.on_arrived(one)?;
        }
        if arrived.capacity() <= ARRIVED_MAX {
            ARRIVED.set(arrived);
        }
        // Without room nothing was looked for.
        Ok(is_open && !self.is_outbound_done && (room == 0 || look.has_more))
    }

    fn on_arrived(&mut self, arrived: Arrived) -> Result<(), Ended<C::Lost>> {
        match arrived {
            Arrived::Head(head, end) => {
                self.is_outbound_done |= end;
                if !self.codec.put_head(head, end) {
                    return Err(Ended::Lost(self.codec.handle_broken()));
                }
            }
            Arrived::Octets(octets) => {
                self.uncredited += octets.len();
                self.moved.outbound += octets.len() as u64;
                self.codec.put_octets(octets);
            }
            Arrived::End(trailers) => {
                self.is_outbound_done = true;
                self.codec.put_end(&trailers);
            }
            Arrived::Reset(reset) => return Err(Ended::Reset(reset)),
        }
        Ok(())
    }

    /// The socket takes no more, or has taken nothing for too long.
    fn on_broken_write(&mut self) -> Result<(), Ended<C::Lost>> {
        if !self.codec.survives_broken_write() {
            return Err(Ended::Lost(self.codec.handle_broken()));
        }
        self.codec.output().clear();
        self.connection.give_up_writing();
        self.is_outbound_done = true;
        Ok(())
    }

    /// Writes the output. True if all of it is gone; its credit then returns.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended<C::Lost>> {
        if !self.is_drained() {
            match self.connection.poll_drain(self.codec.output(), self.now, cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.on_broken_write()?,
            }
        }
        // The credit of a stream that is about to be let go of is of no use any more.
        if self.uncredited > 0 && !(self.is_inbound_done && self.is_outbound_done) {
            self.stream.credit(std::mem::take(&mut self.uncredited));
        }
        if self.codec.wants_shutdown() {
            match self.connection.poll_shutdown(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(())) => self.codec.handle_shutdown(self.now),
                Poll::Ready(Err(_)) => return Err(Ended::Lost(self.codec.handle_broken())),
            }
        }
        Ok(true)
    }
}
