//! A runtime over a real one, with a script for what the network and the system do.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telephone_driver::core::time::Timestamp;
use telephone_driver::{Listener, Runtime};

/// What happens to a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The real runtime's answer.
    Real,
    /// The real runtime's answer, after the next address had its turn.
    RealButSlow,
    /// An error at once.
    Refused,
    /// No answer at all.
    BlackHole,
}

/// The runtime `R`, except for what is scripted.
#[derive(Clone)]
pub(crate) struct Scripted<R> {
    real: R,
    addresses: Vec<(SocketAddr, Fate)>,
    tried: Arc<Mutex<Vec<SocketAddr>>>,
    accept_errors: Arc<Mutex<VecDeque<Option<io::Error>>>>,
}

impl<R: Runtime> Scripted<R> {
    pub(crate) fn new(real: R) -> Self {
        Self { real, addresses: Vec::new(), tried: Arc::default(), accept_errors: Arc::default() }
    }

    /// What every name resolves to, and what becomes of each address.
    pub(crate) fn resolving(mut self, addresses: impl IntoIterator<Item = (SocketAddr, Fate)>) -> Self {
        self.addresses.extend(addresses);
        self
    }

    /// With what the first accepts fail, where they do.
    pub(crate) fn failing_accepts(self, errors: impl IntoIterator<Item = Option<io::Error>>) -> Self {
        self.accept_errors.lock().unwrap().extend(errors);
        self
    }

    /// Whether accepts still follow the script.
    pub(crate) fn is_failing(&self) -> bool {
        !self.accept_errors.lock().unwrap().is_empty()
    }

    /// Ends the script of the accepts.
    pub(crate) fn recover(&self) {
        self.accept_errors.lock().unwrap().clear();
    }

    /// The addresses that were tried, in order.
    pub(crate) fn tried(&self) -> Vec<SocketAddr> {
        self.tried.lock().unwrap().clone()
    }
}

impl<R: Runtime> Runtime for Scripted<R> {
    type Socket = R::Socket;
    type Listener = ScriptedListener<R::Listener>;
    type Sleep = R::Sleep;

    fn now(&self) -> Timestamp {
        self.real.now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> R::Sleep {
        self.real.sleep_until(deadline)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.real.spawn(task);
    }

    async fn spawn_blocking<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.real.spawn_blocking(job).await
    }

    async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.addresses.iter().map(|(address, _)| *address).collect())
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<R::Socket> {
        self.tried.lock().unwrap().push(address);
        let fate = self.addresses.iter().find(|(known, _)| *known == address).map(|(_, fate)| *fate);
        match fate.unwrap() {
            Fate::Real => self.real.connect_tcp(address).await,
            Fate::RealButSlow => {
                while self.tried().len() < 2 {
                    self.sleep_until(self.now() + Duration::from_millis(5)).await;
                }
                self.real.connect_tcp(address).await
            }
            Fate::Refused => Err(io::Error::new(io::ErrorKind::ConnectionRefused, address.to_string())),
            Fate::BlackHole => pending().await,
        }
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<R::Socket> {
        self.real.connect_unix(path).await
    }

    fn listen(&self, listener: TcpListener) -> io::Result<Self::Listener> {
        let real = self.real.listen(listener)?;
        Ok(ScriptedListener { real, errors: self.accept_errors.clone() })
    }
}

pub(crate) struct ScriptedListener<L> {
    real: L,
    errors: Arc<Mutex<VecDeque<Option<io::Error>>>>,
}

impl<L: Listener> Listener for ScriptedListener<L> {
    type Socket = L::Socket;

    async fn accept(&self) -> io::Result<(L::Socket, SocketAddr)> {
        let scripted = self.errors.lock().unwrap().pop_front();
        match scripted.flatten() {
            Some(error) => Err(error),
            None => self.real.accept().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.real.local_addr()
    }
}
