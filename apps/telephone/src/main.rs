//! The sidecar on tokio.

fn main() -> std::process::ExitCode {
    telephone_sidecar_tokio::main()
}
