//! Turns: who may send, in which order, and how much.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::pair::{
    OnLink as _, Pair, SECOND, fill, frames, http, lone, message, misbehaviour, read, request, said, session,
    tcp,
};
use crate::error::{LeaveCode, Misbehaviour, Reset, ResetCode, Touched};
use crate::limits::{DATA_BYTES_MAX, SessionLimits};
use crate::message::Headers;
use crate::session::{Role, Session, StreamId};
use crate::time::Timestamp;
use crate::wire::Frame;

fn wide() -> SessionLimits {
    const MIB: u64 = 1024 * 1024;
    SessionLimits { stream_window: 16 * MIB, session_window: 1024 * MIB, ..SessionLimits::default() }
}

/// The octets of each data frame that goes out, while `ids` always have more to send.
fn data_sent(pair: &mut Pair, ids: &[StreamId], total: usize) -> Vec<(StreamId, usize)> {
    let mut sent = Vec::new();
    let mut octets = 0;
    while octets < total {
        for id in ids {
            fill(&mut pair.plugboard, *id, 64 * 1024);
        }
        let message = pair.plugboard.say(pair.now).expect("much is to be sent");
        for frame in frames(&message) {
            if let Frame::Data { id, octets: data } = frame {
                octets += data.len();
                sent.push((id, data.len()));
            }
        }
    }
    sent
}

#[test]
fn each_of_k_busy_streams_gets_at_least_half_of_its_share_of_each_mebibyte() {
    const WINDOW: usize = 1024 * 1024;
    for k in 1..=9 {
        let mut pair = Pair::with(&wide(), &wide());
        let ids: Vec<_> = (0..k).map(|_| pair.opened(tcp(), false)).collect();
        let sent = data_sent(&mut pair, &ids, 3 * WINDOW);
        for start in 0..sent.len() {
            let mut shares: BTreeMap<StreamId, usize> = BTreeMap::new();
            let mut octets = 0;
            for (id, count) in sent.iter().skip(start).take_while(|(_, count)| {
                octets += count;
                octets <= WINDOW
            }) {
                *shares.entry(*id).or_default() += count;
            }
            if octets <= WINDOW {
                break; // The rest is shorter than a window. [I16]
            }
            for id in &ids {
                let share = shares.get(id).copied().unwrap_or(0);
                assert!(share * 2 * k >= WINDOW, "{share} of {k} streams from frame {start}");
            }
        }
    }
}

#[test]
fn whoever_met_a_full_message_is_not_served_first_in_the_next() {
    for k in [3, 5, 9] {
        let mut pair = Pair::with(&wide(), &wide());
        let ids: Vec<_> = (0..k).map(|_| pair.opened(tcp(), false)).collect();
        let mut shares: BTreeMap<StreamId, usize> = BTreeMap::new();
        for (id, count) in data_sent(&mut pair, &ids, 4 << 20) {
            *shares.entry(id).or_default() += count;
        }
        let (least, most) = (shares.values().min(), shares.values().max());
        assert!(least.zip(most).is_some_and(|(least, most)| least * 10 >= most * 9), "{shares:?}");
    }
}

#[test]
fn a_turn_is_at_most_16_kib_in_one_frame() {
    let mut pair = Pair::with(&wide(), &wide());
    let id = pair.opened(tcp(), false);
    for _ in 0..640 {
        fill(&mut pair.plugboard, id, 100);
    }
    let sent = data_sent(&mut pair, &[], 40_000);
    assert_eq!(sent.iter().map(|(_, count)| *count).max(), Some(DATA_BYTES_MAX));
    assert!(sent.len() <= 5, "small writes were not gathered: {} frames", sent.len());
}

#[test]
fn a_turn_is_cut_in_two_only_where_a_message_would_lose_much_room() {
    const KIB: usize = 1024;
    for (first, second, is_cut) in [
        // What the others leave of a message is less than half of a full turn, and the answer comes whole behind it.
        (16 * KIB, 10 * KIB, false),
        // It is more.
        (13 * KIB, 16 * KIB, true),
    ] {
        let mut pair = Pair::with(&wide(), &wide());
        let others: Vec<_> = (0..4).map(|_| pair.opened(tcp(), false)).collect();
        let id = pair.opened(tcp(), false);
        for other in others.iter().take(if is_cut { 4 } else { 3 }) {
            fill(&mut pair.plugboard, *other, first);
        }
        fill(&mut pair.plugboard, others[3], 10 * KIB);
        fill(&mut pair.plugboard, id, second);
        let mut sent: Vec<Vec<usize>> = Vec::new();
        while let Some(message) = pair.plugboard.say(pair.now) {
            sent.push(frames(&message).iter().filter_map(|frame| octets_of(frame, id)).collect());
        }
        let lengths: Vec<usize> = sent.concat();
        assert_eq!(lengths.iter().sum::<usize>(), second);
        assert_eq!(lengths.len() > 1, is_cut, "{sent:?}");
        assert_eq!(sent[0].is_empty(), !is_cut, "{sent:?}");
    }
}

fn octets_of(frame: &Frame, stream: StreamId) -> Option<usize> {
    match frame {
        Frame::Data { id, octets } if *id == stream => Some(octets.len()),
        _ => None,
    }
}

#[test]
fn a_mouse_waits_for_no_more_than_one_turn_of_each_elephant() {
    let mut pair = Pair::with(&wide(), &wide());
    let elephants: Vec<_> = (0..3).map(|_| pair.opened(tcp(), false)).collect();
    data_sent(&mut pair, &elephants, 100_000);
    let mouse = pair.plugboard.open(http(request("GET")), true, pair.now).expect("opened");
    let mut ahead = 0;
    loop {
        let message = pair.plugboard.say(pair.now).expect("much is to be sent");
        for frame in frames(&message) {
            match frame {
                Frame::Open { id, .. } if id == mouse => {
                    assert!(ahead <= 3 * DATA_BYTES_MAX, "{ahead} octets went first");
                    return;
                }
                Frame::Data { octets, .. } => ahead += octets.len(),
                _ => {}
            }
        }
    }
}

#[test]
fn control_comes_first_in_each_message() {
    let mut pair = Pair::with(&wide(), &wide());
    let busy = pair.opened(tcp(), false);
    let read_out = pair.opened(tcp(), false);
    fill(&mut pair.plugboard, busy, 64 * 1024);
    fill(&mut pair.telephone, read_out, 64 * 1024);
    pair.transmit();
    pair.deliver();
    read(&mut pair.plugboard, read_out, pair.now);
    pair.plugboard.recv(busy).stop(ResetCode::Cancelled);
    pair.plugboard.hear(message(&[Frame::Ping(9)]), pair.now);
    fill(&mut pair.plugboard, busy, 64 * 1024);
    let sent = frames(&pair.plugboard.say(pair.now).expect("much is due"));
    let first_data = sent.iter().position(|frame| matches!(frame, Frame::Data { .. }));
    let is_control = |frame: &Frame| {
        matches!(frame, Frame::Pong(_) | Frame::Stop { .. } | Frame::Credit { .. } | Frame::Ping(_))
    };
    let last_control = sent.iter().rposition(is_control);
    assert!(last_control.is_some() && last_control < first_data, "{sent:?}");
    assert!(sent.contains(&Frame::Pong(9)));
}

#[test]
fn a_million_pings_cost_one_pong() {
    // With no limit on free frames: what is bounded is what they leave behind.
    let limits = SessionLimits { free_frames_burst: u32::MAX, ..SessionLimits::default() };
    let mut session = session(Role::Plugboard, &limits, &limits, 1);
    while session.say(Timestamp::ZERO).is_some() {}
    for number in 0..1000 {
        let flood: Vec<Frame> = (0..1000).map(|low| Frame::Ping(number * 1000 + low)).collect();
        session.hear(message(&flood), Timestamp::ZERO);
    }
    assert_eq!(said(&mut session, Timestamp::ZERO), [Frame::Pong(999_999)]);
}

#[test]
fn frames_that_move_nothing_have_a_budget_that_time_refills() {
    let mut session = lone(Role::Plugboard);
    let mut now = Timestamp::ZERO;
    let pings = |count: usize| message(&alloc::vec![Frame::Ping(1); count]);
    session.hear(pings(200), now);
    for _ in 0..100 {
        now = now + SECOND;
        session.hear(pings(20), now);
    }
    assert_eq!(misbehaviour(&mut session, now), None);
    session.hear(pings(21), now + SECOND);
    let frames = said(&mut session, now);
    assert!(matches!(frames.last(), Some(Frame::Leave { code: LeaveCode::CalmDown, .. })), "{frames:?}");
}

/// Opens a stream as the telephone, and has it denied.
fn denied(session: &mut Session, number: u64, now: Timestamp) {
    let open = Frame::Open { id: StreamId::new(2 * number + 1), grant: 16_384, end: false, opening: tcp() };
    session.hear(message(&[open]), now);
    while let Some(accepted) = session.accept() {
        session.send(accepted.id).reset(Reset { code: ResetCode::Denied, touched: Touched::No });
        session.recv(accepted.id).stop(ResetCode::Denied);
        session.release(accepted.id);
    }
    while session.say(now).is_some() {}
    let reset = Reset { code: ResetCode::Stopped, touched: Touched::Unknown };
    session.hear(message(&[Frame::Reset { id: StreamId::new(2 * number + 1), reset }]), now);
}

#[test]
fn a_stream_that_is_denied_is_a_frame_that_moves_nothing() {
    let mut session = lone(Role::Plugboard);
    let mut number = 0;
    while session.closed().is_none() && number < 10_000 {
        denied(&mut session, number, Timestamp::ZERO);
        number += 1;
    }
    assert_eq!(misbehaviour(&mut session, Timestamp::ZERO), Some(Misbehaviour::FreeFrames));
    assert!(session.stats().streams_opened <= 210, "{:?}", session.stats());
}

#[test]
fn a_denied_stream_that_was_ended_as_it_was_opened_costs_one_token_too() {
    let mut session = lone(Role::Plugboard);
    let mut number = 0;
    while session.closed().is_none() && number < 10_000 {
        let id = StreamId::new(2 * number + 1);
        session
            .hear(message(&[Frame::Open { id, grant: 16_384, end: true, opening: tcp() }]), Timestamp::ZERO);
        while let Some(accepted) = session.accept() {
            session.send(accepted.id).reset(Reset { code: ResetCode::Denied, touched: Touched::No });
            session.release(accepted.id);
        }
        while session.say(Timestamp::ZERO).is_some() {}
        number += 1;
    }
    assert_eq!(misbehaviour(&mut session, Timestamp::ZERO), Some(Misbehaviour::FreeFrames));
    assert!((190..=210).contains(&session.stats().streams_opened), "{:?}", session.stats());
}

/// What an opened stream earns is spent before the answer is there.
#[test]
fn a_denied_stream_pays_for_no_other_frame_that_moves_nothing() {
    let mut session = lone(Role::Plugboard);
    let mut pings = 0;
    for number in 0..1_000 {
        if session.closed().is_some() {
            break;
        }
        let id = StreamId::new(2 * number + 1);
        let mut sent = alloc::vec![Frame::Open { id, grant: 16_384, end: false, opening: tcp() }];
        sent.extend([const { Frame::Ping(1) }; 8]);
        session.hear(message(&sent), Timestamp::ZERO);
        pings += 8;
        while let Some(accepted) = session.accept() {
            session.send(accepted.id).reset(Reset { code: ResetCode::Denied, touched: Touched::No });
            session.release(accepted.id);
        }
        while session.say(Timestamp::ZERO).is_some() {}
    }
    assert_eq!(misbehaviour(&mut session, Timestamp::ZERO), Some(Misbehaviour::FreeFrames));
    assert!(pings <= 260, "{pings}");
}

#[test]
fn a_telephone_that_is_denied_now_and_then_goes_on() {
    let mut session = lone(Role::Plugboard);
    let mut now = Timestamp::ZERO;
    for number in 0..2_000 {
        now = now + Duration::from_millis(120);
        denied(&mut session, number, now);
    }
    assert_eq!(misbehaviour(&mut session, now), None);
}

#[test]
fn an_honest_peer_never_runs_out_of_free_frames_however_busy_it_is() {
    // The worst crossing there is: every stream ends at one end just as the other stops it.
    let mut pair = Pair::new();
    for _ in 0..20 {
        let ids: Vec<_> = (0..250).map(|_| pair.opened(tcp(), false)).collect();
        for id in &ids {
            fill(&mut pair.plugboard, *id, 20_000);
        }
        pair.settle();
        for id in &ids {
            read(&mut pair.telephone, *id, pair.now);
            pair.plugboard.send(*id).end(Headers::new());
            pair.plugboard.release(*id);
            pair.telephone.send(*id).end(Headers::new());
            pair.telephone.release(*id);
        }
        pair.settle();
        pair.now = pair.now + Duration::from_millis(1);
    }
    pair.assert_clean();
    assert_eq!(pair.plugboard.stats().streams_opened, 5000);
}

#[test]
fn an_acknowledgement_of_something_new_is_free_and_one_of_nothing_is_not() {
    let mut pair = Pair::new();
    let id = pair.opened(tcp(), false);
    let acknowledged = |count: u64| {
        let mut out = bytes::BytesMut::new();
        crate::wire::varint::put(&mut out, count);
        Frame::Ack.put(&mut out);
        out.freeze()
    };
    for _ in 0..1000 {
        fill(&mut pair.plugboard, id, 10);
        pair.transmit();
        pair.deliver();
        read(&mut pair.telephone, id, pair.now);
        pair.transmit();
        pair.deliver();
        let count = pair.telephone.position();
        pair.plugboard.hear(acknowledged(count), pair.now);
        assert_eq!(pair.plugboard.closed(), None);
    }
    let count = pair.telephone.position();
    for _ in 0..300 {
        pair.plugboard.hear(acknowledged(count), pair.now);
    }
    let found = misbehaviour(&mut pair.plugboard, pair.now);
    assert_eq!(found, Some(Misbehaviour::FreeFrames));
}
