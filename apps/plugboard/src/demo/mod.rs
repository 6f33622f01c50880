//! `plugboard demo`: a relay, a sidecar and a sample application in one process, on loopback.

pub mod backend;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures_lite::StreamExt;
use telephone_sidecar::{Exit, Stop};
use telephone_tokio::{TokioRuntime, stop_signals};

use crate::loopback::Loopback;
use crate::serve;

/// Where the demo is shown if nobody says otherwise.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);

/// The room in which the sample application is.
const ROOM: &str = "demo";

/// Shows the demo at `address`, or where there is room, until it is told to stop.
///
/// # Errors
/// Nothing could be started.
pub async fn run(address: Option<SocketAddr>) -> Result<Exit, Stop> {
    let runtime = TokioRuntime::new();
    let mut signals = Box::pin(stop_signals().map_err(|error| Stop::new(Exit::Failed, error))?);
    let room = format!("room:{ROOM}").parse().map_err(|error| Stop::new(Exit::Failed, error))?;
    let path = Loopback::start(runtime, listen(runtime, address)?, backend::routes(), Some(room)).await?;
    let public = path.public();
    path.during(async {
        show(public);
        signals.next().await;
        // A demo has nothing in flight that is worth waiting for.
        Ok(Exit::Clean)
    })
    .await
}

/// The address that was asked for, or else the usual one, or else any.
fn listen(runtime: TokioRuntime, address: Option<SocketAddr>) -> Result<telephone_tokio::Listener, Stop> {
    match address {
        Some(address) => serve::bind(runtime, "--listen", address),
        None => serve::bind(runtime, "--listen", ADDRESS)
            .or_else(|_| serve::bind(runtime, "--listen", SocketAddr::new(ADDRESS.ip(), 0))),
    }
}

/// Prints where to look.
fn show(public: SocketAddr) {
    let text = format!(
        "Open http://{public}/ in a browser, or try: curl -d hello http://{public}/echo\n\
         Clients of the room {ROOM} reach the same application: ws://{public}/client/ws?room={ROOM}\n\
         Ctrl-C ends the demo.\n"
    );
    // That nobody reads it is no error.
    let _ = io::stdout().write_all(text.as_bytes());
}
