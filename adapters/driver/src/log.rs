//! The log lines that others can cause: [`LogLimit`] decides which are written.

#[cfg(test)]
pub(crate) mod capture;

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use telephone_core::address::AddressBlock;
use telephone_core::limits::LOG_FIELD_BYTES_MAX;
use telephone_core::log_limit::{Due, LineKind, LineSource, LogLimit};
use telephone_core::text;
use telephone_core::time::Timestamp;

/// The lines of one relay or telephone that its peers cause.
///
/// A line is written if there is a [`Due`], with its two counts:
///
/// ```
/// use telephone_driver::Log;
/// use telephone_driver::core::log_limit::{LineKind, LineSource};
/// use telephone_driver::core::time::Timestamp;
///
/// let log = Log::default();
/// if let Some(due) = log.line(LineKind::HandlerFailed, LineSource::Process, Timestamp::ZERO) {
///     let (suppressed, elsewhere) = (due.suppressed, due.suppressed_elsewhere);
///     tracing::warn!(suppressed, suppressed_elsewhere = elsewhere, "the handler failed");
/// }
/// ```
#[derive(Debug, Default)]
pub struct Log(Mutex<LogLimit>);

impl Log {
    /// Something happened that is logged.
    pub fn line(&self, kind: LineKind, source: LineSource, now: Timestamp) -> Option<Due> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).handle_line(kind, source, now)
    }

    /// Likewise, of the end of `ended`, with the count of its lines that were not written.
    pub(crate) fn end(
        &self,
        kind: LineKind,
        source: LineSource,
        ended: LineSource,
        now: Timestamp,
    ) -> Option<Due> {
        let mut limit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        limit.handle_end(kind, source, ended, now)
    }
}

/// A peer that is known by its address alone.
pub(crate) fn address(address: IpAddr) -> LineSource {
    LineSource::Address(AddressBlock::of(address))
}

/// What a peer chose, as a log line shows it.
pub(crate) fn shown(text: impl AsRef<[u8]>) -> String {
    text::printable(text.as_ref(), LOG_FIELD_BYTES_MAX)
}
