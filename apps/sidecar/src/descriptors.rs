//! How many descriptors the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open descriptors to the hard one and returns the limit that holds from now on. Shells and
/// service managers commonly set 1,024 as the soft limit, for programs that use select(2), which none of ours does.
///
/// Where the system refuses (macOS has a bound of its own below an unlimited hard limit), the soft limit stays as it was.
/// `u64::MAX` is no limit.
pub fn raise_descriptor_limit() -> u64 {
    let limits = getrlimit(Resource::Nofile);
    // What holds afterwards is read, so the result is needed for nothing.
    let _raised = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let before = getrlimit(Resource::Nofile);
        let lowered = before.maximum.map_or(512, |most| most / 2);
        setrlimit(Resource::Nofile, Rlimit { current: Some(lowered), ..before }).unwrap();
        assert_eq!(raise_descriptor_limit(), before.maximum.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: before.maximum, ..before });
    }
}
