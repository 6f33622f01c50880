//! A program on a terminal of its own, which closes.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::process::{Plan, Process};
use crate::wait::{self, PATIENCE};

/// Runs a program on a new terminal, as the leader of its session. Line by line: closes the terminal; waits for the
/// program's end and prints its exit code. What the program writes is printed as it comes.
const SCRIPT: &str = r#"
import os, pty, signal, sys, threading
output, program = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    # The tests themselves may run under nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if output:
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT, 0o600), 2)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.execvp(program[0], program)
print("pid", pid, flush=True)
closing = threading.Event()
def copy():
    import select
    while not closing.is_set():
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                text = os.read(terminal, 4096)
            except OSError:
                return
            sys.stdout.write(text.decode(errors="replace"))
            sys.stdout.flush()
copier = threading.Thread(target=copy)
copier.start()
sys.stdin.readline()
closing.set()
copier.join()
os.close(terminal)
print("closed", flush=True)
print("exit", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"#;

/// A program and its terminal. Both end when this is dropped.
#[derive(Debug)]
pub struct OnTerminal {
    script: Process,
    pid: Pid,
}

impl OnTerminal {
    /// Starts `program` with these arguments and variables; with a file for its standard error as nohup does.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(nohup: Option<&Path>, program: &[&str], variables: &[(&str, &str)]) -> Self {
        let plan = Plan::new("python3").args(["-c", SCRIPT]).arg(nohup.unwrap_or(Path::new("")));
        let plan = plan.args(program);
        let plan = variables.iter().fold(plan, |plan, (name, value)| plan.env(name, value));
        let script = plan.start_to_tell();
        let line = script.wait_stdout("pid ", PATIENCE);
        let pid = line.trim_start_matches("pid ").trim().parse().ok().and_then(Pid::from_raw);
        Self { script, pid: pid.expect("a process's number") }
    }

    /// Waits until a line of what it has written holds `needle`.
    pub fn wait_for(&self, needle: &str) -> String {
        self.script.wait_stdout(needle, PATIENCE)
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If it is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("a running process");
    }

    /// Closes the terminal.
    pub fn close(&mut self) {
        self.script.tell("close\n");
        self.wait_for("closed");
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        test_kill_process(self.pid).is_ok()
    }

    /// The exit code of the program, whose terminal has closed; negative after a signal.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn exit_code(&self, within: Duration) -> i32 {
        wait::until_true("the program ends", within, || self.script.stdout().contains("\nexit "));
        let said = self.script.stdout();
        let code = said.lines().find_map(|line| line.strip_prefix("exit "));
        code.and_then(|code| code.trim().parse().ok()).expect("an exit code")
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        if self.script.is_running() && self.is_running() {
            let _just_gone = kill_process(self.pid, Signal::KILL);
        }
    }
}
