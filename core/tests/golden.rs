//! PROTOCOL.md cannot drift: its golden octets and its tables are replayed against the code.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use telephone_core::error::{LeaveCode, Reset, ResetCode, Touched};
use telephone_core::limits::{self, SessionLimits};
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::wire::{
    Frame, Frames, Hello, MountUrl, Mounts, Move, Opening, Profile, Refused, RefusedCode, Resume, Scope,
    Setting, Settings, Site, Stats, StreamId, Welcome, skippable, varint,
};

const PROTOCOL: &str = include_str!("../../PROTOCOL.md");

/// The rows of the tables under one heading, as cells without their code marks.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let mut lines = PROTOCOL.lines();
    assert!(lines.any(|line| line.trim_start_matches('#').trim() == heading), "no section {heading}");
    let section = lines.take_while(|line| !line.starts_with('#'));
    let tables = section.filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    let cells = |line: &str| {
        let inside = line.trim().trim_matches('|');
        inside.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>()
    };
    tables.map(cells).skip(1).collect()
}

fn octets(hex: &str) -> Bytes {
    let octet = |pair: &str| u8::from_str_radix(pair, 16).expect("octets in hex");
    hex.split(' ').filter(|pair| !pair.is_empty()).map(octet).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ")
}

fn id(number: u64) -> StreamId {
    StreamId::new(number)
}

fn headers(fields: &[(&'static str, &'static [u8])]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.push(name.as_bytes(), *value);
    }
    headers
}

fn settings() -> Settings {
    Settings::of(&SessionLimits::default())
}

fn handshake() -> Vec<(&'static str, Frame)> {
    let hello = Hello {
        token: "a.b.c".into(),
        mounts: vec!["/api".into(), "example.test/".into()],
        instance: "web-1".into(),
        epoch: 1_700_000_000_000,
        agent: "telephone/0.1.0".into(),
        settings: settings(),
        resume: None,
    };
    let slow = Hello { settings: settings().with(Setting::BodyClock, 300), ..hello.clone() };
    let resume = Resume { session: 7, secret: *b"0123456789abcdef", position: 300 };
    let welcome = Welcome {
        session: 7,
        secret: *b"0123456789abcdef",
        resumed: None,
        resume_url: None,
        resume_window_ms: 0,
        spread_ms: 100,
        expires_in_s: Some(3600),
        settings: settings(),
    };
    let resumed = Welcome {
        resumed: Some(12),
        resume_url: Some("wss://a.test/r".into()),
        resume_window_ms: 30_000,
        expires_in_s: None,
        ..welcome.clone()
    };
    let refused = Refused { code: RefusedCode::Forbidden, reason: "no".into(), retry_after_ms: None };
    let busy = Refused { code: RefusedCode::Busy, retry_after_ms: Some(5000), ..refused.clone() };
    vec![
        ("hello", Frame::Hello(hello.clone())),
        ("hello, to go on", Frame::Hello(Hello { resume: Some(resume), ..hello })),
        ("hello, body clock", Frame::Hello(slow)),
        ("welcome", Frame::Welcome(welcome)),
        ("welcome, going on", Frame::Welcome(resumed)),
        ("refused", Frame::Refused(refused)),
        ("refused, busy", Frame::Refused(busy)),
    ]
}

fn requests() -> Vec<(&'static str, Frame)> {
    let get = RequestHead {
        method: Bytes::from_static(b"GET"),
        target: Bytes::from_static(b"/api/a?b=c"),
        headers: headers(&[("Host", b"example.test")]),
        length: None,
        upgrade: None,
        wants_trailers: false,
    };
    let upload = RequestHead {
        method: Bytes::from_static(b"PUT"),
        headers: headers(&[("Host", b"example.test"), ("X-Odd", b"\x80"), ("x-odd", b"")]),
        length: Some(300),
        upgrade: None,
        wants_trailers: true,
        ..get.clone()
    };
    let upgrade = RequestHead { upgrade: Some(Bytes::from_static(b"websocket")), ..get.clone() };
    let wide = RequestHead { target: Bytes::from_static("/api/ü?q={\"\\".as_bytes()), ..get.clone() };
    let exec = RequestHead {
        method: Bytes::from_static(b"POST"),
        length: Some(2),
        upgrade: Some(Bytes::from_static(b"tcp")),
        ..get.clone()
    };
    let h2c = RequestHead { upgrade: Some(Bytes::from_static(b"h2c")), ..get.clone() };
    let http = |head: RequestHead| Opening::Http { mount: Bytes::from_static(b"/api"), head };
    let tcp = |from| Opening::Tcp { mount: Bytes::from_static(b"tcp:22"), from };
    let client = "192.0.2.7:40000".parse().ok();
    vec![
        ("open, GET", Frame::Open { id: id(2), grant: 262_144, end: true, opening: http(get) }),
        (
            "open, PUT with a body",
            Frame::Open { id: id(4), grant: 262_144, end: false, opening: http(upload) },
        ),
        ("open, upgrade", Frame::Open { id: id(6), grant: 262_144, end: false, opening: http(upgrade) }),
        ("open, wide target", Frame::Open { id: id(12), grant: 262_144, end: true, opening: http(wide) }),
        (
            "open, upgrade with a body",
            Frame::Open { id: id(14), grant: 262_144, end: false, opening: http(exec) },
        ),
        ("open, h2c", Frame::Open { id: id(16), grant: 262_144, end: false, opening: http(h2c) }),
        ("open, tcp", Frame::Open { id: id(8), grant: 16_384, end: false, opening: tcp(None) }),
        ("open, tcp, from", Frame::Open { id: id(10), grant: 16_384, end: false, opening: tcp(client) }),
    ]
}

fn answers() -> Vec<(&'static str, Frame)> {
    let head = |status: u16, reason: &'static str| ResponseHead {
        status,
        reason: Bytes::from_static(reason.as_bytes()),
        headers: Headers::new(),
        length: None,
        upgrade: None,
    };
    let hints = ResponseHead { headers: headers(&[("Link", b"</a.css>")]), ..head(103, "Early Hints") };
    let sized = ResponseHead { length: Some(5), ..head(200, "OK") };
    let switch = ResponseHead { upgrade: Some(Bytes::from_static(b"websocket")), ..head(101, "") };
    let wide = ResponseHead { length: Some(0), ..head(799, "Odd") };
    let demand = ResponseHead {
        length: Some(0),
        upgrade: Some(Bytes::from_static(b"websocket, foo/2")),
        ..head(426, "Upgrade Required")
    };
    let trailers = headers(&[("Checksum", b"abc")]);
    let reset = |code, touched| Frame::Reset { id: id(4), reset: Reset { code, touched } };
    vec![
        ("head, 103", Frame::Head { id: id(2), end: false, head: hints }),
        ("head, 200", Frame::Head { id: id(2), end: false, head: sized }),
        ("head, 204 that ends", Frame::Head { id: id(4), end: true, head: head(204, "No Content") }),
        ("head, 101", Frame::Head { id: id(6), end: false, head: switch }),
        ("head, 799", Frame::Head { id: id(12), end: true, head: wide }),
        ("head, 426", Frame::Head { id: id(14), end: true, head: demand }),
        ("data", Frame::Data { id: id(2), octets: Bytes::from_static(b"hello") }),
        ("end", Frame::End { id: id(2), trailers: Headers::new() }),
        ("end, trailers", Frame::End { id: id(2), trailers }),
        ("reset, untouched", reset(ResetCode::Unreachable, Touched::No)),
        ("reset, truncated", reset(ResetCode::Truncated, Touched::Yes)),
        ("reset, unknown code", reset(ResetCode::Other(300), Touched::Unknown)),
        ("stop", Frame::Stop { id: id(2), code: ResetCode::Cancelled }),
    ]
}

fn session() -> Vec<(&'static str, Frame)> {
    let stats = Stats {
        requests: 300,
        streams_open: 2,
        bytes_sent: 70_000,
        bytes_received: 5,
        reconnects: 1,
        uptime_ms: 60_000,
        round_trip_us: Some(900),
    };
    vec![
        ("credit", Frame::Credit { id: id(2), limit: 524_288 }),
        ("streams", Frame::Streams { limit: 1280 }),
        ("ping", Frame::Ping(0)),
        ("pong", Frame::Pong(300)),
        ("ack", Frame::Ack),
        ("leave, draining", Frame::Leave { code: LeaveCode::Draining, last: 8 }),
        ("leave, replaced", Frame::Leave { code: LeaveCode::Replaced, last: 0 }),
        ("renew", Frame::Renew { token: Bytes::from_static(b"d.e.f") }),
        ("renewed", Frame::Renewed { expires_in_s: Some(3600) }),
        ("renewed, for ever", Frame::Renewed { expires_in_s: None }),
        ("stats, asked for", Frame::Stats(None)),
        ("stats, told", Frame::Stats(Some(stats))),
        ("move", Frame::Move(Some(Move { within_ms: 250, url: None }))),
        ("move, elsewhere", Frame::Move(Some(Move { within_ms: 250, url: Some("ws://b".into()) }))),
        ("move, done", Frame::Move(None)),
        ("scope", Frame::Scope(Scope { mounts: vec!["/api".into()] })),
        ("client", Frame::Client { id: id(6), client: 300 }),
        (
            "site",
            Frame::Site(Site { mounts: vec![MountUrl { mount: "/api".into(), url: "http://a/api".into() }] }),
        ),
        ("mounts", Frame::Mounts(Mounts { ready: vec!["/api".into()], not_ready: vec!["/shop".into()] })),
    ]
}

fn golden() -> Vec<(&'static str, Frame)> {
    [handshake(), requests(), answers(), session()].concat()
}

fn encoded(frame: &Frame) -> Bytes {
    let mut out = BytesMut::new();
    frame.put(&mut out);
    assert_eq!(out.len(), frame.size());
    out.freeze()
}

fn decoded(frame: &Bytes) -> Vec<Frame> {
    let message: Bytes = [&[0][..], frame].concat().into();
    let (ack, frames) = Frames::of(message).expect("a message");
    assert_eq!(ack, 0);
    frames.map(|frame| frame.expect("a frame")).collect()
}

#[test]
fn every_frame_has_the_golden_octets_of_the_document() {
    let frames = golden();
    let told: Vec<(String, String)> =
        rows("Golden octets").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let built: Vec<(String, String)> =
        frames.iter().map(|(name, frame)| ((*name).into(), hex(&encoded(frame)))).collect();
    for (name, hex) in &built {
        let row = (name.clone(), hex.clone());
        assert!(told.contains(&row), "not in PROTOCOL.md: | `{name}` | `{hex}` |");
    }
    assert_eq!(told, built);
}

#[test]
fn the_golden_octets_of_the_document_are_read_as_those_frames() {
    let frames = golden();
    for (row, (name, frame)) in rows("Golden octets").iter().zip(&frames) {
        assert_eq!(decoded(&octets(&row[1])), std::slice::from_ref(frame), "{name}");
    }
}

/// A message of the JSON profile, as text.
fn text(ack: u64, frame: &Frame) -> String {
    String::from_utf8(Profile::Json.write(ack, frame).to_vec()).expect("UTF-8")
}

fn read_text(text: &str) -> (u64, Vec<Frame>) {
    let (ack, frames) = Profile::Json.read(Bytes::copy_from_slice(text.as_bytes())).expect("a message");
    (ack, frames.map(|frame| frame.expect("a frame")).collect())
}

#[test]
fn every_frame_has_the_golden_text_of_the_document() {
    let built: Vec<(String, String)> =
        golden().iter().map(|(name, frame)| ((*name).into(), text(0, frame))).collect();
    let told: Vec<(String, String)> =
        rows("Golden texts").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    for (name, text) in &built {
        let row = (name.clone(), text.clone());
        assert!(told.contains(&row), "not in PROTOCOL.md: | `{name}` | `{text}` |");
    }
    assert_eq!(told, built);
}

#[test]
fn the_golden_texts_of_the_document_are_read_as_those_frames() {
    for (row, (name, frame)) in rows("Golden texts").iter().zip(&golden()) {
        assert_eq!(read_text(&row[1]), (0, vec![frame.clone()]), "{name}");
    }
}

#[test]
fn the_frame_table_of_the_json_profile_names_every_frame() {
    let table = rows("Frames as objects");
    let mut met: Vec<(String, String)> = Vec::new();
    for (name, frame) in golden() {
        let name = name.split(',').next().expect("a name").to_owned();
        let text = text(0, &frame);
        let kind = text.split('"').nth(3).expect("a type").to_owned();
        if !met.contains(&(kind.clone(), name.clone())) {
            met.push((kind, name));
        }
    }
    let told: Vec<(String, String)> = table.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(told, met);
}

#[test]
fn every_object_in_the_text_is_a_message_of_the_json_profile() {
    let objects: Vec<&str> =
        PROTOCOL.lines().map(str::trim).filter(|line| line.starts_with("{\"type\"")).collect();
    assert!(objects.len() > 5);
    for object in objects {
        let (_, frames) = read_text(object);
        assert_eq!(frames.len(), 1, "{object}");
    }
}

#[test]
fn a_golden_frame_that_is_cut_is_never_read() {
    for (name, frame) in golden() {
        let whole = encoded(&frame);
        for cut in 1..whole.len() {
            let message: Bytes = [&[0][..], &whole[..cut]].concat().into();
            let (_, frames) = Frames::of(message).expect("a message");
            assert!(frames.into_iter().any(|frame| frame.is_err()), "{name} cut at {cut}");
        }
    }
}

#[test]
fn a_golden_frame_is_not_read_with_a_number_in_a_longer_form() {
    for (name, frame) in golden() {
        let whole = encoded(&frame);
        let body_at = whole.len() - usize::from(whole[1]);
        let Some(&first) = whole.get(body_at).filter(|first| whole[1] < 127 && **first < 0x80) else {
            continue;
        };
        let longer = [&[0, whole[0], whole[1] + 1, first | 0x80, 0][..], &whole[body_at + 1..]].concat();
        let (_, frames) = Frames::of(longer.into()).expect("a message");
        let is_token = matches!(frame, Frame::Renew { .. });
        assert_eq!(frames.into_iter().all(|frame| frame.is_err()), !is_token, "{name}");
    }
}

#[test]
fn the_example_message_of_the_document_reads_as_it_says() {
    let rows = rows("A message");
    assert_eq!(rows.len(), 1);
    let (ack, frames) = Frames::of(octets(&rows[0][0])).expect("a message");
    let frames: Vec<Frame> = frames.map(|frame| frame.expect("a frame")).collect();
    let end = Frame::End { id: id(2), trailers: Headers::new() };
    let data = Frame::Data { id: id(2), octets: Bytes::from_static(b"hi") };
    assert_eq!((ack, frames), (3, vec![Frame::Pong(0), data, end]));
}

#[test]
fn the_frame_table_is_complete_and_true() {
    let table: BTreeMap<String, (u64, bool, bool)> = rows("Frames")
        .into_iter()
        .map(|row| {
            let number = row[0].parse().expect("a frame type");
            (row[1].clone(), (number, row[2] == "yes", row[3] == "yes"))
        })
        .collect();
    let mut met = BTreeMap::new();
    for (name, frame) in golden() {
        let name = name.split(',').next().expect("a name");
        met.insert(name.to_owned(), (frame.kind(), !skippable(frame.kind()), frame.is_numbered()));
    }
    assert_eq!(table, met);
}

/// Rows of `number | name`, as the code's own names for the numbers.
fn codes(heading: &str, name_of: impl Fn(u64) -> String) {
    let rows = rows(heading);
    assert!(!rows.is_empty());
    for (expected, row) in rows.iter().enumerate() {
        let number: u64 = row[0].parse().expect("a code");
        assert_eq!(number, expected as u64);
        assert_eq!(row[1], name_of(number).to_lowercase(), "code {number} of {heading}");
    }
    let next = name_of(rows.len() as u64);
    assert!(next.starts_with("Other(") || next == "None", "{next} is not in {heading}");
}

#[test]
fn the_code_tables_are_complete_and_true() {
    codes("Reset codes", |code| format!("{:?}", ResetCode::from_wire(code)));
    codes("Leave codes", |code| format!("{:?}", LeaveCode::from_wire(code)));
    codes("Refused codes", |code| format!("{:?}", RefusedCode::from(code)));
    codes("Touched", |code| {
        let touched = u8::try_from(code).ok().and_then(Touched::from_wire);
        touched.map_or_else(|| "None".into(), |touched| format!("{touched:?}"))
    });
    for code in 0..20 {
        assert_eq!(ResetCode::from_wire(code).to_wire(), code);
        assert_eq!(LeaveCode::from_wire(code).to_wire(), code);
        assert_eq!(u64::from(RefusedCode::from(code)), code);
    }
}

#[test]
fn the_limits_of_the_document_are_those_of_the_code() {
    let session = SessionLimits::default();
    let seconds = |time: std::time::Duration| time.as_secs();
    let limits: BTreeMap<&str, u64> = BTreeMap::from([
        ("message", limits::MESSAGE_BYTES_MAX as u64),
        ("text message", limits::TEXT_BYTES_MAX as u64),
        ("handshake message", limits::HANDSHAKE_BYTES_MAX as u64),
        ("handshake frames", limits::HANDSHAKE_FRAMES_MAX.into()),
        ("handshake, ahead", limits::HANDSHAKE_AHEAD_BYTES_MAX as u64),
        ("handshake time", seconds(limits::HANDSHAKE_TIMEOUT)),
        ("token", limits::TOKEN_BYTES_MAX as u64),
        ("mounts", limits::MOUNTS_MAX as u64),
        ("method", limits::METHOD_BYTES_MAX as u64),
        ("interim responses", limits::INTERIM_RESPONSES_MAX as u64),
        ("data in one frame", limits::DATA_BYTES_MAX as u64),
        ("varint", varint::VARINT_BYTES_MAX as u64),
        ("streams", session.streams),
        ("unaccepted streams", session.unaccepted as u64),
        ("stream floor", session.stream_floor),
        ("stream window", session.stream_window),
        ("stream window, grown", session.stream_window_max),
        ("session window", session.session_window),
        ("session window, grown", session.session_window_max),
        ("free frames, burst", u64::from(session.free_frames_burst)),
        ("free frames per second", u64::from(session.free_frames_per_second)),
        ("ping interval", seconds(session.ping_interval)),
        ("idle time", seconds(session.idle_timeout)),
        ("ping time", seconds(session.ping_timeout)),
        ("resume window", seconds(session.resume_window)),
        ("replay ring", session.replay_bytes as u64),
        ("replay ring, grown", session.replay_bytes_max as u64),
        ("acknowledgement, octets", limits::ACK_BYTES as u64),
        ("acknowledgement, milliseconds", limits::ACK_DELAY.as_millis() as u64),
        ("token grace", seconds(limits::TOKEN_GRACE)),
    ]);
    let rows = rows("Limits");
    for (name, value) in &limits {
        let told = rows.iter().find(|row| row[0] == *name).map(|row| row[1].replace(' ', ""));
        assert_eq!(told, Some(value.to_string()), "{name}");
    }
    // Fields in a head are bounded inside the wire alone.
    assert_eq!(rows.len(), limits.len() + 1);
    for profile in [Profile::Binary, Profile::Json] {
        assert!(PROTOCOL.contains(&format!("`{}`", profile.subprotocol())));
    }
}

#[test]
fn a_head_has_as_many_fields_as_the_document_says() {
    let told = rows("Limits").into_iter().find(|row| row[0] == "fields").expect("a row");
    let most: usize = told[1].parse().expect("a number");
    let trailers = |count: usize| Frame::End { id: id(2), trailers: headers(&vec![("a", &b""[..]); count]) };
    for (count, is_read) in [(most, true), (most + 1, false)] {
        let message: Bytes = [&[0][..], &encoded(&trailers(count))].concat().into();
        let (_, mut frames) = Frames::of(message).expect("a message");
        assert_eq!(frames.next().is_some_and(|frame| frame.is_ok()), is_read, "{count} fields");
    }
}
