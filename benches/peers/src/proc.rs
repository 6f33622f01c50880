//! What `/proc` tells of a process: the CPU time that it took and the memory that it holds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;

use crate::failed::{Failed, io};

/// The CPU time that a process has taken so far, user and system together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuTime {
    /// That of the process, threads that have ended included, in the kernel's ticks of 10 ms.
    coarse: Duration,
    /// That of each thread that is there, in nanoseconds.
    threads: BTreeMap<u32, Duration>,
}

impl CpuTime {
    /// Reads it now.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn of(pid: Pid) -> Result<Self, Failed> {
        let directory = format!("/proc/{}", pid.as_raw_nonzero());
        let directory = Path::new(&directory);
        let ticks = ticks(&read(&directory.join("stat"))?)?;
        let coarse =
            Duration::from_secs(1).mul_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
        let mut threads = BTreeMap::new();
        let tasks = directory.join("task");
        for entry in fs::read_dir(&tasks).map_err(io(tasks.display().to_string()))?.flatten() {
            // A thread may end between the two looks.
            if let Ok(text) = fs::read_to_string(entry.path().join("schedstat"))
                && let Ok(thread) = entry.file_name().to_string_lossy().parse()
            {
                threads.insert(thread, on_cpu(&text)?);
            }
        }
        Ok(Self { coarse, threads })
    }

    /// What was taken since an earlier look: to the nanosecond, unless a thread has ended and took its account
    /// with it.
    pub fn since(&self, before: &Self) -> Duration {
        if before.threads.keys().all(|thread| self.threads.contains_key(thread)) {
            let sum = |time: &Self| time.threads.values().sum::<Duration>();
            sum(self).saturating_sub(sum(before))
        } else {
            self.coarse.saturating_sub(before.coarse)
        }
    }
}

/// Resident memory now, in KiB.
///
/// # Errors
/// If there is no such process.
pub fn resident_kib(pid: Pid) -> Result<u64, Failed> {
    resident(&read(Path::new(&format!("/proc/{}/status", pid.as_raw_nonzero())))?)
}

/// How often the machine has opened a TCP connection.
///
/// # Errors
/// If the kernel does not tell.
pub fn connections_opened() -> Result<u64, Failed> {
    active_opens(&read(Path::new("/proc/net/snmp"))?)
}

fn read(path: &Path) -> Result<String, Failed> {
    fs::read_to_string(path).map_err(io(path.display().to_string()))
}

/// User and system ticks of `/proc/PID/stat`: the 14th and 15th word (proc(5)), counted behind the name, which may
/// hold spaces and parentheses.
fn ticks(stat: &str) -> Result<u64, Failed> {
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' '));
    let mut times = fields.into_iter().flatten().skip(11).map(str::parse::<u64>);
    match (times.next(), times.next()) {
        (Some(Ok(user)), Some(Ok(system))) => Ok(user + system),
        _ => Err(strange("/proc/PID/stat", stat)),
    }
}

/// The first number of `schedstat`: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> Result<Duration, Failed> {
    let nanoseconds = schedstat.split(' ').next().and_then(|number| number.parse().ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| strange("schedstat", schedstat))
}

fn resident(status: &str) -> Result<u64, Failed> {
    let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = row.and_then(|row| row.split_whitespace().next()).and_then(|number| number.parse().ok());
    kib.ok_or_else(|| strange("/proc/PID/status", status))
}

/// `ActiveOpens` of the two rows of `Tcp:` in `/proc/net/snmp`: names, then values.
fn active_opens(snmp: &str) -> Result<u64, Failed> {
    let mut rows = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
    let mut pairs = names.split(' ').zip(values.split(' '));
    let found = pairs.find(|(name, _)| *name == "ActiveOpens").and_then(|(_, value)| value.parse().ok());
    found.ok_or_else(|| strange("/proc/net/snmp", snmp))
}

fn strange(what: &str, text: &str) -> Failed {
    Failed::Text { what: what.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(coarse: u64, threads: &[(u32, u64)]) -> CpuTime {
        let threads = threads.iter().map(|&(thread, millis)| (thread, Duration::from_millis(millis)));
        CpuTime { coarse: Duration::from_millis(coarse), threads: threads.collect() }
    }

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "77 (a) b (c) S 1 77 77 0 -1 4194560 130 0 0 0 21 34 0 0 20 0 1 0 5 1 2 3\n";
        assert_eq!(ticks(stat).expect("a stat line"), 55);
        assert!(ticks("77 (a) S 1").is_err());
    }

    #[test]
    fn the_rows_of_proc_are_read() {
        assert_eq!(on_cpu("1500 72167 1\n").expect("a schedstat"), Duration::from_nanos(1500));
        assert_eq!(resident("Name:\tx\nVmRSS:\t    5168 kB\n").expect("a status"), 5168);
        let snmp = "Ip: A\nIp: 1\nTcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 41 7\n";
        assert_eq!(active_opens(snmp).expect("two rows"), 41);
        assert!(active_opens("Tcp: RtoMin\n").is_err());
    }

    #[test]
    fn the_time_of_threads_is_summed_as_long_as_none_has_ended() {
        let before = time(100, &[(1, 60), (2, 41)]);
        assert_eq!(time(120, &[(1, 70), (2, 43), (3, 5)]).since(&before), Duration::from_millis(17));
        assert_eq!(time(120, &[(1, 70)]).since(&before), Duration::from_millis(20));
    }

    #[test]
    fn this_very_process_has_memory_and_takes_time() {
        let this = rustix::process::getpid();
        let before = CpuTime::of(this).expect("this process");
        assert!(resident_kib(this).expect("this process") > 100);
        while CpuTime::of(this).expect("this process").since(&before).is_zero() {}
    }
}
