//! A machine, and the processes that run on it.

use telephone_core::random::Random;

use crate::actors::plugboard::Plugboard;
use crate::clock::Micros;

/// A machine, and the processes that run on it.
#[derive(Debug)]
pub struct Host<P> {
    /// The process, if it runs.
    pub process: Option<P>,
    /// Those that it took over from, until they are done.
    pub leaving: Vec<P>,
    /// Who keeps it down.
    pub downs: u32,
    /// Who keeps it stopped.
    pub freezes: u32,
    /// What the kernel keeps for a process that is stopped: wires to accept.
    pub backlog: Vec<u32>,
    /// Requests to it meanwhile.
    pub requests: Vec<u32>,
    /// Until when dials of it fail, and whether they hang.
    pub no_dial: (Micros, bool),
    /// Until when its links are reset soon after they are made.
    pub flaps_until: Micros,
}

impl<P> Default for Host<P> {
    fn default() -> Self {
        Self {
            process: None,
            leaving: Vec::new(),
            downs: 0,
            freezes: 0,
            backlog: Vec::new(),
            requests: Vec::new(),
            no_dial: (0, false),
            flaps_until: 0,
        }
    }
}

impl<P> Host<P> {
    /// The process, if it runs and is not stopped.
    pub const fn running(&mut self) -> Option<&mut P> {
        if self.freezes > 0 { None } else { self.process.as_mut() }
    }

    /// All its processes, stopped or not.
    pub fn processes(&self) -> impl Iterator<Item = &P> {
        self.leaving.iter().chain(&self.process)
    }

    /// All its processes, if they are not stopped.
    pub fn all_running(&mut self) -> impl Iterator<Item = &mut P> {
        let is_running = self.freezes == 0;
        self.leaving.iter_mut().chain(&mut self.process).filter(move |_| is_running)
    }
}

impl Host<Plugboard> {
    /// One of those that listen at its address: the kernel knows no difference between them.
    pub fn listening(&mut self, random: &mut Random) -> Option<&mut Plugboard> {
        let is_listening = |one: &&mut Plugboard| one.is_listening();
        let mut all: Vec<&mut Plugboard> =
            self.leaving.iter_mut().chain(&mut self.process).filter(is_listening).collect();
        let last = all.len().checked_sub(1)?;
        let chosen = if last == 0 { 0 } else { random.up_to(last as u64) as usize };
        Some(all.swap_remove(chosen))
    }
}
