//! Ends of virtual connections, as the driver holds them.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use telephone_driver::{Listener, ReadSocket, Socket, WriteSocket};

use crate::net::Net;

/// One end of a virtual connection. Dropping it closes it, with a reset if octets came that nobody read.
pub struct VirtualSocket {
    net: Net,
    connection: u64,
    /// 0 for the end that connected.
    side: usize,
}

impl VirtualSocket {
    pub(crate) const fn new(net: Net, connection: u64, side: usize) -> Self {
        Self { net, connection, side }
    }
}

impl AsyncRead for VirtualSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.net.poll_read(self.connection, self.side, buffer, cx)
    }
}

impl AsyncWrite for VirtualSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.net.poll_write(self.connection, self.side, octets, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.net.end(self.connection, self.side))
    }
}

impl ReadSocket for VirtualSocket {}

impl WriteSocket for VirtualSocket {}

impl Socket for VirtualSocket {
    fn tune_for_link(&self) {
        self.net.tune(self.connection, self.side);
    }

    fn reset_on_drop(&self) {
        self.net.abort(self.connection, self.side);
    }
}

impl Drop for VirtualSocket {
    fn drop(&mut self) {
        self.net.drop_end(self.connection, self.side);
    }
}

/// A virtual listening socket. Dropping it resets the connections that nobody accepted.
pub struct VirtualListener {
    net: Net,
    address: SocketAddr,
}

impl VirtualListener {
    pub(crate) fn bind(net: Net, address: SocketAddr) -> io::Result<Self> {
        net.listen(address)?;
        Ok(Self { net, address })
    }
}

impl Listener for VirtualListener {
    type Socket = VirtualSocket;

    async fn accept(&self) -> io::Result<(VirtualSocket, SocketAddr)> {
        let (connection, peer) = poll_fn(|cx| self.net.poll_accept(self.address, cx)).await?;
        Ok((VirtualSocket::new(self.net.clone(), connection, 1), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for VirtualListener {
    fn drop(&mut self) {
        self.net.unlisten(self.address);
    }
}
