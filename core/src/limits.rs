//! Every limit with its default, its unit and its precedent (faults.md rows L1 to L18 in brackets).

mod telephone;

use core::time::Duration;
use serde::{Deserialize, Serialize};

use crate::wire::HeadRules;

pub use telephone::*;

/// A mebibyte.
const MIB: u64 = 1024 * 1024;

/// Limits of one HTTP/1.1 connection. (L1–L4)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request head, request line included (nginx: 32 KiB in 4 buffers). (L1)
    pub request_head_bytes: usize,
    /// Fields in a request head (hyper: 100). (L1)
    pub request_headers: usize,
    /// Bytes of one header line. (L1)
    pub header_line_bytes: usize,
    /// Bytes of a request target (nginx: 8 KiB). (L1)
    pub target_bytes: usize,
    /// Bytes of a response head. 56 KiB and not 64, so that it fits one message. (L2)
    pub response_head_bytes: usize,
    /// Fields in a response head: as many as one head carries on the wire. (L2)
    pub response_headers: usize,
    /// From the first moment of waiting for a head until it is whole. (L3)
    pub head_timeout: Duration,
    /// An idle kept-alive client connection: longer than the 60 s for which balancers use one again (AWS ALB), and nginx's
    /// default. (L3)
    pub keep_alive_timeout: Duration,
    /// How long nothing of a request body may come before its response begins (nginx: `client_body_timeout` 60 s). (L3)
    pub body_window: Duration,
    /// Bytes a second that an exchange moves at least whose client is waited for, while connections, descriptors or memory run
    /// short (Kestrel's `MinRequestBodyDataRate`). Otherwise there is no least rate. (L3)
    pub body_bytes_min: u64,
    /// What a telephone may ask for in place of `body_window`, at most: an hour, for devices that send a measurement now and
    /// then in one request.
    pub body_clock_max: Duration,
    /// How long a client may take none of an answer that waits for it: a paused player or download, for which 60 s as in
    /// nginx are too few. (M-08, H-25)
    pub send_timeout: Duration,
    /// Bytes of chunk extensions in one request's body (hyper: 16 KiB), and in one line of an answer. (L4)
    pub chunk_extension_bytes: usize,
    /// Bytes of a trailer section. (L4)
    pub trailer_bytes: usize,
    /// Fields in a trailer section. (L4)
    pub trailers: usize,
    /// Bytes of a request body; more is answered with 413. No limit by default: bodies stream through, and
    /// how large one may be is the backend's to say.
    pub request_body_bytes: u64,
    /// Bytes of a request body that are read and thrown away to keep a connection. (B-11, H-10)
    pub drain_bytes: u64,
    /// How long a client that shut down its half behind a whole request may wait for the head of its answer. A client that
    /// closed looks the same, so that its request is given up only then. (B-10)
    pub half_close: Duration,
    /// How long a lingering close waits for the client. [RFC 9112 §9.6]
    pub linger: Duration,
    /// Interim responses that are passed on for one request. (H-20)
    pub interim_responses: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            request_head_bytes: 32 * 1024,
            request_headers: 100,
            header_line_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
            response_head_bytes: 56 * 1024,
            response_headers: 256,
            head_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            body_window: Duration::from_secs(60),
            body_bytes_min: 240,
            body_clock_max: Duration::from_secs(60 * 60),
            send_timeout: Duration::from_secs(10 * 60),
            chunk_extension_bytes: 4 * 1024,
            trailer_bytes: 8 * 1024,
            trailers: 32,
            request_body_bytes: u64::MAX,
            drain_bytes: 64 * 1024,
            half_close: Duration::from_secs(5),
            linger: Duration::from_secs(2),
            interim_responses: INTERIM_RESPONSES_MAX,
        }
    }
}

impl HttpLimits {
    /// How long nothing of a request's body may come if its telephone asks for `asked`: no less than for others, and no more
    /// than [`body_clock_max`](Self::body_clock_max).
    #[must_use]
    pub fn body_window_of(&self, asked: Option<Duration>) -> Duration {
        asked.map_or(self.body_window, |asked| asked.min(self.body_clock_max).max(self.body_window))
    }
}

/// The longest body that a head may declare, bytes: a length that every HTTP implementation can hold. (H-02)
pub const BODY_LENGTH_MAX: u64 = i64::MAX as u64;
/// Bytes of a method token. (H-18)
pub const METHOD_BYTES_MAX: usize = 32;
/// Empty lines before a request line: old clients send a CRLF behind a body, some more than one (RFC 9112 §2.2). nginx
/// takes any number. (H-06)
pub(crate) const BLANK_LINES_MAX: u8 = 4;

/// Interim responses (1xx but not 101) of one request. (H-20)
pub const INTERIM_RESPONSES_MAX: usize = 8;
/// Bytes of one binary WebSocket message on a link.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one text message on a link of the JSON profile. Twice the others: no byte of a head or a body takes more
/// than two in JSON, and the names beside them are few, so that each frame of the one profile fits a message of the other.
pub const TEXT_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;
/// Bytes of one stream's data in one scheduler turn, and of one data frame. (L5)
pub const DATA_BYTES_MAX: usize = 16 * 1024;
/// How long the unsent bytes of a link in the kernel may take to send: they delay the first byte of a new stream. The kernel
/// asks for more when half of them are left, and 50 ms are enough to wake a task on a busy machine. With the bytes in flight
/// the delay stays below 200 ms on a link whose own queue is short.
pub const UNSENT_TIME: Duration = Duration::from_millis(100);
/// Bytes that a socket leaves unsent in the kernel, at most: two whole messages of a link. Reached at 10.5 Mbit/s.
pub const UNSENT_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;
/// The same at the slowest rate: two of the smallest messages, so that one can be sent while the next is built.
pub const UNSENT_BYTES_MIN: usize = 2 * MESSAGE_BYTES_MIN;
/// The same before the rate of a link is known: a little more than what TCP sends at once at the start (RFC 6928, ten
/// segments), so that it does not hold up TCP's slow start. 2 s at 64 kbit/s, once.
pub const UNSENT_BYTES_FIRST: usize = 16 * 1024;
/// Bytes of data in a message on the slowest link: 0.13 s at 64 kbit/s. The heads of WebSocket, TCP and IP take 6 % beside it.
pub const MESSAGE_BYTES_MIN: usize = 1024;
/// Bytes of a send buffer of one stream: what one message holds, so that none is left over for a message of its own.
pub const SEND_BUFFER_BYTES: usize = 63 * 1024;
/// Bytes of it while no other stream of the session could send something, as far as the peer allowed them: four messages.
/// They go out one behind the other, so that a task that waits for them is woken once and not four times. Only one stream of a
/// session has more than [`SEND_BUFFER_BYTES`] at a time.
pub const SEND_BURST_BYTES: usize = 4 * SEND_BUFFER_BYTES;
/// Bytes of a token. (L18)
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Mounts in one registration, and in one token. (L18)
pub const MOUNTS_MAX: usize = 64;

/// Bytes of a mount as text: a host name of 253 bytes and a path of about as many.
pub const MOUNT_BYTES_MAX: usize = 512;

/// Limits of one session. (L5–L9)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLimits {
    /// A stream's credit that is always there, outside the session window: bytes.
    pub stream_floor: u64,
    /// The window that a stream starts with, bytes. (L6)
    pub stream_window: u64,
    /// The window that a stream may grow to, bytes. (L6)
    pub stream_window_max: u64,
    /// The window that a session starts with, bytes. (L6)
    pub session_window: u64,
    /// The window that a session may grow to, bytes. (L6)
    pub session_window_max: u64,
    /// Streams that the peer may have open at once. (L7)
    pub streams: u64,
    /// Streams that the peer opened and the application has not accepted. (L7)
    pub unaccepted: usize,
    /// Tokens in the bucket for frames that move nothing. (L8)
    pub free_frames_burst: u32,
    /// Tokens that come back each second. (L8)
    pub free_frames_per_second: u32,
    /// Between pings on an idle link, before jitter. (L9)
    pub ping_interval: Duration,
    /// Silence after which an idle link is dead. (L9)
    pub idle_timeout: Duration,
    /// Silence after a ping while bytes are owed, after which a link is dead. (L9)
    pub ping_timeout: Duration,
    /// How long after the last byte from the peer a session waits for a new link; zero is not at all. The
    /// plugboard's counts: it tells the telephone.
    pub resume_window: Duration,
    /// Bytes of sent messages that are kept until the peer acknowledges them, with 64 bytes for each
    /// message. While so many are kept nothing numbered is sent.
    pub replay_bytes: usize,
    /// What that grows to while the peer's acknowledgements are all that holds the session back.
    pub replay_bytes_max: usize,
    /// Which heads this end takes from its peer, besides those that every end takes. An end that announces them takes them.
    pub heads: HeadRules,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            stream_floor: 16 * 1024,
            stream_window: 256 * 1024,
            stream_window_max: 16 * MIB,
            session_window: 4 * MIB,
            session_window_max: 32 * MIB,
            streams: 1024,
            unaccepted: 256,
            free_frames_burst: 200,
            free_frames_per_second: 20,
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            resume_window: Duration::from_secs(30),
            replay_bytes: MIB as usize,
            replay_bytes_max: 16 * MIB as usize,
            heads: HeadRules::default(),
        }
    }
}

/// Bytes of messages that arrive before an acknowledgement goes alone.
pub const ACK_BYTES: usize = 64 * 1024;
/// How long an acknowledgement waits for a message to ride on.
pub const ACK_DELAY: Duration = Duration::from_millis(25);
/// Between two questions for the peer's numbers: a twentieth of the free frames that a peer has in the time.
pub const STATS_INTERVAL: Duration = Duration::from_secs(1);
/// A source may cause one more line of a kind in the log in this time, beside its burst (systemd-journald: 10,000 lines in
/// 30 s for a whole service). (A-14)
pub const LOG_LINES_INTERVAL: Duration = Duration::from_secs(1);
/// Likewise for lines about the requests of one mount that wait: as long as two requests in a row may. (A-14)
pub const WAIT_LINES_INTERVAL: Duration = Duration::from_secs(10);
/// How long a request waits before the log has a line about it, and its row in the access log the time: longer than a
/// telephone takes to be back after a lost link. (A-14)
pub const WAIT_TOLD: Duration = Duration::from_secs(1);
/// Sources whose lines are counted one by one: some 400 KiB. (A-14)
pub const LOG_SOURCES_MAX: usize = 4_096;
/// Likewise for all sources of one kind of line together: 50 lines a second. (A-14)
pub const LOG_KIND_LINES_INTERVAL: Duration = Duration::from_millis(20);
/// Lines of one kind that all sources together may cause at once: a fleet that is back after a restart. (A-14)
pub const LOG_KIND_LINES_BURST: u32 = 500;
/// Lines about failed dials of one kind, before they become fewer: the third names `telephone doctor`.
pub const DIAL_LINES_FIRST: u32 = 3;
/// Between two lines about failed dials of one kind behind these: the longest delay between dials by default.
pub const DIAL_LINES_INTERVAL: Duration = Duration::from_secs(30);
/// Bytes that a log line shows of what a stranger chose, before escapes. (A-14)
pub const LOG_FIELD_BYTES_MAX: usize = 512;
/// Bytes of the program's log that may wait while nobody reads standard error: some thousand lines, the last minutes of a
/// busy program. As many again may be in the hands of the thread that writes them. (A-16)
pub const LOG_BYTES_MAX: usize = 256 * 1024;
/// Bytes of access lines that may wait: half a second of 30,000 requests a second, while a disk is slow. (A-16)
pub const ACCESS_LOG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of access lines that are written at once (nginx: `access_log … buffer=64k`).
pub const ACCESS_LOG_BATCH_BYTES: usize = 64 * 1024;
/// How long fewer access lines wait for more: what somebody who watches the file does not notice.
pub const ACCESS_LOG_DELAY: Duration = Duration::from_millis(100);
/// How long a last word may take to go out before the session ends without it.
pub const FAREWELL_TIME: Duration = Duration::from_secs(2);
/// How far wall clocks may differ: a token is good from this long before its `nbf` until this long after its `exp`. (A-06)
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(60);
/// How long a session outlives its token, so that what is in flight can finish. (A-03)
pub const TOKEN_GRACE: Duration = Duration::from_secs(60);
/// Bytes of a handshake message: a token of 8 KiB and 64 mounts fit. (L10)
pub const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;
/// WebSocket frames of one end until its handshake message is whole, control frames included: a hello of 16 KiB in pieces of
/// 512 bytes, with a ping for each of the handshake's 10 s, and some to spare.
pub const HANDSHAKE_FRAMES_MAX: u32 = 64;
/// Bytes that a telephone may send behind its hello before the answer: pings, nothing larger has a use there.
pub const HANDSHAKE_AHEAD_BYTES_MAX: usize = 4 * 1024;
/// From the link's upgrade to the end of its handshake. (L10)
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Limits of what an address block may try in vain: hellos, renewals and tokens of room clients that fail. Those that
/// succeed cost nothing, however many come from one block, such as the whole fleet behind one NAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloLimits {
    /// Failures a second. A telephone with a bad token waits 1 s and more between its dials (`--backoff-base`), so this is
    /// a site with ten of them; fail2ban's default is 5 in 10 minutes, for people.
    pub per_address: u32,
    /// Failures at once, after ten quiet seconds: a fleet of a hundred whose tokens all expired.
    pub per_address_burst: u32,
}

impl Default for HelloLimits {
    fn default() -> Self {
        Self { per_address: 10, per_address_burst: 100 }
    }
}

/// Address blocks whose failures are counted at once: the /64 prefixes of one /48, what a site is assigned (RFC 6177 §2).
/// About 12 MiB. Beyond that the block that failed least is forgotten, whose bucket is nearly full.
pub const FAILING_BLOCKS_MAX: usize = 65_536;
/// Tokens that wait for their signature to be checked: what one core checks within [`HANDSHAKE_TIMEOUT`] at 1.7 ms each,
/// with two RSA keys of 4,096 bits, and room to spare. Beyond that the block with the most gives up its latest.
pub const WAITING_CHECKS_MAX: usize = 4_096;
/// When a peer whose token was refused without a check may retry. An earlier retry would be refused again; an hour bounds the
/// wait of a rate near zero.
pub const UNCHECKED_RETRY: core::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);

/// Limits of a relay's connections. (L15)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections that are open at once: those of clients, of telephones, and of raw ports. By default as many as
    /// [`connections_of`] the descriptors.
    pub connections: usize,
    /// Bytes of memory that the process may use. At 80 % of them slow exchanges end. By default as many as the system allows
    /// the process.
    pub memory_bytes: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections: usize::MAX, memory_bytes: u64::MAX }
    }
}

/// Descriptors that are kept for other things than connections: listening ports, the admin port, files, and connections that
/// are being closed. (L15)
const DESCRIPTORS_RESERVED: u64 = 256;

/// How many connections a process may have that may open so many descriptors: 90 % of them, less 256, or less a third where
/// that is fewer. Envoy advises half of the descriptors, since each of its requests may need one more; here requests share
/// the connection of a telephone.
///
/// ```
/// use telephone_core::limits::connections_of;
/// assert_eq!([64, 120, 1_024, 65_536].map(connections_of), [36, 68, 665, 58_726]);
/// ```
#[must_use]
pub fn connections_of(descriptors: u64) -> usize {
    let third = descriptors / 3;
    let reserved = if third < DESCRIPTORS_RESERVED { third } else { DESCRIPTORS_RESERVED };
    let usable = (descriptors - descriptors.div_ceil(10)).saturating_sub(reserved);
    usize::try_from(usable).unwrap_or(usize::MAX).max(1)
}

/// Limits of the relay's routing. (L17)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterLimits {
    /// How long a request waits for a session of its mount. (L17)
    pub park_time: Duration,
    /// How long a request waits for a stream of a telephone that works: one whose streams end, with no pause over
    /// `park_time`. As long as common balancers wait for a server (HAProxy advises 30 s for `timeout queue`). (L17)
    pub slot_time: Duration,
    /// Requests that wait for one mount. (L17)
    pub parked_per_mount: usize,
    /// Requests that wait in all: each holds a request head, so about 32 MiB at the worst.
    pub parked: usize,
    /// How long after its start a relay parks requests for mounts that it does not know: the telephones
    /// of a relay that was restarted are back within that time.
    pub start_grace: Duration,
    /// What `Retry-After` says. A refused request has waited for `park_time` already, or no telephone is connected.
    pub retry_after: Duration,
    /// Bytes that all sessions without a link hold for the next one, about. Beyond that the sessions of the subject
    /// that holds the most are given up, first those that have waited longest. (L6)
    pub waiting_bytes: u64,
    /// Mounts without a session that are remembered (503 and not 404), the latest ones.
    pub remembered: usize,
    /// How long a mount without a session is remembered. Until then its requests go to no shorter mount,
    /// so a restart never hands them to another application; then the mount was taken away on purpose.
    pub remember_time: Duration,
    /// Requests that may be given to another session each second, beside one for each [`RETRY_COST`].
    pub retries: u64,
    /// Retries that may come at once, when none came for long: as many requests as a session that is lost may have.
    pub retries_kept: u64,
}

impl Default for RouterLimits {
    fn default() -> Self {
        Self {
            park_time: Duration::from_secs(5),
            slot_time: Duration::from_secs(30),
            parked_per_mount: 100,
            parked: 1_000,
            start_grace: Duration::from_secs(5),
            retry_after: Duration::from_secs(1),
            waiting_bytes: 256 * 1024 * 1024,
            remembered: 10_000,
            remember_time: Duration::from_secs(10 * 60),
            retries: 10,
            retries_kept: 1_024,
        }
    }
}

/// The bounds of the spread over which a lost link is redialled, whatever a relay says. (L12)
pub const REDIAL_SPREAD: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(5 * 60);
/// How long a lost session is redialled at the quick pace where the resume window is not known. (L12)
pub const REDIAL_QUICK_TIME: Duration = Duration::from_secs(30);
/// The longest delay between quick redials, unless the spread is longer. (L12)
pub const REDIAL_QUICK_MAX: Duration = Duration::from_secs(1);
/// How long a session must be up for its link to count as good though nothing went through it. (L12)
pub const REDIAL_GOOD_AFTER: Duration = Duration::from_secs(60);
/// The least delay after a token was refused which the telephone may yet replace. (L12)
pub const REDIAL_FORBIDDEN_DELAY: Duration = Duration::from_secs(60);
/// The longest `Retry-After` of a relay that is believed. (L12)
pub const REDIAL_RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);
/// The longest resume window of a plugboard that is believed: none can be told to offer a longer one.
pub const RESUME_WINDOW_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest interval over which a plugboard that leaves may spread its telephones' dials. (L13)
pub const MOVE_WITHIN_MAX: Duration = Duration::from_secs(60);
/// The mean gap between attempts that come without end. (I41)
pub const REDIAL_GAP: Duration = Duration::from_millis(600);
/// Attempts that may come closer than [`REDIAL_GAP`]: with it, 59 in any 30 s at the most. (I41)
pub const REDIAL_BURST: u32 = 9;

/// How far an epoch may lie ahead of the relay's clock. Epochs are starts of processes, so that a later one is a clock
/// that is wrong, or a claim that no honest process could ever outbid; a day is more than time zones differ. (T-11)
pub const EPOCH_AHEAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the holder of a mount may take to answer the ping that a process of its identity with an older epoch causes: a
/// round trip of 1 s and one lost packet with its retransmission (RFC 6298 §2.4: 1 s) fit, and the handshake's 10 s are not
/// used up. (T-11)
pub const HOLDER_PING_TIMEOUT: Duration = Duration::from_secs(3);
/// The same for a holder whose answers took longer lately: twice that time, up to this, which leaves 2 s of the handshake's 10 s.
pub const HOLDER_PING_SLOW: Duration = Duration::from_secs(8);
/// The least delay of a telephone that a newer one of its identity took over from. (T-11)
pub const REDIAL_REPLACED: Duration = Duration::from_secs(5);
/// How long a plugboard that has a session is dialled alone. No request that comes meanwhile waits longer, so that from
/// then on another plugboard behind the same URL may do as well.
pub const RESUME_ALONE_TIME: Duration = Duration::from_secs(5);
/// How long a session may be without a link before its requests, as far as they may, go to another one.
pub const DARK_TIME: Duration = Duration::from_secs(1);
/// Requests a second that are measured for metrics: all of a relay that is not busy, and a sample of one that is. The telephone
/// is asked for its part, which costs both ends some microseconds.
pub const MEASURED_A_SECOND: u32 = 100;
/// Sessions that a request is given to, one after the other.
pub const REQUEST_ATTEMPTS_MAX: u32 = 3;
/// Requests that pay for giving one of them to another session.
pub const RETRY_COST: u64 = 5;
/// How long what is in flight may take to finish after a telephone was told to end. (L13)
pub const DRAIN_TIME: Duration = Duration::from_secs(30);

/// Descriptors of a telephone that are for no stream: its standard streams, those of its runtime, its resolver, its token and
/// its recordings, a new connection while its address is raced (some 32), and probes at its health port (64).
pub const TELEPHONE_DESCRIPTORS: u64 = 96;
/// Descriptors of a telephone for each plugboard: the link, the next one, and sessions that were moved (4).
pub const LINE_DESCRIPTORS: u64 = 8;

/// Between a failed connect to an application and the first attempt of its telephone, which doubles each time: an application
/// that restarts is back within seconds, and systemd's and Docker's first restart delays are below a second.
pub const BACKEND_RETRY_MIN: Duration = Duration::from_secs(1);
/// What it grows to: as often as Kubernetes probes by default.
pub const BACKEND_RETRY_MAX: Duration = Duration::from_secs(10);
/// Between two checks of an application that is up (Kubernetes: `periodSeconds` 10).
pub const BACKEND_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// How long one attempt, or the answer to a check, may take.
pub const BACKEND_CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Between a scope that lacks mounts and the first time that they are presented again, which doubles each time: a port may be
/// that of a program that is about to end.
pub const MISSING_RETRY_MIN: Duration = Duration::from_secs(1);
/// What it grows to: as for a token that was refused.
pub const MISSING_RETRY_MAX: Duration = Duration::from_secs(60);

/// How many streams a telephone of `descriptors` open files can serve for each of its plugboards, at least one: each may need
/// a connection to a backend. Of a small limit half is kept for the rest. (L7)
///
/// ```
/// use telephone_core::limits::streams_within;
/// assert_eq!([streams_within(1024, 1), streams_within(1024, 2), streams_within(16, 9)], [920, 456, 1]);
/// ```
#[must_use]
pub fn streams_within(descriptors: u64, plugboards: u64) -> u64 {
    let reserved = TELEPHONE_DESCRIPTORS.min(descriptors / 2);
    let shared = descriptors.saturating_sub(reserved);
    shared.checked_div(plugboards).unwrap_or(shared).saturating_sub(LINE_DESCRIPTORS).max(1)
}

/// Limits of the telephone's connections to its backend. (L11)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendLimits {
    /// To connect. (B-02)
    pub connect_timeout: Duration,
    /// From the last byte of progress to the head of the response. (B-03)
    pub first_byte_timeout: Duration,
    /// Between two bytes of a body of declared length. A body of unknown length, as of server-sent
    /// events, may pause for ever. (B-04)
    pub idle_timeout: Duration,
    /// Idle connections that are kept for reuse.
    pub pooled: usize,
    /// How long each is kept: below the 5 s after which the common servers with the shortest patience
    /// (Node) close theirs, so that a request seldom meets a connection that is being closed. (B-12)
    pub pool_time: Duration,
    /// How long before the end of the time that a backend names (`Keep-Alive: timeout=N`) its connection is closed: a round
    /// trip and a busy event loop fit (undici's `keepAliveTimeoutThreshold`: 1 s). (B-12)
    pub pool_margin: Duration,
    /// How long a connection may have rested that carries a request which may not be repeated: below the 2 s after which
    /// gunicorn closes, the least default of the common servers. (B-12)
    pub pool_fresh_time: Duration,
    /// Connections on which a client's login runs and that wait for its next request. A client that loses its place logs in again.
    pub bound: usize,
    /// How long each waits: longer than a client connection may idle at a plugboard, so that it outlives that.
    pub bound_time: Duration,
}

impl Default for BackendLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(300),
            pooled: 64,
            pool_time: Duration::from_secs(4),
            pool_margin: Duration::from_secs(1),
            pool_fresh_time: Duration::from_secs(1),
            bound: 64,
            bound_time: Duration::from_secs(90),
        }
    }
}
