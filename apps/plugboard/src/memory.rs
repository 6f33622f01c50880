//! Whether the process is about to use up its memory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use telephone_core::connections::is_short;
use telephone_driver::{Plugboard, Runtime};
use telephone_tokio::TokioRuntime;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Where control groups are mounted. (cgroups(7))
const GROUPS: &str = "/sys/fs/cgroup";

/// What may be in use: `asked`, or what the control group may use if that is less; nothing where neither bounds it.
pub(crate) fn limit(asked: u64) -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(Path::new(GROUPS), &groups).map_or(asked, |limit| limit.min(asked));
    (limit != u64::MAX).then_some(limit)
}

/// Tells the relay while over 80 % of `limit` are in use. Returns at once without one.
pub(crate) async fn watch(runtime: TokioRuntime, relay: Plugboard<TokioRuntime>, limit: Option<u64>) {
    let Some(limit) = limit else { return };
    let mut was_short = false;
    while let Some(used) = fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status)) {
        let now_short = is_short(used, limit);
        if now_short && !was_short {
            tracing::warn!(used, limit, "memory runs short: slow exchanges are ended");
        }
        was_short = now_short;
        relay.set_memory_short(now_short);
        runtime.sleep_until(runtime.now() + LOOK_INTERVAL).await;
    }
}

/// The least bound of the control groups that these memberships name and of those above them. (cgroups(7))
fn group_limit(root: &Path, memberships: &str) -> Option<u64> {
    memberships
        .lines()
        .filter_map(|line| line.split_once(':')?.1.split_once(':'))
        .flat_map(limits_of(root))
        .min()
}

/// The bounds on the way from a group, with its controllers, to the root.
fn limits_of(root: &Path) -> impl Fn((&str, &str)) -> Vec<u64> {
    move |(controllers, path)| {
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let groups = Path::new(path.trim_start_matches('/')).ancestors();
        let limit = |group: &Path| fs::read_to_string(root.join(group).join(file)).ok()?.trim().parse().ok();
        groups.filter_map(limit).collect()
    }
}

/// Bytes of memory in use. (`VmRSS` of proc_pid_status(5))
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_tightest_group_of_either_version_bounds_the_process() {
        let scratch = Scratch::path_only();
        let put = |path: &str, text: &str| {
            let file = scratch.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        put("a/memory.max", "3000\n");
        put("a/b/memory.max", "max\n");
        put("c/memory.max", "9\n");
        put("memory/d/memory.limit_in_bytes", "2000\n");
        let limit = |text| group_limit(scratch.path(), text);
        assert_eq!(limit("0::/a/b\n"), Some(3000));
        assert_eq!(limit("0::/elsewhere\n"), None);
        assert_eq!(limit("9:cpu,memory:/d\n3:cpuset:/c\n0::/a\n"), Some(2000));
        assert_eq!(limit(""), None);
    }

    #[test]
    fn what_is_in_use_is_read_of_the_status() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nVmData:\t 9 kB\n"), Some(1234 * 1024));
        assert_eq!(resident("Name:\tx\n"), None);
        #[cfg(target_os = "linux")]
        assert!(resident(&fs::read_to_string("/proc/self/status").unwrap()).unwrap() > 1024 * 1024);
    }
}
