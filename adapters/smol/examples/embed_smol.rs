//! A smol program that is reachable at a plugboard, wherever it runs. Ctrl-C and SIGTERM let what is in flight finish.
//!
//! `TELEPHONE_TOKEN=$(plugboard token …) cargo run --example embed_smol`; see `option` below for more.

use async_signal::{Signal, Signals};
use smol::stream::StreamExt as _;
use telephone_smol::http::{Request, Response};
use telephone_smol::{BoxError, Incoming, SmolRuntime, Telephone};

fn main() -> Result<(), BoxError> {
    let telephone = Telephone::builder()
        .url(&option("PLUGBOARD_URL", "ws://127.0.0.1:4000"))
        .mount(&option("MOUNT_PATH", "/hello"))
        .token(std::env::var("TELEPHONE_TOKEN")?)
        .service_fn(SmolRuntime::default(), async |request: Request<Incoming>| {
            Response::new(format!("Hello from smol, {}\n", request.uri()))
        })?;
    let mut signals = Signals::new([Signal::Term, Signal::Int])?;
    let stopped = async move {
        signals.next().await;
    };
    Ok(smol::block_on(telephone.run_until(stopped))?)
}

fn option(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
