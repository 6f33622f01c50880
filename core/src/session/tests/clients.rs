//! The client connection that a stream is for, told ahead of its open frame.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::pair::{OnLink as _, Pair, http, lone, message, misbehaviour, request, said};
use crate::error::Misbehaviour;
use crate::limits::SessionLimits;
use crate::session::{Role, StreamId};
use crate::time::Timestamp;
use crate::wire::{Frame, Profile, Setting};

const NOW: Timestamp = Timestamp::ZERO;

/// A pair whose telephone announced that it wants to know.
fn pair(profile: Profile) -> Pair {
    let limits = SessionLimits::default();
    let mut pair = Pair::speaking(profile, &limits, &limits, Duration::ZERO);
    let config = &mut pair.plugboard.config;
    config.peer = config.peer.clone().with(Setting::Clients, 1);
    pair.settle();
    pair
}

fn open(pair: &mut Pair, client: Option<u64>) -> StreamId {
    let id = pair.plugboard.open(http(request("GET")), true, NOW).expect("a free slot");
    if let Some(client) = client {
        pair.plugboard.tell_client(id, client);
    }
    id
}

#[test]
fn each_stream_is_accepted_with_the_client_that_it_was_opened_for() {
    for profile in [Profile::Binary, Profile::Json] {
        let mut pair = pair(profile);
        let clients = [Some(7), None, Some(300), Some(7), None];
        let opened: Vec<_> = clients.iter().map(|client| (open(&mut pair, *client), *client)).collect();
        pair.settle();
        let accepted: Vec<_> = pair.accept_all().into_iter().map(|one| (one.id, one.client)).collect();
        assert_eq!(accepted, opened, "{profile:?}");
        opened.iter().for_each(|(id, _)| pair.release(*id));
        pair.assert_clean();
    }
}

#[test]
fn a_telephone_that_did_not_ask_is_told_nothing() {
    let mut pair = Pair::new();
    let id = open(&mut pair, Some(7));
    let frames = said(&mut pair.plugboard, NOW);
    assert!(matches!(frames[..], [Frame::Open { id: of, .. }] if of == id), "{frames:?}");
}

#[test]
fn a_stream_that_was_let_go_before_it_was_said_names_no_client() {
    let mut pair = pair(Profile::Binary);
    let id = pair.plugboard.open(http(request("POST")), false, NOW).expect("a free slot");
    pair.plugboard.tell_client(id, 7);
    pair.plugboard.release(id);
    assert_eq!(said(&mut pair.plugboard, NOW), vec![]);
    let next = open(&mut pair, None);
    pair.settle();
    assert_eq!(pair.accept_all().iter().map(|one| (one.id, one.client)).collect::<Vec<_>>(), [(next, None)]);
}

#[test]
fn a_client_that_no_open_follows_is_a_free_frame_and_no_other_streams() {
    let mut session = lone(Role::Telephone);
    let client = |id, client| Frame::Client { id: StreamId::new(id), client };
    let opening = http(request("GET"));
    let open = Frame::Open { id: StreamId::new(4), grant: 0, end: true, opening };
    session.hear(message(&[client(2, 7), open]), NOW);
    assert_eq!(session.accept().expect("a stream").client, None, "it was told of another stream");
    session.hear(message(&vec![client(6, 7); 1_000]), NOW);
    assert_eq!(misbehaviour(&mut session, NOW), Some(Misbehaviour::FreeFrames));
}

#[test]
fn a_telephone_tells_its_plugboard_of_no_client() {
    let mut session = lone(Role::Plugboard);
    session.hear(message(&[Frame::Client { id: StreamId::new(1), client: 1 }]), NOW);
    assert_eq!(misbehaviour(&mut session, NOW), Some(Misbehaviour::FrameOutOfPlace));
}
