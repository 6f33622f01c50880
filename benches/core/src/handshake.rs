//! Hello and welcome.

use telephone_core::handshake::{Answer, Greeting, Reception, welcome};
use telephone_core::limits::SessionLimits;
use telephone_core::time::Timestamp;
use telephone_core::wire::{Hello, Profile, Settings, Welcome};

use crate::{Work, heads};

/// A hello is written and read, and its welcome too.
#[derive(Debug)]
pub struct Handshake {
    hello: Hello,
    welcome: Welcome,
    prepared: Option<(Hello, Welcome)>,
}

impl Handshake {
    /// A hello with two mounts and a token of 600 octets.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "setting up is work")]
    pub fn new() -> Self {
        let settings = Settings::of(&SessionLimits::default());
        let hello = Hello {
            token: "t".repeat(600),
            mounts: vec![heads::MOUNT.into(), "/api".into()],
            instance: "web-1".into(),
            epoch: 1_700_000_000_000,
            agent: "telephone/0.1.0".into(),
            settings: settings.clone(),
            resume: None,
        };
        let welcome = Welcome {
            session: 7,
            secret: *b"0123456789abcdef",
            resumed: None,
            resume_url: None,
            resume_window_ms: 30_000,
            spread_ms: 100,
            expires_in_s: Some(3600),
            settings,
        };
        Self { hello, welcome, prepared: None }
    }
}

impl Work for Handshake {
    fn prepare(&mut self) {
        self.prepared = Some((self.hello.clone(), self.welcome.clone()));
    }

    fn run(&mut self) {
        let (hello, granted) = self.prepared.take().expect("a prepared run");
        let (message, greeting) = Greeting::start(Profile::Binary, hello, Timestamp::ZERO);
        let heard = Reception::start(Profile::Binary, Timestamp::ZERO)
            .handle_message(message)
            .expect("our own hello");
        assert_eq!(heard.mounts.len(), self.hello.mounts.len());
        let answer = greeting.handle_message(welcome(Profile::Binary, granted)).expect("our own welcome");
        assert!(matches!(answer, Answer::Welcome(_)));
    }
}
