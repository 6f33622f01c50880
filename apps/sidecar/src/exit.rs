//! How a program ends.

use std::process::ExitCode;

/// The exit codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// A clean stop, or help was asked for: 0.
    Clean,
    /// Something failed while running: 1.
    Failed,
    /// Bad usage or configuration: 2. Nothing was started.
    Usage,
    /// The plugboard refused the token for good: 3.
    Refused,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
