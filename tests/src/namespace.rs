//! A network of a test's own, with its own loopback and its own settings of the kernel.

use std::process::Command;

use crate::gate;

/// Tells the test inside that it is inside.
const INSIDE: &str = "E2E_NAMESPACE";

/// Whether this is a network namespace that was made for the test `name`. If not, runs that test of this program again in
/// one while no other test runs, with `setting` (a file below `/proc/sys/net` and what is written there), and returns when
/// it has passed.
///
/// # Panics
/// If it fails there.
pub fn is_inside(name: &str, setting: (&str, &str)) -> bool {
    if std::env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        return true;
    }
    let _turn = gate::alone();
    let (file, value) = setting;
    let prepare = format!("ip link set lo up && echo {value} > /proc/sys/net/{file} && exec \"$@\"");
    let program = std::env::current_exe().expect("the test's own program");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", &prepare, "sh"])
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
