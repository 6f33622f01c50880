//! Text that a stranger chose, made fit for a log line or a terminal.

mod duration;
mod encoding;
mod readable;

use alloc::string::String;
use core::fmt::Write as _;

pub use duration::{rough_duration, told_delay, told_time};
pub use encoding::{ForeignEncoding, foreign_encoding};
pub use readable::{READABLE_CHARS_MAX, readable, readable_bytes};

/// The first `bytes_max` bytes as printable ASCII. Everything else (control characters, escape sequences, line ends, the
/// bytes of other alphabets with their direction overrides) becomes `\xNN`, and a backslash becomes two, so that no two
/// inputs give the same text. `...` follows what was cut.
///
/// The result has at most `4 * bytes_max + 3` bytes.
///
/// ```
/// use telephone_core::text::printable;
/// assert_eq!(printable(b"/api\x1b[2J\n", 512), r"/api\x1b[2J\x0a");
/// assert_eq!(printable(b"/a/long/path", 7), "/a/long...");
/// ```
#[must_use]
pub fn printable(bytes: &[u8], bytes_max: usize) -> String {
    let kept = bytes.get(..bytes_max).unwrap_or(bytes);
    let mut out = String::with_capacity(kept.len());
    for byte in kept {
        match byte {
            b'\\' => out.push_str(r"\\"),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    if kept.len() < bytes.len() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_or_a_log_would_obey_is_escaped() {
        let rows: [(&[u8], &str); 8] = [
            (b"shop", "shop"),
            (b"two\nlines\r", r"two\x0alines\x0d"),
            (b"\x1b[31mred", r"\x1b[31mred"),
            ("\u{9b}31m".as_bytes(), r"\xc2\x9b31m"),
            ("\u{202e}txt".as_bytes(), r"\xe2\x80\xaetxt"),
            (b"\xff\x00\x7f", r"\xff\x00\x7f"),
            (br"\x1b", r"\\x1b"),
            (b"", ""),
        ];
        for (bytes, text) in rows {
            assert_eq!(printable(bytes, 512), text, "{bytes:?}");
        }
    }

    #[test]
    fn a_text_of_just_the_bound_is_whole_and_a_longer_one_says_that_it_was_cut() {
        assert_eq!(printable(b"abc", 3), "abc");
        assert_eq!(printable(b"abcd", 3), "abc...");
        assert_eq!(printable(b"abcd", 0), "...");
    }

    #[test]
    fn each_byte_has_a_text_of_its_own() {
        let texts: BTreeSet<String> = (0..=255).map(|byte| printable(&[byte], 1)).collect();
        assert_eq!(texts.len(), 256);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_give_printable_ascii_of_bounded_length(
            bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
            bytes_max in 0_usize..1_000,
        ) {
            let text = printable(&bytes, bytes_max);
            let is_printable: Vec<bool> = text.bytes().map(|byte| (b' '..=b'~').contains(&byte)).collect();
            prop_assert!(is_printable.iter().all(|is| *is));
            prop_assert!(text.len() <= 4 * bytes_max + 3);
        }
    }
}
