//! The programs under test: where they are, and that they are fresh.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

static READY: OnceLock<PathBuf> = OnceLock::new();

/// Has [`path`] tell programs that are in `directory` already, and build nothing. Only the first call counts.
pub fn use_those_in(directory: PathBuf) {
    let _ = READY.set(directory);
}

/// The path of the program `name`, built from the present sources.
///
/// The first call in a process builds all programs with the profile of the caller itself. cargo's own lock and
/// fingerprints make that right between parallel test processes, and cheap when nothing has changed.
///
/// # Panics
/// If the programs do not build.
pub fn path(name: &str) -> PathBuf {
    static BUILT: Built = OnceLock::new();
    if let Some(ready) = READY.get() {
        return ready.join(name);
    }
    ensure(&BUILT, "--bins");
    directory().join(name)
}

/// The path of the example `name`, built likewise.
///
/// # Panics
/// If the examples do not build.
pub fn example(name: &str) -> PathBuf {
    static BUILT: Built = OnceLock::new();
    ensure(&BUILT, "--examples");
    directory().join("examples").join(name)
}

/// Where the programs lie: `target/<profile>`. A test's executable is in `deps` there, a program's beside them.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let this = std::env::current_exe().expect("the path of this program");
        let beside = this.parent().expect("target/<profile>, or deps in it");
        let profile = if beside.ends_with("deps") { beside.parent() } else { Some(beside) };
        profile.expect("target/<profile>").to_path_buf()
    })
}

/// The cargo profile that this program was built with.
pub fn profile() -> String {
    let name = directory().file_name().expect("target/<profile>").to_string_lossy().into_owned();
    if name == "debug" { "dev".to_owned() } else { name }
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// What came of one build. A failure is kept too: one attempt tells it all.
type Built = OnceLock<Result<(), String>>;

fn ensure(built: &Built, targets: &str) {
    if let Err(said) = built.get_or_init(|| build(targets)) {
        panic!("the programs do not build:\n{said}");
    }
}

fn build(targets: &str) -> Result<(), String> {
    let target = directory().parent().expect("target");
    let mut cargo = cargo_build(target);
    cargo.args(["--workspace", targets, "--profile", &profile()]);
    finish(cargo)
}

/// `telephone` with a bug planted into the core, `cfg!(planted = "name")`: without TLS and unoptimised, and so soon built. It lies where no other build does.
///
/// # Panics
/// If it does not build.
pub fn planted(name: &str) -> PathBuf {
    let target = directory().parent().expect("target").join("planted").join("programs").join(name);
    std::fs::create_dir_all(&target).expect("room for a build");
    // The cfg reaches the crates of this workspace alone, so that dependencies are built once.
    let wrapper = target.join("rustc");
    let script = format!("#!/bin/sh\nrustc=$1\nshift\nexec \"$rustc\" \"$@\" --cfg 'planted=\"{name}\"'\n");
    if std::fs::read_to_string(&wrapper).ok().as_ref() != Some(&script) {
        std::fs::write(&wrapper, script).expect("room for a build");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&wrapper, executable).expect("a file of our own");
    }
    let mut cargo = cargo_build(&target);
    cargo.args(["--package", "telephone-cli", "--no-default-features", "--features", "replay"]);
    cargo.env("RUSTC_WORKSPACE_WRAPPER", wrapper).env("CARGO_PROFILE_DEV_DEBUG", "none");
    if let Err(said) = finish(cargo) {
        panic!("telephone does not build:\n{said}");
    }
    target.join("debug").join("telephone")
}

fn cargo_build(target: &Path) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells a test of its package is news to build scripts (ring's): they would run again each time.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    cargo.arg("build").arg("--target-dir").arg(target).current_dir(workspace());
    cargo
}

fn finish(mut cargo: Command) -> Result<(), String> {
    let output = cargo.output().expect("cargo runs");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
