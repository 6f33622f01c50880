//! Draws scenarios. Each first draws which sizes and faults it has at all, so that rare states are common.

use crate::choices::Choices;
use crate::clock::{MILLI, Micros, SECOND};
use crate::net::{Rules, Slicing};
use crate::scenario::{
    APART, BackendFault, Body, Fault, FaultKind, HAND_OVERS_MAX, Limits, PARK_TIME, Pace, Plugboard, Request,
    SETTLED, Scenario, Shape, Telephone,
};

/// What this scenario may have; everything else is as in good weather.
struct Swarm {
    faults: Vec<FaultKind>,
    shapes: Vec<Shape>,
    body_max: u64,
    has_backend_faults: bool,
    has_slow_bodies: bool,
    has_leavers: bool,
    is_calm: bool,
    chaos: Micros,
}

const FAULTS: [FaultKind; 22] = [
    FaultKind::Reset,
    FaultKind::Cut,
    FaultKind::ResetAtTelephone,
    FaultKind::ResetAtPlugboard,
    FaultKind::Silence,
    FaultKind::BlackUp,
    FaultKind::BlackDown,
    FaultKind::BlackBoth,
    FaultKind::DialRefused,
    FaultKind::DialHangs,
    FaultKind::Flap,
    FaultKind::KillTelephone,
    FaultKind::DrainTelephone,
    FaultKind::FreezeTelephone,
    FaultKind::KillPlugboard,
    FaultKind::FreezePlugboard,
    FaultKind::DrainPlugboard,
    FaultKind::HandOver,
    FaultKind::Revoke,
    FaultKind::NoToken,
    FaultKind::NotReady,
    FaultKind::Withdraw,
];
/// Those that lose a link at once: most scenarios have one of them.
const CUTS: [FaultKind; 4] =
    [FaultKind::Reset, FaultKind::Cut, FaultKind::ResetAtTelephone, FaultKind::ResetAtPlugboard];
const SHAPES: [Shape; 6] = [Shape::Get, Shape::Put, Shape::Post, Shape::Head, Shape::Upgrade, Shape::Tcp];

/// Draws a scenario.
#[must_use]
pub fn draw(choices: &mut Choices<'_>) -> Scenario {
    let noise = choices.up_to(u64::MAX - 1);
    let mut swarm = swarm(choices);
    let is_large = choices.once_in(64);
    let tenants = if is_large { choices.between(2, 8) } else { choices.pick(&[1, 1, 1, 2, 2, 3]) };
    let plugboards = if choices.once_in(16) { choices.between(2, 4) } else { 1 };
    let telephones = telephones(choices, tenants, plugboards, is_large);
    let (plugboard_limits, telephone_limits) = (limits(choices), limits(choices));
    let credit = credit(&plugboard_limits).min(credit(&telephone_limits));
    let narrowest = telephones.iter().map(|telephone| telephone.rules.buffer).min().unwrap_or(0);
    swarm.body_max = swarm.body_max.min(credit.saturating_mul(TURNS_MAX)).min(narrowest * BUFFERS_MAX);
    let requests = requests(choices, &swarm, &telephones, is_large);
    let faults = faults(choices, &swarm, &telephones, plugboards);
    let has_hostile_plugboard = choices.once_in(32);
    let hostile = |index| Plugboard { is_hostile: has_hostile_plugboard && index == 0 };
    let mut scenario = Scenario {
        noise,
        plugboard_limits,
        telephone_limits,
        resume_window: choices.pick(&[30, 30, 30, 5, 1, 0]) * SECOND,
        park_time: choices.pick(&[5, 5, 5, 1]) * SECOND,
        parked_per_mount: choices.pick(&[100, 100, 3, 1]),
        retries: choices.pick(&[(10, 1024), (10, 1024), (1, 3), (0, 1), (0, 0)]),
        token_life: choices.pick(if swarm.chaos > 60 * SECOND {
            &[0, 90, 10, 2]
        } else {
            &[0, 0, 0, 3600, 90, 10]
        }) * SECOND,
        plugboards: (0..plugboards).map(hostile).collect(),
        telephones,
        requests,
        faults,
        chaos: swarm.chaos,
    };
    if swarm.is_calm {
        calm(choices, &mut scenario);
    }
    scenario
}

/// Leaves nothing to go wrong in a scenario but that plugboards hand over.
fn calm(choices: &mut Choices<'_>, scenario: &mut Scenario) {
    scenario.plugboard_limits = Limits::PLAIN;
    scenario.telephone_limits = Limits::PLAIN;
    scenario.park_time = PARK_TIME;
    scenario.parked_per_mount = Limits::PLAIN.unaccepted as u32;
    scenario.token_life = 0;
    scenario.plugboards.fill(Plugboard { is_hostile: false });
    for telephone in &mut scenario.telephones {
        (telephone.starts, telephone.is_hostile) = (0, false);
    }
    scenario.telephones.dedup_by_key(|one| (one.tenant, one.instance, one.plugboard));
    scenario.faults.clear();
    for whom in 0..scenario.plugboards.len() as u8 {
        let mut at = choices.between(SETTLED, scenario.chaos);
        while at < scenario.chaos && scenario.faults.len() < HAND_OVERS_MAX {
            let lasts = choices.magnitude(SECOND, 60 * SECOND);
            scenario.faults.push(Fault { at, whom, lasts, kind: FaultKind::HandOver });
            at += APART + choices.up_to(APART);
        }
    }
    scenario.faults.sort_by_key(|fault| fault.at);
}

fn swarm(choices: &mut Choices<'_>) -> Swarm {
    let is_calm = choices.once_in(16);
    let count = choices.pick(&[0, 1, 1, 2, 3, 8, 17]);
    let mut faults: Vec<FaultKind> = (0..count).map(|_| choices.pick(&FAULTS)).collect();
    faults.push(choices.pick(&CUTS));
    let mut shapes: Vec<Shape> = SHAPES.iter().copied().filter(|_| choices.once_in(2)).collect();
    shapes.push(choices.pick(&SHAPES));
    Swarm {
        faults,
        shapes,
        body_max: choices.pick(&[0, 100, 4_000, 20_000, 20_000, 200_000]),
        has_backend_faults: choices.once_in(3),
        has_slow_bodies: choices.once_in(2),
        has_leavers: choices.once_in(3),
        is_calm,
        chaos: if is_calm {
            choices.between(2 * SETTLED, 30 * SECOND)
        } else if choices.once_in(10) {
            // Long enough for tokens to run out, with their leeway and their grace.
            choices.between(60 * SECOND, 300 * SECOND)
        } else {
            choices.magnitude(100 * MILLI, 20 * SECOND)
        },
    }
}

fn limits(choices: &mut Choices<'_>) -> Limits {
    if choices.once_in(2) {
        return Limits::PLAIN;
    }
    Limits {
        stream_floor: choices.pick(&[1024, 16 * 1024, 100, 1]),
        stream_window: choices.pick(&[256 * 1024, 64 * 1024, 1_000, 1]),
        session_window: choices.pick(&[4 << 20, 100_000, 10_000, 1, 0]),
        streams: choices.pick(&[1024, 100, 5, 1]),
        unaccepted: choices.pick(&[256, 256, 3, 1]),
        replay_bytes: choices.pick(&[1 << 20, 70_000, 5_000, 300]),
    }
}

/// How often a window is used up by one body at most: each time costs a round trip.
const TURNS_MAX: u64 = 25;

/// How often a link's buffer is filled by one body at most: each time costs events.
const BUFFERS_MAX: u64 = 100;

/// Octets that a stream may have under way, roughly.
fn credit(limits: &Limits) -> u64 {
    limits.stream_floor.max(limits.stream_window.min(limits.session_window / 4))
}

fn telephones(choices: &mut Choices<'_>, tenants: u64, plugboards: u64, is_large: bool) -> Vec<Telephone> {
    let has_hostile = choices.once_in(12);
    let mut telephones = Vec::new();
    for tenant in 0..tenants {
        let instances = if is_large { choices.between(1, 3) } else { choices.pick(&[1, 1, 1, 2]) };
        for instance in 0..instances {
            // Each plugboard has one of each tenant's at least, so that every request can be served.
            for plugboard in 0..plugboards {
                let starts = if choices.once_in(4) { choices.magnitude(1, 4 * SECOND) } else { 0 };
                let telephone = Telephone {
                    tenant: tenant as u8,
                    instance: instance as u8,
                    plugboard: plugboard as u8,
                    starts,
                    rules: rules(choices),
                    is_hostile: has_hostile && tenant + 1 == tenants && tenants > 1 && instance == 0,
                };
                telephones.push(telephone);
                if !telephone.is_hostile && choices.once_in(16) {
                    // A second process that takes itself for the same one.
                    let starts = starts + choices.magnitude(MILLI, 4 * SECOND);
                    telephones.push(Telephone { starts, rules: rules(choices), ..telephone });
                }
            }
        }
    }
    telephones
}

fn rules(choices: &mut Choices<'_>) -> Rules {
    let is_narrow = choices.once_in(8);
    let jitter = choices.pick(&[0, 10, MILLI, 20 * MILLI]);
    let latency = if is_narrow { choices.magnitude(10, MILLI) } else { choices.magnitude(20, 200 * MILLI) };
    let buffer = if is_narrow { choices.magnitude(1, 4 << 10) } else { choices.magnitude(4 << 10, 1 << 20) };
    Rules {
        // A link that is slower than 20 kB a second counts as dead with a message on its way.
        buffer: buffer.max((latency + jitter) / 20),
        latency,
        jitter,
        micros_per_kib: choices.pick(&[0, 1, 10, 1_000]),
        slicing: match choices.up_to(3) {
            0 | 1 => Slicing::Whole,
            2 => Slicing::Random,
            _ => Slicing::AtMost(choices.magnitude(200, 65_536) as u32),
        },
    }
}

fn requests(
    choices: &mut Choices<'_>,
    swarm: &Swarm,
    telephones: &[Telephone],
    is_large: bool,
) -> Vec<Request> {
    let per_telephone = if is_large { choices.between(20, 100) } else { choices.between(12, 24) };
    let count = per_telephone * telephones.len() as u64;
    let mut requests: Vec<Request> = (0..count).map(|_| request(choices, swarm, telephones)).collect();
    requests.sort_by_key(|request| request.at);
    requests
}

fn request(choices: &mut Choices<'_>, swarm: &Swarm, telephones: &[Telephone]) -> Request {
    let telephone = telephones[choices.up_to(telephones.len() as u64 - 1) as usize];
    let shape = choices.pick(&swarm.shapes);
    let has_body = match shape {
        Shape::Get | Shape::Head => false,
        Shape::Post => !choices.once_in(3),
        Shape::Put | Shape::Upgrade | Shape::Tcp => true,
    };
    let up = if has_body { body(choices, swarm) } else { nothing() };
    let down = if shape == Shape::Head { nothing() } else { body(choices, swarm) };
    let is_opaque = matches!(shape, Shape::Upgrade | Shape::Tcp);
    let fault = if swarm.has_backend_faults && choices.once_in(4) {
        backend_fault(choices, shape, down)
    } else {
        BackendFault::None
    };
    // Whoever waits for ever would wait for ever.
    let must_leave = matches!(fault, BackendFault::HangsAt(_) | BackendFault::Silent);
    let leaves = if must_leave || (swarm.has_leavers && choices.once_in(5)) {
        choices.magnitude(1, 10 * SECOND)
    } else {
        0
    };
    Request {
        at: choices.up_to(swarm.chaos),
        plugboard: telephone.plugboard,
        tenant: telephone.tenant,
        shape,
        up,
        down,
        delay: if choices.once_in(2) { 0 } else { choices.magnitude(1, 2 * SECOND) },
        waits: !is_opaque && choices.once_in(2),
        interims: if choices.once_in(6) { choices.up_to(8) as u8 } else { 0 },
        has_trailers: !is_opaque && choices.once_in(6),
        fault,
        leaves,
    }
}

fn backend_fault(choices: &mut Choices<'_>, shape: Shape, down: Body) -> BackendFault {
    let offset = choices.up_to(u64::from(down.length.saturating_sub(1))) as u32;
    // Where there are no heads, nobody waits for one.
    let kinds = if shape == Shape::Tcp { 3 } else { 6 };
    match choices.up_to(kinds) {
        0 => BackendFault::Refuses,
        1 => BackendFault::ConnectHangs,
        2 => BackendFault::DiesAt(offset),
        3 => BackendFault::HangsAt(offset),
        4 => BackendFault::Silent,
        5 if down.is_declared && shape != Shape::Upgrade => BackendFault::EndsAt(offset),
        _ => BackendFault::DiesUnanswered,
    }
}

const fn nothing() -> Body {
    let pace = Pace { piece: u32::MAX, rest: 0, stall_at: 0, stall: 0 };
    Body { length: 0, is_declared: false, written: pace, read: pace }
}

fn body(choices: &mut Choices<'_>, swarm: &Swarm) -> Body {
    let length = match choices.up_to(3) {
        0 => 0,
        _ if swarm.body_max == 0 => 0,
        _ => choices.magnitude(1, swarm.body_max),
    };
    Body {
        length: length as u32,
        is_declared: length > 0 && choices.once_in(2),
        written: pace(choices, swarm, length),
        read: pace(choices, swarm, length),
    }
}

fn pace(choices: &mut Choices<'_>, swarm: &Swarm, length: u64) -> Pace {
    let mut pace = nothing().read;
    if length > 0 && swarm.has_slow_bodies && choices.once_in(4) {
        // At most sixteen pieces: a trickle, and still few events.
        pace.piece = choices.between(length / 16 + 1, length) as u32;
        pace.rest = choices.magnitude(1, SECOND);
    }
    if length > 0 && swarm.has_slow_bodies && choices.once_in(8) {
        pace.stall_at = choices.up_to(length - 1) as u32;
        pace.stall = choices.magnitude(MILLI, 20 * SECOND);
    }
    pace
}

fn faults(choices: &mut Choices<'_>, swarm: &Swarm, telephones: &[Telephone], plugboards: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    for whom in 0..telephones.len() {
        for _ in 0..choices.between(1, 3) {
            let first = fault(choices, swarm, whom as u8, plugboards);
            faults.push(first);
            // What breaks in the moment in which something else does is seldom by chance, and seldom right.
            if choices.once_in(4) {
                let at = first.at + choices.magnitude(1, 100 * MILLI);
                faults.push(Fault { at, ..fault(choices, swarm, whom as u8, plugboards) });
            }
        }
    }
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn fault(choices: &mut Choices<'_>, swarm: &Swarm, whom: u8, plugboards: u64) -> Fault {
    let kind = choices.pick(&swarm.faults);
    Fault {
        at: choices.up_to(swarm.chaos),
        whom: if kind.is_of_plugboard() { choices.up_to(plugboards - 1) as u8 } else { whom },
        lasts: choices.magnitude(MILLI, 60 * SECOND.max(swarm.chaos / 60)),
        kind,
    }
}
