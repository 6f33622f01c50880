//! Heads that only a peer that announced them is sent, and that end the session of one that did not.

use alloc::vec::Vec;
use bytes::Bytes;

use super::pair::{OnLink as _, Pair, http, lone, message, misbehaviour, request, response, said, tcp};
use crate::error::Misbehaviour;
use crate::limits::SessionLimits;
use crate::message::{Headers, RequestHead, ResponseHead};
use crate::session::{HeadRefused, Incoming, OpenError, Role};
use crate::time::Timestamp;
use crate::wire::{Frame, HeadRules, StreamId};

fn wide() -> SessionLimits {
    SessionLimits { heads: HeadRules::WIDE, ..SessionLimits::default() }
}

/// A telephone that takes h2c.
fn with_h2c() -> SessionLimits {
    SessionLimits { heads: HeadRules { is_h2c: true, ..HeadRules::WIDE }, ..SessionLimits::default() }
}

fn h2c() -> RequestHead {
    RequestHead { upgrade: Some(Bytes::from_static(b"foo/2, h2c")), ..request("POST") }
}

fn requests() -> Vec<RequestHead> {
    let targets: [&[u8]; 2] = ["/ü?ö".as_bytes(), b"/\xe2\x82\xac|\\?\"<>"];
    let targets = targets.map(|target| RequestHead { target: Bytes::from_static(target), ..request("GET") });
    let upgrade =
        RequestHead { length: Some(3), upgrade: Some(Bytes::from_static(b"tcp")), ..request("POST") };
    targets.into_iter().chain([upgrade]).collect()
}

fn statuses() -> Vec<ResponseHead> {
    [600, 700, 999].map(response).to_vec()
}

fn demand() -> ResponseHead {
    ResponseHead { upgrade: Some(Bytes::from_static(b"websocket, foo/2")), ..response(426) }
}

#[test]
fn a_wide_request_crosses_to_a_peer_that_announced_it_and_leaves_for_no_other() {
    for head in requests() {
        let mut pair = Pair::with(&wide(), &SessionLimits::default());
        let id = pair.plugboard.open(http(head.clone()), false, pair.now).expect("the telephone takes it");
        pair.settle();
        let accepted = pair.telephone.accept().expect("a stream");
        assert_eq!((accepted.id, accepted.opening), (id, http(head.clone())));

        let mut pair = Pair::new();
        let refused = Err(OpenError::Head(HeadRefused::Unannounced));
        assert_eq!(pair.plugboard.open(http(head.clone()), false, pair.now), refused, "{head:?}");
        pair.opened(tcp(), false);
    }
}

#[test]
fn a_wide_request_that_was_never_announced_ends_the_session() {
    for head in requests() {
        let open = Frame::Open { id: StreamId::new(2), grant: 0, end: false, opening: http(head.clone()) };
        let mut telephone = lone(Role::Telephone);
        telephone.hear(message(&[open]), Timestamp::ZERO);
        let found = misbehaviour(&mut telephone, Timestamp::ZERO);
        assert_eq!(found, Some(Misbehaviour::FrameMalformed), "{head:?}");
    }
}

#[test]
fn a_wide_answer_crosses_to_a_peer_that_announced_it() {
    for head in statuses().into_iter().chain([demand()]) {
        let mut pair = Pair::with(&SessionLimits::default(), &wide());
        let id = pair.exchange();
        pair.telephone.send(id).respond(head.clone(), true).expect("the plugboard takes it");
        pair.settle();
        assert_eq!(pair.plugboard.recv(id).take_head(), Some(head));
    }
}

#[test]
fn to_another_peer_a_status_over_599_does_not_leave_and_a_426_leaves_without_its_upgrade() {
    for head in statuses() {
        let mut pair = Pair::new();
        let id = pair.exchange();
        let refused = pair.telephone.send(id).respond(head, true);
        assert_eq!(refused, Err(HeadRefused::Unannounced));
        assert_eq!(said(&mut pair.telephone, pair.now), []);
    }
    let mut pair = Pair::new();
    let id = pair.exchange();
    pair.telephone.send(id).respond(demand(), true).expect("a head that each plugboard takes");
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).take_head(), Some(ResponseHead { upgrade: None, ..demand() }));
}

#[test]
fn a_wide_answer_that_was_never_announced_ends_the_session() {
    for head in statuses().into_iter().chain([demand()]) {
        let mut pair = Pair::new();
        let id = pair.exchange();
        pair.plugboard.hear(message(&[Frame::Head { id, end: true, head: head.clone() }]), pair.now);
        let found = misbehaviour(&mut pair.plugboard, pair.now);
        assert_eq!(found, Some(Misbehaviour::FrameMalformed), "{head:?}");
    }
}

#[test]
fn the_length_beside_an_upgrade_is_not_that_of_the_direction() {
    let mut pair = Pair::with(&wide(), &SessionLimits::default());
    let upgrade = requests().pop().expect("the upgrade with a length");
    let id = pair.plugboard.open(http(upgrade), false, pair.now).expect("a free slot");
    let mut octets = Bytes::from_static(b"abc, and what follows the 101");
    let count = octets.len();
    assert_eq!(pair.plugboard.send(id).write(&mut octets), Ok(count));
    pair.settle();
    assert!(pair.telephone.accept().is_some());
    assert_eq!(
        pair.telephone.recv(id).peek(),
        Incoming::Octets(Bytes::from_static(b"abc, and what follows the 101"))
    );
    pair.plugboard.send(id).end(Headers::new());
    let sent = said(&mut pair.plugboard, pair.now);
    assert!(matches!(sent[..], [Frame::End { .. }]), "{sent:?}");
}

#[test]
fn h2c_crosses_to_a_telephone_that_announced_it_and_back_in_its_101() {
    let mut pair = Pair::with(&with_h2c(), &wide());
    let id = pair.plugboard.open(http(h2c()), false, pair.now).expect("the telephone takes it");
    pair.settle();
    assert_eq!(pair.telephone.accept().map(|accepted| accepted.opening), Some(http(h2c())));
    let switch = ResponseHead { upgrade: Some(Bytes::from_static(b"h2c")), ..response(101) };
    pair.telephone.send(id).respond(switch.clone(), false).expect("it was offered");
    pair.settle();
    assert_eq!(pair.plugboard.recv(id).take_head(), Some(switch));
}

#[test]
fn h2c_crosses_to_no_telephone_that_did_not_announce_it() {
    let mut pair = Pair::with(&wide(), &wide());
    let refused = Err(OpenError::Head(HeadRefused::Unannounced));
    assert_eq!(pair.plugboard.open(http(h2c()), false, pair.now), refused);
    let open = Frame::Open { id: StreamId::new(2), grant: 0, end: false, opening: http(h2c()) };
    pair.telephone.hear(message(&[open]), pair.now);
    assert_eq!(misbehaviour(&mut pair.telephone, pair.now), Some(Misbehaviour::FrameMalformed));

    let mut pair = Pair::with(&wide(), &wide());
    let upgrade = RequestHead { upgrade: Some(Bytes::from_static(b"foo/2")), ..request("GET") };
    let id = pair.plugboard.open(http(upgrade), false, pair.now).expect("a free slot");
    pair.settle();
    let switch = ResponseHead { upgrade: Some(Bytes::from_static(b"h2c")), ..response(101) };
    assert_eq!(pair.telephone.send(id).respond(switch.clone(), false), Err(HeadRefused::Unannounced));
    pair.plugboard.hear(message(&[Frame::Head { id, end: false, head: switch }]), pair.now);
    assert_eq!(misbehaviour(&mut pair.plugboard, pair.now), Some(Misbehaviour::FrameMalformed));
}
