//! The token that changes on the admin port need.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use ring::hmac;
use telephone_driver::file::Reading;
use telephone_driver::is_file_table_full;
use telephone_sidecar::Usage;

use crate::secret::{BadSecret, Secret};

/// A file with a token, read for each request that must show it, so that the token can be changed at any time. While no
/// descriptor is left to open it, the token that was read last counts: strangers who use all of them up must not keep an
/// operator from revoking.
#[derive(Debug, Clone)]
pub struct AdminToken {
    path: PathBuf,
    last: Arc<Mutex<Secret>>,
}

impl AdminToken {
    /// The token in the file at `path`, which is read here for the first time.
    ///
    /// # Errors
    /// The file cannot be read, or holds no token of 32 printable bytes or more.
    pub fn open(path: PathBuf) -> Result<Self, Usage> {
        let named = format!("--admin-token-file {}", path.display());
        let token = Secret::read(&path, Reading::First).map_err(|why| Usage::new(&named, why))?;
        if !token.expose().iter().all(u8::is_ascii_graphic) {
            return Err(Usage::new(
                &named,
                "the token must be printable ASCII without spaces: no header field carries others",
            ));
        }
        Ok(Self { path, last: Arc::new(Mutex::new(token)) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a request shows the token, once and in `Authorization`.
    ///
    /// # Errors
    /// The file holds no token any more: then no request shows it.
    pub(super) fn is_shown(&self, headers: &HeaderMap) -> Result<bool, BadSecret> {
        let token = self.current(Secret::read(&self.path, Reading::Again))?;
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return Ok(false) };
        Ok(bearer(field.as_bytes()).is_some_and(|shown| is_same(shown, token.expose())))
    }

    /// The token that was `read` now, or last if the file could not be opened for want of a descriptor.
    fn current(&self, read: Result<Secret, BadSecret>) -> Result<Secret, BadSecret> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(token) => last.clone_from(&token),
            Err(BadSecret::Unreadable(error)) if is_file_table_full(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(last.clone())
    }
}

/// The token of the scheme Bearer, whose name may be in any case. (RFC 9110 §11.1, RFC 6750 §2.1)
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = field.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// Compares in a time that tells nothing of either: what is compared are hashes, and those in constant time.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"the admin port's token");
    hmac::verify(&key, shown, hmac::sign(&key, token).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn shows(token: &AdminToken, fields: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::AUTHORIZATION, field.parse().unwrap());
        }
        token.is_shown(&headers).unwrap()
    }

    #[test]
    fn the_token_is_compared_whole_and_shown_once() {
        let file = Scratch::file(format!("{TOKEN}\n").as_bytes());
        let token = AdminToken::open(file.path().to_owned()).unwrap();
        let [good, lower] = ["Bearer", "bearer"].map(|scheme| format!("{scheme} {TOKEN}"));
        assert!(shows(&token, &[&good]) && shows(&token, &[&lower]));
        let (short, long) = (&good[..good.len() - 1], format!("{good}0"));
        for bad in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &[TOKEN],
            &[&format!("Basic {TOKEN}")],
            &[&format!("Bearer  x{TOKEN}")],
            &[short],
            &[&long],
            &[&good.to_uppercase()],
            &[&good, &good],
        ] {
            assert!(!shows(&token, bad), "{bad:?}");
        }
    }

    #[test]
    fn a_token_that_is_changed_in_its_file_counts_at_once_and_one_that_is_gone_opens_nothing() {
        let file = Scratch::file(TOKEN.as_bytes());
        let token = AdminToken::open(file.path().to_owned()).unwrap();
        let other = TOKEN.replace('0', "z");
        std::fs::write(file.path(), &other).unwrap();
        assert!(!shows(&token, &[&format!("Bearer {TOKEN}")]));
        assert!(shows(&token, &[&format!("Bearer {other}")]));
        std::fs::write(file.path(), "").unwrap();
        assert!(token.is_shown(&HeaderMap::new()).is_err());
    }

    #[test]
    fn without_a_descriptor_for_the_file_the_token_that_was_read_last_counts() {
        let file = Scratch::file(TOKEN.as_bytes());
        let token = AdminToken::open(file.path().to_owned()).unwrap();
        let failing = |errno| token.current(Err(std::io::Error::from_raw_os_error(errno).into()));
        let (enfile, emfile, enoent) = (23, 24, 2);
        assert_eq!(failing(emfile).unwrap().expose(), TOKEN.as_bytes());
        let other = TOKEN.replace('0', "z");
        std::fs::write(file.path(), &other).unwrap();
        assert!(shows(&token, &[&format!("Bearer {other}")]));
        assert_eq!(failing(enfile).unwrap().expose(), other.as_bytes());
        assert!(failing(enoent).is_err(), "a file that is gone opens nothing");
    }

    #[test]
    fn a_file_without_a_token_of_32_bytes_is_refused_at_the_start() {
        let spaced = format!(" {TOKEN}");
        for (content, part) in [(&TOKEN[..31], "31 bytes"), ("", "0 bytes"), (&spaced, "without spaces")] {
            let file = Scratch::file(content.as_bytes());
            let error = AdminToken::open(file.path().to_owned()).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("--admin-token-file"), "{error}");
        }
        assert!(AdminToken::open("/nonexistent".into()).unwrap_err().to_string().contains("/nonexistent"));
    }
}
