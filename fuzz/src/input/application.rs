//! What stands behind a session: every stream is answered, and what comes in goes back.

use bytes::Bytes;
use telephone_core::message::{Headers, ResponseHead};
use telephone_core::session::{Event, Incoming, StreamId};
use telephone_core::time::Timestamp;
use telephone_core::wire::Opening;

use crate::session::End;

/// The most streams that it takes at once; more wait.
const STREAMS_MAX: usize = 16;

/// Does what the session's events ask for. What it does not know is left to the caller.
pub(super) fn serve(end: &mut End, now: Timestamp, mut other: impl FnMut(&mut End, Event)) {
    while let Some(event) = end.session.poll_event() {
        match event {
            Event::Opened => accept(end, now),
            Event::Readable(id) | Event::Writable(id) => echo(end, id, now),
            event => other(end, event),
        }
    }
}

fn accept(end: &mut End, now: Timestamp) {
    while end.held.len() < STREAMS_MAX {
        let Some(accepted) = end.session.accept() else { return };
        end.held.push(accepted.id);
        if matches!(accepted.opening, Opening::Http { .. }) {
            let headers = Headers::new();
            let head =
                ResponseHead { status: 200, reason: Bytes::new(), headers, length: None, upgrade: None };
            end.session.send(accepted.id).respond(head, false).expect("a sound head");
        }
        echo(end, accepted.id, now);
    }
}

/// Moves what came in to what goes out, and lets go of a stream that is over.
fn echo(end: &mut End, id: StreamId, now: Timestamp) {
    loop {
        match end.session.recv(id).peek() {
            Incoming::Head => drop(end.session.recv(id).take_head()),
            Incoming::Octets(mut octets) => {
                let before = octets.len();
                let taken = end.session.send(id).write(&mut octets).unwrap_or(before);
                if taken == 0 {
                    return;
                }
                end.session.recv(id).consume(taken, now);
            }
            Incoming::End(trailers) => {
                end.session.send(id).end(trailers);
                return end.release(id);
            }
            Incoming::Reset(reset) => {
                end.session.send(id).reset(reset);
                return end.release(id);
            }
            Incoming::Pending => return,
        }
    }
}
