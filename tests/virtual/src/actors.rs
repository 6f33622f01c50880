//! Clients and backends: small actors that write octets and check octets.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_lite::future;
use telephone_driver::{Endpoint, Listener as _, Runtime as _};

use crate::ledger::{After, Ledger, Outcome, Plan};
use crate::runtime::VirtualRuntime;
use crate::socket::VirtualSocket;
use crate::wire::{self, Fault, Framing, Head, Pace, Reader, Writer};
use telephone_sim::content::Direction;

/// One client: its requests one after the other, on one connection while that lasts.
pub(crate) async fn client(runtime: VirtualRuntime, ledger: Ledger, relay: Endpoint, ids: Vec<u64>) {
    let (mut kept, mut cookie) = (None, None);
    for plan in ids.into_iter().filter_map(|id| ledger.plan(id)) {
        runtime.executor().sleep(plan.delay).await;
        ledger.begin(plan.id);
        let asking = ask(&runtime, &relay, (kept.take(), &mut cookie), &plan);
        let leaving = async {
            match plan.patience {
                Some(patience) => runtime.executor().sleep(patience).await,
                None => future::pending().await,
            }
            (Ok(Outcome::Left), None)
        };
        let (outcome, next) = future::or(asking, leaving).await;
        kept = next;
        let outcome = outcome.unwrap_or_else(|fault| {
            if let Fault::Wrong(what) = fault {
                ledger.violate(format!("request {}: the answer is wrong: {what} (I8, I9)", plan.id));
            }
            Outcome::Aborted
        });
        ledger.end(plan.id, outcome);
    }
}

type Kept = Option<(Reader, Writer)>;
/// What a client sends in `Cookie`: the pair of the last `Set-Cookie`. No backend sets one.
type Jar = Option<String>;

/// Carries one request out. The connection comes back if it can serve another.
async fn ask(
    runtime: &VirtualRuntime,
    relay: &Endpoint,
    (kept, jar): (Kept, &mut Jar),
    plan: &Plan,
) -> (Result<Outcome, Fault>, Kept) {
    let (mut reader, mut writer) = match kept {
        Some(kept) => kept,
        None => match runtime.connect(relay).await {
            Ok(socket) => wire::split(runtime.executor(), socket),
            Err(_) => return (Ok(Outcome::Aborted), None),
        },
    };
    let head = request_head(plan, jar.as_deref());
    let asked = if plan.is_upgrade {
        upgrade(&mut reader, &mut writer, &head, plan).await
    } else {
        // Whoever is refused early may still be writing.
        let writing = async {
            let _ = write_request(&mut writer, &head, plan).await;
            future::pending().await
        };
        future::or(read_answer(&mut reader, jar, plan), writing).await
    };
    match asked {
        Ok((outcome, true)) => (Ok(outcome), Some((reader, writer))),
        Ok((outcome, false)) => (Ok(outcome), None),
        Err(fault) => (Err(fault), None),
    }
}

fn request_head(plan: &Plan, cookie: Option<&str>) -> String {
    let framing = match (plan.is_upgrade, plan.up, plan.is_up_chunked) {
        (true, _, _) => "Connection: Upgrade\r\nUpgrade: echo\r\n".into(),
        (false, 0, false) if plan.method == "GET" => String::new(),
        (false, _, true) => "Transfer-Encoding: chunked\r\n".into(),
        (false, up, false) => format!("Content-Length: {up}\r\n"),
    };
    let cookie = cookie.map(|pair| format!("Cookie: {pair}\r\n")).unwrap_or_default();
    let Plan { method, mount, id, .. } = plan;
    format!("{method} /m{mount}/{id} HTTP/1.1\r\nHost: plugboard\r\n{cookie}{framing}\r\n")
}

fn up_framing(plan: &Plan) -> Framing {
    match (plan.is_upgrade, plan.is_up_chunked) {
        (true, _) => Framing::UntilEnd,
        (false, true) => Framing::Chunked,
        (false, false) => Framing::Length(plan.up),
    }
}

async fn write_request(writer: &mut Writer, head: &str, plan: &Plan) -> std::io::Result<()> {
    writer.text(head).await?;
    writer.body(up_framing(plan), plan.content(Direction::Up), plan.up, plan.up_pace).await
}

fn status(head: &Head) -> Result<u16, Fault> {
    let word = head.first_line.split(' ').nth(1).unwrap_or_default();
    word.parse().map_err(|_| Fault::Wrong(format!("the status line {:?}", head.first_line)))
}

/// Reads an answer; true if the connection stays.
async fn read_answer(reader: &mut Reader, jar: &mut Jar, plan: &Plan) -> Result<(Outcome, bool), Fault> {
    let head = reader.head().await?.ok_or(Fault::CutOff)?;
    let status = status(&head)?;
    if status != 200 {
        return Ok((refused(status)?, false));
    }
    if let Some((pair, _)) = head.field("set-cookie").and_then(|value| value.split_once(';')) {
        *jar = Some(pair.to_owned());
    }
    let length = reader.body(head.framing()?, plan.content(Direction::Down), plan.read_pace).await?;
    if length != plan.down {
        return Err(Fault::Wrong(format!("complete after {length} octets of {}", plan.down)));
    }
    // Of an early answer's request the rest may still be unwritten.
    let is_kept = head.field("connection").is_none_or(|value| value != "close") && !plan.is_early;
    Ok((Outcome::Whole, is_kept))
}

/// An answer that can only be the relay's own.
fn refused(status: u16) -> Result<Outcome, Fault> {
    match status {
        404 | 502..=504 => Ok(Outcome::Refused(status)),
        other => Err(Fault::Wrong(format!("a status of {other}"))),
    }
}

/// Upgrades, then writes and reads at once until both directions have ended.
async fn upgrade(
    reader: &mut Reader,
    writer: &mut Writer,
    head: &str,
    plan: &Plan,
) -> Result<(Outcome, bool), Fault> {
    writer.text(head).await?;
    let head = reader.head().await?.ok_or(Fault::CutOff)?;
    let status = status(&head)?;
    if status != 101 {
        return Ok((refused(status)?, false));
    }
    duplex(reader, writer, plan, Direction::Up).await?;
    Ok((Outcome::Whole, false))
}

/// Both directions of an upgraded connection, of which this end writes one. A direction ends with an end: one that
/// broke off shows it by a reset.
async fn duplex(reader: &mut Reader, writer: &mut Writer, plan: &Plan, ours: Direction) -> Result<(), Fault> {
    let (theirs, length, expected, pace, read_pace) = match ours {
        Direction::Up => (Direction::Down, plan.up, plan.down, plan.up_pace, plan.read_pace),
        Direction::Down => (Direction::Up, plan.down, plan.up, plan.down_pace, Pace::FULL),
    };
    let writing = writer.body(Framing::UntilEnd, plan.content(ours), length, pace);
    let reading = reader.body(Framing::UntilEnd, plan.content(theirs), read_pace);
    let (written, read) = future::zip(writing, reading).await;
    written?;
    match read? {
        length if length == expected => Ok(()),
        length if length < expected && plan.may_end_early => Err(Fault::CutOff),
        length if length < expected => {
            Err(Fault::Wrong(format!("an end after {length} octets of {expected}")))
        }
        length => Err(Fault::Wrong(format!("{length} octets of {expected}"))),
    }
}

/// A backend: executes whatever comes.
pub(crate) async fn backend(runtime: VirtualRuntime, ledger: Ledger, seat: usize, address: SocketAddr) {
    let Ok(listener) = runtime.bind(address) else { return ledger.violate("a backend's address is in use") };
    while let Ok((socket, _)) = listener.accept().await {
        let serving = serve(runtime.clone(), ledger.clone(), seat, socket);
        runtime.spawn(serving);
    }
}

async fn serve(runtime: VirtualRuntime, ledger: Ledger, seat: usize, socket: VirtualSocket) {
    let (mut reader, mut writer) = wire::split(runtime.executor(), socket);
    loop {
        let head = match reader.head().await {
            Ok(Some(head)) => head,
            Ok(None) | Err(Fault::CutOff) => return,
            Err(Fault::Wrong(what)) => return ledger.violate(format!("a backend was told {what}")),
        };
        let Some(plan) = plan_of(&ledger, &head) else {
            return ledger.violate(format!("a backend was asked {:?}", head.first_line));
        };
        ledger.execute(&plan, seat);
        match execute(&mut reader, &mut writer, &head, &plan).await {
            Ok(()) if !plan.is_upgrade && plan.after == After::Keep => {}
            Ok(()) | Err(Fault::CutOff) => return,
            Err(Fault::Wrong(what)) => {
                return ledger.violate(format!("request {}: its body is wrong: {what} (I8, I9)", plan.id));
            }
        }
    }
}

fn plan_of(ledger: &Ledger, head: &Head) -> Option<Arc<Plan>> {
    let mut words = head.first_line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (mount, id) = target.strip_prefix("/m")?.split_once('/')?;
    let plan = ledger.plan(id.parse().ok()?)?;
    (plan.method == method && plan.mount.to_string() == mount).then_some(plan)
}

async fn execute(reader: &mut Reader, writer: &mut Writer, head: &Head, plan: &Plan) -> Result<(), Fault> {
    if plan.is_upgrade {
        writer
            .text("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            .await?;
        return duplex(reader, writer, plan, Direction::Down).await;
    }
    if plan.after == After::Die {
        return Err(Fault::CutOff);
    }
    if plan.is_early {
        answer(writer, plan).await?;
        return read_request(reader, head, plan).await;
    }
    read_request(reader, head, plan).await?;
    Ok(answer(writer, plan).await?)
}

async fn read_request(reader: &mut Reader, head: &Head, plan: &Plan) -> Result<(), Fault> {
    let length = reader.body(head.framing()?, plan.content(Direction::Up), Pace::FULL).await?;
    if length != plan.up {
        return Err(Fault::Wrong(format!("complete after {length} octets of {}", plan.up)));
    }
    Ok(())
}

async fn answer(writer: &mut Writer, plan: &Plan) -> std::io::Result<()> {
    let (framing, field) = if plan.is_down_chunked {
        (Framing::Chunked, "Transfer-Encoding: chunked".into())
    } else {
        (Framing::Length(plan.down), format!("Content-Length: {}", plan.down))
    };
    let connection = if plan.after == After::Close { "Connection: close\r\n" } else { "" };
    writer.text(&format!("HTTP/1.1 200 OK\r\n{connection}{field}\r\n\r\n")).await?;
    writer.body(framing, plan.content(Direction::Down), plan.down, plan.down_pace).await
}
