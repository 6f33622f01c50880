//! Whether the application answers.

use std::io;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use telephone_driver::{BackendConnector, BackendTrust, BackendUrl, Endpoint, Runtime};

use super::super::report::Findings;
use super::in_time_or_failed;
use crate::exit::Exit;
use crate::usage::Stop;

/// Asks the application for `/`.
///
/// # Errors
/// The roots for TLS cannot be loaded, or this program has no TLS.
pub(in super::super) async fn backend<R: Runtime>(
    runtime: &R,
    backend: &BackendUrl,
    trust: &BackendTrust,
) -> Result<Findings, Stop> {
    const STAGE: &str = "backend";
    let mut findings = Findings::default();
    let connector = BackendConnector::new(runtime.clone(), backend.clone(), trust)
        .map_err(|why| Stop::new(Exit::Usage, format!("--backend {backend}: {why}")))?;
    let asked = ask(&connector, backend.endpoint());
    match in_time_or_failed(runtime, asked).await {
        Ok(line) if line.starts_with("HTTP/1.") => {
            let status = line.get(9..).unwrap_or_default();
            let facts = format!("it answered {status} to GET /");
            if status.starts_with('5') {
                findings.warn(STAGE, facts, "It runs, and fails: see the application's log.");
            } else {
                findings.ok(STAGE, facts);
            }
        }
        Ok(_) => findings.fail(
            STAGE,
            "what answered speaks no HTTP".into(),
            "Give the port of the application's HTTP server; other protocols go through --tcp.",
        ),
        Err(error) => findings.fail(
            STAGE,
            error.to_string(),
            "Start the application, or correct --port, --backend or --backend-ca; in a container 127.0.0.1 is the container itself.",
        ),
    }
    Ok(findings)
}

/// The start of its answer, as far as the status.
async fn ask<R: Runtime>(connector: &BackendConnector<R>, endpoint: &Endpoint) -> io::Result<String> {
    let mut socket = connector.connect().await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", endpoint.authority());
    socket.write_all(request.as_bytes()).await?;
    socket.flush().await?;
    let mut line = Vec::new();
    // "HTTP/1.1 200"
    socket.take(12).read_to_end(&mut line).await?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}
