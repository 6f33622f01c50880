//! What is said when a command line or a variable is wrong.

use std::fmt;
use std::io::{self, Write};

use crate::exit::Exit;
use crate::logging;

/// A value that cannot be used: where it came from, what it was, what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage(String);

impl Usage {
    /// `option` (with its value, where that is no secret) is wrong because of `why`.
    #[must_use]
    pub fn new(option: &str, why: impl fmt::Display) -> Self {
        Self(redact(&format!("{option}: {why}")))
    }

    /// A whole text that names the option.
    pub(crate) const fn from_text(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// A program ends here, with these last words: help that was asked for, or an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    text: String,
    exit: Exit,
}

impl Stop {
    /// Ends with `exit` and one line of `why`.
    #[must_use]
    pub fn new(exit: Exit, why: impl fmt::Display) -> Self {
        Self { text: format!("error: {why}\n"), exit }
    }

    /// Ends well, with one line of what was asked for.
    #[must_use]
    pub fn print(line: &str) -> Self {
        Self { text: format!("{line}\n"), exit: Exit::Clean }
    }

    /// The same, with another line behind the first of an error.
    pub(crate) fn with_note(mut self, note: &str) -> Self {
        let first = self.text.find('\n').unwrap_or(self.text.len());
        self.text.insert_str(first, &format!("\nnote: {note}"));
        self
    }

    /// The last words, line ends included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// Says the last words, help to standard output and errors to standard error, and gives the exit
    /// code. That nobody listens is no error.
    pub fn say(&self) -> Exit {
        match self.exit {
            Exit::Clean => {
                let _ = io::stdout().write_all(self.text.as_bytes());
            }
            Exit::Failed | Exit::Usage | Exit::Refused => logging::write(&self.text),
        }
        self.exit
    }
}

impl From<Usage> for Stop {
    fn from(usage: Usage) -> Self {
        Self { text: format!("error: {usage}\n\nFor more information, try '--help'.\n"), exit: Exit::Usage }
    }
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        if error.use_stderr() {
            Self { text: redact(&text), exit: Exit::Usage }
        } else {
            Self { text, exit: Exit::Clean }
        }
    }
}

/// Hides whatever looks like a JWT, which always begins with `eyJ` (`{"` in base64): a token in the wrong
/// place of a command line must not end in a log (faults A-13).
fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, token)) = rest.split_once("eyJ") {
        out.push_str(before);
        out.push_str("<token>");
        rest = token.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_.+/=".contains(c));
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_is_hidden_and_the_rest_is_not() {
        assert_eq!(
            redact("unexpected argument 'eyJhbGciOi.J9-_.abc' found"),
            "unexpected argument '<token>' found"
        );
        assert_eq!(redact("eyJa eyJb."), "<token> <token>");
        assert_eq!(redact("no token here"), "no token here");
    }

    #[test]
    fn a_usage_error_ends_with_2_and_points_to_the_help() {
        let stop = Stop::from(Usage::new("--port \"x\"", "it must be a number"));
        assert_eq!(stop.exit().code(), 2);
        assert!(stop.text().starts_with("error: --port \"x\": it must be a number\n"));
        assert!(stop.text().contains("--help"));
    }
}
