//! An axum application that is reachable at a plugboard, wherever it runs. Ctrl-C and SIGTERM let what is in flight finish.
//!
//! `TELEPHONE_TOKEN=$(plugboard token …) cargo run --example embed_axum`; see `option` below for more.

use axum::body::Body;
use axum::routing::{Router, get, post};
use telephone_tokio::{BoxError, Telephone, TokioRuntime};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let app = Router::new()
        .route("/", get(async || "Hello from axum\n"))
        .route("/echo", post(async |body: Body| body));
    let telephone = Telephone::builder()
        .url(&option("PLUGBOARD_URL", "ws://127.0.0.1:4000"))
        .mount(&option("MOUNT_PATH", "/hello"))
        .token(std::env::var("TELEPHONE_TOKEN")?)
        .strip_prefix(true)
        .service(TokioRuntime::new(), app)?;
    // What happens, for the program itself; `tracing` has the same for the log.
    let mut events = telephone.handle().events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            println!("{event:?}");
        }
    });
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(telephone.run_until(stopped).await?)
}

fn option(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
