//! Limits of a telephone: its dials, its token, its pings, what it tells the program that embeds it.

use core::time::Duration;

/// Bytes of an instance's name: a host name of 64 bytes, and a backend or a process.
pub const INSTANCE_BYTES_MAX: usize = 128;
/// Events that a telephone keeps for a reader that is late: more than a night of redials tells in an hour, in 20 KiB.
/// (tokio's broadcast channel: as many as the program says, the oldest are dropped.)
pub const TELEPHONE_EVENTS_MAX: usize = 64;
/// The first and the longest wait before a token that was not taken is presented again: a refusal may be the fault of a
/// clock or of a load that passes, and another token does not wait.
pub const RENEWAL_RETRY_MIN: Duration = Duration::from_secs(5);
/// See [`RENEWAL_RETRY_MIN`].
pub const RENEWAL_RETRY_MAX: Duration = Duration::from_secs(60);
/// How long a plugboard may take to answer a renewal before the log says that it has not: as long as a handshake may take.
pub const RENEWAL_ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long before its end a token that nothing has renewed is warned of at the most: a working day.
pub const TOKEN_WARNING_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a token file is looked at while a telephone waits for another token than the one that was refused: a read of
/// a small file costs nothing, and its operator watches the replacement.
pub const TOKEN_WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// The head start of an address before the next is tried beside it. [RFC 8305 §5]
pub const DIAL_HEAD_START: Duration = Duration::from_millis(250);
/// How long a dial waits for addresses that do not answer, once another one refused: longer than a round trip around the
/// world, and as long as the longest delay of a quick redial ([`REDIAL_QUICK_MAX`](super::REDIAL_QUICK_MAX)), so that an address that never answers
/// at most doubles the time between two looks at a server that restarts.
pub const DIAL_PATIENCE: Duration = Duration::from_secs(1);
/// Of so many failed attempts in a row one waits for the whole [`HANDSHAKE_TIMEOUT`](super::HANDSHAKE_TIMEOUT): on a path that loses packets a
/// connection takes a second longer for each (the first retransmission, RFC 6298 §2). Eight come within some 12 s.
pub const DIAL_PATIENT_EACH: u32 = 8;
/// Addresses tried for one name. A resolver that says more is broken or hostile.
pub const DIAL_ADDRESSES_MAX: usize = 16;

/// The ping intervals that a telephone may be given: often enough for every front whose limit is in seconds, and seldom
/// enough that a ping and its answer come well within [`SessionLimits::idle_timeout`](super::SessionLimits::idle_timeout).
pub const PING_INTERVAL: core::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(20);
/// Silence after which a closed link may have been closed for its silence. Less is no limit that a front has.
pub const IDLE_CUT_MIN: Duration = Duration::from_secs(2);
/// Links in a row that end after the same silence before a telephone reports it: two may be chance.
pub const IDLE_CUT_LINKS: u32 = 3;

/// Between two looks at the clock that counts while a machine is suspended: with [`WAKE_PATIENCE`] and a dial a lost link is
/// back within 2 s.
pub const WAKE_LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How late a look must be to mean that the process stood still: a busy machine runs its tasks a second late.
pub const WAKE_LATE_MIN: Duration = Duration::from_secs(3);
/// How long the peer may take to answer the ping of a process that stood still: four round trips, within these bounds. On a fast
/// link giving up one that is up costs no more than a resume.
pub const WAKE_PATIENCE: core::ops::RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(2);
/// The same on a link whose answers took longer lately: twice that time, up to this. Such a link is worth a wait: a new one
/// takes at least four answers (TCP, TLS, upgrade, handshake). As long as a ping may take while bytes are owed.
pub const WAKE_PATIENCE_SLOW: Duration = Duration::from_secs(10);
/// How long bytes may come that were sent before, and wait in the system's buffers: they prove nothing.
pub const WAKE_SETTLE: Duration = Duration::from_millis(100);
/// How much longer a dial may take that had begun before.
pub const WAKE_DIAL_TIME: Duration = Duration::from_secs(2);
