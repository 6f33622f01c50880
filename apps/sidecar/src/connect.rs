//! `telephone connect`: a local port, or standard input and output, joined to what another telephone serves.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use blocking::Unblock;
use clap::Args;
use futures_lite::io::{AsyncRead, AsyncWrite};
use futures_lite::{Stream, StreamExt as _, future};
use telephone_core::log_limit::{Due, LineKind, LineSource};
use telephone_driver::{
    Handle, Listener as _, Log, ReadSocket, Runtime, Socket, Telephone, TelephoneBuilder, WhenFull,
    WriteSocket, accept_loop,
};

use crate::exit::Exit;
use crate::line::{LineOptions, LineSettings};
use crate::listen::cannot_listen;
use crate::run::{Built, exit_of, reload, until_stopped};
use crate::signals::Signal;
use crate::usage::{Stop, Usage};
use crate::values;

/// How long a connection waits for a session with a plugboard.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that are read ahead of standard input, and behind standard output.
const STDIO_BYTES: usize = 64 * 1024;

pub(crate) const CONNECT_EXAMPLES: &str = "\
Examples:
  A database that another telephone serves with --tcp db:5432=127.0.0.1:5432, on a port of this machine:
    telephone connect --plugboard wss://example.com --to db:5432 --listen 127.0.0.1:5432 --token-file token

  A shell on a machine that serves --tcp box:22=127.0.0.1:22:
    ssh -o ProxyCommand='telephone connect --plugboard wss://example.com --to box:22 --stdio --token-file token' box

The token comes from `(umask 077; plugboard token --connect db:5432 > token)`; a file or TELEPHONE_TOKEN keeps it off command lines.";

/// The options of `connect`.
#[derive(Debug, Args)]
pub(crate) struct ConnectOptions {
    #[command(flatten)]
    line: LineOptions,

    /// What to reach: the NAME:PORT, or the PORT alone, that another telephone serves with --tcp
    #[arg(long, value_name = "NAME:PORT", value_parser = values::endpoint)]
    to: String,

    /// Where to listen: each connection goes to the endpoint
    #[arg(long, value_name = "ADDR", value_parser = values::listen_address)]
    listen: Option<SocketAddr>,

    /// Join the endpoint to standard input and output, as ssh's ProxyCommand wants it
    #[arg(long)]
    stdio: bool,
}

/// What is joined to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Each connection to this address.
    Listen(SocketAddr),
    /// Standard input and output.
    Stdio,
}

/// What `connect` is to do. Every value has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectSettings {
    /// How plugboards are reached, and as whom.
    pub line: LineSettings,
    /// The endpoint's mount.
    pub to: String,
    /// What is joined to it.
    pub side: Side,
}

impl ConnectSettings {
    pub(crate) fn new(options: ConnectOptions) -> Result<Self, Usage> {
        let side = match (options.listen, options.stdio) {
            (Some(address), false) => Side::Listen(address),
            (None, true) => Side::Stdio,
            (Some(_), true) => {
                return Err(Usage::new("--listen", "it contradicts --stdio; give one of the two"));
            }
            (None, false) => return Err(Usage::new("--listen ADDR", "it is missing; give it or --stdio")),
        };
        Ok(Self { line: LineSettings::new(options.line)?, to: options.to, side })
    }
}

/// Joins as `settings` say until a signal, the end of standard input and output, or until there is no use in going on.
pub(crate) async fn run<R: Runtime>(
    runtime: R,
    build: fn(TelephoneBuilder<R>, R) -> Built<R>,
    settings: ConnectSettings,
    signals: impl Stream<Item = Signal>,
) -> Result<Exit, Stop> {
    let ConnectSettings { line, to, side } = settings;
    let token = line.token.clone();
    let telephone = line.describe(Telephone::builder())?;
    let telephone = build(telephone, runtime.clone()).map_err(|why| Stop::new(Exit::Usage, why))?;
    let handle = telephone.handle();
    let mut joined = Ok(());
    let joining = async {
        joined = match side {
            Side::Listen(address) => listen(&runtime, &handle, address, &to).await,
            Side::Stdio => stdio(&runtime, &handle, &to).await,
        };
        // What was said last is still on its way, and so is the word that this end leaves.
        handle.shutdown();
        future::pending().await
    };
    let serving = async { exit_of(telephone.run().await) };
    let stops = signals.filter_map(|signal| match (signal, side) {
        (Signal::Stop, _) => Some(()),
        (Signal::Reload { was_ignored: true }, Side::Stdio) => None,
        // So ssh ends its ProxyCommand.
        (Signal::Reload { was_ignored: false }, Side::Stdio) => Some(()),
        (Signal::Reload { .. }, Side::Listen(_)) => {
            reload(&handle, &token);
            None
        }
    });
    let exit = future::or(serving, future::or(joining, until_stopped(&handle, stops))).await;
    joined.map(|()| exit)
}

/// Joins each connection to `address`, until the telephone is told to stop.
async fn listen<R: Runtime>(runtime: &R, handle: &Handle, address: SocketAddr, to: &str) -> Result<(), Stop> {
    let refused = |error| cannot_listen("--listen", address, &error);
    let listener = runtime.bind(address).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    tracing::info!("listening on {address} for {to}");
    let log = Arc::<Log>::default();
    let on_socket = |socket: R::Socket, peer: SocketAddr| {
        let (joining, handle, to) = (runtime.clone(), handle.clone(), to.to_owned());
        let log = Arc::clone(&log);
        runtime.spawn(async move {
            if let Err(error) = join(&joining, &handle, socket, &to).await {
                let due = log.line(LineKind::ConnectFailed, LineSource::Process, joining.now());
                if let Some(Due { suppressed, .. }) = due {
                    tracing::warn!(%peer, suppressed, "{to}: {error}");
                }
            }
        });
    };
    accept_loop(runtime, listener, WhenFull::Shed, on_socket, handle.stopping()).await;
    Ok(())
}

/// Joins standard input and output.
async fn stdio<R: Runtime>(runtime: &R, handle: &Handle, to: &str) -> Result<(), Stop> {
    let failed = |error| Stop::new(Exit::Failed, format!("--to {to}: {error}"));
    let socket = Stdio::open().map_err(failed)?;
    join(runtime, handle, socket, to).await.map_err(failed)
}

/// Joins one connection.
async fn join<R: Runtime, S: Socket>(runtime: &R, handle: &Handle, socket: S, to: &str) -> io::Result<()> {
    let connected = async {
        handle.connected().await;
        true
    };
    let late = async {
        runtime.sleep_until(runtime.now() + PATIENCE).await;
        false
    };
    if !future::or(connected, late).await {
        socket.reset_on_drop();
        let last = handle.status().lines.into_iter().find_map(|line| line.last_error).unwrap_or_default();
        let why = format!("no session with a plugboard within {} s: {last}", PATIENCE.as_secs());
        return Err(io::Error::new(io::ErrorKind::TimedOut, why));
    }
    match handle.connect(to) {
        Ok(stream) => stream.carry(runtime, socket).await,
        Err(error) => {
            socket.reset_on_drop();
            Err(io::Error::other(error))
        }
    }
}

/// Standard input and output as one socket. A thread of its own waits for each.
struct Stdio {
    input: Unblock<File>,
    output: Unblock<File>,
}

impl Stdio {
    fn open() -> io::Result<Self> {
        // Not through the standard library's own, which waits for line ends.
        let file = |fd: &dyn AsFd| {
            let owned = fd.as_fd().try_clone_to_owned()?;
            Ok::<_, io::Error>(Unblock::with_capacity(STDIO_BYTES, File::from(owned)))
        };
        Ok(Self { input: file(&io::stdin())?, output: file(&io::stdout())? })
    }
}

impl ReadSocket for Stdio {}

impl WriteSocket for Stdio {}

impl Socket for Stdio {
    fn tune_for_link(&self) {}

    fn reset_on_drop(&self) {}
}

impl AsyncRead for Stdio {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.output).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(cx)
    }

    /// The reader of standard output sees its end, also while this process still reads standard input.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.output).poll_close(cx))?;
        rustix::stdio::dup2_stdout(File::open("/dev/null")?)?;
        Poll::Ready(Ok(()))
    }
}
