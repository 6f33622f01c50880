//! Positions and links: acknowledgements ahead and behind, peers that never acknowledge, old links and silence.
//! [M-14, M-15, M-21]

use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

use super::super::misbehaviour::{data, head, open};
use super::super::pair::{OnLink as _, SECOND, tcp};
use super::victim::{Victim, plugboard, resumable_plugboard, resumable_telephone, telephone};
use super::{Script, script};
use crate::error::{CloseReason, Misbehaviour as M};
use crate::session::CannotResume;
use crate::wire::Frame;

pub(super) fn scripts() -> Vec<Script> {
    [acknowledgements(), resumes(), silence()].into_iter().flatten().collect()
}

fn raw(id: u64) -> Frame {
    Frame::Open { id: Victim::id(id), grant: u64::MAX, end: false, opening: tcp() }
}

/// What the message that fills a ring adds to it, of at most 1000 bytes of data in either profile.
const LAST_BYTES_MAX: usize = 1600;

fn acknowledgements() -> Vec<Script> {
    vec![
        script("an acknowledgement of all there is", plugboard)
            .acknowledges(u64::MAX, [Frame::Ack])
            .misbehaves(M::AckAhead),
        script("nothing is obeyed of a message that acknowledges too much", plugboard)
            .acknowledges(1000, [open(1)])
            .acts(|victim| assert_eq!(victim.accept_all(), 0))
            .misbehaves(M::AckAhead),
        script("an acknowledgement one ahead", resumable_plugboard)
            .acts(|victim| victim.hear(victim.numbered + 1, &[Frame::Ack]))
            .misbehaves(M::AckAhead),
        script("an acknowledgement of all that was sent", resumable_plugboard).acts(|victim| {
            assert!(victim.session.kept() > 0);
            victim.hear(victim.numbered, &[Frame::Ack]);
            assert_eq!(victim.session.kept(), 0);
        }),
        script("an acknowledgement that falls", resumable_plugboard).acts(|victim| {
            victim.hear(victim.numbered, &[Frame::Ack]);
            victim.hear(0, &[Frame::Ack]);
            assert_eq!(victim.session.kept(), 0);
        }),
        script("acknowledgements that fall without end", resumable_plugboard)
            .acts(|victim| {
                victim.hear(victim.numbered, &[Frame::Ack]);
                for _ in 0..201 {
                    victim.hear(0, &[Frame::Ack]);
                }
            })
            .misbehaves(M::FreeFrames),
        script("a peer that never acknowledges stops what is numbered", resumable_telephone)
            .sends([raw(2)])
            .acts(|victim| {
                victim.accept_all();
                for _ in 0..20 {
                    victim.write(2, 1000);
                    victim.settle();
                }
                assert!(victim.session.kept() <= 500 + LAST_BYTES_MAX, "{}", victim.session.kept());
            }),
        script("a peer that never acknowledges is answered all the same", resumable_telephone)
            .sends([raw(2)])
            .acts(|victim| {
                victim.accept_all();
                victim.write(2, 5000);
            })
            .sends([Frame::Ping(5)])
            .acts(|victim| assert_eq!(victim.said.last(), Some(&Frame::Pong(5)))),
        script("a peer that acknowledges a part keeps the ring within its bound", resumable_telephone)
            .sends([raw(2)])
            .acts(|victim| {
                victim.accept_all();
                // Each full ring that is emptied doubles, up to its bound.
                for turn in 0..50 {
                    victim.write(2, 1000);
                    victim.settle();
                    if turn < 25 {
                        victim.hear(victim.numbered, &[Frame::Ack]);
                    }
                }
                assert!(victim.session.kept() > 500 + LAST_BYTES_MAX, "{}", victim.session.kept());
                assert!(victim.session.kept() <= 2000 + LAST_BYTES_MAX, "{}", victim.session.kept());
            }),
    ]
}

fn resumes() -> Vec<Script> {
    vec![
        script("a resume with a position one ahead", resumable_plugboard).acts(|victim| {
            let ahead = victim.numbered + 1;
            assert_eq!(victim.session.resume(ahead, victim.now), Err(CannotResume::Position(ahead)));
        }),
        script("a resume behind what was acknowledged", resumable_plugboard).acts(|victim| {
            victim.hear(victim.numbered, &[Frame::Ack]);
            assert_eq!(victim.session.resume(0, victim.now), Err(CannotResume::Position(0)));
        }),
        script("a resume of a session that cannot", plugboard).acts(|victim| {
            assert_eq!(victim.session.resume(0, victim.now), Err(CannotResume::Over));
        }),
        script("what comes on an old link is not heard", resumable_plugboard).acts(|victim| {
            let old = victim.session.latest_link();
            victim.session.resume(victim.numbered, victim.now).expect("it goes on");
            victim.session.handle_message(old, Bytes::from_static(b"\x00\x3f\x00"), victim.now);
            victim.session.handle_misbehaviour(old, M::MessageType, victim.now);
            victim.session.handle_disconnect(old, victim.now);
            assert_eq!(victim.session.poll_transmit(old, victim.now), None);
        }),
        script("an old link that breaks a rule costs nothing", resumable_plugboard).acts(|victim| {
            let old = victim.session.latest_link();
            victim.session.resume(victim.numbered, victim.now).expect("it goes on");
            for _ in 0..1000 {
                victim.session.handle_message(old, Bytes::from_static(b"\x00\x0b\x01\x00"), victim.now);
            }
        }),
        script("messages that had come are sent again on a new link", resumable_plugboard)
            .sends([open(1)])
            .acts(|victim| {
                victim.accept_all();
                victim.session.resume(victim.numbered, victim.now).expect("it goes on");
            })
            .sends([open(1)])
            .misbehaves(M::StreamIdOrder),
        script("a link more each moment", resumable_plugboard).acts(|victim| {
            for _ in 0..500 {
                victim.session.resume(0, victim.now).expect("it goes on");
                // What was sent is sent again, and no more.
                let before = victim.session.kept();
                while victim.session.say(victim.now).is_some() {}
                assert_eq!(victim.session.kept(), before);
            }
        }),
        script("streams without end over one link after the other", resumable_plugboard)
            .acts(|victim| {
                for turn in 0..200 {
                    victim.hear(0, &[open(2 * turn + 1), data(2 * turn + 1, 10)]);
                    victim.session.lose(victim.now);
                    victim.session.resume(0, victim.now).expect("it goes on");
                    victim.accept_all();
                    victim.release(2 * turn + 1);
                    while victim.session.say(victim.now).is_some() {}
                }
            })
            .only_binary(),
        script("an acknowledgement ahead on a new link", resumable_plugboard)
            .acts(|victim| {
                victim.session.resume(0, victim.now).expect("it goes on");
                victim.hear(1000, &[Frame::Ack]);
            })
            .misbehaves(M::AckAhead),
    ]
}

fn silence() -> Vec<Script> {
    vec![
        script("a silent peer of an idle session", telephone)
            .acts(|victim| victim.pass(Duration::from_secs(60)))
            .closes(CloseReason::Silent),
        script("a silent peer that owes an answer", plugboard)
            .acts(|victim| victim.pass(Duration::from_secs(31)))
            .closes(CloseReason::Silent),
        script("a peer that sends a byte of a message each five seconds", plugboard).acts(|victim| {
            for _ in 0..100 {
                victim.pass(5 * SECOND);
                victim.session.handle_activity(victim.session.latest_link(), victim.now);
            }
        }),
        script("a peer that never comes back", resumable_plugboard)
            .acts(|victim| {
                victim.session.lose(victim.now);
                victim.pass(Duration::from_secs(31));
            })
            .closes(CloseReason::LinkLost),
        script("a peer that answers and goes before it is read", plugboard)
            .sends([head(2, 200, true)])
            .acts(|victim| {
                victim.session.lose(victim.now);
                assert!(victim.session.recv(Victim::id(2)).take_head().is_some());
            })
            .closes(CloseReason::LinkLost),
    ]
}
