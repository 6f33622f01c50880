//! The program as its users meet it.

const PROGRAM: &str = env!("CARGO_BIN_EXE_telephone");

#[path = "../../sidecar/testing/program.rs"]
mod program;
