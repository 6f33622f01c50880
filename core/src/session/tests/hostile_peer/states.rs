//! States of streams: heads, bodies, ends, resets and upgrades in the wrong order. [M-03, M-07, M-13]

use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;

use super::super::misbehaviour::{data, end, head, open, reset, sized};
use super::super::pair::{http, request, response, tcp};
use super::victim::{Victim, asking_telephone, plugboard, telephone};
use super::{Script, script};
use crate::error::{Misbehaviour as M, Reset, ResetCode, Touched};
use crate::session::Incoming;
use crate::wire::Frame;

pub(super) fn scripts() -> Vec<Script> {
    [answers(), requests(), lengths(), resets(), upgrades()].into_iter().flatten().collect()
}

fn answered(id: u64, length: u64) -> Frame {
    let mut head = response(200);
    head.length = Some(length);
    Frame::Head { id: Victim::id(id), end: false, head }
}

fn given_up(id: u64, touched: Touched) -> Frame {
    Frame::Reset { id: Victim::id(id), reset: Reset { code: ResetCode::BackendFailed, touched } }
}

/// Answers of a hostile acceptor.
fn answers() -> Vec<Script> {
    let interims = |count: usize| vec![head(2, 103, false); count];
    vec![
        script("a plugboard answers with data before the head", asking_telephone)
            .sends([data(1, 1)])
            .misbehaves(M::StreamState),
        script("a plugboard answers with an end before the head", asking_telephone)
            .sends([end(1)])
            .misbehaves(M::StreamState),
        script("data behind an interim head", plugboard)
            .sends([head(2, 103, false), data(2, 1)])
            .misbehaves(M::StreamState),
        script("an end behind an interim head", plugboard)
            .sends([head(2, 103, false), end(2)])
            .misbehaves(M::StreamState),
        script("an interim head behind the final one", plugboard)
            .sends([head(2, 200, false), head(2, 103, false)])
            .misbehaves(M::StreamState),
        script("an interim head behind a body", plugboard)
            .sends([head(2, 200, false), data(2, 1), head(2, 103, false)])
            .misbehaves(M::StreamState),
        script("a final head behind the end", plugboard)
            .sends([head(2, 200, true), head(2, 200, true)])
            .misbehaves(M::StreamState),
        script("a head behind a reset", plugboard)
            .sends([given_up(2, Touched::Yes), head(2, 200, true)])
            .misbehaves(M::StreamState),
        script("trailers twice", plugboard)
            .sends([head(2, 200, false), end(2), end(2)])
            .misbehaves(M::StreamState),
        script("eight interim heads and an answer", plugboard)
            .sends([interims(8), vec![head(2, 200, true)]].concat()),
        script("nine interim heads of a stream that nobody reads", plugboard)
            .acts(|victim| victim.stop(2))
            .sends(interims(9))
            .misbehaves(M::TooManyInterims),
        script("a hundred interim heads in place of an answer", plugboard)
            .sends(interims(100))
            .misbehaves(M::TooManyInterims),
        script("an answer on a stream that was let go of", plugboard)
            .acts(|victim| victim.release(2))
            .sends([head(2, 200, false), data(2, 1000), end(2)])
            .acts(|victim| assert_eq!(victim.session.stats().streams_open, 0)),
        script("two answers on a stream that was let go of", plugboard)
            .acts(|victim| victim.release(2))
            .sends([head(2, 200, false), head(2, 200, false)])
            .misbehaves(M::StreamState),
    ]
}

/// Requests and raw connections of a hostile opener.
fn requests() -> Vec<Script> {
    let opened = |end: bool| Frame::Open { id: Victim::id(2), grant: 0, end, opening: http(request("POST")) };
    let raw = || Frame::Open { id: Victim::id(2), grant: 0, end: false, opening: tcp() };
    vec![
        script("data on a request that was whole with its head", telephone)
            .sends([opened(true), data(2, 1)])
            .misbehaves(M::StreamState),
        script("an end of a request that was whole with its head", telephone)
            .sends([opened(true), end(2)])
            .misbehaves(M::StreamState),
        script("a reset of a request that was whole with its head", telephone)
            .sends([opened(true), reset(2)])
            .misbehaves(M::StreamState),
        script("an answer by the end that asked", telephone)
            .sends([opened(false), head(2, 200, false)])
            .misbehaves(M::StreamState),
        script("an interim answer by the end that asked", telephone)
            .sends([opened(false), head(2, 103, false)])
            .misbehaves(M::StreamState),
        script("a head on a raw connection", telephone)
            .sends([raw(), head(2, 200, false)])
            .misbehaves(M::StreamState),
        script("data behind the end of a raw connection", telephone)
            .sends([raw(), data(2, 1), end(2), data(2, 1)])
            .misbehaves(M::StreamState),
        script("data behind the reset of a raw connection", telephone)
            .sends([raw(), reset(2), data(2, 1)])
            .misbehaves(M::StreamState),
        script("a raw connection that is half closed goes on in the other direction", telephone)
            .sends([raw(), end(2)])
            .acts(|victim| {
                victim.accept_all();
                assert_eq!(victim.write(2, 100), 100);
            }),
        script("empty data without end", telephone)
            .sends([vec![raw()], vec![data(2, 0); 300]].concat())
            .misbehaves(M::FreeFrames),
        script("data by the byte stays in few pieces", telephone)
            .sends([vec![raw()], vec![data(2, 1); 5000]].concat())
            .acts(|victim| {
                let stream = victim.session.streams.get(Victim::id(2)).expect("a stream");
                assert_eq!(stream.recv.buffer.len(), 5000);
                assert!(stream.recv.buffer.slices().count() <= 2);
            }),
    ]
}

fn lengths() -> Vec<Script> {
    vec![
        script("an answer past its length", plugboard)
            .sends([answered(2, 5), data(2, 6)])
            .misbehaves(M::BodyLength),
        script("an answer past its length in two parts", plugboard)
            .sends([answered(2, 5), data(2, 5), data(2, 1)])
            .misbehaves(M::BodyLength),
        script("an answer short of its length", plugboard)
            .sends([answered(2, 5), data(2, 4), end(2)])
            .misbehaves(M::BodyLength),
        script("an answer of nothing with a length", plugboard)
            .sends([answered(2, 5), end(2)])
            .misbehaves(M::BodyLength),
        script("an answer with a length of nothing and a body", plugboard)
            .sends([answered(2, 0), data(2, 1)])
            .misbehaves(M::BodyLength),
        script("a request past its length", telephone)
            .sends([sized(2, 5), data(2, 6)])
            .misbehaves(M::BodyLength),
        script("a request short of its length", telephone)
            .sends([sized(2, 5), data(2, 4), end(2)])
            .misbehaves(M::BodyLength),
        script("a body past its length on a stream that nobody reads", telephone)
            .sends([sized(2, 5)])
            .acts(|victim| {
                victim.accept_all();
                victim.stop(2);
            })
            .sends([data(2, 6)])
            .misbehaves(M::BodyLength),
        script("a reset short of the length never looks complete", telephone)
            .sends([sized(2, 5), data(2, 4), reset(2)])
            .acts(|victim| {
                assert_eq!(victim.accept_all(), 1);
                victim.read(2, 4);
                assert!(matches!(victim.peek(2), Incoming::Reset(_)));
            }),
        script("a length of all there may be reserves no more than the window", telephone)
            .sends([sized(2, i64::MAX as u64)])
            .acts(|victim| assert!(victim.session.window().1 <= victim.session.window().0 / 2)),
        script("a head that ends and tells a length is an answer to HEAD", plugboard).sends([{
            let Frame::Head { id, head, .. } = answered(2, 5) else { unreachable!("a head") };
            Frame::Head { id, end: true, head }
        }]),
    ]
}

fn resets() -> Vec<Script> {
    vec![
        script("an opener cannot say that its request is untouched", telephone)
            .sends([open(2), given_up(2, Touched::No)])
            .acts(|victim| {
                let told = Reset { code: ResetCode::BackendFailed, touched: Touched::Unknown };
                assert_eq!(victim.peek(2), Incoming::Reset(told));
            }),
        script("a reset with an unknown code", plugboard)
            .sends([Frame::Reset {
                id: Victim::id(2),
                reset: Reset { code: ResetCode::Other(u64::MAX), touched: Touched::Yes },
            }])
            .acts(|victim| {
                let told = Reset { code: ResetCode::Other(u64::MAX), touched: Touched::Yes };
                assert_eq!(victim.peek(2), Incoming::Reset(told));
            }),
        script("a second reset of an answer", plugboard)
            .sends([given_up(2, Touched::No), given_up(2, Touched::Yes)])
            .misbehaves(M::StreamState),
        script("an end behind a reset", plugboard)
            .sends([head(2, 200, false), given_up(2, Touched::Yes), end(2)])
            .misbehaves(M::StreamState),
        script("a stop is answered with one reset", telephone)
            .sends([open(2)])
            .acts(|victim| {
                victim.accept_all();
            })
            .sends([Frame::Stop { id: Victim::id(2), code: ResetCode::Cancelled }])
            .acts(|victim| assert_eq!(victim.count(|frame| matches!(frame, Frame::Reset { .. })), 1)),
        script("stops of one stream without end", telephone)
            .sends(
                [vec![open(2)], vec![Frame::Stop { id: Victim::id(2), code: ResetCode::Cancelled }; 300]]
                    .concat(),
            )
            .misbehaves(M::FreeFrames),
    ]
}

fn upgrades() -> Vec<Script> {
    let switch = |id: u64| Frame::Head { id: Victim::id(id), end: false, head: response(101) };
    fn upgrading(profile: crate::wire::Profile) -> Victim {
        let mut victim = telephone(profile);
        let mut head = request("GET");
        head.upgrade = Some(Bytes::from_static(b"websocket"));
        victim.open(http(head), false);
        victim.settle();
        victim
    }
    vec![
        script("a switch in answer to a plain request", asking_telephone)
            .sends([switch(1)])
            .misbehaves(M::StreamState),
        script("a switch that was asked for, and data", upgrading).sends([switch(1), data(1, 100)]),
        script("a second switch", upgrading).sends([switch(1), switch(1)]).misbehaves(M::StreamState),
        script("an answer behind a switch", upgrading)
            .sends([switch(1), head(1, 200, true)])
            .misbehaves(M::StreamState),
        script("a switch behind an answer", upgrading)
            .sends([head(1, 200, false), switch(1)])
            .misbehaves(M::StreamState),
        script("data ahead of a switch", upgrading).sends([data(1, 1), switch(1)]).misbehaves(M::StreamState),
        script("a switch in answer to a request that the peer made", telephone)
            .sends([open(2), switch(2)])
            .misbehaves(M::StreamState),
    ]
}
