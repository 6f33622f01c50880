//! What a signal asks of a program.

use std::fs::{self, File};

use futures_lite::{Stream, StreamExt, stream};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT, or the SIGHUP of a terminal that closed: an end.
    Stop,
    /// Any other SIGHUP: the files are to be read again.
    Reload {
        /// Whether SIGHUP was ignored at the start, as nohup has it: then it ends nothing.
        was_ignored: bool,
    },
}

/// The terminal that a process was started from, which decides what SIGHUP means.
///
/// The kernel and the shell send SIGHUP when a terminal closes, `systemctl reload`, logrotate and people when files have
/// changed. Nothing in the signal tells them apart, but the terminal does: once it has closed, the process has none.
#[derive(Debug)]
pub struct Terminal {
    /// Whether there was one at the start and SIGHUP was not ignored, as nohup has it: the program is to outlive its terminal then.
    is_decisive: bool,
    was_hangup_ignored: bool,
}

impl Terminal {
    /// Looks at the terminal of this process. To be called before a handler of SIGHUP is installed.
    #[must_use]
    pub fn at_start() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let was_hangup_ignored = ignores_hangup(&status);
        Self { is_decisive: has_terminal() && !was_hangup_ignored, was_hangup_ignored }
    }
}

/// Signals out of the requests to stop and of SIGHUP, for a process that was started from `terminal`.
pub fn signals(
    terminal: Terminal,
    stops: impl Stream<Item = ()>,
    hangups: impl Stream<Item = ()>,
) -> impl Stream<Item = Signal> {
    let mut is_closed = false;
    let hangups = hangups.filter_map(move |()| {
        let had_closed = is_closed;
        is_closed |= terminal.is_decisive && !has_terminal();
        match (had_closed, is_closed) {
            // The shell sends another one beside the kernel's. The second request would be to stop at once.
            (true, _) => None,
            (false, true) => Some(Signal::Stop),
            (false, false) => Some(Signal::Reload { was_ignored: terminal.was_hangup_ignored }),
        }
    });
    stream::or(stops.map(|()| Signal::Stop), hangups)
}

/// The requests to stop among `signals`. At each other one `reload` runs.
pub fn stops(signals: impl Stream<Item = Signal>, mut reload: impl FnMut()) -> impl Stream<Item = ()> {
    signals.filter_map(move |signal| match signal {
        Signal::Stop => Some(()),
        Signal::Reload { .. } => {
            reload();
            None
        }
    })
}

/// Whether this process has a controlling terminal now. One that was hung up cannot be opened (ENXIO, EIO).
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether SIGHUP, the first of the signals, is ignored, by `/proc/self/status`.
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
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
    fn without_a_terminal_at_the_start_each_hangup_reads_again_and_stops_nothing() {
        for was_ignored in [false, true] {
            let terminal = Terminal { is_decisive: false, was_hangup_ignored: was_ignored };
            let signals = signals(terminal, stream::empty(), stream::repeat(()).take(3));
            let signals: Vec<Signal> = stream::block_on(signals).collect();
            assert_eq!(signals, [Signal::Reload { was_ignored }; 3]);
        }
    }
}
