//! An axum application that is reachable at a plugboard, wherever it runs.
//!
//! `TELEPHONE_TOKEN=$(plugboard token …) cargo run --example embed_axum`; see `option` below for more.

use axum::body::Body;
use axum::routing::{Router, get, post};
use telephone_tokio::{BoxError, Telephone};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let app = Router::new()
        .route("/", get(async || "Hello from axum\n"))
        .route("/echo", post(async |body: Body| body));
    Telephone::builder()
        .url(&option("PLUGBOARD_URL", "ws://127.0.0.1:4000"))
        .mount(&option("MOUNT_PATH", "/hello"))
        .token(std::env::var("TELEPHONE_TOKEN")?)
        .strip_prefix(true)
        .serve(app)
        .await?;
    Ok(())
}

fn option(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
