//! Holds many telephones at a plugboard until it is ended: see `telephone_scale::telephones`.

use std::process::ExitCode;

use clap::Parser as _;
use telephone_scale::telephones::{Order, hold};

fn main() -> ExitCode {
    let Err(error) = hold(&Order::parse());
    eprintln!("scale-crowd: {error}");
    ExitCode::FAILURE
}
