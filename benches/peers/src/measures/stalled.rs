//! Whether one slow client is felt by the others.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use telephone_tests::beside::beside;
use telephone_tests::wait::paced;

use crate::backend::{BIG_FILE, SMALL, Serving};
use crate::failed::Failed;
use crate::measures::keepalive::CLIENTS;
use crate::measures::{Column, Measure, Subject};
use crate::transfer::Download;
use crate::wrk::Load;

/// What the slow client takes each [`GAP`]: 100 KB in a second.
const SIP: usize = 10_000;
const GAP: Duration = Duration::from_millis(100);

/// What it is given to fill all buffers on its way before the others are counted.
const HEAD_START: Duration = Duration::from_secs(1);

/// Many requests, alone and beside a slow download.
#[derive(Debug)]
pub(super) struct Stalled;

impl Measure for Stalled {
    fn name(&self) -> &'static str {
        "stalled"
    }

    fn about(&self) -> &'static str {
        "answers of 10 octets on 64 kept connections beside a client that downloads 1 GiB at 100 KB/s, and the share \
         of the undisturbed rate just before"
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::compared("share kept"), Column::compared("req/s")]
    }

    fn take(&self, subject: &mut Subject<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let load = Load { path: SMALL, connections: CLIENTS, closes: false, seconds: subject.seconds };
        let addr = subject.line(Serving::Files)?.addr();
        let alone = load.put_on(addr)?.per_second;
        let disturbed = || {
            sleep(HEAD_START);
            load.put_on(addr)
        };
        let (disturbed, slow) = beside(disturbed, |is_done| download_slowly(addr, is_done));
        slow?;
        let disturbed = disturbed?.per_second;
        Ok(vec![Some(disturbed / alone), Some(disturbed)])
    }
}

fn download_slowly(addr: SocketAddr, is_done: &(dyn Fn() -> bool + Sync)) -> Result<(), Failed> {
    let mut download = Download::start(addr, BIG_FILE)?;
    let mut buffer = [0; SIP];
    for _ in paced(Instant::now(), GAP).take_while(|_| !is_done()) {
        download.take(&mut buffer)?;
    }
    if download.is_complete() { Err(Failed::Load("the slow client was fast".to_owned())) } else { Ok(()) }
}
