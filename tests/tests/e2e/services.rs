//! Real services behind raw connections: ssh, Redis, iperf3, and netcat as a client.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use telephone_tests::hop::{Cut, Hop};
use telephone_tests::line::both_programs;
use telephone_tests::net::{free_addr, is_listening};
use telephone_tests::prf::Body;
use telephone_tests::process::{Plan, Process};
use telephone_tests::raw::{ENDPOINT, RawBackend, RawLine};
use telephone_tests::relay::NO_GRACE;
use telephone_tests::sidecar::Program;
use telephone_tests::sizes::{MIB, pick};
use telephone_tests::wait::{self, PATIENCE};
use tempfile::TempDir;

fn started(plan: Plan, addr: SocketAddr) -> Process {
    let mut process = plan.start();
    wait::until_true("the service listens", PATIENCE, || {
        assert!(process.is_running(), "{}", process.said());
        is_listening(addr)
    });
    process
}

/// An sshd with keys of its own.
struct Sshd {
    _process: Process,
    addr: SocketAddr,
    directory: TempDir,
}

impl Sshd {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        for key in ["host", "own"] {
            let plan = Plan::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path(key));
            assert_eq!(plan.finish().code, Some(0));
        }
        let addr = free_addr();
        let options = [
            format!("ListenAddress {addr}"),
            format!("HostKey {}", path("host").display()),
            format!("AuthorizedKeysFile {}", path("own.pub").display()),
            "PidFile none".into(),
            "UsePAM no".into(),
            "StrictModes no".into(),
            "PermitRootLogin yes".into(),
            "Subsystem sftp internal-sftp".into(),
        ];
        fs::write(path("sshd_config"), options.join("\n")).expect("a directory of our own");
        // Where the daemon separates its privileges, if it has any.
        let _exists = fs::create_dir_all("/run/sshd");
        let sshd = Plan::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(path("sshd_config"));
        Self { _process: started(sshd, addr), addr, directory }
    }

    /// `ssh` or `scp`, by way of `telephone connect --stdio`.
    fn client(&self, tool: &str, program: Program, line: &RawLine, url: &str) -> Plan {
        let proxy = format!(
            "ProxyCommand={} connect --plugboard {url} --to {ENDPOINT} --stdio",
            telephone_tests::bins::path(program.name()).display()
        );
        let known = self.directory.path().join("known_hosts");
        Plan::new(tool)
            .args(["-F", "none", "-o", &proxy, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", &format!("UserKnownHostsFile={}", known.display()), "-o", "LogLevel=ERROR", "-i"])
            .arg(self.directory.path().join("own"))
            .env("TELEPHONE_TOKEN", line.connect_token())
    }

    fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, octets).expect("a directory of our own");
        path
    }
}

fn hash(path: &Path) -> String {
    let finished = Plan::new("sha256sum").arg(path).finish();
    finished.stdout.split(' ').next().expect("a word").to_owned()
}

#[test]
fn ssh_logs_in_and_scp_copies_through_standard_input_and_output() {
    both_programs(|program| {
        let sshd = Sshd::start();
        let line = RawLine::to(program, sshd.addr, NO_GRACE, &[]);
        let said = sshd
            .client("ssh", program, &line, &line.relay.url())
            .args(["box", "echo hello; exit 7"])
            .finish();
        assert_eq!((said.stdout.as_str(), said.code), ("hello\n", Some(7)), "{}", said.stderr);

        // 1 GiB where a release is judged.
        let octets = Body::new(7, pick(64, 1024) * MIB).to_vec();
        let (from, to) = (sshd.file("from", &octets), sshd.directory.path().join("to"));
        drop(octets);
        let mut copy = sshd
            .client("scp", program, &line, &line.relay.url())
            .arg(&from)
            .arg(format!("box:{}", to.display()))
            .start();
        assert_eq!(copy.wait_exit(Duration::from_secs(300)).code(), Some(0), "{}", copy.said());
        assert_eq!(hash(&from), hash(&to));
    });
}

#[test]
fn an_ssh_session_survives_a_link_that_is_cut() {
    both_programs(|program| {
        let sshd = Sshd::start();
        let line = RawLine::to(program, sshd.addr, NO_GRACE, &[]);
        // It is the visitor's own link that is cut.
        let hop = Hop::before(line.relay.addr());
        let go = sshd.directory.path().join("go");
        let command =
            format!("echo before; while ! test -e {0}; do sleep 0.05; done; echo after", go.display());
        let mut session = sshd.client("ssh", program, &line, &hop.url()).args(["box", &command]).start();
        session.wait_stdout("before", PATIENCE);
        for how in [Cut::Finish, Cut::Reset] {
            let before = hop.accepted();
            // What the hop took may not pass anything yet.
            wait::until_true("a link to cut", PATIENCE, || hop.cut(how) > 0);
            wait::until_true("it dials again", PATIENCE, || hop.accepted() > before);
        }
        fs::write(&go, "").expect("a directory of our own");
        session.wait_stdout("after", PATIENCE);
        assert_eq!(session.wait_exit(PATIENCE).code(), Some(0), "{}", session.said());
    });
}

#[test]
fn redis_is_used_through_a_port_of_the_plugboard() {
    both_programs(|program| {
        let addr = free_addr();
        let redis =
            Plan::new("redis-server").args(["--port", &addr.port().to_string(), "--bind", "127.0.0.1"]);
        let _redis = started(redis.args(["--save", "", "--appendonly", "no"]), addr);
        let line = RawLine::to(program, addr, NO_GRACE, &[]);
        let port = line.public.port().to_string();
        let requests = pick("20000", "200000");
        let bench =
            Plan::new("redis-benchmark").args(["-p", &port, "-n", requests, "-c", "50", "-t", "set,get"]);
        let done = bench.args(["-d", "1000", "-P", "4", "--csv"]).finish();
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stdout.contains("\"GET\""), "{}", done.stdout);
        let cli = |args: &[&str]| Plan::new("redis-cli").args(["-p", &port]).args(args).finish().stdout;
        assert_eq!(cli(&["set", "key", "a value"]).trim(), "OK");
        assert_eq!(cli(&["get", "key"]).trim(), "a value");
    });
}

#[test]
fn netcat_hears_the_answer_after_it_has_ended_its_own_direction() {
    both_programs(|program| {
        let backend = RawBackend::start(|stream| {
            let mut heard = Vec::new();
            std::io::Read::read_to_end(&mut &stream, &mut heard).expect("an orderly end");
            heard.reverse();
            std::io::Write::write_all(&mut &stream, &heard).expect("the client reads");
        });
        let line = RawLine::to(program, backend.addr(), NO_GRACE, &[]);
        let command = format!("printf abc | nc -N 127.0.0.1 {}", line.public.port());
        let done = Plan::new("sh").args(["-c", &command]).finish();
        assert_eq!((done.stdout.as_str(), done.code), ("cba", Some(0)), "{}", done.stderr);
    });
}

#[test]
fn iperf_moves_bulk_both_ways_over_several_connections() {
    both_programs(|program| {
        let addr = free_addr();
        let server =
            Plan::new("iperf3").args(["--server", "--bind", "127.0.0.1", "--port", &addr.port().to_string()]);
        let server = server.args(["--forceflush"]).start();
        server.wait_stdout("listening", PATIENCE);
        let line = RawLine::to(program, addr, NO_GRACE, &[]);
        let port = line.public.port().to_string();
        for direction in [&[][..], &["--reverse"]] {
            let client = Plan::new("iperf3").args(["--client", "127.0.0.1", "--port", &port, "--time", "1"]);
            let done = client.args(["--parallel", "4", "--json"]).args(direction).finish();
            assert_eq!(done.code, Some(0), "{}", done.stdout);
        }
    });
}
