//! System calls that go on after an interruption.

use std::io::{self, ErrorKind};

/// Does it again when it was interrupted: a wait on a socket with a time-out ends when the process is stopped and goes
/// on (signal(7)), and somebody may have wanted the machine for a moment.
///
/// # Errors
/// All others.
pub fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_is_no_error_and_others_are() {
        let mut answers = vec![Err(ErrorKind::WouldBlock.into()), Ok(7), Err(ErrorKind::Interrupted.into())];
        let mut call = || answers.pop().expect("no more calls than answers");
        assert_eq!(retry(&mut call).expect("the second answer"), 7);
        assert!(retry(&mut call).is_err());
    }
}
