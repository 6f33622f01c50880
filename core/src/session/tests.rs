//! Tests of the session: what its documents promise, one sentence a test.

mod body_clock;
mod clients;
mod credit;
mod exchange;
mod hostile;
mod hostile_peer;
mod laws;
mod leaving;
mod liveness;
mod long_link;
mod misbehaviour;
mod orders;
mod pair;
mod profiles;
mod refusals;
mod resume;
mod schedule;
mod slow_link;
mod stats;
mod wake_ups;
mod wide_heads;
