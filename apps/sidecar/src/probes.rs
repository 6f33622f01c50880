//! The health port: one request a connection, answered from the telephone's status.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use telephone_core::http1::{Closing, Server, ServerEvent};
use telephone_core::limits::HttpLimits;
use telephone_core::message::{Headers, RequestHead, ResponseHead};
use telephone_driver::{Runtime, WhenFull, accept_loop};

use crate::health::{self, Answer};
use crate::host_guard::HostGuard;

/// How long a probe may take in all: a slow one is no probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Probes at once. More are closed unanswered, so that the port cannot use up the descriptors.
const PROBES_MAX: usize = 64;

/// Answers probes for ever, each by its method and target with `page`.
pub(crate) async fn serve<R: Runtime>(
    runtime: R,
    listener: R::Listener,
    when_full: WhenFull,
    guard: HostGuard,
    page: impl Fn(&str, &str) -> Answer + Clone + Send + Sync + 'static,
) {
    let (open, guard) = (Arc::new(()), Arc::new(guard));
    let on_socket = |socket, _| {
        if Arc::strong_count(&open) > PROBES_MAX {
            return;
        }
        let (clock, page, open) = (runtime.clone(), page.clone(), Arc::clone(&open));
        let guard = Arc::clone(&guard);
        runtime.spawn(async move {
            let _open = open;
            let timeout = async {
                clock.sleep_until(clock.now() + PROBE_TIMEOUT).await;
                Err(io::ErrorKind::TimedOut.into())
            };
            if let Err(error) = future::or(converse(&clock, socket, &guard, page), timeout).await {
                tracing::debug!(%error, "a probe failed");
            }
        });
    };
    accept_loop(&runtime, listener, when_full, on_socket, future::pending()).await;
}

async fn converse<R: Runtime>(
    clock: &R,
    mut socket: R::Socket,
    guard: &HostGuard,
    page: impl Fn(&str, &str) -> Answer,
) -> io::Result<()> {
    let mut server = Server::new(HttpLimits::default(), clock.now());
    server.announce_close();
    let mut input = BytesMut::new();
    loop {
        while let Some(event) = server.poll_event(&mut input, clock.now()) {
            if let ServerEvent::Request { head, .. } = event {
                let answer = answer(&head, guard, &page);
                respond(&mut server, &head, answer);
            }
        }
        let waiting = server.output().remaining();
        let output = server.output().copy_to_bytes(waiting);
        socket.write_all(&output).await?;
        if server.closing() != Closing::Open {
            return socket.close().await;
        }
        let mut piece = [0; 1024];
        match socket.read(&mut piece).await? {
            0 => server.handle_eof(),
            count => input.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
}

fn answer(request: &RequestHead, guard: &HostGuard, page: impl Fn(&str, &str) -> Answer) -> Answer {
    if !guard.admits(request.headers.all("host").map(AsRef::as_ref)) {
        return health::foreign_host();
    }
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    page(&text(&request.method), &text(&request.target))
}

fn respond(server: &mut Server, request: &RequestHead, answer: Answer) {
    let Answer { status, content_type, body } = answer;
    let mut headers = Headers::new();
    headers.push("Content-Type", content_type);
    headers.push("Cache-Control", "no-store");
    let head = ResponseHead {
        status,
        reason: Default::default(),
        headers,
        length: Some(body.len() as u64),
        upgrade: None,
    };
    let is_head = request.method == "HEAD";
    // Every field is ours and sound.
    if server.respond(&head, is_head).is_ok() && !is_head {
        server.write(body.into());
        server.end(&Headers::new());
    }
}
