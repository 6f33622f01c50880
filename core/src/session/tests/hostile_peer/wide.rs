//! Frames of the session as a whole: pings, numbers, tokens, orders, leaves, settings and what nobody knows.
//! [M-12, M-17, M-22]

use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::super::misbehaviour::{data, head, hello, open, reset};
use super::super::pair::{SECOND, http, request, tcp};
use super::victim::{Victim, plugboard, small_plugboard, telephone};
use super::{Script, script};
use crate::error::{CloseReason, LeaveCode, Misbehaviour as M, Reset, ResetCode, Touched};
use crate::limits::{MOUNTS_MAX, TOKEN_BYTES_MAX};
use crate::session::{Event, Incoming};
use crate::wire::{
    Frame, MountUrl, Mounts, Move, Refused, RefusedCode, Scope, Settings, Site, Stats, Welcome,
};

pub(super) fn scripts() -> Vec<Script> {
    [pings(), numbers(), tokens(), orders(), handshakes(), leaves(), crossed()]
        .into_iter()
        .flatten()
        .collect()
}

fn leave(code: LeaveCode, last: u64) -> Frame {
    Frame::Leave { code, last }
}

fn pings() -> Vec<Script> {
    vec![
        script("pings up to the budget", plugboard)
            .sends((0..200).map(Frame::Ping).collect::<Vec<_>>())
            .acts(|victim| {
                assert_eq!(victim.said.last(), Some(&Frame::Pong(199)));
                // One second gives twenty more.
                victim.pass(SECOND);
            }),
        script("a ping more than the budget", telephone)
            .sends(vec![Frame::Ping(0); 201])
            .misbehaves(M::FreeFrames),
        script("a ping of the largest number", plugboard).sends([Frame::Ping(u64::MAX)]).acts(|victim| {
            assert_eq!(victim.said, [Frame::Pong(u64::MAX)]);
        }),
        script("the answer to a ping again and again", plugboard)
            .sends(vec![Frame::Pong(0); 202])
            .misbehaves(M::FreeFrames),
        script("the answer to a ping of the future measures nothing", telephone)
            .sends([Frame::Pong(7)])
            .acts(|victim| {
                assert_eq!(victim.session.stats().round_trip, None);
            }),
        script("pings and pongs by turns", plugboard)
            .sends(
                (0..202)
                    .map(|turn| if turn % 2 == 0 { Frame::Ping(turn) } else { Frame::Pong(99) })
                    .collect::<Vec<_>>(),
            )
            .misbehaves(M::FreeFrames),
        script("a budget that time gives back, and a ping more", plugboard)
            .sends(vec![Frame::Ping(0); 200])
            .acts(|victim| victim.pass(SECOND))
            .sends(vec![Frame::Ping(0); 21])
            .misbehaves(M::FreeFrames),
        script("a budget is not saved up beyond its burst", plugboard)
            .acts(|victim| victim.pass(10 * SECOND))
            .sends(vec![Frame::Ping(0); 201])
            .misbehaves(M::FreeFrames),
        script("skippable frames and pings share one budget", telephone)
            .sends([vec![Frame::Skipped { kind: 100 }; 100], vec![Frame::Ping(0); 101]].concat())
            .misbehaves(M::FreeFrames),
        script("progress earns a budget for what is late", plugboard)
            .sends([vec![open(1), reset(1), open(3), reset(3)], vec![Frame::Ping(0); 220]].concat())
            .acts(|victim| assert!(victim.count(|frame| matches!(frame, Frame::Pong(_))) >= 1)),
    ]
}

fn numbers() -> Vec<Script> {
    let most = Stats {
        requests: u64::MAX,
        streams_open: u64::MAX,
        bytes_sent: u64::MAX,
        bytes_received: u64::MAX,
        reconnects: u64::MAX,
        uptime_ms: u64::MAX,
        round_trip_us: Some(u64::MAX),
    };
    vec![
        script("numbers that nobody asked for are not kept", plugboard)
            .sends([Frame::Stats(Some(most))])
            .acts(|victim| assert_eq!(victim.session.peer_stats(), None)),
        script("numbers that nobody asked for without end", plugboard)
            .sends(vec![Frame::Stats(Some(most)); 201])
            .misbehaves(M::FreeFrames),
        script("questions for numbers have no more answers than there are", telephone)
            .sends(vec![Frame::Stats(None); 150])
            .acts(|victim| assert!(victim.count(|frame| matches!(frame, Frame::Stats(Some(_)))) <= 150)),
        script("questions for numbers without end", telephone)
            .sends(vec![Frame::Stats(None); 201])
            .misbehaves(M::FreeFrames),
        script("a second answer to one question", plugboard)
            .acts(|victim| victim.session.ask_stats(victim.now))
            .sends([Frame::Stats(Some(most)), Frame::Stats(Some(Stats::default()))])
            .acts(|victim| {
                assert_eq!(victim.session.peer_stats().map(|stats| stats.requests), Some(u64::MAX));
            }),
    ]
}

fn tokens() -> Vec<Script> {
    let token = |count: usize| Frame::Renew { token: vec![b't'; count].into() };
    let renewed = |expires_in_s| Frame::Renewed { expires_in_s };
    vec![
        script("a plugboard sends a token", telephone).sends([token(10)]).misbehaves(M::FrameOutOfPlace),
        script("a telephone takes its own token", plugboard)
            .sends([renewed(Some(60))])
            .misbehaves(M::FrameOutOfPlace),
        script("a token of the largest size", plugboard).sends([token(TOKEN_BYTES_MAX)]).acts(|victim| {
            assert!(
                matches!(victim.told.last(), Some(Event::Renewal(token)) if token.len() == TOKEN_BYTES_MAX)
            );
        }),
        script("a token of a byte more", plugboard)
            .sends([token(TOKEN_BYTES_MAX + 1)])
            .misbehaves(M::FrameOutOfPlace),
        script("tokens one behind the other are told once a message", plugboard)
            .sends([token(1), token(2), token(3)])
            .acts(|victim| assert!(victim.session.news.is_empty())),
        script("a telephone of a hostile plugboard is good for ever", telephone)
            .sends([renewed(Some(u64::MAX))]),
        script("a telephone of a hostile plugboard is good for no time", telephone)
            .sends([renewed(Some(0))])
            .acts(|victim| {
                victim.pass(10 * SECOND);
                let due = victim.told.iter().filter(|event| **event == Event::RenewalDue).count();
                assert!((1..=10).contains(&due), "{due} in 10 s");
            }),
        script("renewals that nobody asked for without end", telephone)
            .sends(vec![renewed(None); 201])
            .misbehaves(M::FreeFrames),
        script("streams behind the end of the token are refused untouched", plugboard)
            .acts(|victim| {
                victim.session.authorize(Some(SECOND), victim.now);
                victim.pass(SECOND);
            })
            .sends([open(1)])
            .acts(|victim| {
                let reset = Reset { code: ResetCode::Refused, touched: Touched::No };
                assert_eq!(victim.accept_all(), 0);
                assert!(victim.said.contains(&Frame::Reset { id: Victim::id(1), reset }));
            })
            .drains(),
        script("a session outlives its token by its grace alone", plugboard)
            .acts(|victim| {
                victim.session.authorize(Some(SECOND), victim.now);
                // The peer answers each ping, and sends no token.
                for _ in 0..70 {
                    victim.pass(SECOND);
                    victim.session.handle_activity(victim.session.latest_link(), victim.now);
                }
            })
            .closes(CloseReason::Sent(LeaveCode::Expired)),
    ]
}

fn orders() -> Vec<Script> {
    let moving = |within_ms, url: Option<String>| Frame::Move(Some(Move { within_ms, url }));
    let mounts = |ready, not_ready| {
        let texts = |count| vec!["/m".to_string(); count];
        Frame::Mounts(Mounts { ready: texts(ready), not_ready: texts(not_ready) })
    };
    let scope = |count: usize| Frame::Scope(Scope { mounts: vec!["/m".to_string(); count] });
    let site = |count: usize| {
        let one = MountUrl { mount: "/m".to_string(), url: "http://a/m".to_string() };
        Frame::Site(Site { mounts: vec![one; count] })
    };
    vec![
        script("a telephone orders a plugboard to move", plugboard)
            .sends([moving(1, None)])
            .misbehaves(M::FrameOutOfPlace),
        script("a plugboard says that it moved", telephone)
            .sends([Frame::Move(None)])
            .misbehaves(M::FrameOutOfPlace),
        script("a telephone takes mounts from a plugboard", plugboard)
            .sends([scope(1)])
            .misbehaves(M::FrameOutOfPlace),
        script("a telephone that was not asked says that it moved", plugboard)
            .sends([Frame::Move(None)])
            .acts(|victim| assert_eq!(victim.told, [Event::Moved])),
        script("an order to move within all time there is", telephone)
            .sends([moving(u64::MAX, None)])
            .acts(|victim| assert!(matches!(&victim.told[..], [Event::MoveAsked(_)]))),
        script("orders to move to URLs of 60 KB are told once each", telephone)
            .sends([moving(1, Some("x".repeat(60_000)))])
            .sends([moving(2, Some("y".repeat(60_000)))])
            .acts(|victim| assert_eq!(victim.told.len(), 2)),
        script("orders to move without end", telephone)
            .sends(vec![moving(1, None); 201])
            .misbehaves(M::FreeFrames),
        script("mounts of the largest number", telephone).sends([scope(MOUNTS_MAX)]),
        script("a mount more", telephone).sends([scope(MOUNTS_MAX + 1)]).misbehaves(M::FrameMalformed),
        script("no mounts at all", telephone)
            .sends([scope(0)])
            .acts(|victim| assert_eq!(victim.told, [Event::ScopeLeft(Vec::new())])),
        script("a telephone tells a plugboard where its mounts are public", plugboard)
            .sends([site(1)])
            .misbehaves(M::FrameOutOfPlace),
        script("URLs of the largest number", telephone).sends([site(MOUNTS_MAX)]),
        script("a URL more", telephone).sends([site(MOUNTS_MAX + 1)]).misbehaves(M::FrameMalformed),
        script("URLs without end", telephone).sends(vec![site(1); 201]).misbehaves(M::FreeFrames),
        script("a plugboard presents mounts", telephone).sends([mounts(1, 0)]).misbehaves(M::FrameOutOfPlace),
        script("the largest number of mounts is presented", plugboard)
            .sends([mounts(MOUNTS_MAX - 1, 1)])
            .acts(|victim| assert!(matches!(&victim.told[..], [Event::MountsPresented(_)]))),
        script("a mount more is presented", plugboard)
            .sends([mounts(MOUNTS_MAX, 1)])
            .misbehaves(M::FrameMalformed),
        script("more mounts that are not ready", plugboard)
            .sends([mounts(0, MOUNTS_MAX + 1)])
            .misbehaves(M::FrameMalformed),
        script("mounts are presented without end", plugboard)
            .sends(vec![mounts(1, 0); 201])
            .misbehaves(M::FreeFrames),
        script("mounts without end", telephone).sends(vec![scope(1); 201]).misbehaves(M::FreeFrames),
    ]
}

/// Frames of the handshake behind it.
fn handshakes() -> Vec<Script> {
    let welcome = || {
        Frame::Welcome(Welcome {
            session: 1,
            secret: [0; 16],
            resumed: None,
            resume_url: Some("ws://elsewhere.example/".to_string()),
            resume_window_ms: 0,
            spread_ms: 0,
            expires_in_s: Some(0),
            settings: Settings::default(),
        })
    };
    let refused = || {
        let (code, reason) = (RefusedCode::Forbidden, "go away".to_string());
        Frame::Refused(Refused { code, reason, retry_after_ms: Some(u64::MAX) })
    };
    vec![
        script("a hello to a telephone", telephone).sends([hello()]).misbehaves(M::FrameOutOfPlace),
        script("a second welcome", telephone).sends([welcome()]).misbehaves(M::FrameOutOfPlace),
        script("a welcome to a plugboard", plugboard).sends([welcome()]).misbehaves(M::FrameOutOfPlace),
        script("a refusal of a renewal that was not asked for", telephone)
            .sends([refused()])
            .acts(|victim| assert!(matches!(victim.told.last(), Some(Event::RenewalRefused(_))))),
        script("a refusal to a plugboard", plugboard).sends([refused()]).misbehaves(M::FrameOutOfPlace),
        script("a hello behind an open", plugboard).sends([open(1), hello()]).misbehaves(M::FrameOutOfPlace),
    ]
}

fn leaves() -> Vec<Script> {
    vec![
        script("a last word of an unknown code", plugboard)
            .sends([leave(LeaveCode::Other(99), 2)])
            .closes(CloseReason::Received(LeaveCode::Other(99))),
        script("what stands behind a last word is not obeyed", telephone)
            .sends([leave(LeaveCode::Revoked, 0), open(2), Frame::Ping(1)])
            .closes(CloseReason::Received(LeaveCode::Revoked)),
        script("a broken rule behind a last word", telephone)
            .sends([leave(LeaveCode::Stopped, 0), hello()])
            .closes(CloseReason::Received(LeaveCode::Stopped)),
        script("a leave that took streams of the future", plugboard)
            .sends([leave(LeaveCode::Draining, u64::MAX)])
            .acts(|victim| assert_eq!(victim.peek(2), Incoming::Pending))
            .drains(),
        script("a leave that never took the request", plugboard)
            .sends([leave(LeaveCode::Draining, 0)])
            .acts(|victim| {
                let untouched = Reset { code: ResetCode::Refused, touched: Touched::No };
                assert_eq!(victim.peek(2), Incoming::Reset(untouched));
            })
            .drains(),
        script("a leave that denies a request which was answered", plugboard)
            .sends([head(2, 200, false), data(2, 1), leave(LeaveCode::Draining, 0)])
            .acts(|victim| {
                assert!(victim.session.recv(Victim::id(2)).take_head().is_some());
                victim.read(2, 1);
                let unsure = Reset { code: ResetCode::Refused, touched: Touched::Unknown };
                assert_eq!(victim.peek(2), Incoming::Reset(unsure));
            })
            .drains(),
        script("an answer behind a leave that never took the request", plugboard)
            .sends([leave(LeaveCode::Draining, 0), head(2, 200, true)])
            .misbehaves(M::StreamState),
        script("leaves one behind the other", telephone)
            .sends(vec![leave(LeaveCode::Draining, 0); 202])
            .misbehaves(M::FreeFrames),
        script("a peer that leaves still opens what it had begun", plugboard)
            .sends([leave(LeaveCode::Draining, 2), open(1)])
            .acts(|victim| assert_eq!(victim.accept_all(), 1))
            .drains(),
    ]
}

/// A peer that goes on as if the honest end had not left. [M-17]
fn crossed() -> Vec<Script> {
    fn leaving(profile: crate::wire::Profile) -> Victim {
        let mut victim = small_plugboard(profile);
        victim.open(http(request("GET")), true);
        victim.settle();
        victim.session.leave(LeaveCode::Draining, victim.now);
        victim.settle();
        victim
    }
    let raw = |id: u64| Frame::Open { id: Victim::id(id), grant: 0, end: false, opening: tcp() };
    vec![
        script("streams behind our leave never start", leaving)
            .sends([raw(1), data(1, 500), reset(1)])
            .acts(|victim| {
                assert_eq!((victim.accept_all(), victim.session.buffered()), (0, 0));
                assert_eq!(victim.session.stats().streams_open, 1);
            })
            .drains(),
        script("streams behind our leave are counted", leaving)
            .sends((0..200).map(|number| raw(2 * number + 1)).collect::<Vec<_>>())
            .misbehaves(M::StreamsExceeded),
        script("a number twice behind our leave", leaving)
            .sends([raw(1), raw(1)])
            .misbehaves(M::StreamIdOrder),
        script("an answer behind our leave is read", leaving)
            .sends([head(2, 200, true)])
            .acts(|victim| assert!(victim.session.recv(Victim::id(2)).take_head().is_some()))
            .drains(),
        script("what is sent behind our last word is not heard", plugboard)
            .acts(|victim| victim.session.leave(LeaveCode::Revoked, victim.now))
            .sends([open(1), hello()])
            .closes(CloseReason::Sent(LeaveCode::Revoked)),
        script("a peer that never takes our last word", plugboard)
            .acts(|victim| {
                victim.session.leave(LeaveCode::Revoked, victim.now);
                victim.session.handle_timeout(victim.now + Duration::from_secs(3));
            })
            .closes(CloseReason::Sent(LeaveCode::Revoked)),
    ]
}
