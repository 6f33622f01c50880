//! A child process whose output is kept, whose end is awaited with a deadline, and which never outlives its test.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// Whether programs are started as services are.
static ARE_SERVICES: AtomicBool = AtomicBool::new(false);

/// From now on each program is started in a session of its own, and so in a group of its own for the kernel's scheduler,
/// as services are. A terminal's Ctrl-C no longer reaches it: whoever asks for this ends them all.
pub fn start_as_services() {
    ARE_SERVICES.store(true, Ordering::Relaxed);
}

/// What is to be run: a program with nothing of the test's own environment.
#[derive(Debug)]
pub struct Plan {
    command: Command,
    name: String,
}

impl Plan {
    /// Runs `program`, called by its file name in messages.
    pub fn new(program: impl AsRef<Path>) -> Self {
        let path = program.as_ref();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut command = if ARE_SERVICES.load(Ordering::Relaxed) {
            let mut command = Command::new("setsid");
            command.arg(path);
            command
        } else {
            Command::new(path)
        };
        command.env_clear();
        for kept in ["PATH", "HOME", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        Self { command, name }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it, with nothing to read.
    ///
    /// # Panics
    /// If it cannot be started at all.
    pub fn start(mut self) -> Process {
        self.command.stdin(Stdio::null());
        self.spawn()
    }

    /// Starts it, to be told what it reads by [`Process::tell`].
    ///
    /// # Panics
    /// If it cannot be started at all.
    pub fn start_to_tell(mut self) -> Process {
        self.command.stdin(Stdio::piped());
        self.spawn()
    }

    /// Starts it with `stderr` for its standard error, of which nothing is kept.
    ///
    /// # Panics
    /// If it cannot be started at all.
    pub fn start_with_stderr(mut self, stderr: impl Into<Stdio>) -> Process {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        self.spawn_as_is()
    }

    fn spawn(mut self) -> Process {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.spawn_as_is()
    }

    fn spawn_as_is(mut self) -> Process {
        let spawned = self.command.spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("cannot start {}: {error}", self.name));
        let stdout = Capture::of(child.stdout.take());
        let stderr = Capture::of(child.stderr.take());
        Process { name: self.name, child, stdout, stderr }
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn finish(self) -> Finished {
        let mut process = self.start();
        let status = process.wait_exit(wait::PATIENCE);
        Finished { code: status.code(), stdout: process.stdout.all(), stderr: process.stderr.all() }
    }
}

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code; none after a signal.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// A running program. It is killed when this is dropped, and a failing test then shows what it said.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Capture,
    stderr: Capture,
}

impl Process {
    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait_exit(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let status = wait::until(&what, within, || self.child.try_wait().expect("our own child"));
        self.stdout.wait_closed();
        self.stderr.wait_closed();
        status
    }

    /// Ends it at once (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Its end, if it has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.exit_status().is_none()
    }

    /// Gives it something to read.
    ///
    /// # Panics
    /// If it reads no more, or was started with nothing to read.
    pub fn tell(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("it was started to be told something");
        input.write_all(text.as_bytes()).expect("it reads");
    }

    /// Ends what it reads.
    pub fn hush(&mut self) {
        self.child.stdin = None;
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.all()
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.all()
    }

    /// Everything that it has said so far.
    pub fn said(&self) -> String {
        self.stdout() + &self.stderr()
    }

    /// Waits until a line of standard output holds `needle`, and returns that line.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait_stdout(&self, needle: &str, within: Duration) -> String {
        self.stdout.wait_line(&self.name, needle, within)
    }

    /// Waits until standard output has ended.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait_stdout_closed(&self, within: Duration) {
        wait::until_true("standard output ends", within, || self.stdout.lock().is_closed);
    }

    /// Waits until standard error has ended.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait_stderr_closed(&self, within: Duration) {
        wait::until_true("standard error ends", within, || self.stderr.lock().is_closed);
    }

    /// Waits until a line of standard error holds `needle`, and returns that line.
    ///
    /// # Panics
    /// After `within`.
    pub fn wait_stderr(&self, needle: &str, within: Duration) -> String {
        self.stderr.wait_line(&self.name, needle, within)
    }

    /// Resident memory now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// The highest resident memory so far, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    /// Memory that it has written, in KiB. What it has only read is not counted: the program's own file is private to it
    /// while no other process runs the same one, and shared while one does.
    pub fn written_kib(&self) -> u64 {
        self.kib_in("smaps_rollup", "Private_Dirty:")
    }

    /// Its arguments and its environment's names are public on many systems: what `/proc` shows of the arguments.
    pub fn cmdline(&self) -> Vec<u8> {
        fs::read(format!("/proc/{}/cmdline", self.child.id())).expect("a running process")
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("a running process").count()
    }

    fn memory_kib(&self, row: &str) -> u64 {
        self.kib_in("status", row)
    }

    fn kib_in(&self, file: &str, row: &str) -> u64 {
        let path = format!("/proc/{}/{file}", self.child.id());
        let rows = fs::read_to_string(path).expect("a running process");
        let line = rows.lines().find(|line| line.starts_with(row)).expect("a row of this file");
        line.split_whitespace().nth(1).and_then(|figure| figure.parse().ok()).expect("KiB")
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.said());
        }
    }
}

/// What came through one pipe so far.
#[derive(Debug, Clone)]
struct Capture(Arc<(Mutex<Text>, Condvar)>);

#[derive(Debug, Default)]
struct Text {
    octets: Vec<u8>,
    is_closed: bool,
}

impl Capture {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let capture = Self(Arc::default());
        let writer = capture.clone();
        let Some(mut pipe) = pipe else {
            writer.change(|text| text.is_closed = true);
            return capture;
        };
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                writer.change(|text| text.octets.extend_from_slice(&buffer[..count]));
            }
            writer.change(|text| text.is_closed = true);
        });
        capture
    }

    fn change(&self, change: impl FnOnce(&mut Text)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    /// A test that failed while it waited still wants to see what there is.
    fn lock(&self) -> MutexGuard<'_, Text> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> String {
        String::from_utf8_lossy(&self.lock().octets).into_owned()
    }

    /// The pipe closes with the last process that holds it, soon after the child's end.
    fn wait_closed(&self) {
        let text = self.lock();
        let _either_way = self.0.1.wait_timeout_while(text, Duration::from_secs(2), |text| !text.is_closed);
    }

    fn wait_line(&self, name: &str, needle: &str, within: Duration) -> String {
        let deadline = Instant::now() + within;
        let mut text = self.lock();
        loop {
            let said = String::from_utf8_lossy(&text.octets).into_owned();
            if let Some(line) = said.lines().find(|line| line.contains(needle)) {
                return line.to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !text.is_closed, "{name} never said {needle:?}, but:\n{said}");
            text = self.0.1.wait_timeout(text, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
