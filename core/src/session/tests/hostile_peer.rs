//! Hostile peers on established sessions, as tables: what the peer sends in which state, and the verdict.
//! [M-01 to M-18, M-22]
//!
//! Each script of frames runs three times: with the frames of a step in one message, with one frame a message, and on
//! the JSON profile. The laws of one end are checked after each step.

mod credit;
mod frames;
mod json;
mod links;
mod states;
mod streams;
mod victim;
mod wide;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use bytes::Bytes;

use self::victim::Victim;
use crate::error::{CloseReason, LeaveCode, Misbehaviour};
use crate::wire::{Frame, Profile};

/// One step of a script.
#[derive(Clone)]
enum Step {
    /// The peer sends frames, and acknowledges so many messages.
    Send(u64, Vec<Frame>),
    /// The peer sends a message that our own writer would not write.
    Raw(Bytes),
    /// The honest end, or time, does something.
    Act(fn(&mut Victim)),
}

/// What becomes of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Misbehaves(Misbehaviour),
    Closes(CloseReason),
    /// It goes on, and still answers and accepts.
    Continues,
    /// It goes on without new streams, since one end leaves.
    Drains,
}

/// A row of the tables.
struct Script {
    name: &'static str,
    victim: fn(Profile) -> Victim,
    /// The one profile of raw messages.
    profile: Option<Profile>,
    steps: Vec<Step>,
    verdict: Verdict,
}

/// A script without steps, for a victim in a state.
fn script(name: &'static str, victim: fn(Profile) -> Victim) -> Script {
    Script { name, victim, profile: None, steps: Vec::new(), verdict: Verdict::Continues }
}

impl Script {
    fn sends(self, frames: impl Into<Vec<Frame>>) -> Self {
        self.acknowledges(0, frames)
    }

    fn acknowledges(mut self, ack: u64, frames: impl Into<Vec<Frame>>) -> Self {
        self.steps.push(Step::Send(ack, frames.into()));
        self
    }

    /// Sends a binary message.
    fn raw(mut self, message: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Raw(message.into().into()));
        Self { profile: Some(Profile::Binary), ..self }
    }

    /// Sends a text message.
    fn text(mut self, message: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Raw(message.into().into()));
        Self { profile: Some(Profile::Json), ..self }
    }

    fn acts(mut self, act: fn(&mut Victim)) -> Self {
        self.steps.push(Step::Act(act));
        self
    }

    /// For what depends on the size of messages.
    fn only_binary(self) -> Self {
        Self { profile: Some(Profile::Binary), ..self }
    }

    fn misbehaves(self, rule: Misbehaviour) -> Self {
        Self { verdict: Verdict::Misbehaves(rule), ..self }
    }

    fn closes(self, reason: CloseReason) -> Self {
        Self { verdict: Verdict::Closes(reason), ..self }
    }

    fn drains(self) -> Self {
        Self { verdict: Verdict::Drains, ..self }
    }

    /// The ways to run it: the profile, and whether each frame has a message of its own.
    fn ways(&self) -> Vec<(Profile, bool)> {
        match self.profile {
            Some(profile) => [(profile, false)].into(),
            None => [(Profile::Binary, false), (Profile::Binary, true), (Profile::Json, true)].into(),
        }
    }

    fn run(&self, profile: Profile, is_apart: bool) {
        let mut victim = (self.victim)(profile);
        victim.name = self.name;
        for step in self.steps.clone() {
            match step {
                Step::Send(ack, frames) if is_apart => {
                    frames.into_iter().for_each(|frame| victim.hear(ack, &[frame]));
                }
                Step::Send(ack, frames) => victim.hear(ack, &frames),
                Step::Raw(message) => victim.hear_message(message),
                Step::Act(act) => {
                    act(&mut victim);
                    victim.settle();
                }
            }
        }
        self.check(&mut victim);
        victim.end();
    }

    fn check(&self, victim: &mut Victim) {
        let closed = victim.session.closed();
        match self.verdict {
            Verdict::Misbehaves(rule) => {
                assert_eq!(closed, Some(CloseReason::Misbehaved(rule)), "{}", self.name);
                let is_flood = rule == Misbehaviour::FreeFrames;
                let code = if is_flood { LeaveCode::CalmDown } else { LeaveCode::Misbehaved };
                assert!(
                    matches!(victim.said.last(), Some(Frame::Leave { code: said, .. }) if *said == code),
                    "{}: {:?}",
                    self.name,
                    victim.said.last()
                );
                victim.stays_closed();
            }
            Verdict::Closes(reason) => {
                assert_eq!(closed, Some(reason), "{}", self.name);
                victim.stays_closed();
            }
            Verdict::Continues => {
                assert_eq!(closed, None, "{}", self.name);
                victim.still_answers();
                victim.still_accepts();
            }
            Verdict::Drains => {
                assert_eq!(closed, None, "{}", self.name);
                assert!(!victim.session.is_open(), "{}", self.name);
                victim.still_answers();
            }
        }
    }
}

fn scripts() -> Vec<Script> {
    [
        streams::scripts(),
        states::scripts(),
        credit::scripts(),
        wide::scripts(),
        links::scripts(),
        frames::scripts(),
        json::scripts(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn each_hostile_peer_meets_its_verdict_and_the_laws_hold_after_each_step() {
    for script in scripts() {
        for (profile, is_apart) in script.ways() {
            script.run(profile, is_apart);
        }
    }
}

#[test]
fn the_tables_have_at_least_100_scripts_and_none_twice() {
    let scripts = scripts();
    let names: BTreeSet<&str> = scripts.iter().map(|script| script.name).collect();
    assert_eq!(names.len(), scripts.len(), "no name twice");
    assert!(scripts.len() >= 100, "{}", scripts.len());
}
