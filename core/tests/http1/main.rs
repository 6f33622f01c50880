//! The HTTP/1.1 codec, from outside: what it refuses, what it accepts, how exchanges run, and laws.

mod accepted;
mod backend;
mod demands;
mod exchange;
mod exec;
mod interims;
mod laws;
mod odd;
mod refusal_framing;
mod refusal_rows;
mod refusals;
mod responses;
mod smuggling;
mod support;
mod timing;
