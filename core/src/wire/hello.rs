//! The handshake's frames: hello, welcome, refused. Both profiles write and read the same structures; where one is for
//! people, codes and settings stand there by name, and what says nothing may be missing.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bounded::bounded;
use super::json::text::{self, Code, secret};
use crate::limits::{MOUNTS_MAX, RESUME_WINDOW_MAX, SessionLimits};

/// What a telephone says first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The JWT.
    pub token: String,
    /// The mounts to register, in the notation `[host]/path`, `room:ID`, `tcp:PORT`.
    #[serde(deserialize_with = "bounded::<MOUNTS_MAX, _, _>")]
    pub mounts: Vec<String>,
    /// Tells replicas of one subject apart.
    pub instance: String,
    /// The start of the telephone's process in milliseconds since 1970.
    pub epoch: u64,
    /// Name and version of the program, for logs.
    #[serde(default)]
    pub agent: String,
    /// The telephone's own limits.
    #[serde(default)]
    pub settings: Settings,
    /// A session to go on with instead of a new one.
    #[serde(default)]
    pub resume: Option<Resume>,
}

impl core::fmt::Debug for Hello {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Hello")
            .field("mounts", &self.mounts)
            .field("instance", &self.instance)
            .field("epoch", &self.epoch)
            .field("agent", &self.agent)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Names the session to go on with, and proves the right to it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The session's number from its welcome.
    pub session: u64,
    /// The resume secret from its welcome.
    #[serde(with = "secret")]
    pub secret: [u8; 16],
    /// How many numbered messages of the peer have arrived.
    pub position: u64,
}

/// The plugboard's consent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The session's number.
    pub session: u64,
    /// What a later [`Resume`] must present. Unguessable, made by the relay's driver.
    #[serde(with = "secret")]
    pub secret: [u8; 16],
    /// With a resumed session, how many numbered messages of the telephone have arrived.
    pub resumed: Option<u64>,
    /// Where this very relay can be reached again, if not at the URL that was dialled.
    pub resume_url: Option<String>,
    /// How long after the last octet a session can be resumed, in milliseconds; 0 is not at all.
    pub resume_window_ms: u64,
    /// The interval over which redials after a lost link are to be spread, in milliseconds.
    pub spread_ms: u64,
    /// How long the token is good for, in seconds; none if it does not expire.
    pub expires_in_s: Option<u64>,
    /// The relay's own limits.
    pub settings: Settings,
}

impl core::fmt::Debug for Welcome {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Welcome")
            .field("session", &self.session)
            .field("resumed", &self.resumed)
            .field("spread_ms", &self.spread_ms)
            .field("expires_in_s", &self.expires_in_s)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why a handshake or a renewal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedCode {
    /// The token is not valid, or does not cover a mount. Asking again with it is of no use.
    Forbidden,
    /// The token expired, or is not valid yet: another token, or a right clock, may do.
    Expired,
    /// A mount is held by another subject.
    Held,
    /// A newer process of the same identity is registered.
    Stale,
    /// The relay is full.
    Busy,
    /// The hello itself is malformed.
    Malformed,
    /// The relay is about to stop: the next attempt may reach its successor.
    Leaving,
    /// A code that this version does not know: asking again later may do.
    Other(u64),
}

impl From<RefusedCode> for u64 {
    fn from(code: RefusedCode) -> Self {
        match code {
            RefusedCode::Forbidden => 0,
            RefusedCode::Expired => 1,
            RefusedCode::Held => 2,
            RefusedCode::Stale => 3,
            RefusedCode::Busy => 4,
            RefusedCode::Malformed => 5,
            RefusedCode::Leaving => 6,
            RefusedCode::Other(code) => code,
        }
    }
}

impl From<u64> for RefusedCode {
    fn from(code: u64) -> Self {
        match code {
            0 => Self::Forbidden,
            1 => Self::Expired,
            2 => Self::Held,
            3 => Self::Stale,
            4 => Self::Busy,
            5 => Self::Malformed,
            6 => Self::Leaving,
            other => Self::Other(other),
        }
    }
}

impl Serialize for RefusedCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            Code(*self).serialize(serializer)
        } else {
            u64::from(*self).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for RefusedCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Code::deserialize(deserializer).map(|code| code.0)
        } else {
            u64::deserialize(deserializer).map(Self::from)
        }
    }
}

/// The plugboard's refusal of a hello, or of the token of a renewal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why, for programs.
    pub code: RefusedCode,
    /// Why, for people: what was wrong and what would be right.
    pub reason: String,
    /// The relay's wish for the next attempt, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// The settings of v1. A number that is not listed here is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Streams that the sender of the setting accepts at once.
    Streams,
    /// Octets that a stream may carry before its first credit frame.
    StreamFloor,
    /// Not 0 if the sender goes on with a session over another link: only then is anything kept for it.
    Resume,
    /// Not 0 if the sender answers the question for [timing](crate::timing): only then is it asked.
    Timing,
    /// Not 0 if the sender takes a session for those of its mounts that its token covers: it had one for all of them.
    Partial,
    /// Which reset codes the sender, a plugboard, knows: from 1 [`Exhausted`](crate::error::ResetCode::Exhausted), from 2
    /// those of an answer that breaks a rule.
    Exhausted,
    /// Not 0 if the sender takes [wide heads](super::HeadRules): only then are such heads sent to it.
    Wide,
    /// Not 0 if the sender, a telephone, binds a connection to its application to a client connection of the plugboard's on
    /// which a login runs: only then is it told the number.
    Clients,
    /// How many seconds nothing of a request's body may come, as the sender, a telephone, wants it for its requests. The
    /// plugboard's own limit is the least, and it caps what is asked for.
    BodyClock,
    /// Not 0 if the sender, a plugboard, takes [`Mounts`](super::Mounts) within a session. From a telephone: it takes a session
    /// without those of its ports that the plugboard cannot open, and presents them again.
    Mounts,
    /// Not 0 if the sender, a telephone, takes [h2c](super::HeadRules::is_h2c) among the protocols that a request offers.
    H2c,
    /// Not 0 if the sender, a telephone, shows [where its mounts are public](super::Site): only then is that sent to it.
    Site,
    /// Not 0 if the sender, a telephone, takes [`Refused`] in answer to a renewal: only then is it sent.
    Refusals,
    /// By what the sender, a telephone, wants the clients of its mounts to be [recognised](crate::affinity::Sticky).
    Sticky,
}

impl Setting {
    const ALL: [Self; 14] = [
        Self::Streams,
        Self::StreamFloor,
        Self::Resume,
        Self::Timing,
        Self::Partial,
        Self::Exhausted,
        Self::Wide,
        Self::Clients,
        Self::BodyClock,
        Self::H2c,
        Self::Mounts,
        Self::Site,
        Self::Refusals,
        Self::Sticky,
    ];

    const fn id(self) -> u64 {
        match self {
            Self::Streams => 1,
            Self::StreamFloor => 2,
            Self::Resume => 3,
            Self::Timing => 4,
            Self::Partial => 5,
            Self::Exhausted => 6,
            Self::Wide => 7,
            Self::Clients => 8,
            Self::BodyClock => 9,
            Self::H2c => 10,
            Self::Mounts => 11,
            Self::Site => 12,
            Self::Refusals => 14,
            Self::Sticky => 13,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::StreamFloor => "stream_floor",
            Self::Resume => "resume",
            Self::Timing => "timing",
            Self::Partial => "partial",
            Self::Exhausted => "exhausted",
            Self::Wide => "wide",
            Self::Clients => "clients",
            Self::BodyClock => "body_clock",
            Self::H2c => "h2c",
            Self::Mounts => "mounts",
            Self::Site => "site",
            Self::Refusals => "refusals",
            Self::Sticky => "sticky",
        }
    }
}

/// The limits of one end as the other must keep them: (id, value) pairs, unknown ids skipped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings(Vec<(u64, u64)>);

/// Settings in one hello or welcome: v1 has a dozen, the rest is room for later versions.
const SETTINGS_MAX: usize = 64;

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let name = |id| Setting::ALL.into_iter().find(|setting| setting.id() == id).map(Setting::name);
        text::put_settings(&self.0, name, serializer)
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return bounded::<SETTINGS_MAX, _, _>(deserializer).map(Self);
        }
        let id =
            |name: &str| Setting::ALL.into_iter().find(|setting| setting.name() == name).map(Setting::id);
        text::take_settings(SETTINGS_MAX, id, deserializer).map(Self)
    }
}

impl Settings {
    /// What an end with these limits tells the other.
    #[must_use]
    pub fn of(limits: &SessionLimits) -> Self {
        let settings = Self(alloc::vec![
            (Setting::Streams.id(), limits.streams),
            (Setting::StreamFloor.id(), limits.stream_floor),
            (Setting::Resume.id(), u64::from(!limits.resume_window.is_zero())),
        ]);
        let settings = if limits.heads.is_wide { settings.with(Setting::Wide, 1) } else { settings };
        if limits.heads.is_h2c { settings.with(Setting::H2c, 1) } else { settings }
    }

    /// The same, and `setting` with that value.
    #[must_use]
    pub fn with(mut self, setting: Setting, value: u64) -> Self {
        self.0.push((setting.id(), value));
        self
    }

    /// The value of one setting, if it was sent.
    #[must_use]
    pub fn value(&self, setting: Setting) -> Option<u64> {
        self.0.iter().find(|(id, _)| *id == setting.id()).map(|(_, value)| *value)
    }

    /// Whether one setting was sent with another value than 0.
    #[must_use]
    pub fn has(&self, setting: Setting) -> bool {
        self.value(setting).is_some_and(|value| value > 0)
    }

    /// For how long a session with whoever sent these settings waits for another link: `window`, unless the sender
    /// does not come back.
    #[must_use]
    pub fn resume_window(&self, window: Duration) -> Duration {
        if self.has(Setting::Resume) { window } else { Duration::ZERO }
    }
}

impl Welcome {
    /// [`Welcome::spread_ms`] as a duration.
    #[must_use]
    pub const fn spread(&self) -> Duration {
        Duration::from_millis(self.spread_ms)
    }

    /// [`Welcome::resume_window_ms`] as a duration, at most [`RESUME_WINDOW_MAX`].
    #[must_use]
    pub fn resume_window(&self) -> Duration {
        Duration::from_millis(self.resume_window_ms).min(RESUME_WINDOW_MAX)
    }

    /// [`Welcome::expires_in_s`] as a duration.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.expires_in_s.map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    #[test]
    fn a_resume_window_is_believed_up_to_a_day() {
        let believed = |resume_window_ms| {
            let welcome = Welcome {
                session: 1,
                secret: [0; 16],
                resumed: None,
                resume_url: None,
                resume_window_ms,
                spread_ms: 100,
                expires_in_s: None,
                settings: Settings::default(),
            };
            welcome.resume_window()
        };
        assert_eq!(believed(30_000), WINDOW);
        assert_eq!(believed(u64::MAX), RESUME_WINDOW_MAX);
    }

    #[test]
    fn settings_are_those_of_the_limits_and_what_was_added() {
        let limits = SessionLimits { streams: 7, stream_floor: 9, ..SessionLimits::default() };
        let settings = Settings::of(&limits).with(Setting::Timing, 1).with(Setting::Partial, 0);
        assert_eq!(settings.value(Setting::Streams), Some(7));
        assert_eq!(settings.value(Setting::StreamFloor), Some(9));
        assert!(settings.has(Setting::Resume) && settings.has(Setting::Timing));
        assert_eq!((settings.value(Setting::Partial), settings.has(Setting::Partial)), (Some(0), false));
        assert_eq!(Settings::default().value(Setting::Streams), None);
    }

    #[test]
    fn nothing_waits_for_whoever_does_not_come_back() {
        let limits = |resume_window| SessionLimits { resume_window, ..SessionLimits::default() };
        assert_eq!(Settings::of(&limits(WINDOW)).resume_window(WINDOW), WINDOW);
        assert_eq!(Settings::of(&limits(Duration::ZERO)).resume_window(WINDOW), Duration::ZERO);
        assert_eq!(Settings::default().resume_window(WINDOW), Duration::ZERO);
    }

    #[test]
    fn a_welcome_tells_its_times_as_durations() {
        let mut welcome = Welcome {
            session: 1,
            secret: [7; 16],
            resumed: None,
            resume_url: None,
            resume_window_ms: 30_000,
            spread_ms: 1_500,
            expires_in_s: Some(60),
            settings: Settings::default(),
        };
        assert_eq!(
            (welcome.spread(), welcome.expires_in()),
            (Duration::from_millis(1_500), Some(2 * WINDOW))
        );
        welcome.expires_in_s = None;
        assert_eq!(welcome.expires_in(), None);
    }
}
