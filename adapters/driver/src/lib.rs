//! The event loops of telephone and plugboard, each once, generic over futures-io sockets and a
//! [`Runtime`].

pub use telephone_core as core;

mod accept;
mod alarm;
mod authority;
mod backend;
mod codec;
mod connection;
pub mod file;
mod file_table;
mod flag;
mod happy_eyeballs;
mod link;
mod log;
mod observe;
mod plugboard_url;
mod pump;
mod raw;
mod recorder;
mod relay;
mod request_record;
mod runtime;
mod send_queue;
mod service;
mod shared;
mod socket;
mod status;
mod stream;
mod telephone;
#[cfg(feature = "tls")]
pub mod tls;
mod token;
mod wake;

pub use accept::{WhenFull, accept_loop};
pub use authority::{AuthError, Authority, Bearer, Grant, LEEWAY};
pub use backend::{BackendConnector, BackendTrust, BackendUrl, BadBackendUrl};
pub use file_table::is_full as is_file_table_full;
pub use log::Log;
pub use observe::{AccessRecord, HANDSHAKE_OUTCOMES, Observer, SESSION_ENDS, Unobserved, WAIT_OUTCOMES};
pub use plugboard_url::{BadUrl, PlugboardUrl};
pub use raw::RawStream;
pub use recorder::Recorder;
pub use relay::{DrainConfig, Drained, Plugboard, RelayConfig, RoomsConfig, TcpPorts, Trust};
pub use request_record::RequestRecord;
pub use runtime::{Endpoint, Listener, Runtime};
pub use service::{BodyLost, BoxError, Incoming};
pub use socket::{ReadSocket, Socket, TcpOrUnix, WriteSocket, is_writable};
pub use status::{BackendStatus, LineStatus, MissingMount, MountUrl, State, Stats, Status};
pub use telephone::{
    Acceptor, BadProxy, BuildError, Certificate, ConnectError, EmbedError, Events, Handle, NotUpgraded,
    Probe, ProbeError, Proxies, Proxy, ProxyError, ServeError, Telephone, TelephoneBuilder, TelephoneEvent,
    TlsFault, Tried, Upgraded, default_instance,
};
pub use token::{Token, TokenSource};

/// What a program that embeds a telephone may name. Each adapter gives it out as its own.
pub mod embedding {
    pub use crate::{
        Acceptor, BackendStatus, BackendTrust, BackendUrl, BadBackendUrl, BadUrl, BodyLost, BoxError,
        BuildError, ConnectError, EmbedError, Endpoint, Events, Handle, Incoming, LineStatus, Proxies,
        RawStream, Recorder, RequestRecord, ServeError, State, Stats, Status, TelephoneEvent, Token,
        TokenSource,
    };
    pub use {bytes, http, http_body};
}
