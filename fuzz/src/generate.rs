//! Frames and heads that follow the rules, from octets.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use telephone_core::error::{LeaveCode, Reset, ResetCode, Touched};
use telephone_core::limits::SessionLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_core::wire::{
    Frame, Hello, MountUrl, Mounts, Move, Opening, Refused, RefusedCode, Resume, Scope, Settings, Site,
    Stats, StreamId, Welcome,
};

/// Fields in one generated section.
const FIELDS_MAX: usize = 6;
/// What a token is spelled with.
const TOKEN: &[u8; 16] = b"aZ09!#$%&'*+-.^_";
/// What a target is spelled with behind its slash.
const TARGET: &[u8; 16] = b"/az09-._~%?&=:;@";
/// Names that field names are often made of: those that mean something to a connection but may cross.
const NAMES: [&str; 8] = ["Host", "te", "Trailer", "upgrade", "X-Forwarded-For", "Cookie", "Expect", "a"];

/// At most `max` frames.
pub(crate) fn frames(source: &mut Unstructured<'_>, max: usize) -> Vec<Frame> {
    let more = |source: &mut Unstructured<'_>| (!source.is_empty()).then(|| frame(source).ok()).flatten();
    std::iter::from_fn(|| more(source)).take(max).collect()
}

/// One frame of any kind.
pub(crate) fn frame(source: &mut Unstructured<'_>) -> Result<Frame> {
    let kind = source.int_in_range(0..=23_u8)?;
    Ok(match kind {
        0 => Frame::Hello(hello(source)?),
        1 => Frame::Welcome(welcome(source)?),
        2 => Frame::Refused(refused(source)?),
        3 => Frame::Open {
            id: id(source)?,
            grant: number(source)?,
            end: source.arbitrary()?,
            opening: opening(source)?,
        },
        4 => Frame::Head { id: id(source)?, end: source.arbitrary()?, head: response(source)? },
        5 => Frame::Data { id: id(source)?, octets: octets(source)? },
        6 => Frame::End { id: id(source)?, trailers: fields(source)? },
        7 => Frame::Reset { id: id(source)?, reset: reset(source)? },
        8 => Frame::Stop { id: id(source)?, code: ResetCode::from_wire(number(source)?) },
        9 => Frame::Credit { id: id(source)?, limit: number(source)? },
        10 => Frame::Streams { limit: number(source)? },
        11 => Frame::Ping(number(source)?),
        12 => Frame::Pong(number(source)?),
        13 => Frame::Ack,
        14 => Frame::Leave { code: LeaveCode::from_wire(number(source)?), last: number(source)? },
        15 => Frame::Renew { token: octets(source)? },
        16 => Frame::Renewed { expires_in_s: optional(source, number)? },
        17 => Frame::Stats(optional(source, stats)?),
        18 => Frame::Move(optional(source, order)?),
        19 => Frame::Scope(scope(source)?),
        20 => Frame::Client { id: id(source)?, client: number(source)? },
        21 => Frame::Mounts(mounts(source)?),
        22 => Frame::Site(site(source)?),
        _ => Frame::Skipped { kind: number(source)?.max(70) },
    })
}

fn scope(source: &mut Unstructured<'_>) -> Result<Scope> {
    let mounts = source.int_in_range(0..=4_usize)?;
    Ok(Scope { mounts: strings(source, mounts)? })
}

fn site(source: &mut Unstructured<'_>) -> Result<Site> {
    let count = source.int_in_range(0..=4_usize)?;
    let mut url = || Ok(MountUrl { mount: source.arbitrary()?, url: source.arbitrary()? });
    Ok(Site { mounts: (0..count).map(|_| url()).collect::<Result<_>>()? })
}

fn mounts(source: &mut Unstructured<'_>) -> Result<Mounts> {
    let (ready, not_ready) = (source.int_in_range(0..=4_usize)?, source.int_in_range(0..=4_usize)?);
    Ok(Mounts { ready: strings(source, ready)?, not_ready: strings(source, not_ready)? })
}

fn strings(source: &mut Unstructured<'_>, count: usize) -> Result<Vec<String>> {
    (0..count).map(|_| source.arbitrary()).collect()
}

fn order(source: &mut Unstructured<'_>) -> Result<Move> {
    Ok(Move { within_ms: number(source)?, url: source.arbitrary()? })
}

fn stats(source: &mut Unstructured<'_>) -> Result<Stats> {
    Ok(Stats {
        requests: number(source)?,
        streams_open: number(source)?,
        bytes_sent: number(source)?,
        bytes_received: number(source)?,
        reconnects: number(source)?,
        uptime_ms: number(source)?,
        round_trip_us: optional(source, number)?,
    })
}

/// A number, small or at an edge as often as any.
pub(crate) fn number(source: &mut Unstructured<'_>) -> Result<u64> {
    let (shift, number) = (source.int_in_range(0..=7_u32)?, source.arbitrary::<u64>());
    Ok(match shift {
        7 => u64::MAX,
        6 => i64::MAX as u64,
        shift => number? >> (56 - shift * 8),
    })
}

/// A stream's number, often one of the first few.
fn id(source: &mut Unstructured<'_>) -> Result<StreamId> {
    let few = source.arbitrary::<u8>()?;
    if few < 240 { Ok(StreamId::new(u64::from(few % 16))) } else { number(source).map(StreamId::new) }
}

fn optional<T>(
    source: &mut Unstructured<'_>,
    value: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if source.arbitrary()? { value(source).map(Some) } else { Ok(None) }
}

/// Octets of any kind, few.
pub(crate) fn octets(source: &mut Unstructured<'_>) -> Result<Bytes> {
    let length = source.int_in_range(0..=source.len().min(300))?;
    source.bytes(length).map(Bytes::copy_from_slice)
}

/// 1 to `max` octets out of an alphabet.
fn spelled(source: &mut Unstructured<'_>, alphabet: &[u8; 16], max: usize) -> Result<Vec<u8>> {
    let length = source.int_in_range(1..=max)?;
    let indices = source.bytes(length.min(source.len()))?;
    let letters = indices.iter().map(|index| alphabet[usize::from(index % 16)]);
    Ok(letters.chain([b'a']).take(max).collect())
}

/// A field value or a reason phrase.
fn text(source: &mut Unstructured<'_>) -> Result<Bytes> {
    let is_text = |octet: &u8| *octet == b'\t' || (*octet >= b' ' && *octet != 0x7f);
    Ok(octets(source)?.iter().copied().filter(is_text).collect())
}

fn field_name(source: &mut Unstructured<'_>) -> Result<Bytes> {
    if source.arbitrary()? {
        return source.choose(&NAMES).map(|name| Bytes::from_static(name.as_bytes()));
    }
    spelled(source, TOKEN, 20).map(Bytes::from)
}

/// A section of fields that may cross.
pub(crate) fn fields(source: &mut Unstructured<'_>) -> Result<Headers> {
    let count = source.int_in_range(0..=FIELDS_MAX)?;
    (0..count).map(|_| Ok((field_name(source)?, text(source)?))).collect()
}

fn length(source: &mut Unstructured<'_>) -> Result<Option<u64>> {
    optional(source, |source| number(source).map(|length| length >> 1))
}

fn upgrade(source: &mut Unstructured<'_>) -> Result<Option<Bytes>> {
    let protocol = |source: &mut Unstructured<'_>| Ok(*source.choose(&["websocket", "x/1", "WebSocket"])?);
    Ok(optional(source, protocol)?.map(|protocol| Bytes::from_static(protocol.as_bytes())))
}

/// The head of a request that may cross.
pub(crate) fn request(source: &mut Unstructured<'_>) -> Result<RequestHead> {
    let mut target = spelled(source, TARGET, 40)?;
    target.insert(0, b'/');
    let method = if source.arbitrary()? { spelled(source, TOKEN, 32)? } else { b"PUT".to_vec() };
    Ok(RequestHead {
        method: method.into(),
        target: target.into(),
        headers: fields(source)?,
        length: length(source)?,
        upgrade: upgrade(source)?,
        wants_trailers: source.arbitrary()?,
    })
}

/// The head of a response that may cross.
pub(crate) fn response(source: &mut Unstructured<'_>) -> Result<ResponseHead> {
    let common = [100, 101, 103, 200, 204, 304, 404, 502];
    let status =
        if source.arbitrary()? { *source.choose(&common)? } else { source.int_in_range(100..=599)? };
    Ok(ResponseHead {
        status,
        reason: text(source)?,
        headers: fields(source)?,
        length: length(source)?,
        upgrade: upgrade(source)?,
    })
}

/// What a stream is opened for.
pub(crate) fn opening(source: &mut Unstructured<'_>) -> Result<Opening> {
    let mount = text(source)?;
    Ok(if source.arbitrary()? {
        let from = source.arbitrary::<Option<std::net::SocketAddrV4>>()?;
        Opening::Tcp { mount, from: from.map(Into::into) }
    } else {
        Opening::Http { mount, head: request(source)? }
    })
}

fn reset(source: &mut Unstructured<'_>) -> Result<Reset> {
    let touched = *source.choose(&[Touched::No, Touched::Yes, Touched::Unknown])?;
    Ok(Reset { code: ResetCode::from_wire(number(source)?), touched })
}

fn settings(source: &mut Unstructured<'_>) -> Result<Settings> {
    let (streams, stream_floor) = (number(source)?, number(source)?);
    Ok(Settings::of(&SessionLimits { streams, stream_floor, ..SessionLimits::default() }))
}

/// A telephone's hello with any contents.
pub(crate) fn hello(source: &mut Unstructured<'_>) -> Result<Hello> {
    let mounts = source.int_in_range(0..=4_usize)?;
    Ok(Hello {
        token: source.arbitrary()?,
        mounts: strings(source, mounts)?,
        instance: source.arbitrary()?,
        epoch: number(source)?,
        agent: source.arbitrary()?,
        settings: settings(source)?,
        resume: optional(source, |source| {
            Ok(Resume { session: number(source)?, secret: source.arbitrary()?, position: number(source)? })
        })?,
    })
}

/// A plugboard's welcome with any contents.
pub(crate) fn welcome(source: &mut Unstructured<'_>) -> Result<Welcome> {
    Ok(Welcome {
        session: number(source)?,
        secret: source.arbitrary()?,
        resumed: optional(source, number)?,
        resume_url: source.arbitrary()?,
        resume_window_ms: number(source)?,
        spread_ms: number(source)?,
        expires_in_s: optional(source, number)?,
        settings: settings(source)?,
    })
}

fn refused(source: &mut Unstructured<'_>) -> Result<Refused> {
    Ok(Refused {
        code: RefusedCode::from(number(source)?),
        reason: source.arbitrary()?,
        retry_after_ms: optional(source, number)?,
    })
}
