//! The stages, in their order: each takes what the one before made.

mod backend;
mod link;
mod reach;
mod token;

use std::future::Future;
use std::io;
use std::time::Duration;

use futures_lite::future;
use telephone_core::limits::HANDSHAKE_TIMEOUT;
use telephone_core::time::Timestamp;
use telephone_driver::{PlugboardUrl, Probe, Runtime};

use super::DoctorSettings;
use super::report::Findings;
use crate::exit::Exit;
use crate::usage::Stop;
pub(super) use backend::backend;

/// How long one step may take: as long as all of a dial. What is slower no telephone waits for.
const STEP_TIMEOUT: Duration = HANDSHAKE_TIMEOUT;
/// From where a step is too slow to leave time for the others.
const SLOW: Duration = Duration::from_secs(5);

/// One way to a plugboard, while it is examined.
struct Way<'a, R: Runtime> {
    runtime: &'a R,
    probe: Probe<R>,
    findings: Findings,
}

/// Examines the way to a plugboard.
pub(super) async fn plugboard<R: Runtime>(
    runtime: &R,
    settings: &DoctorSettings,
    url: &PlugboardUrl,
) -> Result<Findings, Stop> {
    let probe = match Probe::new(runtime.clone(), url.clone(), &settings.proxies, settings.ca.as_deref()) {
        Ok(probe) => probe,
        Err(error) => return Err(Stop::new(Exit::Usage, format!("--ca: {error}"))),
    };
    let mut way = Way { runtime, probe, findings: Findings::default() };
    let addresses = way.dns().await;
    let socket = way.tcp(addresses).await;
    let socket = way.proxy(socket).await;
    let socket = way.tls(socket, url).await;
    let (upgraded, clocks) = way.upgrade(socket).await;
    way.token(settings, upgraded).await;
    way.clock(clocks);
    Ok(way.findings)
}

/// `what`, if it ends in time.
async fn in_time<R: Runtime, T>(runtime: &R, what: impl Future<Output = T>) -> Option<T> {
    let late = async {
        runtime.sleep_until(runtime.now() + STEP_TIMEOUT).await;
        None
    };
    future::or(async { Some(what.await) }, late).await
}

/// Likewise, with an error that says so if it does not.
async fn in_time_or_failed<R: Runtime, T>(
    runtime: &R,
    what: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    in_time(runtime, what).await.unwrap_or_else(|| Err(too_late()))
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", STEP_TIMEOUT.as_secs()))
}

fn millis(time: Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{} ms", micros / 1000, micros / 100 % 10)
}

impl<R: Runtime> Way<'_, R> {
    /// A step that began at `start` went well.
    fn passed(&mut self, stage: &'static str, facts: String, start: Timestamp) {
        let took = self.runtime.now().since(start);
        if took < SLOW {
            return self.findings.ok(stage, facts);
        }
        let facts = format!("{facts}; that took {}", millis(took));
        self.findings.warn(
            stage,
            facts,
            "All of a dial may take 10 s, and this step alone takes most of that.",
        );
    }
}
