//! Raw streams: octets both ways, with the end of each direction and the reset of both.
//!
//! ```text
//!   client ─▶ port ─┐                                  ┌─▶ backend socket
//!                   ├─ carry ─▶ stream ═▶ stream ─ carry ┤
//!   program ─ RawStream ─┘                             └─▶ RawStream ─▶ program
//! ```

mod codec;
mod stream;

use std::future::Future;

use bytes::Bytes;
use futures_lite::future;
use telephone_core::error::{Reset, ResetCode, Touched};

use crate::alarm::Alarm;
use crate::connection::Connection;
use crate::pump::{Ended, Moved, Pump};
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::stream::StreamHandle;
use codec::RawCodec;
pub use stream::RawStream;

/// How a raw stream was carried.
pub(crate) struct Carried<S> {
    pub(crate) moved: Moved,
    pub(crate) ended: Result<(), GivenUp>,
    /// The socket, to be dropped: an end if all went well, else a reset.
    pub(crate) socket: S,
}

/// Who gave a raw stream up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The stream's peer, for that reason.
    ByPeer(Reset),
    /// Whoever is at the socket.
    AtSocket,
}

/// Carries octets between a socket and a stream until both directions have ended, or either end gives up: a reset of one
/// becomes a reset of the other. Until then dropping the future, or the end of the process, is a reset of both: what was
/// cut short never looks complete.
///
/// `head` goes to the socket before all else. There is no time limit: whoever is silent may stay so, if it is there. When
/// `cut_off` is ready the stream counts as reset by its peer, also if the socket takes nothing, and nobody would hear of a
/// reset behind what waits to be written.
pub(crate) async fn carry<R: Runtime, S: Socket>(
    runtime: &R,
    socket: S,
    stream: &StreamHandle,
    head: Bytes,
    cut_off: impl Future<Output = Reset>,
) -> Carried<S> {
    socket.reset_on_drop();
    socket.watch_peer();
    let mut connection = Connection::new(socket);
    let (mut alarm, mut codec) = (Alarm::new(runtime.clone()), RawCodec::new(head));
    let mut pump = Pump::new(runtime, (&mut connection, &mut alarm), &mut codec, stream, false);
    let ended = future::or(pump.run(), async { Ended::Reset(cut_off.await) }).await;
    let moved = pump.moved;
    let ended = match ended {
        Ended::Complete => {
            connection.socket.finish_on_drop();
            Ok(())
        }
        Ended::Reset(reset) | Ended::Stopped(reset) => Err(GivenUp::ByPeer(reset)),
        Ended::Lost(()) => {
            // What was said to its end is whole, whatever became of the other direction.
            if !codec.has_ended() {
                stream.give_up(ResetCode::Cancelled, Touched::Yes);
            }
            Err(GivenUp::AtSocket)
        }
    };
    Carried { moved, ended, socket: connection.socket }
}
