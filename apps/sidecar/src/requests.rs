//! A line of the log for each request.

use std::time::Duration;

use telephone_core::limits::LOG_FIELD_BYTES_MAX;
use telephone_core::text::printable;
use telephone_driver::RequestRecord;

use crate::logging::LogFormat;

/// Writes the line of `request`. What its client chose in it is cut and escaped.
pub(crate) fn log(format: LogFormat, request: &RequestRecord<'_>) {
    let shown = |bytes| printable(bytes, LOG_FIELD_BYTES_MAX);
    let (method, path) = (shown(request.method), shown(request.path));
    let (status, cause) = (request.client_status(), request.cause.word());
    match format {
        LogFormat::Json => {
            let duration_ms = (request.duration.as_secs_f64() * 1e6).round() / 1e3;
            tracing::info!(method, path, status, duration_ms, cause, "request");
        }
        LogFormat::Text => {
            let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            let duration = readable(request.duration);
            tracing::info!("{method:<7} {status:>3} {duration:>9}  {path}  {cause}");
        }
    }
}

/// For people: three digits tell enough.
pub fn readable(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 1e3 { format!("{milliseconds:.1} ms") } else { format!("{:.1} s", milliseconds / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_the_unit_that_fits() {
        for (microseconds, text) in
            [(0, "0.0 ms"), (1_540, "1.5 ms"), (999_900, "999.9 ms"), (61_000_000, "61.0 s")]
        {
            assert_eq!(readable(Duration::from_micros(microseconds)), text);
        }
    }
}
