//! A relay that has done all that it does once, so that what is measured is what comes on top.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use telephone_peers::failed::{Failed, io};
use telephone_peers::proc::{CpuTime, resident_kib};
use telephone_peers::wrk::Load;
use telephone_tests::relay::Relay;

use crate::crowd::Crowd;
use crate::kept::Kept;
use crate::telephones::{BODY, BODY_OCTETS, SMALL};

/// Clients at once that ask for small answers.
const CLIENTS: u32 = 64;

/// Clients at once that ask for bodies.
const CARRIERS: u32 = 8;

/// Bodies that each client asks for before the first look at the memory.
const BODIES_BEFORE: u32 = 2;

/// How many there must be of something, for the memory of one to be told: a page has 4 KiB.
const COUNT_MIN: u64 = 100;

/// How long nothing is done before a look at the memory, so that what is only on its way is not counted.
const REST: Duration = Duration::from_secs(1);

/// What the mount of the first session lies below.
const FIRST: &str = "/first";

/// The relay and its first session; they end when this is dropped.
#[derive(Debug)]
pub struct Ground {
    _first: Crowd,
    relay: Relay,
}

impl Ground {
    /// Starts a relay, and lets a session of it carry bodies.
    ///
    /// # Errors
    /// If that session does not come about.
    ///
    /// # Panics
    /// If the relay does not start.
    pub fn lay() -> Result<Self, Failed> {
        let relay = Relay::with(&["--access-log", "off"]);
        let first = Crowd::dial(&relay, FIRST, 1, 1)?;
        carry(relay.addr(), FIRST, 1, CARRIERS * BODIES_BEFORE)?;
        Ok(Self { _first: first, relay })
    }

    /// The relay.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// KiB that the relay holds after a moment of rest.
    ///
    /// # Errors
    /// If it has ended.
    pub fn settled_kib(&self) -> Result<f64, Failed> {
        thread::sleep(REST);
        resident_kib(self.relay.process().pid()).map(|kib| kib as f64)
    }

    /// µs of the relay's CPU time that a request takes when clients ask for so many mounts below a path in turn.
    ///
    /// # Errors
    /// If a request is not answered.
    pub fn micros_a_request(&self, under: &str, mounts: u64, seconds: u32) -> Result<f64, Failed> {
        let script = self.relay.directory().join("mounts.lua");
        fs::write(&script, requests(under, mounts)).map_err(io(script.display().to_string()))?;
        let load = Load { path: "/", connections: CLIENTS, closes: false, seconds };
        let pid = self.relay.process().pid();
        let before = CpuTime::of(pid)?;
        let pace = load.put_on_by(self.relay.addr(), &script)?;
        let taken = CpuTime::of(pid)?.since(&before);
        Ok(taken.as_secs_f64() * 1e6 / pace.requests as f64)
    }
}

/// Lets each of so many mounts below a path carry so many bodies, a few at once.
///
/// # Errors
/// If one does not.
pub fn carry(addr: SocketAddr, under: &str, mounts: u64, times: u32) -> Result<(), Failed> {
    let next = AtomicU64::new(0);
    let work = || {
        let mut client = Kept::connect(addr)?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= mounts * u64::from(times) {
                return Ok(());
            }
            client.ask_for(&format!("{under}/{}{BODY}", number % mounts), BODY_OCTETS as u64)?;
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CARRIERS).map(|_| scope.spawn(work)).collect();
        let panicked = |_| Err(Failed::Load("a client panicked".to_owned()));
        clients.into_iter().try_for_each(|client| client.join().unwrap_or_else(panicked))
    })
}

/// What is left for each of so many; none if they are too few to tell.
pub fn of_each(kib: f64, count: u64) -> Option<f64> {
    (count >= COUNT_MIN).then(|| kib / count as f64)
}

/// A script for wrk that asks for all mounts in turn, by leaps of a prime, so that those of one session do not come
/// one after the other.
fn requests(under: &str, mounts: u64) -> String {
    format!(
        "local requests, count, at = {{}}, {mounts}, 0
         init = function()
           for number = 0, count - 1 do
             requests[number] = wrk.format(\"GET\", \"{under}/\" .. number .. \"{SMALL}\")
           end
         end
         request = function()
           at = (at + 7919) % count
           return requests[at]
         end
        "
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_one_is_told_only_if_there_are_many() {
        assert_eq!(of_each(1200.0, 100), Some(12.0));
        assert_eq!(of_each(1200.0, 10), None);
    }

    #[test]
    fn a_script_names_all_mounts() {
        let script = requests("/session", 1000);
        assert!(script.contains("count, at = {}, 1000, 0"), "{script}");
        assert!(script.contains("\"/session/\" .. number .. \"/small\""), "{script}");
    }
}
