//! Rooms with the parts that meet in them: Yjs and its server, WebSocket programs for Node and Python.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use telephone_tests::gate;
use telephone_tests::line::both_programs;
use telephone_tests::parts::{self, Server};
use telephone_tests::process::{Plan, Process};
use telephone_tests::relay::Relay;
use telephone_tests::sidecar::{Program, Sidecar};
use telephone_tests::sizes::{self, MIB};
use telephone_tests::wait::PATIENCE;

/// The room of all tests here.
const ROOM: &str = "r1";
/// What a relay may grow by while large messages pass, in KiB.
const GROWTH_KIB: u64 = 16 * 1024;
/// How long a part may take for its megabytes on a loaded machine.
const LONG: Duration = Duration::from_secs(120);

/// A server in a room.
struct Room {
    relay: Relay,
    sidecar: Sidecar,
    server: Server,
}

impl Room {
    fn of(program: Program, server: Server) -> Self {
        let relay = Relay::with(&["--rooms"]);
        let sidecar = dial(program, &relay, &server);
        Self { relay, sidecar, server }
    }

    /// Kills the telephone and starts it again.
    fn restart_sidecar(&mut self) -> Instant {
        self.sidecar.kill();
        let start = Instant::now();
        self.sidecar = dial(self.sidecar.program(), &self.relay, &self.server);
        start
    }

    /// The URL below which its clients come.
    fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.relay.addr())
    }

    /// Does something, and returns by how much the relay has grown meanwhile, in KiB.
    fn growth(&self, work: impl FnOnce()) -> u64 {
        let before = self.relay.process().resident_kib();
        work();
        self.relay.process().peak_kib().saturating_sub(before)
    }
}

fn dial(program: Program, relay: &Relay, server: &Server) -> Sidecar {
    let token = relay.token_with("desk", &[], &["--room", ROOM]);
    program.dial(relay).token(&token).args(&["--room", ROOM]).backend(&server.url()).ready()
}

/// Yjs clients of `document` below `url`.
fn yjs(scenario: &str, url: &str, document: &str, room: &str, number: u32) -> Plan {
    parts::node("yjs.cjs").args([scenario, url, document, room]).arg(number.to_string())
}

/// The median time that one update took.
fn converge(url: &str, document: &str, room: &str) -> Duration {
    let said = parts::run(yjs("converge", url, document, room, 300), PATIENCE);
    let median = said.trim().strip_prefix("converged, median ").and_then(|rest| rest.strip_suffix(" us"));
    Duration::from_micros(median.and_then(|median| median.parse().ok()).expect("a median"))
}

#[test]
fn two_yjs_clients_converge_in_a_room_and_wait_less_than_two_milliseconds_longer_for_an_update() {
    let _turn = gate::alone();
    for program in Program::BOTH {
        let room = Room::of(program, Server::yjs());
        let direct = converge(&format!("ws://{}", room.server.addr()), "direct", "");
        for (url, document) in [("/client", "doc"), ("", "client")] {
            let through = converge(&room.url(url), document, ROOM);
            let name = program.name();
            sizes::figure(
                "an update",
                format_args!("{direct:?} direct, {through:?} by {name}, {url}/{document}"),
            );
            assert!(through < direct + Duration::from_millis(2), "{direct:?} direct, {through:?} by {name}");
        }
    }
}

#[test]
fn edits_made_while_the_telephone_was_killed_merge_within_three_seconds_of_its_start() {
    both_programs(|program| {
        let mut room = Room::of(program, Server::yjs());
        let mut clients: Process = yjs("offline", &room.url("/client"), "doc", ROOM, 0).start();
        clients.wait_stdout("converged", PATIENCE);
        room.sidecar.kill();
        clients.signal(Signal::USR2);
        clients.wait_stdout("edited", PATIENCE);
        let start = room.restart_sidecar();
        clients.wait_stdout("merged", PATIENCE);
        let took = start.elapsed();
        sizes::figure("offline edits merged after", format_args!("{took:?}"));
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert_eq!(clients.wait_exit(PATIENCE).code(), Some(0));
        assert_eq!(clients.stdout().matches("closed 1012 ").count(), 2, "{}", clients.stdout());
    });
}

#[test]
fn a_document_of_eighty_megabytes_syncs_while_the_relay_grows_by_less_than_sixteen() {
    let _turn = gate::alone();
    let room = Room::of(Program::Tokio, Server::yjs());
    let growth = room.growth(|| {
        let said = parts::run(yjs("large", &room.url("/client"), "doc", ROOM, 80), LONG);
        assert_eq!(said.trim(), "synced");
    });
    sizes::figure("the relay grew with a document of 80 MiB, KiB", growth);
    assert!(growth < GROWTH_KIB, "{growth} KiB");
}

#[test]
fn two_hundred_clients_of_one_room_lose_nothing() {
    let _turn = gate::alone();
    for program in Program::BOTH {
        let room = Room::of(program, Server::yjs());
        let start = Instant::now();
        let said = parts::run(yjs("crowd", &room.url("/client"), "doc", ROOM, 200), LONG);
        assert_eq!(said.trim(), "all are here\nall have heard all");
        sizes::figure("200 clients met in", format_args!("{:?}", start.elapsed()));
    }
}

#[test]
fn messages_pings_closes_and_what_the_upgrade_holds_pass_as_they_are() {
    both_programs(|program| {
        let room = Room::of(program, Server::echo());
        let url = room.url(&format!("/client/a%2Fb/c?x=%7e&room={ROOM}&y"));
        let said = parts::run(parts::python("client.py").args(["plain", &url]), PATIENCE);
        let mut lines = said.lines();
        let head: serde_json::Value =
            lines.next().and_then(|line| serde_json::from_str(line).ok()).expect("the upgrade as it came");
        assert_eq!(head["head"]["target"], "/a%2Fb/c?x=%7e&y");
        let headers = &head["head"]["headers"];
        assert_eq!(headers["cookie"], "a=b; c=d");
        assert!(
            headers["sec-websocket-extensions"]
                .as_str()
                .is_some_and(|all| all.contains("permessage-deflate"))
        );
        assert_eq!(lines.next(), Some("closed 4001 enough for today"));
    });
}

#[test]
fn a_message_of_a_hundred_mebibytes_passes_both_ways_at_bounded_memory() {
    let _turn = gate::alone();
    for program in Program::BOTH {
        let room = Room::of(program, Server::echo());
        let url = room.url(&format!("/client?room={ROOM}"));
        let sidecar = room.sidecar.process().resident_kib();
        let growth = room.growth(|| {
            let said = parts::run(parts::python("client.py").args(["large", &url]), LONG);
            assert_eq!(said.trim(), format!("echoed {}", 100 * MIB));
        });
        let sidecar = room.sidecar.process().peak_kib().saturating_sub(sidecar);
        let name = program.name();
        sizes::figure("100 MiB both ways", format_args!("relay +{growth} KiB, {name} +{sidecar} KiB"));
        assert!(growth < GROWTH_KIB && sidecar < 2 * GROWTH_KIB, "{growth} and {sidecar} KiB");
    }
}

#[test]
fn wscat_is_a_client_of_a_room() {
    both_programs(|program| {
        let room = Room::of(program, Server::echo());
        let url = room.url(&format!("/client?room={ROOM}"));
        let wscat = parts::node("wscat.cjs").args(["--connect", &url, "--execute", "hello", "--wait", "1"]);
        assert!(parts::run(wscat, PATIENCE).contains("hello"));
    });
}
