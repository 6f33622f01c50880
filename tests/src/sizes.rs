//! How heavy the heavy tests are.

/// A mebibyte.
pub const MIB: u64 = 1024 * 1024;

/// Whether `E2E_FULL=1` asks for the sizes and durations that the release is judged by.
pub fn is_full() -> bool {
    std::env::var_os("E2E_FULL").is_some_and(|value| value == "1")
}

/// Tells whoever runs the tests with `--nocapture` what was measured.
pub fn figure(name: &str, value: impl std::fmt::Display) {
    println!("figure: {name}: {value}");
}

/// `full` with `E2E_FULL=1`, else `quick`.
pub fn pick<T>(quick: T, full: T) -> T {
    if is_full() { full } else { quick }
}

/// Octets of a big body: 1 GiB, the size that the project promises, or 64 MiB with unoptimised programs.
pub fn big_body() -> u64 {
    let is_unoptimised = crate::bins::profile() == "dev";
    if is_unoptimised && !is_full() { 64 * MIB } else { 1024 * MIB }
}
