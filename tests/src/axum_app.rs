//! An axum application inside the test process: what most people put behind a telephone.

use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use axum::Router;
use tokio::sync::oneshot;

/// A running application; it ends when it is dropped.
#[derive(Debug)]
pub struct AxumApp {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AxumApp {
    /// Serves `router` on a free port of loopback, on a runtime of its own.
    ///
    /// # Panics
    /// If it cannot.
    pub fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("a bound listener");
        listener.set_nonblocking(true).expect("an option of every socket");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let served = axum::serve(listener, router).into_future();
                tokio::select! {
                    ended = served => ended.expect("axum serves for ever"),
                    _ = stopped => {}
                }
            });
        });
        Self { addr, stop: Some(stop), thread: Some(thread) }
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for AxumApp {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed, and the test has seen its effect.
            let _ended = thread.join();
        }
    }
}
