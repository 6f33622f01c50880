//! An end that was asked for: SIGINT, SIGTERM, or SIGHUP if nohup does not hold it off, after which no process is left.

use std::fs;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use async_signal::{Signal, Signals};
use rustix::process::{Pid, getpid, kill_process};

use crate::failed::{Failed, io};

/// What the run may take to notice that all of its processes are gone, and to tidy up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The exit code of a program that SIGINT ended (128 + 2).
pub const INTERRUPTED: u8 = 130;

static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// Whether the run has been asked to end.
pub fn is_asked() -> bool {
    IS_ASKED.load(Ordering::SeqCst)
}

/// From now on a signal ends all processes that this one has started. Whatever waits for them then fails, and the
/// run comes to its end by its ordinary ways, temporary files and all.
///
/// # Errors
/// If signals cannot be had.
pub fn on_signals() -> Result<(), Failed> {
    let mut wanted = vec![Signal::Int, Signal::Term];
    if !ignores_hangup(&fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        wanted.push(Signal::Hup);
    }
    let signals = Signals::new(wanted).map_err(io("signals"))?;
    thread::spawn(move || {
        if let Some(Ok(signal)) = futures_lite::stream::block_on(signals).next() {
            eprintln!("{signal:?} came");
            IS_ASKED.store(true, Ordering::SeqCst);
            let asked = Instant::now();
            while asked.elapsed() < PATIENCE {
                kill_children();
                thread::sleep(Duration::from_millis(20));
            }
            exit(INTERRUPTED.into());
        }
    });
    Ok(())
}

/// Ends the children of this process, those that may be starting just now by the next call.
fn kill_children() {
    let this = getpid().as_raw_nonzero().get();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for name in processes.map(|entry| entry.file_name()) {
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
        if parent(&stat) == Some(this) {
            // It may have ended by itself.
            let _gone = kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Whether SIGHUP, the first of the signals, is ignored.
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// The parent in `/proc/PID/stat`: the second word behind the name.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen() {
        assert!(ignores_hangup("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent("77 (a) b (c) S 12 77 77 0"), Some(12));
        assert_eq!(parent("77 (a"), None);
    }
}
