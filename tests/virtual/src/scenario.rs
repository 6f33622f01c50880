//! What a seed says: who is there, what is asked, and what strikes when.

use std::time::Duration;

use crate::ledger::{After, Plan};
use crate::pipe::{Cut, Fate, Weather, log_uniform};
use crate::stage::Seat;
use crate::wire::Pace;

/// What happens to a world from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every link is struck.
    Links(Cut),
    /// New links are refused or swallowed from now on, or answered again.
    Dialling(Fate),
    /// Many new links are cut by themselves, or none any more.
    Storm(bool),
    /// A telephone's process is killed; with `is_cut_off` its host vanishes, and nobody is told.
    KillTelephone {
        /// Which.
        seat: usize,
        /// Its links go dark before.
        is_cut_off: bool,
    },
    /// A telephone's process is started, if it does not run.
    StartTelephone(usize),
    /// The plugboard is killed.
    KillRelay,
    /// The plugboard is started, if it does not run.
    StartRelay,
    /// The plugboard is asked to finish and end.
    ShutRelayDown,
    /// A backend is killed.
    KillBackend(usize),
    /// A backend is started, if it does not run.
    StartBackend(usize),
    /// A telephone is asked to finish and end.
    ShutTelephoneDown(usize),
}

/// How hard a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Links are cut, and nothing else: no request may fail.
    Gentle,
    /// Everything.
    Rough,
}

/// A world as its seed draws it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The seed.
    pub seed: u64,
    /// How hard it is.
    pub level: Level,
    /// Telephones with their backends.
    pub seats: Vec<Seat>,
    /// Requests, client by client.
    pub clients: Vec<Vec<Plan>>,
    /// What links are like when nothing strikes.
    pub links: Weather,
    /// What links are like in a storm.
    pub storm: Weather,
    /// What the other connections are like.
    pub lines: Weather,
    /// What strikes, and when.
    pub faults: Vec<(Duration, Fault)>,
    /// When the last of it is over.
    pub calm_at: Duration,
}

/// A draw from a seed.
struct Draw(fastrand::Rng);

impl Draw {
    fn up_to(&mut self, most: usize) -> usize {
        log_uniform(&mut self.0, &(1..=most + 1)) - 1
    }

    fn percent(&mut self, percent: u8) -> bool {
        self.0.u8(..100) < percent
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.0.u64(range))
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.usize(..of.len())]
    }
}

impl Scenario {
    /// The world of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut draw = Draw(fastrand::Rng::with_seed(seed));
        let level = if draw.percent(50) { Level::Gentle } else { Level::Rough };
        let mounts = draw.0.usize(1..=2);
        let mut seats: Vec<Seat> = (0..mounts).map(|mount| Seat { mount, ..Seat::default() }).collect();
        if draw.percent(30) {
            seats.push(Seat { instance: 1, ..Seat::default() });
        }
        let (links, lines) = (weather(&mut draw, 40_000), weather(&mut draw, 1_000));
        let storm = stormy(&mut draw, &links, level);
        let clients = clients(&mut draw, mounts, level);
        let faults = match level {
            Level::Gentle => gentle(&mut draw),
            Level::Rough => rough(&mut draw, seats.len()),
        };
        let calm_at = faults.last().map_or(Duration::ZERO, |(at, _)| *at) + Duration::from_secs(1);
        Self { seed, level, seats, clients, links, storm, lines, faults, calm_at }
    }
}

impl Scenario {
    /// How long a request may take that only has to live with its links' cuts: its own pauses, what all bodies
    /// together keep the slowest connection busy, the storms, and a few round trips and dials after each. A wake-up
    /// that is lost and made up for by the next ping comes too late.
    #[must_use]
    pub fn time_max(&self, plan: &Plan) -> Duration {
        let octets: u64 = self.clients.iter().flatten().map(|plan| plan.up + plan.down).sum();
        let busy = [&self.links, &self.lines].map(|weather| {
            let round_trips = octets as f64 / weather.capacity as f64;
            weather.latency.mul_f64(2.0 * round_trips)
                + Duration::from_secs_f64(octets as f64 / weather.rate as f64)
        });
        let faults = u32::try_from(self.faults.len()).unwrap_or(u32::MAX);
        plan.pauses()
            + 2 * (busy[0] + 2 * busy[1])
            + Duration::from_millis(300) * faults
            + Duration::from_secs(3)
    }
}

fn weather(draw: &mut Draw, latency_max: usize) -> Weather {
    let smallest = log_uniform(&mut draw.0, &(16..=65_536));
    Weather {
        latency: Duration::from_micros(20 + draw.up_to(latency_max) as u64),
        capacity: log_uniform(&mut draw.0, &(1_024..=262_144)),
        segment: smallest..=65_536,
        rate: log_uniform(&mut draw.0, &(2_000_000..=1_000_000_000)) as u64,
        resets_discard: draw.percent(50),
        has_user_timeout: draw.percent(80),
        ..Weather::default()
    }
}

fn darkness(draw: &mut Draw, level: Level) -> Cut {
    let (up, down) = draw.pick(&[(true, true), (true, false), (false, true)]);
    let time = match level {
        Level::Gentle => Some(draw.millis(1..1_500)),
        Level::Rough if draw.percent(30) => None,
        Level::Rough => Some(Duration::from_millis(draw.up_to(40_000) as u64)),
    };
    Cut::Dark { up, down, time }
}

fn cut(draw: &mut Draw, level: Level) -> Cut {
    match draw.0.u8(..3) {
        0 => Cut::Fin,
        1 => Cut::Reset,
        _ => darkness(draw, level),
    }
}

fn stormy(draw: &mut Draw, links: &Weather, level: Level) -> Weather {
    let kinds = (0..3).map(|_| cut(draw, level)).collect();
    let percent = draw.0.u8(30..=95);
    let most = log_uniform(&mut draw.0, &(1_000..=500_000));
    Weather { cuts: (percent, kinds), cut_after: 1..=most, ..links.clone() }
}

fn pace(draw: &mut Draw, percent: u8) -> Pace {
    if !draw.percent(percent) {
        return Pace::FULL;
    }
    Pace { piece: log_uniform(&mut draw.0, &(500..=40_000)), pause: draw.millis(1..200) }
}

fn plan(draw: &mut Draw, id: u64, mounts: usize, level: Level) -> Plan {
    let is_upgrade = draw.percent(15);
    let method = if is_upgrade { "GET" } else { draw.pick(&["GET", "GET", "POST", "PUT"]) };
    let most = match draw.0.u8(..100) {
        0..2 => 12_000_000,
        2..17 => 1_000_000,
        _ => 60_000,
    };
    let has_body = is_upgrade || (method != "GET" && draw.percent(75));
    let mut plan = Plan {
        id,
        delay: Duration::from_millis(draw.up_to(3_000) as u64),
        mount: draw.0.usize(..mounts),
        method,
        is_upgrade,
        up: if has_body { draw.up_to(most) as u64 } else { 0 },
        is_up_chunked: has_body && !is_upgrade && draw.percent(40),
        up_pace: pace(draw, 20),
        down: draw.up_to(most) as u64,
        is_down_chunked: draw.percent(50),
        down_pace: pace(draw, 20),
        read_pace: pace(draw, 20),
        may_end_early: level == Level::Rough,
        is_early: false,
        after: if draw.percent(10) { After::Close } else { After::Keep },
        patience: None,
    };
    if level == Level::Rough {
        plan.is_early = draw.percent(5);
        if draw.percent(10) {
            plan.after = draw.pick(&[After::CloseUntold, After::Die]);
        }
    }
    // An upgraded connection that its client leaves looks as if all was said.
    if draw.percent(8) && (plan.may_end_early || !is_upgrade) {
        plan.patience = Some(Duration::from_millis(draw.up_to(10_000) as u64));
    }
    if draw.percent(15) {
        // Events that trickle.
        plan.down = plan.down.min(3_000);
        plan.down_pace = Pace { piece: 100, pause: draw.millis(20..600) };
    }
    // So that no paced body takes longer than half a minute.
    for (pace, octets) in
        [(&mut plan.up_pace, plan.up), (&mut plan.down_pace, plan.down), (&mut plan.read_pace, plan.down)]
    {
        let pauses = (octets / pace.piece as u64).max(1);
        pace.pause = pace.pause.min(Duration::from_secs(30) / u32::try_from(pauses).unwrap_or(u32::MAX));
    }
    plan
}

fn clients(draw: &mut Draw, mounts: usize, level: Level) -> Vec<Vec<Plan>> {
    let mut id = 0;
    let mut next = |draw: &mut Draw| {
        id += 1;
        plan(draw, id, mounts, level)
    };
    (0..draw.0.usize(1..=6)).map(|_| (0..draw.0.usize(1..=6)).map(|_| next(draw)).collect()).collect()
}

/// Storms of less than two seconds, with time between them to come back: no request waits for five.
fn gentle(draw: &mut Draw) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    let mut at = draw.millis(0..2_000);
    for _ in 0..draw.0.usize(1..=4) {
        let end = at + draw.millis(100..1_500);
        faults.push((at, Fault::Storm(true)));
        for _ in 0..draw.0.usize(0..=3) {
            let time = draw.millis(0..1_400);
            faults.push(((at + time).min(end), Fault::Links(cut(draw, Level::Gentle))));
        }
        if draw.percent(30) {
            faults.push((at, Fault::Dialling(Fate::Refused)));
        }
        faults.push((end, Fault::Storm(false)));
        at = end + draw.millis(3_000..8_000);
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn rough(draw: &mut Draw, seats: usize) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    let mut at = draw.millis(0..3_000);
    for _ in 0..draw.0.usize(1..=8) {
        let seat = draw.0.usize(..seats);
        let back = at + Duration::from_millis(draw.up_to(20_000) as u64);
        let pair = match draw.0.u8(..10) {
            0 | 1 => (Fault::Storm(true), Fault::Storm(false)),
            2 => (Fault::Dialling(Fate::Refused), Fault::Dialling(Fate::Answered)),
            3 => (Fault::Dialling(Fate::Swallowed), Fault::Dialling(Fate::Answered)),
            4 | 5 => {
                let is_cut_off = draw.percent(40);
                (Fault::KillTelephone { seat, is_cut_off }, Fault::StartTelephone(seat))
            }
            6 => (Fault::KillRelay, Fault::StartRelay),
            7 if draw.percent(50) => (Fault::ShutRelayDown, Fault::StartRelay),
            7 => (Fault::KillBackend(seat), Fault::StartBackend(seat)),
            8 => (Fault::ShutTelephoneDown(seat), Fault::StartTelephone(seat)),
            _ => (Fault::Links(cut(draw, Level::Rough)), Fault::Links(cut(draw, Level::Rough))),
        };
        faults.extend([(at, pair.0), (back, pair.1)]);
        at += Duration::from_millis(draw.up_to(15_000) as u64);
    }
    faults.sort_by_key(|(at, _)| *at);
    faults
}
