//! Who deploys, kills, stops, revokes, and breaks the network: one step of the scenario at a time.

use telephone_core::error::LeaveCode;

use super::plugboard::Plugboard;
use super::presenting::Wanted;
use super::telephone::Telephone;
use crate::clock::{Event, Micros};
use crate::net::Side;
use crate::scenario::{Fault, FaultKind};
use crate::stage::Note;
use crate::world::World;

const BOTH: [Side; 2] = [Side::Telephone, Side::Plugboard];

/// A fault begins.
pub fn break_down(world: &mut World<'_>, number: u32) {
    let Fault { whom, lasts, kind, .. } = world.stage.scenario.faults[number as usize];
    if world.stage.is_healed {
        return;
    }
    world.stage.note(Note::Fault, u64::from(number), || format!("fault {number}: {kind:?} of {whom}"));
    let index = u32::from(whom);
    let until = world.stage.now() + lasts;
    match kind {
        FaultKind::Reset
        | FaultKind::ResetAtTelephone
        | FaultKind::ResetAtPlugboard
        | FaultKind::Cut
        | FaultKind::Silence
        | FaultKind::BlackUp
        | FaultKind::BlackDown
        | FaultKind::BlackBoth => break_wire(world, number, index, kind),
        FaultKind::DialRefused => world.telephones[index as usize].no_dial = (until, false),
        FaultKind::DialHangs => world.telephones[index as usize].no_dial = (until, true),
        FaultKind::Flap => {
            world.telephones[index as usize].flaps_until = until;
            break_wire(world, number, index, FaultKind::Reset);
        }
        FaultKind::KillTelephone => kill_telephone(world, index),
        FaultKind::DrainTelephone => world.with_telephone(index, Telephone::leave),
        FaultKind::FreezeTelephone => world.telephones[index as usize].freezes += 1,
        FaultKind::KillPlugboard => kill_plugboard(world, index),
        FaultKind::HandOver => hand_over(world, index, lasts),
        FaultKind::DrainPlugboard => world.with_plugboard(index, |plugboard, stage| {
            plugboard.ask_to_move(stage);
            plugboard.dismiss_all(None, LeaveCode::Draining, stage);
        }),
        FaultKind::FreezePlugboard => world.plugboards[index as usize].freezes += 1,
        FaultKind::Revoke => revoke(world, index),
        FaultKind::NotReady => want(world, index, Wanted::NotReady),
        FaultKind::Withdraw => want(world, index, Wanted::Withdrawn),
        FaultKind::NoToken => {
            if let Some(telephone) = &mut world.telephones[index as usize].process {
                telephone.has_tokens = false;
            }
        }
    }
    world.stage.clock.plan(until, Event::Repair(number));
}

fn break_wire(world: &mut World<'_>, number: u32, index: u32, kind: FaultKind) {
    let process = world.telephones[index as usize].process.as_ref();
    let wires = process.map(Telephone::wires).unwrap_or_default();
    let Some(last) = wires.len().checked_sub(1) else { return };
    let wire = wires[if last == 0 { 0 } else { world.stage.random.up_to(last as u64) as usize }];
    let latency: Micros = world.stage.scenario.telephones[index as usize].rules.latency;
    let (stage, black) = (&mut world.stage, &mut world.black);
    match kind {
        FaultKind::Reset => {
            for side in BOTH {
                let delay = stage.random.up_to(latency);
                stage.reset(wire, side, delay);
            }
        }
        FaultKind::ResetAtTelephone | FaultKind::ResetAtPlugboard => {
            stage.sever(wire);
            let side = if kind == FaultKind::ResetAtTelephone { Side::Telephone } else { Side::Plugboard };
            stage.reset(wire, side, 0);
        }
        FaultKind::Cut => {
            for side in BOTH {
                stage.cut(wire, side);
            }
        }
        FaultKind::Silence => stage.sever(wire),
        _ => {
            let sides: &[Side] = match kind {
                FaultKind::BlackUp => &[Side::Plugboard],
                FaultKind::BlackDown => &[Side::Telephone],
                _ => &BOTH,
            };
            for side in sides {
                stage.blacken(wire, *side, true);
                black.push((number, wire, *side));
            }
        }
    }
}

fn kill_telephone(world: &mut World<'_>, index: u32) {
    let host = &mut world.telephones[index as usize];
    host.downs += 1;
    if let Some(telephone) = host.process.take() {
        telephone.kill(&mut world.stage);
    }
}

fn kill_plugboard(world: &mut World<'_>, index: u32) {
    let host = &mut world.plugboards[index as usize];
    host.downs += 1;
    let (waiting, backlog) = (std::mem::take(&mut host.requests), std::mem::take(&mut host.backlog));
    let mut killed: Vec<Plugboard> = host.process.take().into_iter().collect();
    // A crash of the one, or the end of the machine.
    if !host.leaving.is_empty() && world.stage.random.up_to(1) == 0 {
        killed.append(&mut host.leaving);
    }
    for plugboard in killed {
        plugboard.kill(&mut world.stage);
    }
    for request in waiting {
        super::exchange::finish(request, crate::oracle::Outcome::Aborted, &mut world.stage);
    }
    for wire in backlog {
        world.stage.reset(wire, Side::Telephone, 0);
    }
}

/// A fresh process starts at the address of one that leaves.
fn hand_over(world: &mut World<'_>, index: u32, grace: Micros) {
    let is_hostile = world.stage.scenario.plugboards[index as usize].is_hostile;
    let host = &mut world.plugboards[index as usize];
    if is_hostile || host.freezes > 0 {
        return;
    }
    if let Some(mut plugboard) = host.process.take() {
        host.process = Some(Plugboard::new(index, &mut world.stage));
        plugboard.drain(grace, &mut world.stage);
        host.leaving.push(plugboard);
    }
}

/// The tokens of a telephone's tenant are taken back everywhere.
fn revoke(world: &mut World<'_>, index: u32) {
    let tenant = world.stage.scenario.telephones[index as usize].tenant;
    world.stage.issuer.revoke(tenant);
    for plugboard in 0..world.plugboards.len() as u32 {
        world.with_plugboards(plugboard, |one, stage| {
            one.dismiss_all(Some(tenant), LeaveCode::Revoked, stage);
        });
    }
    for (plan, host) in world.stage.scenario.telephones.iter().zip(&mut world.telephones) {
        if let Some(telephone) = host.process.as_mut().filter(|_| plan.tenant == tenant) {
            telephone.has_tokens = false;
        }
    }
}

/// What a fault took away comes back.
pub fn repair(world: &mut World<'_>, number: u32) {
    let Fault { whom, kind, .. } = world.stage.scenario.faults[number as usize];
    if world.stage.is_healed {
        return;
    }
    world.stage.note(Note::Fault, u64::from(number), || format!("fault {number} is over"));
    let index = u32::from(whom);
    match kind {
        FaultKind::BlackUp | FaultKind::BlackDown | FaultKind::BlackBoth => lighten(world, Some(number)),
        FaultKind::KillTelephone => raise_telephone(world, index, 1),
        FaultKind::DrainTelephone => {
            kill_telephone(world, index);
            raise_telephone(world, index, 1);
        }
        FaultKind::FreezeTelephone => thaw_telephone(world, index, 1),
        FaultKind::KillPlugboard => raise_plugboard(world, index, 1),
        FaultKind::DrainPlugboard => {
            kill_plugboard(world, index);
            raise_plugboard(world, index, 1);
        }
        FaultKind::FreezePlugboard => thaw_plugboard(world, index, 1),
        FaultKind::NotReady | FaultKind::Withdraw => want(world, index, Wanted::Ready),
        FaultKind::Revoke | FaultKind::NoToken => give_tokens(world),
        FaultKind::Reset
        | FaultKind::ResetAtTelephone
        | FaultKind::ResetAtPlugboard
        | FaultKind::Cut
        | FaultKind::Silence
        | FaultKind::Flap
        | FaultKind::HandOver
        | FaultKind::DialRefused
        | FaultKind::DialHangs => {}
    }
}

/// Everything is repaired, and nothing breaks any more.
pub fn heal(world: &mut World<'_>) {
    lighten(world, None);
    give_tokens(world);
    for index in 0..world.plugboards.len() as u32 {
        thaw_plugboard(world, index, u32::MAX);
        if world.plugboards[index as usize].process.as_ref().is_some_and(|plugboard| plugboard.is_draining) {
            kill_plugboard(world, index);
        }
        raise_plugboard(world, index, u32::MAX);
        world.plugboards[index as usize].leaving.iter_mut().for_each(Plugboard::go_in_peace);
    }
    for index in 0..world.telephones.len() as u32 {
        world.telephones[index as usize].no_dial = (0, false);
        world.telephones[index as usize].flaps_until = 0;
        thaw_telephone(world, index, u32::MAX);
        if world.telephones[index as usize].process.as_ref().is_some_and(|telephone| telephone.is_leaving()) {
            kill_telephone(world, index);
        }
        raise_telephone(world, index, u32::MAX);
    }
    for index in 0..world.telephones.len() as u32 {
        want(world, index, Wanted::Ready);
    }
    world.stage.is_healed = true;
}

fn lighten(world: &mut World<'_>, number: Option<u32>) {
    let black = std::mem::take(&mut world.black);
    for (fault, wire, side) in black {
        if world.stage.connection(wire).is_severed {
            continue;
        }
        if number.is_none_or(|number| number == fault) {
            world.stage.blacken(wire, side, false);
        } else {
            world.black.push((fault, wire, side));
        }
    }
}

/// A telephone's application goes down, comes back, or is withdrawn.
fn want(world: &mut World<'_>, index: u32, wanted: Wanted) {
    world.with_telephone(index, |telephone, stage| telephone.want(wanted, stage));
}

fn give_tokens(world: &mut World<'_>) {
    for telephone in world.telephones.iter_mut().filter_map(|host| host.process.as_mut()) {
        telephone.has_tokens = true;
    }
}

fn raise_telephone(world: &mut World<'_>, index: u32, count: u32) {
    let host = &mut world.telephones[index as usize];
    host.downs = host.downs.saturating_sub(count);
    if host.downs == 0 && host.process.is_none() {
        world.stage.plan_in(0, Event::Telephone(index));
    }
}

fn raise_plugboard(world: &mut World<'_>, index: u32, count: u32) {
    let host = &mut world.plugboards[index as usize];
    host.downs = host.downs.saturating_sub(count);
    if host.downs == 0 && host.process.is_none() {
        host.process = Some(Plugboard::new(index, &mut world.stage));
    }
}

fn thaw_telephone(world: &mut World<'_>, index: u32, count: u32) {
    let host = &mut world.telephones[index as usize];
    let was_frozen = host.freezes > 0;
    host.freezes = host.freezes.saturating_sub(count);
    if was_frozen && host.freezes == 0 {
        world.with_telephone(index, Telephone::thaw);
    }
}

fn thaw_plugboard(world: &mut World<'_>, index: u32, count: u32) {
    let host = &mut world.plugboards[index as usize];
    let was_frozen = host.freezes > 0;
    host.freezes = host.freezes.saturating_sub(count);
    if !was_frozen || host.freezes > 0 {
        return;
    }
    let (backlog, requests) = (std::mem::take(&mut host.backlog), std::mem::take(&mut host.requests));
    for wire in backlog {
        world.accept(index, wire);
    }
    world.with_plugboards(index, Plugboard::thaw);
    for request in requests {
        world.send(request);
    }
}
