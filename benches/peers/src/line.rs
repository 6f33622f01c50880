//! One running system: a whole way from clients to a backend.

use std::any::Any;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Pid;
use telephone_tests::client::Client;
use telephone_tests::net::{free_addr, is_listening};
use telephone_tests::process::Process;
use telephone_tests::request::Request;
use telephone_tests::wait;

use crate::backend::SMALL;
use crate::failed::Failed;
use crate::link::{Link, Shape};
use crate::proc::{CpuTime, resident_kib};

/// Between two looks whether a system serves.
const PAUSE: Duration = Duration::from_millis(1);

/// What an answer may take before another client tries: any system's, over any link. A connection that came too early
/// may be lost, and the system serves all the same.
const GLANCE: Duration = Duration::from_secs(3);

/// Where a system is to be built: before which backend, over which link.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    /// What clients are brought to.
    pub backend: SocketAddr,
    /// What the tunnel runs over, if not over loopback as it is. Where there is no tunnel it lies before the backend.
    pub link: Option<Shape>,
}

impl Site {
    /// The way to `target` over the link: the address to dial instead, and what must be kept meanwhile.
    ///
    /// # Errors
    /// If the link cannot listen.
    pub fn way_to(&self, target: SocketAddr) -> Result<(SocketAddr, Option<Link>), Failed> {
        self.way(free_addr(), target)
    }

    /// The same with the near end of the link at `listen`.
    ///
    /// # Errors
    /// If the link cannot listen.
    pub fn way(&self, listen: SocketAddr, target: SocketAddr) -> Result<(SocketAddr, Option<Link>), Failed> {
        match self.link {
            Some(shape) => Ok((listen, Some(Link::start(listen, target, shape)?))),
            None => Ok((target, None)),
        }
    }
}

/// One running system; all of it ends when this is dropped.
#[derive(Debug)]
pub struct Line {
    addr: SocketAddr,
    first_answer: Option<Duration>,
    relay: Option<Pid>,
    agent: Option<Pid>,
    /// What must be kept, in the order in which it is to end.
    _parts: Vec<Box<dyn Any>>,
}

/// A system that has been started and may not serve yet.
#[derive(Debug)]
pub struct Starting {
    started: Instant,
    line: Line,
}

/// What relay and agent took of something; none where there is no such process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Both {
    /// The process on the public side, or the only one.
    pub relay: Option<f64>,
    /// The process beside the backend.
    pub agent: Option<f64>,
}

impl Both {
    /// The sum; none if there are no processes at all.
    pub fn sum(self) -> Option<f64> {
        match (self.relay, self.agent) {
            (Some(relay), Some(agent)) => Some(relay + agent),
            (one, other) => one.or(other),
        }
    }

    /// Both, with the same done to each.
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        Self { relay: self.relay.map(&change), agent: self.agent.map(change) }
    }
}

/// The CPU time of relay and agent so far.
#[derive(Debug)]
pub struct Cpu {
    relay: Option<CpuTime>,
    agent: Option<CpuTime>,
}

impl Line {
    /// Begins with the address for clients.
    pub fn at(addr: SocketAddr) -> Starting {
        let line = Self { addr, first_answer: None, relay: None, agent: None, _parts: Vec::new() };
        Starting { started: Instant::now(), line }
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From the start of the agent to the first answer of the backend; none without an agent.
    pub fn first_answer(&self) -> Option<Duration> {
        self.first_answer
    }

    /// The CPU time that its processes took so far.
    ///
    /// # Errors
    /// If one has ended.
    pub fn cpu(&self) -> Result<Cpu, Failed> {
        let of = |pid: Option<Pid>| pid.map(CpuTime::of).transpose();
        Ok(Cpu { relay: of(self.relay)?, agent: of(self.agent)? })
    }

    /// Seconds of CPU time that its processes took since then.
    ///
    /// # Errors
    /// If one has ended.
    pub fn cpu_since(&self, before: &Cpu) -> Result<Both, Failed> {
        let now = self.cpu()?;
        let since = |now: &Option<CpuTime>, before: &Option<CpuTime>| {
            let both = now.as_ref().zip(before.as_ref());
            both.map(|(now, before)| now.since(before).as_secs_f64())
        };
        Ok(Both { relay: since(&now.relay, &before.relay), agent: since(&now.agent, &before.agent) })
    }

    /// KiB that its processes hold.
    ///
    /// # Errors
    /// If one has ended.
    pub fn resident_kib(&self) -> Result<Both, Failed> {
        let of = |pid: Option<Pid>| pid.map(|pid| resident_kib(pid).map(|kib| kib as f64)).transpose();
        Ok(Both { relay: of(self.relay)?, agent: of(self.agent)? })
    }
}

impl Starting {
    /// Notes the process on the public side.
    pub fn relay(mut self, process: &Process) -> Self {
        self.line.relay = Some(process.pid());
        self
    }

    /// Starts the process beside the backend, and the clock.
    pub fn agent(mut self, start: impl FnOnce() -> Process) -> Self {
        self.started = Instant::now();
        let process = start();
        self.line.agent = Some(process.pid());
        self.keep(process)
    }

    /// Keeps something for as long as the line is there; what is kept first ends first.
    pub fn keep(mut self, part: impl Any) -> Self {
        self.line._parts.push(Box::new(part));
        self
    }

    /// Waits until a client is answered by the backend.
    ///
    /// # Errors
    /// If that takes too long, or a process ends.
    pub fn served(mut self) -> Result<Line, Failed> {
        while self.started.elapsed() < wait::PATIENCE {
            for process in self.line._parts.iter_mut().filter_map(|part| part.downcast_mut()) {
                still_runs(process)?;
            }
            if is_served(self.line.addr) {
                let took = self.started.elapsed();
                self.line.first_answer = self.line.agent.map(|_| took);
                return Ok(self.line);
            }
            std::thread::sleep(PAUSE);
        }
        Err(Failed::Unserved(format!("no answer within {:?}", wait::PATIENCE)))
    }
}

/// Whether a client is answered by the backend.
fn is_served(addr: SocketAddr) -> bool {
    let answer = Client::try_connect(addr).ok().and_then(|mut client| {
        client.wait_at_most(GLANCE);
        client.try_ask(&Request::get(SMALL).close())
    });
    answer.is_some_and(|answer| answer.status() == 200)
}

/// Waits until a process listens.
///
/// # Errors
/// If that takes too long, or it ends.
pub fn listening(addr: SocketAddr, process: &mut Process) -> Result<(), Failed> {
    let started = Instant::now();
    while started.elapsed() < wait::PATIENCE {
        if is_listening(addr) {
            return Ok(());
        }
        still_runs(process)?;
        std::thread::sleep(PAUSE);
    }
    Err(Failed::Unserved(format!("nobody listens at {addr} within {:?}: {}", wait::PATIENCE, process.said())))
}

fn still_runs(process: &mut Process) -> Result<(), Failed> {
    if process.is_running() {
        return Ok(());
    }
    // With its last words.
    let status = process.wait_exit(wait::PATIENCE);
    Err(Failed::Unserved(format!("a process ended with {status}: {}", process.said().trim())))
}

#[cfg(test)]
mod tests {
    use telephone_tests::process::Plan;

    use super::*;

    #[test]
    fn a_process_that_ends_is_not_waited_for() {
        let addr = free_addr();
        let mut process = Plan::new("sh").args(["-c", "echo no such option; exit 3"]).start();
        let failed = listening(addr, &mut process).expect_err("nobody listens");
        assert!(failed.to_string().contains("no such option"), "{failed}");
        let failed = Line::at(addr).relay(&process).keep(process).served().expect_err("nobody serves");
        assert!(failed.to_string().contains("exit status: 3"), "{failed}");
    }

    #[test]
    fn the_sum_of_one_process_is_its_own() {
        assert_eq!(Both { relay: Some(1.0), agent: Some(2.0) }.sum(), Some(3.0));
        assert_eq!(Both { relay: Some(1.0), agent: None }.sum(), Some(1.0));
        assert_eq!(Both { relay: None, agent: None }.sum(), None);
    }
}
