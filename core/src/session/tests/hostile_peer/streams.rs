//! Numbers of streams: parity, order, slots, and frames for streams that are not there. [M-03, M-04, M-05, M-10, M-11]

use alloc::vec;
use alloc::vec::Vec;

use super::super::misbehaviour::{data, end, head, open, reset};
use super::super::pair::tcp;
use super::victim::{Victim, asking_telephone, plugboard, small_plugboard, small_telephone, telephone};
use super::{Script, script};
use crate::error::{Misbehaviour as M, Reset, ResetCode, Touched};
use crate::session::Incoming;
use crate::wire::{Frame, StreamId};

pub(super) fn scripts() -> Vec<Script> {
    [order(), slots(), never(), late()].into_iter().flatten().collect()
}

fn raw(id: u64) -> Frame {
    Frame::Open { id: StreamId::new(id), grant: 0, end: false, opening: tcp() }
}

fn stop(id: u64) -> Frame {
    Frame::Stop { id: StreamId::new(id), code: ResetCode::Cancelled }
}

fn credit(id: u64) -> Frame {
    Frame::Credit { id: StreamId::new(id), limit: 1 << 20 }
}

fn order() -> Vec<Script> {
    vec![
        script("a plugboard opens a telephone's number", telephone)
            .sends([open(1)])
            .misbehaves(M::StreamIdOrder),
        script("a plugboard opens number zero", telephone).sends([open(0)]).misbehaves(M::StreamIdOrder),
        script("a telephone opens the number of a stream that was opened to it", plugboard)
            .sends([open(2)])
            .misbehaves(M::StreamIdOrder),
        script("a number is used again while its stream is open", telephone)
            .sends([open(2), data(2, 5), open(2)])
            .misbehaves(M::StreamIdOrder),
        script("a number is used again behind the reset of its stream", telephone)
            .sends([open(2), reset(2), open(2)])
            .misbehaves(M::StreamIdOrder),
        script("a number is used again when nobody holds its stream", telephone)
            .sends([open(2)])
            .acts(|victim| {
                victim.accept_all();
                victim.release(2);
            })
            .sends([reset(2), open(2)])
            .misbehaves(M::StreamIdOrder),
        script("a number is used again for another kind", plugboard)
            .sends([open(1), reset(1), raw(1)])
            .misbehaves(M::StreamIdOrder),
        script("a number in a gap", plugboard)
            .sends([open(1), open(1001), open(999)])
            .misbehaves(M::StreamIdOrder),
        script("a gap", plugboard).sends([open(1), open(1001)]),
        script("the last number", plugboard).sends([open(u64::MAX)]),
        script("a number behind the last", plugboard)
            .sends([open(u64::MAX), open(1)])
            .misbehaves(M::StreamIdOrder),
        script("the last number of the other parity", telephone)
            .sends([open(u64::MAX - 1), open(u64::MAX)])
            .misbehaves(M::StreamIdOrder),
    ]
}

fn slots() -> Vec<Script> {
    let opens = |count: u64| (0..count).map(|number| raw(2 * number + 1)).collect::<Vec<_>>();
    let opens_and_resets = |numbers: core::ops::Range<u64>| -> Vec<Frame> {
        numbers.flat_map(|number| [raw(2 * number + 1), reset(2 * number + 1)]).collect()
    };
    vec![
        script("a stream more than a plugboard takes", small_plugboard)
            .sends(opens(7))
            .misbehaves(M::StreamsExceeded),
        script("a stream more than a telephone takes", small_telephone)
            .sends((1..8).map(|number| raw(2 * number)).collect::<Vec<_>>())
            .misbehaves(M::StreamsExceeded),
        script("streams up to the last slot", small_plugboard).sends(opens(6)).acts(|victim| {
            assert_eq!(victim.accept_all(), 3, "the others are refused");
            assert_eq!(victim.count(|frame| matches!(frame, Frame::Reset { .. })), 3);
        }),
        script("streams that are over at the peer and held here have their slots", small_plugboard)
            .sends([raw(1), raw(3), raw(5)])
            .acts(|victim| assert_eq!(victim.accept_all(), 3))
            .sends([
                reset(1),
                reset(3),
                reset(5),
                stop(1),
                stop(3),
                stop(5),
                raw(7),
                raw(9),
                raw(11),
                raw(13),
            ])
            .misbehaves(M::StreamsExceeded),
        script("streams that are opened and reset without end wait in bounds", plugboard)
            .sends(opens_and_resets(0..400))
            .acts(|victim| assert_eq!(victim.session.unaccepted.len(), 256)),
        script("streams that are opened and reset as fast as slots return", plugboard)
            .sends(opens_and_resets(0..600))
            .sends(opens_and_resets(600..1200))
            .acts(|victim| assert!(victim.session.streams.len() <= 257, "refused ones are gone"))
            .only_binary(),
        script("streams beyond those that may wait are reset untouched", small_plugboard)
            .sends([raw(1), raw(3), raw(5), raw(7)])
            .acts(|victim| {
                let untouched = Reset { code: ResetCode::Refused, touched: Touched::No };
                let refusal = Frame::Reset { id: Victim::id(7), reset: untouched };
                assert!(victim.said.contains(&refusal), "{:?}", victim.said);
            }),
        script("data on a stream that was refused is thrown away", small_plugboard)
            .sends([raw(1), raw(3), raw(5), raw(7), data(7, 100), end(7)])
            .acts(|victim| assert_eq!(victim.session.buffered(), 0)),
        script("data past the credit of a stream that was refused", small_plugboard)
            .sends([raw(1), raw(3), raw(5), raw(7), data(7, 16_000)])
            .misbehaves(M::CreditExceeded),
        script("a slot is not given back twice by a reset and an end", small_plugboard)
            .sends([raw(1), end(1), reset(1)])
            .misbehaves(M::StreamState),
    ]
}

/// Frames for streams that never were.
fn never() -> Vec<Script> {
    vec![
        script("a head for a plugboard's number of the future", telephone)
            .sends([head(2, 200, true)])
            .misbehaves(M::StreamUnknown),
        script("data for a plugboard's number of the future", telephone)
            .sends([data(2, 1)])
            .misbehaves(M::StreamUnknown),
        script("an end for a plugboard's number of the future", telephone)
            .sends([end(2)])
            .misbehaves(M::StreamUnknown),
        script("a reset for a plugboard's number of the future", telephone)
            .sends([reset(2)])
            .misbehaves(M::StreamUnknown),
        script("a stop for a plugboard's number of the future", telephone)
            .sends([stop(2)])
            .misbehaves(M::StreamUnknown),
        script("credit for a plugboard's number of the future", telephone)
            .sends([credit(2)])
            .misbehaves(M::StreamUnknown),
        script("data for a telephone's number of the future", telephone)
            .sends([data(1, 1)])
            .misbehaves(M::StreamUnknown),
        script("an answer to the request behind the last", asking_telephone)
            .sends([head(3, 200, true)])
            .misbehaves(M::StreamUnknown),
        script("data for the last number there is", telephone)
            .sends([data(u64::MAX, 1)])
            .misbehaves(M::StreamUnknown),
        script("data for stream zero of a telephone", telephone)
            .sends([data(0, 1)])
            .misbehaves(M::StreamUnknown),
        script("credit for stream zero of a plugboard", plugboard)
            .sends([credit(0)])
            .misbehaves(M::StreamUnknown),
        script("a reset for stream zero of a plugboard", plugboard)
            .sends([reset(0)])
            .misbehaves(M::StreamUnknown),
        script("data ahead of its open", plugboard).sends([data(1, 1), open(1)]).misbehaves(M::StreamUnknown),
    ]
}

/// Frames for streams that are over: late rather than wrong, and bounded.
fn late() -> Vec<Script> {
    let over = |name| {
        script(name, telephone).sends([open(2), reset(2)]).acts(|victim| {
            victim.accept_all();
            victim.release(2);
            victim.settle();
            assert_eq!(victim.session.stats().streams_open, 0);
        })
    };
    vec![
        over("late data").sends([data(2, 1)]),
        over("a late head").sends([head(2, 200, true)]),
        over("a late end").sends([end(2)]),
        over("a late reset").sends([reset(2)]),
        over("late credit").sends([credit(2)]),
        over("a late stop").sends([stop(2)]),
        over("late data past any credit").sends([data(2, 60_000)]).acts(|victim| {
            assert_eq!(victim.session.buffered(), 0);
        }),
        over("late data without end").sends(vec![data(2, 1); 300]).misbehaves(M::FreeFrames),
        over("late heads without end").sends(vec![head(2, 103, false); 300]).misbehaves(M::FreeFrames),
        over("late credit without end").sends(vec![credit(2); 300]).misbehaves(M::FreeFrames),
        over("late stops without end").sends(vec![stop(2); 300]).misbehaves(M::FreeFrames),
        over("late frames in proportion to streams").sends(vec![data(2, 1); 200]).acts(|victim| {
            assert_eq!(
                victim.peek(2),
                Incoming::Reset(Reset { code: ResetCode::SessionLost, touched: Touched::Unknown })
            );
        }),
    ]
}
