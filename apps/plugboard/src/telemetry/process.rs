//! What every process tells of itself, under the names that Prometheus' client libraries agree about.

use std::fmt::Write as _;
use std::fs;

/// Ticks a second of the times in `/proc`: Linux gives all programs 100. (`USER_HZ` of time(7))
const TICKS: f64 = 100.0;
/// Bytes of a page, as the kernel counts `rss`: told by `/proc/self/status` instead, which needs none.
const KIB: u64 = 1024;

/// The numbers of this process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Process {
    cpu_seconds: Option<f64>,
    /// Since 1970.
    start_time: Option<f64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    threads: Option<u64>,
    open_fds: Option<u64>,
    max_fds: Option<u64>,
}

impl Process {
    /// As the kernel tells them now. What it does not tell is missing.
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        // The list itself is read through one.
        let open_fds =
            fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1));
        let [stat, status, limits, system] =
            ["/proc/self/stat", "/proc/self/status", "/proc/self/limits", "/proc/stat"].map(text);
        Self { open_fds, ..Self::of(&stat, &status, &limits, &system) }
    }

    /// From the texts of proc_pid_stat(5), proc_pid_status(5), proc_pid_limits(5) and proc_stat(5).
    fn of(stat: &str, status: &str, limits: &str, system: &str) -> Self {
        // The name of the program may hold anything, a parenthesis too.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // The first of these is the third of the file.
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let line = |text: &str, name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name))?;
            value.split_whitespace().next()?.parse::<u64>().ok()
        };
        let booted = line(system, "btime ");
        Self {
            cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, system)| (user + system) / TICKS),
            start_time: booted.zip(ticks(22)).map(|(booted, since)| booted as f64 + since / TICKS),
            resident_bytes: line(status, "VmRSS:").map(|size| size * KIB),
            virtual_bytes: line(status, "VmSize:").map(|size| size * KIB),
            threads: line(status, "Threads:"),
            open_fds: None,
            max_fds: line(limits, "Max open files"),
        }
    }

    /// In the text format of Prometheus.
    pub(super) fn write(&self, out: &mut String) {
        let count = |value: Option<u64>| value.map(|value| value as f64);
        let rows = [
            ("process_cpu_seconds_total", "counter", "User and system time", self.cpu_seconds),
            ("process_start_time_seconds", "gauge", "Start of the process, since 1970", self.start_time),
            ("process_resident_memory_bytes", "gauge", "Memory in use", count(self.resident_bytes)),
            ("process_virtual_memory_bytes", "gauge", "Address space", count(self.virtual_bytes)),
            ("process_threads", "gauge", "Threads", count(self.threads)),
            ("process_open_fds", "gauge", "Open descriptors", count(self.open_fds)),
            ("process_max_fds", "gauge", "Descriptors that may be open at once", count(self.max_fds)),
        ];
        for (name, kind, help, value) in rows {
            if let Some(value) = value {
                // A string takes everything.
                let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 12345 1000 200 18446744073709551615";

    #[test]
    fn the_kernels_words_are_read_as_numbers() {
        let status = "Name:\tx\nVmSize:\t   2048 kB\nVmRSS:\t    1234 kB\nThreads:\t4\n";
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        let process = Process::of(STAT, status, limits, "cpu  1 2 3\nbtime 1700000000\n");
        let expected = Process {
            cpu_seconds: Some(3.0),
            start_time: Some(1_700_000_123.45),
            resident_bytes: Some(1234 * 1024),
            virtual_bytes: Some(2048 * 1024),
            threads: Some(4),
            open_fds: None,
            max_fds: Some(1024),
        };
        assert_eq!(process, expected);
        assert_eq!(Process::of("", "", "Max open files unlimited", ""), Process::default());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_there() {
        let process = Process::read();
        assert!(process.start_time.is_some_and(|start| start > 1.7e9), "{process:?}");
        assert!(process.resident_bytes > Some(1 << 20) && process.open_fds > Some(2), "{process:?}");
        assert!(process.open_fds <= process.max_fds && process.threads > Some(0), "{process:?}");
    }
}
