//! Secrets: the one that signs and verifies HS256 tokens, and the token of the admin port.

use std::ffi::OsString;
use std::path::Path;
use std::{fmt, io};

use telephone_core::text::{ForeignEncoding, foreign_encoding};
use telephone_driver::file::{Reading, read_named};

/// Octets of the shortest secret: an HMAC key must be as long as the hash (RFC 7518 §3.2).
pub const SECRET_BYTES_MIN: usize = 32;
/// Bytes of the longest secret file: more is some other file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A secret of at least [`SECRET_BYTES_MIN`] bytes. No output shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why something is no secret. What it is, is not said.
#[derive(Debug, thiserror::Error)]
pub enum BadSecret {
    /// Too easy to guess.
    #[error(
        "the secret has {0} bytes, and at least {SECRET_BYTES_MIN} are needed; `plugboard secret` prints a good one"
    )]
    TooShort(usize),
    /// More than a secret would have.
    #[error("the file is longer than {SECRET_BYTES_MAX} bytes; is it the right one?")]
    TooLong,
    /// A key of another kind: as an HMAC secret, a public key would let everybody sign.
    #[error("the file holds a PEM key, not a secret; public keys go to --public-key-file")]
    Pem,
    /// An editor's or a shell's encoding: the secret would not be the one that other tools read from the file.
    #[error("{0}")]
    Encoding(ForeignEncoding),
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

impl Secret {
    /// Reads a secret from a file, as [`read_named`] has it; the file's last line end is not part of it.
    ///
    /// # Errors
    /// The file cannot be read or holds no sound secret.
    pub fn read(path: &Path, reading: Reading) -> Result<Self, BadSecret> {
        let octets = read_named(path, reading, SECRET_BYTES_MAX + 1)?;
        if octets.len() as u64 > SECRET_BYTES_MAX {
            return Err(BadSecret::TooLong);
        }
        Self::from_line(&octets)
    }

    /// Takes the value of a variable; its last line end is not part of it.
    ///
    /// # Errors
    /// It is no sound secret.
    pub fn from_variable(value: OsString) -> Result<Self, BadSecret> {
        Self::from_line(value.into_encoded_bytes().as_slice())
    }

    fn from_line(octets: &[u8]) -> Result<Self, BadSecret> {
        if let Some(encoding) = foreign_encoding(octets) {
            return Err(BadSecret::Encoding(encoding));
        }
        let line = octets.strip_suffix(b"\n").unwrap_or(octets);
        Self::new(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn new(octets: &[u8]) -> Result<Self, BadSecret> {
        if octets.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(BadSecret::Pem);
        }
        if octets.len() < SECRET_BYTES_MIN {
            return Err(BadSecret::TooShort(octets.len()));
        }
        Ok(Self(octets.to_vec()))
    }

    /// A fresh secret: 256 random bits as 64 hexadecimal digits. The digits are the secret.
    ///
    /// # Errors
    /// The operating system gives no randomness; then nothing may start (faults A-18).
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        Ok(Self(hex(&bits).into_bytes()))
    }

    /// The bytes, to sign, to verify, or to print a fresh one.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Two lower-case digits a byte.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const TEXT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_last_line_end_of_a_file_or_a_variable_is_not_part_of_the_secret() {
        for (text, secret) in [
            (TEXT.to_owned(), TEXT.to_owned()),
            (format!("{TEXT}\n"), TEXT.to_owned()),
            (format!("{TEXT}\r\n"), TEXT.to_owned()),
            (format!("{TEXT}\n\n"), format!("{TEXT}\n")),
            (format!(" {TEXT} "), format!(" {TEXT} ")),
        ] {
            let file = Scratch::file(text.as_bytes());
            assert_eq!(
                Secret::read(file.path(), Reading::First).unwrap().expose(),
                secret.as_bytes(),
                "{text:?}"
            );
            assert_eq!(Secret::from_variable(text.into()).unwrap().expose(), secret.as_bytes());
        }
    }

    #[test]
    fn a_secret_may_hold_any_octets() {
        let octets: Vec<u8> = (0..=255).collect();
        assert_eq!(Secret::read(Scratch::file(&octets).path(), Reading::First).unwrap().expose(), octets);
    }

    #[test]
    fn what_is_no_sound_secret_is_refused_without_repeating_it() {
        for (octets, part) in [
            (b"".to_vec(), "0 bytes"),
            (b"canary\n".to_vec(), "6 bytes"),
            (TEXT.as_bytes()[..31].to_vec(), "31 bytes"),
            (b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA".to_vec(), "--public-key-file"),
            (vec![b'a'; 65 * 1024], "right one"),
            (format!("\u{feff}{TEXT}\n").into_bytes(), "without BOM"),
            (
                TEXT.encode_utf16().fold(vec![0xff, 0xfe], |mut bytes, unit| {
                    bytes.extend(unit.to_le_bytes());
                    bytes
                }),
                "UTF-16",
            ),
        ] {
            let error = Secret::read(Scratch::file(&octets).path(), Reading::First).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("canary"), "{error}");
        }
        assert!(matches!(
            Secret::read(Path::new("/nonexistent"), Reading::Again),
            Err(BadSecret::Unreadable(_))
        ));
    }

    #[test]
    fn fresh_secrets_differ_and_are_good_enough_for_themselves() {
        let [one, two] = [Secret::generate().unwrap(), Secret::generate().unwrap()];
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), 64);
        assert!(Secret::new(one.expose()).is_ok());
    }

    #[test]
    fn a_secret_shows_in_no_debug_output() {
        assert_eq!(format!("{:?}", Secret::new(TEXT.as_bytes()).unwrap()), "Secret(redacted)");
    }
}
