//! The ports that telephones ask for: each is open while a session holds its mount.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use telephone_core::connections::Activity;
use telephone_core::log_limit::{LineKind, LineSource};
use telephone_core::mount::Mount;

use super::connections::Permit;
use super::{Inner, raw};
use crate::accept::{WhenFull, accept_loop};
use crate::runtime::Runtime;

/// Which ports a relay opens for telephones that ask for them and whose tokens claim them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpPorts {
    /// Where they listen.
    pub address: IpAddr,
    /// Their numbers.
    pub ports: RangeInclusive<u16>,
    /// Whether the relay that takes over may have them open at the same time.
    pub are_shared: bool,
}

impl TcpPorts {
    fn bind<R: Runtime>(&self, runtime: &R, port: u16) -> io::Result<R::Listener> {
        let address = SocketAddr::new(self.address, port);
        if self.are_shared { runtime.bind_shared(address) } else { runtime.bind(address) }
    }
}

/// Why a port is not opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum PortError {
    /// The operator offers no ports.
    #[error("the plugboard opens no TCP ports: its operator can offer some with --tcp-ports")]
    NoneOffered,
    /// Others, but not this one.
    #[error("the plugboard does not open the port {port}: it offers {} to {}", .offered.start(), .offered.end())]
    NotOffered { port: u16, offered: RangeInclusive<u16> },
    /// It cannot listen there.
    #[error("the plugboard cannot open the port {port}: {error}")]
    Unavailable { port: u16, error: io::Error },
}

/// A mount whose port cannot be opened, and why.
pub(super) type Closed = (Mount, PortError);

/// One open port.
struct Door {
    mount: Mount,
    is_wanted: bool,
    /// The task that listens.
    waker: Option<Waker>,
}

/// The open ports.
#[derive(Default)]
pub(super) struct Ports(Mutex<BTreeMap<u16, Door>>);

impl Ports {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Door>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ports that are open.
    pub(super) fn open(&self) -> usize {
        self.lock().len()
    }

    /// Ready when a port is not wanted any more.
    fn poll_unwanted(&self, port: u16, cx: &Context<'_>) -> Poll<()> {
        let mut doors = self.lock();
        match doors.get_mut(&port) {
            Some(door) if door.is_wanted => {
                door.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(_) | None => Poll::Ready(()),
        }
    }

    /// Forgets a port that is not wanted. False if it is, again.
    fn forget(&self, port: u16) -> bool {
        let mut doors = self.lock();
        let is_wanted = doors.get(&port).is_some_and(|door| door.is_wanted);
        if !is_wanted {
            doors.remove(&port);
        }
        !is_wanted
    }
}

/// Opens the port of `mount`, if it has one, unless it is open already. [`settle`] closes it.
fn open<R: Runtime>(relay: &Arc<Inner<R>>, mount: &Mount) -> Result<(), PortError> {
    let Some(port) = mount.port() else { return Ok(()) };
    let offer = relay.config.tcp.as_ref().ok_or(PortError::NoneOffered)?;
    if !offer.ports.contains(&port) {
        return Err(PortError::NotOffered { port, offered: offer.ports.clone() });
    }
    let mut doors = relay.ports.lock();
    if let Some(door) = doors.get_mut(&port) {
        door.is_wanted = true;
        return Ok(());
    }
    let address = SocketAddr::new(offer.address, port);
    let bound = offer.bind(&relay.runtime, port);
    let listener = bound.map_err(|error| PortError::Unavailable { port, error })?;
    doors.insert(port, Door { mount: mount.clone(), is_wanted: true, waker: None });
    drop(doors);
    if let Some(due) = relay.log.line(LineKind::PortOpened, LineSource::Port(port), relay.runtime.now()) {
        tracing::info!(%address, suppressed = due.suppressed, "opened a port");
    }
    relay.runtime.spawn(listen(relay.clone(), mount.clone(), (offer.clone(), port), listener));
    Ok(())
}

/// Opens the ports of these mounts. Tells which of the mounts have one that cannot be opened, and why.
pub(super) fn open_all<R: Runtime>(relay: &Arc<Inner<R>>, mounts: &[Mount]) -> Vec<Closed> {
    mounts.iter().filter_map(|mount| Some((mount.clone(), open(relay, mount).err()?))).collect()
}

/// Closes the ports whose mounts nobody holds any more.
pub(super) fn settle<R: Runtime>(relay: &Inner<R>) {
    close(relay, |mount| !relay.registry.is_held(mount));
}

/// Closes all ports: the relay leaves, and registers nobody any more.
pub(super) fn close_all<R: Runtime>(relay: &Inner<R>) {
    close(relay, |_| true);
}

fn close<R: Runtime>(relay: &Inner<R>, is_to_close: impl Fn(&Mount) -> bool) {
    let mut wakers = Vec::new();
    for door in relay.ports.lock().values_mut() {
        if door.is_wanted && is_to_close(&door.mount) {
            door.is_wanted = false;
            wakers.extend(door.waker.take());
        }
    }
    wakers.into_iter().for_each(Waker::wake);
}

/// Serves a port until it is not wanted any more.
async fn listen<R: Runtime>(
    relay: Arc<Inner<R>>,
    mount: Mount,
    (offer, port): (TcpPorts, u16),
    first: R::Listener,
) {
    let address = SocketAddr::new(offer.address, port);
    let mut listener = Some(first);
    while let Some(open) = listener.take() {
        let on_socket = |socket, peer: SocketAddr| {
            let permit = Permit::new(&relay, peer.ip(), Activity::Exchange);
            let Some(admitted) = super::admitted(socket, permit) else { return };
            let (serving, mount) = (relay.clone(), mount.clone());
            relay.runtime.spawn(async move { raw::serve_socket(&serving, &mount, admitted, peer).await });
        };
        let unwanted = poll_fn(|cx| relay.ports.poll_unwanted(port, cx));
        accept_loop(&relay.runtime, open, WhenFull::Shed, on_socket, unwanted).await;
        if relay.ports.forget(port) {
            let due = relay.log.line(LineKind::PortClosed, LineSource::Port(port), relay.runtime.now());
            if let Some(due) = due {
                tracing::info!(%address, suppressed = due.suppressed, "closed a port");
            }
            return;
        }
        // It was asked for again while it closed.
        match offer.bind(&relay.runtime, port) {
            Ok(again) => listener = Some(again),
            Err(error) => {
                let due = relay.log.line(LineKind::PortFailed, LineSource::Port(port), relay.runtime.now());
                if let Some(due) = due {
                    tracing::warn!(%address, %error, suppressed = due.suppressed, "cannot open a port again");
                }
                relay.ports.lock().remove(&port);
            }
        }
    }
}
