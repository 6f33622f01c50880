//! Credit: data past it, grants at the edges of numbers, small and useless raises. [M-06 to M-09]

use alloc::vec;
use alloc::vec::Vec;

use super::super::misbehaviour::{data, end, head, open, reset};
use super::super::pair::{http, request, response, tcp};
use super::victim::{Victim, plugboard, small_plugboard, small_telephone, telephone};
use super::{Script, script};
use crate::error::{Misbehaviour as M, ResetCode};
use crate::limits::SEND_BURST_BYTES;
use crate::session::OpenError;
use crate::wire::Frame;

pub(super) fn scripts() -> Vec<Script> {
    [data_past_it(), stopped(), grants(), raises(), slots()].into_iter().flatten().collect()
}

fn raw(id: u64, grant: u64) -> Frame {
    Frame::Open { id: Victim::id(id), grant, end: false, opening: tcp() }
}

fn credit(id: u64, limit: u64) -> Frame {
    Frame::Credit { id: Victim::id(id), limit }
}

fn data_past_it() -> Vec<Script> {
    vec![
        script("data past the credit of a request", small_telephone)
            .sends([open(2), data(2, 1001)])
            .misbehaves(M::CreditExceeded),
        script("data up to the credit of a request", small_telephone).sends([open(2), data(2, 1000)]),
        (0..16)
            .fold(
                script("data past the credit of an answer", plugboard).sends([head(2, 200, false)]),
                |script, _| script.sends([data(2, 16_384)]),
            )
            .sends([data(2, 1)])
            .misbehaves(M::CreditExceeded),
        script("data past the credit that others left a stream", small_telephone)
            .sends([raw(2, 0), raw(4, 0), raw(6, 0), data(2, 1000), data(4, 600), data(6, 326), data(6, 1)])
            .sends([data(6, 1000)])
            .misbehaves(M::CreditExceeded),
        script("data past the credit that a part of it gave back", small_telephone)
            .sends([raw(2, 0), data(2, 1000)])
            .acts(|victim| {
                victim.accept_all();
                victim.read(2, 100);
            })
            .sends([data(2, 101)])
            .misbehaves(M::CreditExceeded),
        script("each stream filled to its credit", small_plugboard)
            .sends([raw(1, 0), raw(3, 0), raw(5, 0), data(1, 1000), data(3, 500), data(5, 100)])
            .acts(|victim| assert_eq!(victim.session.buffered(), 1600)),
        script("data of a request that nobody accepted is bounded by its credit", small_telephone)
            .sends([open(2), data(2, 500), data(2, 501)])
            .misbehaves(M::CreditExceeded),
        script("an opener that never gives credit holds no more than a send buffer", telephone)
            .sends([raw(2, 0)])
            .acts(|victim| {
                victim.accept_all();
                victim.write(2, SEND_BURST_BYTES);
                victim.settle();
                assert_eq!(victim.write(2, SEND_BURST_BYTES), 0);
                assert_eq!(victim.count(|frame| matches!(frame, Frame::Data { .. })), 0);
            }),
    ]
}

/// Data of streams that the honest end stopped: legal up to the credit, and thrown away.
fn stopped() -> Vec<Script> {
    let held = |name| {
        script(name, small_telephone).sends([raw(2, 0)]).acts(|victim| {
            victim.accept_all();
            victim.stop(2);
        })
    };
    vec![
        held("data behind a stop costs no memory").sends([data(2, 1000)]).acts(|victim| {
            assert_eq!((victim.session.buffered(), victim.session.window().1), (0, 0));
        }),
        held("data behind a stop past the credit")
            .sends([data(2, 1000), data(2, 1)])
            .misbehaves(M::CreditExceeded),
        held("an end behind a stop").sends([data(2, 10), end(2)]),
        held("data behind an end behind a stop").sends([end(2), data(2, 1)]).misbehaves(M::StreamState),
        script("data behind a release costs no memory", small_telephone)
            .sends([raw(2, 0), data(2, 500)])
            .acts(|victim| {
                victim.accept_all();
                victim.release(2);
            })
            .sends([data(2, 500)])
            .acts(|victim| assert_eq!((victim.session.buffered(), victim.session.window().1), (0, 0))),
    ]
}

fn grants() -> Vec<Script> {
    vec![
        script("a grant of all there is", telephone).sends([raw(2, u64::MAX)]).acts(|victim| {
            victim.accept_all();
            assert_eq!(victim.write(2, 100_000), 100_000);
        }),
        script("a raise to all there is", telephone).sends([raw(2, 0), credit(2, u64::MAX)]).acts(|victim| {
            victim.accept_all();
            assert_eq!(victim.write(2, 100_000), 100_000);
        }),
        script("a raise behind all there is", telephone).sends([
            raw(2, u64::MAX),
            credit(2, u64::MAX),
            credit(2, 0),
        ]),
        script("a raise that takes credit back", telephone).sends([raw(2, 1000), credit(2, 10)]).acts(
            |victim| {
                victim.accept_all();
                victim.write(2, 1000);
                victim.settle();
                assert_eq!(victim.count(|frame| matches!(frame, Frame::Data { .. })), 1);
            },
        ),
        script("credit on a stream that only the peer sends", telephone)
            .sends([raw(2, 0)])
            .acts(|victim| {
                victim.accept_all();
                victim.session.send(Victim::id(2)).end(crate::message::Headers::new());
            })
            .sends([credit(2, 1 << 20)]),
        script("credit ahead of the head of an answer", plugboard)
            .sends([credit(2, 1 << 20), head(2, 200, true)]),
    ]
}

fn raises() -> Vec<Script> {
    let bytes = |id: u64| (16_385..16_700).map(|limit| credit(id, limit)).collect::<Vec<_>>();
    vec![
        script("a telephone's credit by the byte", plugboard).sends(bytes(2)).misbehaves(M::FreeFrames),
        script("a plugboard's credit by the byte", telephone)
            .sends([vec![raw(2, 16_384)], bytes(2)].concat())
            .misbehaves(M::FreeFrames),
        script("the same credit again and again", telephone)
            .sends([vec![raw(2, 0)], vec![credit(2, 1 << 20); 300]].concat())
            .misbehaves(M::FreeFrames),
        script("credit that falls", telephone)
            .sends([vec![raw(2, u64::MAX)], (0..300).rev().map(|limit| credit(2, limit)).collect()].concat())
            .misbehaves(M::FreeFrames),
        script("raises that are worth a frame", telephone)
            .sends([vec![raw(2, 0)], (1..400).map(|step| credit(2, step * 8192)).collect()].concat()),
        script("credit and stops of one stream", plugboard)
            .sends(
                (0..300)
                    .map(|turn: u64| {
                        let stop = Frame::Stop { id: Victim::id(2), code: ResetCode::Cancelled };
                        if turn.is_multiple_of(2) { credit(2, 0) } else { stop }
                    })
                    .collect::<Vec<_>>(),
            )
            .misbehaves(M::FreeFrames),
    ]
}

/// Stream slots that the peer gives.
fn slots() -> Vec<Script> {
    vec![
        script("slots of all there are", small_plugboard).sends([Frame::Streams { limit: u64::MAX }]).acts(
            |victim| {
                for _ in 0..50 {
                    victim.open(http(request("GET")), true);
                }
            },
        ),
        script("slots that are taken back", small_plugboard)
            .sends([Frame::Streams { limit: 7 }, Frame::Streams { limit: 1 }])
            .acts(|victim| {
                for _ in 0..7 {
                    victim.open(http(request("GET")), true);
                }
                let refused = victim.session.open(http(request("GET")), true, victim.now);
                assert_eq!(refused, Err(OpenError::TooManyStreams));
            }),
        script("slots one by one", small_plugboard)
            .sends((0..400).map(|limit| Frame::Streams { limit: 7 + limit }).collect::<Vec<_>>()),
        script("slots that fall", small_plugboard)
            .sends((0..300).rev().map(|limit| Frame::Streams { limit }).collect::<Vec<_>>())
            .misbehaves(M::FreeFrames),
        script("an answer of all heads and no credit", plugboard).sends([
            head(2, 103, false),
            Frame::Head { id: Victim::id(2), end: false, head: response(200) },
            reset(2),
        ]),
    ]
}
