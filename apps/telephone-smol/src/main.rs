//! The sidecar on smol.

fn main() -> std::process::ExitCode {
    telephone_sidecar_smol::main()
}
