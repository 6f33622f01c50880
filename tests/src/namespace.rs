//! A network of a test's own, with its own loopback and its own settings of the kernel.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use crate::gate;
use crate::process::Plan;

/// Tells the test inside that it is inside.
const INSIDE: &str = "E2E_NAMESPACE";

/// Whether this is a network namespace that was made for the test `name`. If not, runs that test of this program again in
/// one while no other test runs, with `setting` (a file below `/proc/sys/net` and what is written there), and returns when
/// it has passed.
///
/// # Panics
/// If it fails there.
pub fn is_inside(name: &str, (file, value): (&str, &str)) -> bool {
    is_inside_prepared(name, &format!("echo {value} > /proc/sys/net/{file}"))
}

/// Likewise for a namespace, of the network and of mounts, that these commands of the shell prepare. They have root's rights
/// in it, and so has the test.
///
/// # Panics
/// If the test fails there.
pub fn is_inside_prepared(name: &str, commands: &str) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        return true;
    }
    let _turn = gate::alone();
    let prepare = format!("ip link set lo up && {commands} && exec \"$@\"");
    let program = std::env::current_exe().expect("the test's own program");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "--mount", "sh", "-c", &prepare, "sh"])
        .arg(program)
        .args([name, "--exact", "--nocapture", "--test-threads", "1"])
        .env(INSIDE, name)
        .output()
        .expect("unshare can be started");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    // A name that no test has would pass, too.
    let is_proved = output.status.success() && said.contains("1 passed");
    assert!(is_proved, "{name} failed in its namespace: {said}{complained}");
    false
}

/// Runs these commands of the shell, such as those that change the addresses of a namespace.
///
/// # Panics
/// If one of them fails.
pub fn run(commands: &str) {
    let finished = Plan::new("sh").args(["-c", commands]).finish();
    assert_eq!(finished.code, Some(0), "{commands}: {}", finished.stderr);
}

/// Runs `program` on a machine whose name server never answers, for half a minute at the least; `directory` is the test's.
///
/// # Panics
/// If the directory cannot be written to.
pub fn without_names(program: &Path, directory: &Path) -> Plan {
    // What is sent there comes back by the loopback and belongs to nobody.
    const PREPARE: &str = "ip link set lo up && ip route add 192.0.2.0/24 dev lo && mount --bind \"$1\" /etc/resolv.conf && \
                           shift && exec \"$@\"";
    let servers = directory.join("resolv.conf");
    fs::write(&servers, "nameserver 192.0.2.1\n").expect("a directory of the test's own");
    let plan = Plan::new("unshare").args(["--map-root-user", "--net", "--mount", "sh", "-c", PREPARE, "sh"]);
    plan.arg(servers).arg(program).env("RES_OPTIONS", "timeout:30 attempts:1")
}

/// The address at which the test in its namespace is reached from behind an [uplink].
pub const SITE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Gives the test's namespace the address [`SITE`].
///
/// # Panics
/// If the test has no namespace of its own, or the address already.
pub fn prepare_site() {
    let finished = Plan::new("ip").args(["addr", "add", "10.9.0.1/32", "dev", "lo"]).finish();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

/// Runs `program` in a network of its own, which reaches [`SITE`] by an uplink of so many kbit/s with the short queue of a
/// home router: 50 ms beside a burst of 5 KB. What comes down to it is not slowed.
pub fn uplink(kbits: u32, program: &Path) -> Plan {
    // The far end of the uplink before this one may outlive its network for a moment.
    const PREPARE: &str = "ip link set lo up && tries=0 && \
                           until ip link add near type veth peer name far netns \"$1\"; do \
                           tries=$((tries + 1)); [ $tries -lt 100 ] || exit 1; sleep 0.1; done && \
                           nsenter -t \"$1\" -n sh -c 'ip addr add 10.9.0.3/24 dev far && ip link set far up' && \
                           ip addr add 10.9.0.2/24 dev near && ip link set near up && \
                           tc qdisc add dev near root tbf rate \"$2\" burst 5k latency 50ms && shift 2 && exec \"$@\"";
    let (pid, rate) = (std::process::id().to_string(), format!("{kbits}kbit"));
    Plan::new("unshare").args(["--net", "sh", "-c", PREPARE, "sh", &pid, &rate]).arg(program)
}
