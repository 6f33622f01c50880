//! The binding of the driver to virtual time and the virtual network.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;

use telephone_driver::Runtime;
use telephone_driver::core::time::Timestamp;

use crate::executor::{Executor, Group, Sleep};
use crate::net::Net;
use crate::socket::{VirtualListener, VirtualSocket};

/// One process on one virtual host. Clones are the same process.
#[derive(Clone)]
pub struct VirtualRuntime {
    executor: Executor,
    net: Net,
    group: Group,
    address: IpAddr,
}

impl VirtualRuntime {
    /// A new process on the host with this address.
    #[must_use]
    pub fn new(executor: &Executor, net: &Net, name: impl Into<String>, address: IpAddr) -> Self {
        let group = executor.group(name);
        Self { executor: executor.clone(), net: net.clone(), group, address }
    }

    /// The group of the process's tasks.
    #[must_use]
    pub const fn group(&self) -> Group {
        self.group
    }

    /// The executor that runs them.
    #[must_use]
    pub const fn executor(&self) -> &Executor {
        &self.executor
    }
}

impl Runtime for VirtualRuntime {
    type Socket = VirtualSocket;
    type Listener = VirtualListener;
    type Sleep = Sleep;

    fn now(&self) -> Timestamp {
        self.executor.now_of(self.group)
    }

    fn boot_time(&self) -> Timestamp {
        self.executor.now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        self.executor.sleep_of(self.group, deadline)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.executor.spawn(self.group, task);
    }

    /// At once: a thread of its own would have a time of its own.
    async fn spawn_blocking<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        job()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.net.resolve(host)?;
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<VirtualSocket> {
        let connection = self.net.connect(self.address, address).await?;
        Ok(VirtualSocket::new(self.net.clone(), connection, 0))
    }

    async fn connect_unix(&self, _path: &Path) -> io::Result<VirtualSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn listen(&self, _listener: TcpListener) -> io::Result<VirtualListener> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn bind(&self, address: SocketAddr) -> io::Result<VirtualListener> {
        VirtualListener::bind(self.net.clone(), address)
    }

    fn bind_shared(&self, _address: SocketAddr) -> io::Result<VirtualListener> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
