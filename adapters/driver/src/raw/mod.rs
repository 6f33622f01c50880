//! Raw streams: octets both ways, with the end of each direction and the reset of both.
//!
//! ```text
//!   client ─▶ port ─┐                                  ┌─▶ backend socket
//!                   ├─ carry ─▶ stream ═▶ stream ─ carry ┤
//!   program ─ RawStream ─┘                             └─▶ RawStream ─▶ program
//! ```

mod codec;
mod stream;

use bytes::Bytes;
use telephone_core::error::{Reset, ResetCode, Touched};

use crate::alarm::Alarm;
use crate::connection::Connection;
use crate::pump::{Ended, Moved, Pump};
use crate::runtime::Runtime;
use crate::socket::Socket;
use crate::stream::StreamHandle;
use codec::RawCodec;
pub use stream::RawStream;

/// Carries octets between a socket and a stream until both directions have ended, or either end gives up: a reset of one
/// becomes a reset of the other. Says what moved, and how it ended if not well.
///
/// `head` goes to the socket before all else. There is no time limit: whoever is silent may stay so.
pub(crate) async fn carry<R: Runtime, S: Socket>(
    runtime: &R,
    mut connection: Connection<S>,
    stream: &StreamHandle,
    head: Bytes,
) -> (Moved, Result<(), Given>) {
    let (mut alarm, mut codec) = (Alarm::new(runtime.clone()), RawCodec::new(head));
    let mut pump = Pump::new(runtime, (&mut connection, &mut alarm), &mut codec, stream, false);
    let ended = pump.run().await;
    let moved = pump.moved;
    let result = match ended {
        Ended::Complete => Ok(()),
        Ended::Reset(reset) | Ended::Stopped(reset) => {
            connection.socket.reset_on_drop();
            Err(Given::Up(reset))
        }
        Ended::Lost(()) => {
            stream.give_up(ResetCode::Cancelled, Touched::Yes);
            Err(Given::Left)
        }
    };
    (moved, result)
}

/// Who gave a raw stream up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// The stream's peer, for that reason.
    Up(Reset),
    /// Whoever is at the socket.
    Left,
}
