//! What the core costs: scenarios that three benches measure, each in its own unit.
//!
//! ```text
//!  each_scenario! ──▶ benches/instructions.rs   instructions and estimated cycles, by Callgrind
//!                 ──▶ benches/timings.rs        nanoseconds, by criterion
//!                 ──▶ benches/allocations.rs    calls of the allocator, and octets
//! ```
//!
//! `benches/core/run` runs all three and prints one table. Instructions are exact and the same on every run, so
//! they are what changes are judged by; times depend on who else uses the machine.
//!
//! A scenario is a [`Work`]: its constructor sets up, [`Work::prepare`] gets ready for one more run without being
//! measured, [`Work::run`] is measured. Any number of runs may follow each other, so what is measured is the steady
//! state. Messages go from one session to the other as the very [`Bytes`](bytes::Bytes) that `poll_transmit` gave:
//! a link that copies nothing, so that every allocation is the core's.

pub mod forwarding;
pub mod frames;
pub mod handshake;
pub mod heads;
pub mod http1;
pub mod pair;
pub mod request;
pub mod routing;
pub mod session;

/// What is measured.
pub trait Work {
    /// Gets ready for one more run.
    fn prepare(&mut self) {}

    /// Runs once.
    ///
    /// # Panics
    /// If the core did something else than what the scenario is about.
    fn run(&mut self);
}

/// One scenario by its name.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// What the benches call it.
    pub name: &'static str,
    set_up: fn() -> Box<dyn Work>,
}

/// Runs before a scenario counts as warm: buffers have their sizes, windows are tuned, and more than one round of
/// what happens only now and then (a streams frame comes every 256 streams) is over.
const WARM_RUNS: usize = 300;

impl Scenario {
    /// The scenario in its steady state, prepared for a run.
    #[must_use]
    pub fn warm(&self) -> Box<dyn Work> {
        let mut work = (self.set_up)();
        work.prepare();
        for _ in 0..WARM_RUNS {
            work.run();
            work.prepare();
        }
        work
    }

    /// The scenario of this name, warm.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn warm_by_name(name: &str) -> Box<dyn Work> {
        ALL.iter().find(|scenario| scenario.name == name).expect("a scenario's name").warm()
    }
}

/// Gives the list of all scenarios, each `name: set_up,`, to the macro of this name: the list's one home.
#[macro_export]
macro_rules! each_scenario {
    ($with:ident) => {
        $with! {
            frame_encode_heads: frames::Encode::heads(),
            frame_encode_small: frames::Encode::small(),
            frame_decode_heads: frames::Decode::heads(),
            frame_decode_small: frames::Decode::small(),
            session_transmit_64: session::Transmit::new(),
            session_receive_64: session::Receive::new(),
            session_credit_64: session::Credit::new(),
            session_exchange_minimal: session::Exchange::minimal(),
            session_exchange_browser: session::Exchange::browser(),
            session_bulk_64k: session::Bulk::new(),
            http1_read_request_minimal: http1::ReadRequest::minimal(),
            http1_read_request_browser: http1::ReadRequest::browser(),
            http1_write_response: http1::WriteResponse::new(),
            http1_write_request: http1::WriteRequest::new(),
            http1_read_response: http1::ReadResponse::new(),
            http1_read_chunks_16x4k: http1::ReadChunks::new(16, 4096),
            http1_read_chunks_256x64: http1::ReadChunks::new(256, 64),
            http1_write_chunks_16x4k: http1::WriteChunks::new(16, 4096),
            http1_write_chunks_256x64: http1::WriteChunks::new(256, 64),
            route_10_mounts: routing::Lookup::by_path(10),
            route_1k_mounts: routing::Lookup::by_path(1_000),
            route_10k_mounts: routing::Lookup::by_path(10_000),
            route_10k_hosts: routing::Lookup::by_host(10_000),
            forwarding_fields: forwarding::Stamp::new(),
            hello_welcome: handshake::Handshake::new(),
            whole_request: request::WholeRequest::new(),
        }
    };
}

macro_rules! list {
    ($($name:ident: $set_up:expr,)*) => {
        /// All scenarios.
        pub const ALL: &[Scenario] =
            &[$(Scenario { name: stringify!($name), set_up: || Box::new($set_up) }),*];
    };
}

each_scenario!(list);
