//! F6: chunks.

use telephone_core::http1::ServerEvent;

use super::compare::pairs;
use super::run::{Served, chunk_bounds, cut, serve};
use crate::reference::Reading;
use crate::reference::chunks;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
/// Longer inputs could reach the limit of a body's length, which is not what is looked at here.
const BYTES_MAX: usize = 8 * 1024;
/// Up to this length every single cut is tried.
const CUTS_MAX: usize = 48;

/// F6: octets as a chunked body. The slow decoder finds the same data and trailers, breaks off where this one
/// does, and however the octets are cut, the events are the same (I3).
pub fn chunked_body(data: &[u8]) {
    if data.len() > BYTES_MAX {
        return;
    }
    let served = serve([HEAD, data]);
    assert_eq!(serve([HEAD].into_iter().chain(data.chunks(1))), served, "cut into octets");
    assert_eq!(serve([HEAD].into_iter().chain(cut(data))), served, "cut into pieces");
    if data.len() <= CUTS_MAX {
        for at in 1..data.len() {
            assert_eq!(serve([HEAD, &data[..at], &data[at..]]), served, "cut at {at}");
        }
    }
    let mut so_far = Vec::new();
    let read = chunks::read(data, chunk_bounds(), &mut so_far);
    assert_same(&served, &read, &so_far);
}

fn assert_same(served: &Served, read: &Reading<chunks::Body>, so_far: &[u8]) {
    let mut events = served.events.iter().skip(1);
    let mut next = events.next();
    let mut data = &b""[..];
    if let Some(ServerEvent::Body(octets)) = next {
        data = octets;
        next = events.next();
    }
    match (next, read) {
        (Some(ServerEvent::End(trailers)), Reading::Whole(body, _)) => {
            assert_eq!((data, pairs(trailers)), (&body.data[..], body.trailers.clone()));
        }
        (Some(ServerEvent::Aborted(_)), Reading::Refused) => assert_eq!(data, so_far),
        // Trailers are refused at the first octet that may not be there; the reference waits for the last.
        (Some(ServerEvent::Aborted(_)), Reading::Partial) => assert!(so_far.starts_with(data)),
        (None, Reading::Partial) => assert_eq!(data, so_far),
        (event, read) => panic!("{event:?} for {read:?}"),
    }
}
