//! Clients that ask all the time, and a ledger of what came of each of their requests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::client::Client;
use crate::origin::Origin;
use crate::request::Request;

/// Between two requests of one client: so that the machine has room for what is tested.
const PAUSE: Duration = Duration::from_millis(3);
/// How long the origin thinks about each: so that some are in flight at any moment.
const THOUGHT: Duration = Duration::from_millis(5);
/// Clients of each kind: those that keep their connection, and those that take a new one each time.
const CLIENTS: u64 = 4;

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests that were answered as they should be.
    pub answered: u64,
    /// The others: method and number, and what came instead.
    pub failures: Vec<(&'static str, u64, String)>,
    /// How often the origin had each, by method and number.
    pub executions: HashMap<String, u32>,
}

/// Clients that ask until they are told to stop.
#[derive(Debug)]
pub struct Load {
    is_over: Arc<AtomicBool>,
    executions: Arc<Mutex<HashMap<String, u32>>>,
    clients: Vec<JoinHandle<Report>>,
    answered: Arc<AtomicU64>,
}

impl Load {
    /// Half of the clients keep their connections, and each asks by GET and by POST in turn, for a path at `origin` that
    /// this makes.
    pub fn start(addr: SocketAddr, origin: &Origin) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let executions = Arc::<Mutex<HashMap<String, u32>>>::default();
        let answered = Arc::<AtomicU64>::default();
        let ledger = Arc::clone(&executions);
        origin.on("/m/once", move |exchange| {
            let (body, _) = exchange.upload()?;
            let (method, target) = (exchange.head().method(), exchange.head().target());
            let number = target.rsplit('=').next().unwrap_or_default().to_owned();
            let key = format!("{method} {number}");
            *ledger.lock().expect("no panic while it is held").entry(key).or_default() += 1;
            thread::sleep(THOUGHT);
            exchange.answer(200, [number.as_bytes(), &body].concat())
        });
        let client = |number: u64| {
            let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
            thread::spawn(move || ask_on(addr, number, &is_over, &answered))
        };
        let clients = (0..2 * CLIENTS).map(client).collect();
        Self { is_over, executions, clients, answered }
    }

    /// Requests that were answered so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Has the clients finish, and says what became of their requests.
    ///
    /// # Panics
    /// If one of them did.
    pub fn stop(self) -> Report {
        self.is_over.store(true, Ordering::Relaxed);
        let mut sum = Report::default();
        for client in self.clients {
            let report = client.join().expect("a client that ends");
            sum.answered += report.answered;
            sum.failures.extend(report.failures);
        }
        sum.executions = self.executions.lock().expect("no panic while it is held").clone();
        sum
    }
}

fn ask_on(addr: SocketAddr, client: u64, is_over: &AtomicBool, answered: &AtomicU64) -> Report {
    let keeps = client < CLIENTS;
    let mut report = Report::default();
    let mut kept = None;
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let number = round * 2 * CLIENTS + client;
        let method = if round % 2 == 0 { "GET" } else { "POST" };
        match ask_once(addr, &mut kept, method, number, keeps) {
            Ok(()) => {
                report.answered += 1;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Err(why) => {
                kept = None;
                report.failures.push((method, number, why));
            }
        }
        thread::sleep(PAUSE);
    }
    report
}

fn ask_once(
    addr: SocketAddr,
    kept: &mut Option<Client>,
    method: &'static str,
    number: u64,
    keeps: bool,
) -> Result<(), String> {
    let request = Request::new(method, &format!("/m/once?n={number}"));
    let request = if method == "POST" { request.body("posted") } else { request };
    let request = if keeps { request } else { request.close() };
    let was_kept = kept.is_some();
    let mut client = match kept.take() {
        Some(client) => client,
        None => Client::try_connect(addr).map_err(|error| format!("connect: {error}"))?,
    };
    client.try_send(request.to_vec()).map_err(|error| format!("send, kept {was_kept}: {error}"))?;
    let answer = client.try_answer(method).map_err(|error| format!("answer, kept {was_kept}: {error}"))?;
    let expected = if method == "POST" { format!("{number}posted") } else { number.to_string() };
    if answer.status() != 200 || answer.text() != expected {
        return Err(format!("{}, {:?}: {}", answer.status(), answer.ending, answer.text()));
    }
    let is_last = answer.head.value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    *kept = (keeps && !is_last).then_some(client);
    Ok(())
}
