//! `plugboard serve`, and what `plugboard token` prints for it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::{Answer, Client, ask};
use crate::net::{free_addr, is_listening};
use crate::process::{Plan, Process};
use crate::request::Request;
use crate::{bins, wait};

/// A fresh relay holds requests for mounts that it does not know yet, since their telephones may be on their way
/// back. A test that is not about restarts wants its 404 at once.
pub const NO_GRACE: &[&str] = &["--limit", "start-grace=0s"];

/// A running relay; it ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    public: SocketAddr,
    admin: SocketAddr,
    secret: String,
    options: Vec<String>,
    /// How many descriptors it may open; as many as the test if none is said.
    descriptors: Option<u64>,
    directory: TempDir,
    process: Process,
}

impl Relay {
    /// Serves on free ports of loopback with a fresh secret, and is ready.
    pub fn start() -> Self {
        Self::with(NO_GRACE)
    }

    /// Serves with these options alone beside the addresses and the secret.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn with(options: &[&str]) -> Self {
        Self::with_secret(&fresh_secret(), options)
    }

    /// The same where clients and telephones connect to that address of this machine.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn on(address: IpAddr, options: &[&str]) -> Self {
        Self::at(SocketAddr::new(address, free_addr().port()), &fresh_secret(), options, None, Plan::start)
    }

    /// The same with that secret: several relays may share one.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn with_secret(secret: &str, options: &[&str]) -> Self {
        Self::at(free_addr(), secret, options, None, Plan::start)
    }

    /// Serves with these options, with `stderr` for its standard error.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn with_stderr(stderr: impl Into<Stdio>, options: &[&str]) -> Self {
        let start = |plan: Plan| plan.start_with_stderr(stderr);
        Self::at(free_addr(), &fresh_secret(), options, None, start)
    }

    /// Serves with these options and may open so many descriptors, and no more.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn with_descriptors(descriptors: u64, options: &[&str]) -> Self {
        Self::at(free_addr(), &fresh_secret(), options, Some(descriptors), Plan::start)
    }

    /// Serves at that address, with these options beside it.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn at_addr(public: SocketAddr, options: &[&str]) -> Self {
        Self::at(public, &fresh_secret(), options, None, Plan::start)
    }

    fn at(
        public: SocketAddr,
        secret: &str,
        options: &[&str],
        descriptors: Option<u64>,
        start: impl FnOnce(Plan) -> Process,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let secret = secret.to_owned();
        write_private(&directory.path().join("secret"), &format!("{secret}\n"));
        let admin = free_addr();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let process = start(plan((public, admin), directory.path(), &options, descriptors));
        let mut relay = Self { public, admin, secret, options, descriptors, directory, process };
        relay.wait_ready();
        relay
    }

    /// Starts the relay that is to take over, on the same port and with the same secret and options, and waits until it is
    /// ready.
    ///
    /// # Panics
    /// If it does not get ready.
    pub fn successor(&self) -> Self {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        Self::at(self.public, &self.secret, &options, self.descriptors, Plan::start)
    }

    /// Where clients and telephones connect.
    pub fn addr(&self) -> SocketAddr {
        self.public
    }

    /// What `--plugboard` takes.
    pub fn url(&self) -> String {
        format!("ws://{}", self.public)
    }

    /// Where the operator connects.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its secret, which nothing may ever show.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// A directory that lives as long as the relay.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// A token for the subject `tester` and these mounts.
    pub fn token(&self, mounts: &[&str]) -> String {
        self.token_with("tester", mounts, &[])
    }

    /// A token for that subject and these mounts, made with more options.
    ///
    /// # Panics
    /// If `plugboard token` fails.
    pub fn token_with(&self, subject: &str, mounts: &[&str], options: &[&str]) -> String {
        let mounts = mounts.iter().flat_map(|mount| ["--mount", mount]);
        let plan =
            Plan::new(bins::path("plugboard")).arg("token").arg("--secret-file").arg(self.secret_file());
        let finished = plan.args(["--sub", subject]).args(mounts).args(options).finish();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished.stdout.trim().to_owned()
    }

    /// Its secret file.
    pub fn secret_file(&self) -> PathBuf {
        self.directory.path().join("secret")
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits for its end and returns its exit code.
    pub fn wait_exit(&mut self) -> Option<i32> {
        self.process.wait_exit(wait::PATIENCE).code()
    }

    /// Ends it at once if it runs, starts it again on the same ports with the same secret, and returns the moment at which it
    /// listened.
    pub fn restart(&mut self) -> Instant {
        self.kill();
        let addresses = (self.public, self.admin);
        self.process = plan(addresses, self.directory.path(), &self.options, self.descriptors).start();
        let public = self.public;
        wait::until_true("the plugboard listens again", wait::PATIENCE, || is_listening(public));
        Instant::now()
    }

    /// Its metrics in Prometheus' text format.
    pub fn metrics(&self) -> String {
        self.ask_admin(&Request::raw("GET", &self.admin_head("GET /metrics"))).text()
    }

    /// The value of one line of its metrics, with its labels if it has any; zero if the line is missing.
    ///
    /// # Panics
    /// If the value is no whole number.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a whole number"))
    }

    /// Its answer to GET on the admin port, as a probe sends it.
    pub fn probe(&self, path: &str) -> Answer {
        self.ask_admin(&Request::raw("GET", &self.admin_head(&format!("GET {path}"))))
    }

    /// Ends sessions by JSON, `{"sub": …}` or `{"jti": …}`.
    pub fn revoke(&self, json: &str) -> Answer {
        let head = self.admin_head("POST /revoke") + "Content-Type: application/json\r\n";
        self.ask_admin(&Request::raw("POST", &head).body(json))
    }

    /// Likewise, with the token of `--admin-token-file`.
    pub fn revoke_with(&self, json: &str, token: &str) -> Answer {
        let head = self.admin_head("POST /revoke") + "Content-Type: application/json\r\n";
        let request = Request::raw("POST", &head).body(json);
        self.ask_admin(&request.field("Authorization", format!("Bearer {token}")))
    }

    fn ask_admin(&self, request: &Request) -> Answer {
        ask(self.admin, &request.clone().close())
    }

    /// The admin API answers to its own address only.
    fn admin_head(&self, method_and_path: &str) -> String {
        format!("{method_and_path} HTTP/1.1\r\nHost: {}\r\n", self.admin)
    }

    fn wait_ready(&mut self) {
        let (public, admin) = (self.public, self.admin);
        let process = &mut self.process;
        wait::until_true("the plugboard is ready", wait::PATIENCE, || {
            if let Some(status) = process.exit_status() {
                panic!("the plugboard ended with {status}: {}", process.said());
            }
            let head = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\n");
            let request = Request::raw("GET", &head).close();
            let answer = Client::try_connect(admin).ok().and_then(|mut client| client.try_ask(&request));
            answer.is_some_and(|answer| answer.status() == 200) && is_listening(public)
        });
    }
}

fn plan(
    (public, admin): (SocketAddr, SocketAddr),
    directory: &Path,
    options: &[String],
    descriptors: Option<u64>,
) -> Plan {
    let plan = match descriptors {
        Some(most) => Plan::new("prlimit").arg(format!("--nofile={most}")).arg(bins::path("plugboard")),
        None => Plan::new(bins::path("plugboard")),
    };
    let plan = plan.arg("serve").args(["--listen", &public.to_string()]);
    let plan = plan.args(["--admin", &admin.to_string()]).arg("--secret-file").arg(directory.join("secret"));
    plan.args(options).env("RUST_LOG", "info")
}

/// A secret from the program itself.
fn fresh_secret() -> String {
    let finished = Plan::new(bins::path("plugboard")).arg("secret").finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stdout.trim().to_owned()
}

/// Writes a file that only its owner may read, in one step as seen from outside.
///
/// # Panics
/// If it cannot.
pub fn write_private(path: &Path, content: &str) {
    let fresh = path.with_extension("fresh");
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh);
    std::io::Write::write_all(&mut file.expect("a directory of our own"), content.as_bytes())
        .expect("disk space");
    fs::rename(&fresh, path).expect("a directory of our own");
}
