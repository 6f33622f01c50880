//! One connection: hyper's codec on it, driven by whoever asks.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Instant;

use http::Request;
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};

use super::body::Filler;
use super::mishap::Mishap;
use super::tally::Shard;

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection that takes one request after the other. Dropping it closes it.
pub(super) struct Line {
    sender: SendRequest<Filler>,
    /// hyper's half, which moves the octets; nothing when it has ended.
    connection: Option<Connection>,
}

/// A whole answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// When its head was there.
    pub(super) first: Instant,
    /// When its last octet was there.
    pub(super) last: Instant,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection had ended before the request: it was never sent.
    Unused,
    /// The request may have been sent.
    Mishap(Mishap),
}

impl Line {
    /// Speaks HTTP/1.1 on `socket`.
    pub(super) async fn open<S: Read + Write + Send + Unpin + 'static>(socket: S) -> Result<Self, Mishap> {
        let (sender, connection) = http1::handshake(socket).await.map_err(|error| Mishap::asking(&error))?;
        Ok(Self { sender, connection: Some(Box::pin(connection)) })
    }

    /// Sends `request` and reads the whole answer; `shard` counts the octets of its body. After an error,
    /// and when dropped on the way, the connection is of no more use.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Filler>,
        shard: &Shard,
    ) -> Result<Answer, Broken> {
        let Self { sender, connection } = self;
        let exchange = async {
            sender.ready().await.map_err(|_| Broken::Unused)?;
            let response = sender.send_request(request).await.map_err(|error| {
                if error.is_canceled() { Broken::Unused } else { Broken::Mishap(Mishap::asking(&error)) }
            })?;
            let (status, first) = (response.status().as_u16(), Instant::now());
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| Broken::Mishap(Mishap::reading(&error)))?;
                shard.received(frame.data_ref().map_or(0, |data| data.len() as u64));
            }
            Ok(Answer { status, first, last: Instant::now() })
        };
        beside(connection, exchange).await
    }
}

/// Polls `connection` in the same task as the `work` that needs it, so that no other task has to be woken
/// for each step.
async fn beside<T>(connection: &mut Option<Connection>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let Some(moving) = connection else { return Poll::Pending };
        // How it ends, its user is told by the answer or the lack of one.
        if moving.as_mut().poll(context).is_ready() {
            *connection = None;
        }
        work.as_mut().poll(context)
    })
    .await
}
