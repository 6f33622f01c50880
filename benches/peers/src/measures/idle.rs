//! What idle clients cost.

use telephone_tests::client::Client;
use telephone_tests::request::Request;

use crate::backend::SMALL;
use crate::failed::{Failed, io};
use crate::line::{Both, Line};
use crate::measures::{Column, Measure, Subject};

/// Idle clients.
const CLIENTS: u32 = 1000;

/// Requests before the first look, after which a process holds what it holds in any case.
const WARM_UP: u32 = 100;

/// Memory for clients that have asked once and stay connected.
#[derive(Debug)]
pub(super) struct Idle;

impl Measure for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn about(&self) -> &'static str {
        "resident memory for each of 1,000 clients that have asked once and stay connected"
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::compared("KiB/client"), Column::shown("relay KiB"), Column::shown("agent KiB")]
    }

    fn take(&self, subject: &mut Subject<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let line = subject.fresh(None)?;
        let mut first = connect(&line)?;
        for _ in 0..WARM_UP {
            ask(&mut first)?;
        }
        drop(first);
        let before = line.resident_kib()?;
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = connect(&line)?;
            ask(&mut client)?;
            clients.push(client);
        }
        let after = line.resident_kib()?;
        // All of them must have been there to the end.
        for client in &mut clients {
            ask(client)?;
        }
        let each = |before: Option<f64>, after: Option<f64>| {
            before.zip(after).map(|(before, after)| (after - before) / f64::from(CLIENTS))
        };
        let each = Both { relay: each(before.relay, after.relay), agent: each(before.agent, after.agent) };
        Ok(vec![each.sum(), each.relay, each.agent])
    }
}

fn connect(line: &Line) -> Result<Client, Failed> {
    Client::try_connect(line.addr()).map_err(io("an idle client"))
}

fn ask(client: &mut Client) -> Result<(), Failed> {
    let answer = client.try_ask(&Request::get(SMALL));
    let is_good = answer.is_some_and(|answer| answer.status() == 200);
    if is_good { Ok(()) } else { Err(Failed::Answer("an idle client had none".to_owned())) }
}
