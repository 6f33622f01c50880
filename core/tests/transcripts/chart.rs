//! Two sessions and a link whose messages are drawn as they go.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use telephone_core::limits::SessionLimits;
use telephone_core::recording::words;
use telephone_core::session::{LinkId, Role, Session, SessionConfig};
use telephone_core::time::{Timestamp, earliest};
use telephone_core::wire::{Profile, Settings};

/// One way through the link.
const LATENCY: Duration = Duration::from_millis(10);
/// Between the two ends, in characters.
const WIDTH: usize = 66;

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Arrived,
    Lost,
}

/// A sequence chart under construction, the telephone on its left.
pub(crate) struct Chart {
    pub(crate) telephone: Session,
    pub(crate) plugboard: Session,
    pub(crate) now: Timestamp,
    /// What the link takes and never delivers.
    pub(crate) is_dark: bool,
    text: String,
}

impl Chart {
    /// Two sessions right behind their handshake.
    pub(crate) fn new() -> Self {
        let session = |role, seed| {
            let limits = SessionLimits::default();
            let (peer, resume_window) = (Settings::of(&limits), limits.resume_window);
            Session::new(
                SessionConfig { role, profile: Profile::Binary, limits, peer, seed, resume_window },
                Timestamp::ZERO,
            )
        };
        let text = format!("{:10}telephone{:>width$}\n", "", "plugboard", width = WIDTH - 9);
        let (telephone, plugboard) = (session(Role::Telephone, 1), session(Role::Plugboard, 2));
        Self { telephone, plugboard, now: Timestamp::ZERO, is_dark: false, text }
    }

    /// The chart as it stands in the document.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Writes a remark of what no message shows.
    pub(crate) fn note(&mut self, remark: &str) {
        let _infallible = writeln!(self.text, "{}  · {remark}", self.time());
    }

    /// Forgets what was drawn, but for the two names: a chart begins here.
    pub(crate) fn begin(&mut self) {
        let end = self.text.find('\n').map_or(0, |at| at + 1);
        self.text.truncate(end);
    }

    /// Carries messages until neither end has one.
    pub(crate) fn carry(&mut self) {
        while self.carry_one_each() {}
    }

    /// At most one message each way, which take their time. False if there was none.
    pub(crate) fn carry_one_each(&mut self) -> bool {
        let up = say(&mut self.telephone, self.now);
        let down = say(&mut self.plugboard, self.now);
        let is_any = up.is_some() || down.is_some();
        let fate = if self.is_dark { Fate::Lost } else { Fate::Arrived };
        for (message, is_up) in up.iter().map(|it| (it, true)).chain(down.iter().map(|it| (it, false))) {
            self.draw(&words::message(Profile::Binary, message), is_up, fate);
        }
        if is_any {
            self.now = self.now + LATENCY;
        }
        if self.is_dark {
            return is_any;
        }
        if let Some(message) = up {
            hear(&mut self.plugboard, message, self.now);
        }
        if let Some(message) = down {
            hear(&mut self.telephone, message, self.now);
        }
        is_any
    }

    /// Draws a message of a handshake.
    pub(crate) fn hand_over(&mut self, message: &Bytes, is_up: bool) {
        self.draw(&words::message(Profile::Binary, message), is_up, Fate::Arrived);
        self.now = self.now + LATENCY;
    }

    /// Lets time pass, with every deadline on the way.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = earliest(self.telephone.poll_timeout(), self.plugboard.poll_timeout()) {
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            self.telephone.handle_timeout(self.now);
            self.plugboard.handle_timeout(self.now);
            self.carry();
        }
        self.now = self.now.max(until);
    }

    /// The link breaks at both ends, and with it what it carried.
    pub(crate) fn cut(&mut self) {
        for session in [&mut self.telephone, &mut self.plugboard] {
            let link = session.latest_link();
            session.handle_disconnect(link, self.now);
        }
    }

    fn time(&self) -> String {
        format!("{:8.3}", Duration::from_micros(self.now.as_micros()).as_secs_f64())
    }

    fn draw(&mut self, what: &str, is_up: bool, fate: Fate) {
        let dashes = "─".repeat(WIDTH.saturating_sub(what.chars().count() + 5));
        let line = match (is_up, fate) {
            (true, Fate::Arrived) => format!("── {what} {dashes}▶"),
            (true, Fate::Lost) => format!("── {what} {dashes}╳"),
            (false, Fate::Arrived) => format!("◀{dashes} {what} ──"),
            (false, Fate::Lost) => format!("╳{dashes} {what} ──"),
        };
        let _infallible = writeln!(self.text, "{}  {line}", self.time());
    }
}

fn say(session: &mut Session, now: Timestamp) -> Option<Bytes> {
    let link = session.link()?;
    session.poll_transmit(link, now)
}

fn hear(session: &mut Session, message: Bytes, now: Timestamp) {
    let link: LinkId = session.latest_link();
    session.handle_message(link, message, now);
    while session.poll_event().is_some() {}
}
