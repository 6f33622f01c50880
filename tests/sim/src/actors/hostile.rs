//! Hostile twins: a sound handshake, and then lies at the level of frames. Whoever they lie to must stay
//! whole, and nobody else may notice.

use bytes::{BufMut, Bytes, BytesMut};
use telephone_core::error::{LeaveCode, Reset, ResetCode, Touched};
use telephone_core::handshake::{self, Answer, Greeting};
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::random::Random;
use telephone_core::session::StreamId;
use telephone_core::wire::{Frame, Hello, Opening, Profile, Resume, Settings, Welcome, varint};

use super::issuer::Issuer;
use super::plugboard::session_limits;
use crate::clock::{Event, MILLI, Micros, SECOND};
use crate::net::{Arrival, Side};
use crate::stage::Stage;

/// The most octets of a body that a liar sends at once.
const LIE_BYTES_MAX: u64 = 70_000;

/// A telephone that lies.
#[derive(Debug)]
pub struct HostileTelephone {
    index: u32,
    wire: Option<u32>,
    greeting: Option<Greeting>,
    session: u64,
    secret: [u8; 16],
    next_at: Micros,
    is_over: bool,
}

impl HostileTelephone {
    /// The liar in the place of a telephone.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self { index, wire: None, greeting: None, session: 0, secret: [0; 16], next_at: 0, is_over: false }
    }

    /// Lies, or dials: then the new wire is to be accepted.
    pub fn advance(&mut self, stage: &mut Stage<'_>) -> Option<u32> {
        if self.is_over || stage.now() < self.next_at {
            return None;
        }
        let pause = MILLI + stage.random.up_to(SECOND / 2);
        self.next_at = stage.now() + pause;
        stage.plan_in(pause, Event::Telephone(self.index));
        let Some(wire) = self.wire else { return Some(self.dial(stage)) };
        if self.greeting.is_none() && stage.random.up_to(4) == 0 {
            // Its session waits for it, and for whoever else knows the secret.
            self.wire = None;
            stage.close(wire, Side::Telephone);
        } else if self.greeting.is_none() && stage.is_writable(wire, Side::Telephone) {
            let message = lie(&mut stage.random, 1, b"/none/0".to_vec());
            stage.write(wire, Side::Telephone, message);
        }
        None
    }

    fn dial(&mut self, stage: &mut Stage<'_>) -> u32 {
        let plan = stage.scenario.telephones[self.index as usize];
        let wire = stage.connect(self.index, u32::from(plan.plugboard), plan.rules);
        let token = stage.issuer.issue(plan.tenant, 0, stage.clock.now());
        let hello = Hello {
            token: Issuer::text(token),
            mounts: vec![wish(plan.tenant, &mut stage.random)],
            instance: format!("i{}", plan.instance),
            epoch: stage.random.up_to(3),
            agent: "liar".into(),
            settings: Settings::of(&session_limits(&stage.scenario.telephone_limits)),
            resume: self.proof(&mut stage.random),
        };
        let (message, greeting) = Greeting::start(Profile::Binary, hello, stage.clock.timestamp());
        stage.write(wire, Side::Telephone, message);
        self.greeting = Some(greeting);
        self.wire = Some(wire);
        wire
    }

    /// A claim to a session: its own, or perhaps its neighbour's.
    fn proof(&self, random: &mut Random) -> Option<Resume> {
        let position = [0, 1, 5, u64::MAX][random.up_to(3) as usize];
        let mut secret = self.secret;
        secret[random.up_to(15) as usize] ^= [0, 1, 0x80][random.up_to(2) as usize];
        let session = self.session.wrapping_add(random.up_to(4)).wrapping_sub(2);
        match random.up_to(3) {
            0 => None,
            1 => Some(Resume { session, secret, position }),
            _ => Some(Resume { session: self.session, secret, position }),
        }
    }

    /// Something came on a wire, perhaps on its own.
    pub fn on_arrive(&mut self, wire: u32, stage: &mut Stage<'_>) {
        if self.wire != Some(wire) {
            return;
        }
        while let Some(arrival) = stage.read(wire, Side::Telephone) {
            match arrival {
                Arrival::Over => {
                    self.wire = None;
                    stage.close(wire, Side::Telephone);
                    return;
                }
                Arrival::Message(message) => {
                    let greeting = self.greeting.take();
                    if let Some(Ok(Answer::Welcome(welcome))) =
                        greeting.map(|one| one.handle_message(message))
                    {
                        (self.session, self.secret) = (welcome.session, welcome.secret);
                    }
                }
                Arrival::Octets => {}
            }
        }
    }

    /// It goes.
    pub fn end(&mut self, stage: &mut Stage<'_>) {
        self.is_over = true;
        if let Some(wire) = self.wire.take() {
            stage.close(wire, Side::Telephone);
        }
    }
}

/// A mount that a tenant may ask for: what it claims, what lies below, or what belongs to others.
fn wish(tenant: u8, random: &mut Random) -> String {
    let wishes = [
        format!("/t{tenant}"),
        format!("/t{tenant}"),
        format!("/t{tenant}/below"),
        format!("/t{tenant}0"),
        format!("/t{}", tenant + 1),
        "/".into(),
    ];
    wishes[random.up_to(wishes.len() as u64 - 1) as usize].clone()
}

/// A plugboard that lies.
#[derive(Debug, Default)]
pub struct HostilePlugboard {
    /// Its wires, and whether it has welcomed who is there.
    wires: Vec<(u32, bool)>,
}

impl HostilePlugboard {
    /// A wire was accepted.
    pub fn on_connected(&mut self, wire: u32) {
        self.wires.push((wire, false));
    }

    /// Something came on a wire, perhaps on one of its own: it answers with a lie.
    pub fn on_arrive(&mut self, wire: u32, stage: &mut Stage<'_>) {
        let Some(at) = self.wires.iter().position(|(own, _)| *own == wire) else { return };
        while let Some(arrival) = stage.read(wire, Side::Plugboard) {
            match arrival {
                Arrival::Octets => {}
                Arrival::Over => {
                    self.wires.remove(at);
                    return stage.close(wire, Side::Plugboard);
                }
                Arrival::Message(_) => {
                    let is_first = !std::mem::replace(&mut self.wires[at].1, true);
                    let message = if is_first { welcome(stage) } else { self.lie(wire, stage) };
                    if stage.is_writable(wire, Side::Plugboard) {
                        stage.write(wire, Side::Plugboard, message);
                    }
                }
            }
        }
    }

    fn lie(&self, wire: u32, stage: &mut Stage<'_>) -> Bytes {
        let plugboard = stage.connection(wire).plugboard;
        let requests = &stage.scenario.requests;
        let own = requests.iter().position(|request| u32::from(request.plugboard) == plugboard);
        let target = own.map_or_else(|| "/none/0".into(), |number| format!("/t0/{number}"));
        lie(&mut stage.random, 0, target.into_bytes())
    }

    /// It goes.
    pub fn end(&mut self, stage: &mut Stage<'_>) {
        for (wire, _) in self.wires.drain(..) {
            stage.close(wire, Side::Plugboard);
        }
    }
}

fn welcome(stage: &mut Stage<'_>) -> Bytes {
    let random = &mut stage.random;
    let mut number = |options: &[u64]| options[random.up_to(options.len() as u64 - 1) as usize];
    handshake::welcome(
        Profile::Binary,
        Welcome {
            session: number(&[0, 1, u64::MAX]),
            secret: [7; 16],
            resumed: Some(number(&[0, 3, u64::MAX])).filter(|position| *position != 0),
            resume_url: None,
            resume_window_ms: number(&[0, 1_000, 30_000, u64::MAX]),
            spread_ms: number(&[0, 100, u64::MAX]),
            expires_in_s: Some(number(&[0, 1, 3_600, u64::MAX])),
            settings: Settings::of(&session_limits(&stage.scenario.plugboard_limits)),
        },
    )
}

/// A message that may be anything but sound. Its streams are of `parity`, mostly.
fn lie(random: &mut Random, parity: u64, target: Vec<u8>) -> Bytes {
    let mut out = BytesMut::new();
    let ack = [0, 0, 1, 2, 10, u64::MAX][random.up_to(5) as usize];
    varint::put(&mut out, ack);
    for _ in 0..random.up_to(4) {
        let frame = frame(random, parity, &target);
        let before = out.len();
        frame.put(&mut out);
        if random.up_to(40) == 0 {
            out.truncate(before + (out.len() - before) / 2);
        }
    }
    if random.up_to(30) == 0 {
        out.put_u64(random.next_u64());
    }
    out.freeze()
}

fn frame(random: &mut Random, parity: u64, target: &[u8]) -> Frame {
    let own = random.up_to(5) > 0;
    let number = random.up_to(12) * 2 + if own { parity } else { 1 - parity };
    let id = StreamId::new(if number == 0 { 2 } else { number });
    let octets = |random: &mut Random, most: u64| Bytes::from(vec![7; random.up_to(most) as usize]);
    let code = ResetCode::from_wire(random.up_to(12));
    match random.up_to(15) {
        0 | 1 => open(random, id, target),
        2 => Frame::Head { id, end: random.up_to(1) == 0, head: answer(random) },
        3 | 4 => {
            let most = if random.up_to(5) == 0 { LIE_BYTES_MAX } else { 200 };
            Frame::Data { id, octets: octets(random, most) }
        }
        5 => Frame::End { id, trailers: Headers::new() },
        6 => Frame::Reset { id, reset: Reset { code, touched: Touched::No } },
        7 => Frame::Stop { id, code },
        8 => Frame::Credit { id, limit: [0, 1, 100_000, u64::MAX][random.up_to(3) as usize] },
        9 => Frame::Streams { limit: [0, 10, u64::MAX][random.up_to(2) as usize] },
        10 => Frame::Ping(random.next_u64()),
        11 => Frame::Pong(random.up_to(2)),
        12 => Frame::Ack,
        13 => Frame::Leave { code: LeaveCode::from_wire(random.up_to(8)), last: random.up_to(30) },
        14 => Frame::Renew { token: octets(random, 40) },
        _ => Frame::Renewed { expires_in_s: Some(random.up_to(2)) },
    }
}

fn open(random: &mut Random, id: StreamId, target: &[u8]) -> Frame {
    let head = RequestHead {
        method: Bytes::from_static(b"PUT"),
        target: Bytes::copy_from_slice(target),
        headers: Headers::new(),
        length: Some(random.up_to(3)),
        upgrade: None,
        wants_trailers: false,
    };
    let opening = Opening::Http { mount: Bytes::from_static(b"/t0"), head };
    Frame::Open { id, grant: random.up_to(100_000), end: random.up_to(1) == 0, opening }
}

fn answer(random: &mut Random) -> ResponseHead {
    ResponseHead {
        status: [100, 103, 101, 200, 204, 599][random.up_to(5) as usize],
        reason: Bytes::new(),
        headers: Headers::new(),
        length: Some(random.up_to(300)).filter(|length| *length > 100),
        upgrade: None,
    }
}
