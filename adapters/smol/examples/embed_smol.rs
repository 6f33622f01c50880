//! A smol program that is reachable at a plugboard, wherever it runs.
//!
//! `TELEPHONE_TOKEN=$(plugboard token …) cargo run --example embed_smol`; see `option` below for more.

use telephone_smol::http::{Request, Response};
use telephone_smol::{BoxError, Incoming, Telephone};

fn main() -> Result<(), BoxError> {
    let telephone = Telephone::builder()
        .url(&option("PLUGBOARD_URL", "ws://127.0.0.1:4000"))
        .mount(&option("MOUNT_PATH", "/hello"))
        .token(std::env::var("TELEPHONE_TOKEN")?)
        .serve_fn(async |request: Request<Incoming>| {
            Response::new(format!("Hello from smol, {}\n", request.uri()))
        });
    smol::block_on(telephone)?;
    Ok(())
}

fn option(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
