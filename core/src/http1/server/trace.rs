//! The trace that the plugboard's own answers name.

use super::Server;
use crate::http1::answer::OwnAnswer;
use crate::traceparent::TraceParent;

impl Server {
    /// Puts a head without a valid `traceparent` that is refused into the trace `start`. One is enough: such a refusal ends the
    /// connection.
    #[must_use]
    pub const fn with_trace_start(mut self, start: TraceParent) -> Self {
        self.trace_start = Some(start);
        self
    }

    /// The trace of the latest request. Each of the plugboard's own answers to it has it as `traceresponse`.
    pub const fn set_trace(&mut self, trace: TraceParent) {
        self.trace = Some(trace);
    }

    /// The trace of the latest request, or of the head that was [refused](super::ServerEvent::Refused).
    #[must_use]
    pub const fn trace(&self) -> Option<TraceParent> {
        self.trace
    }

    pub(super) fn traced(&self, answer: OwnAnswer) -> OwnAnswer {
        self.trace.map_or(answer, |trace| answer.trace(trace))
    }
}
