//! Text of a peer as it may stand in a log line, on a terminal, and in a status.

use alloc::string::String;

/// Characters of such a text, the escapes counted as what they are in the text: enough for a reason with the mounts that
/// it names, and less than a screen.
pub const READABLE_CHARS_MAX: usize = 256;

/// `text` on one line and without what a terminal obeys: control characters, line ends, overrides of the writing
/// direction, and all else that does not print, each as its escape `\u{…}`, `\n`, `\t`, `\r` or `\0`. What is printable
/// already stays as it is, so that a text may be escaped twice on its way. What is longer than [`READABLE_CHARS_MAX`]
/// characters is cut and ends with `…`.
///
/// ```
/// use telephone_core::text::readable;
/// assert_eq!(readable("refused\n\x1b[2J"), r"refused\n\u{1b}[2J");
/// ```
#[must_use]
pub fn readable(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(READABLE_CHARS_MAX) {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// Likewise of bytes that need not be text.
#[must_use]
pub fn readable_bytes(bytes: &[u8]) -> String {
    // No more is looked at than may be shown: a character has four bytes at the most.
    let shown = bytes.get(..READABLE_CHARS_MAX.saturating_mul(4).saturating_add(4)).unwrap_or(bytes);
    readable(&String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    /// What a hostile peer may write, and what is shown of it.
    const HOSTILE: &[(&str, &str)] = &[
        ("", ""),
        ("plain text, with \"quotes\" and 'more'", "plain text, with \"quotes\" and 'more'"),
        ("\x1b[31mred\x1b[0m", r"\u{1b}[31mred\u{1b}[0m"),
        ("\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
        ("\x1b]52;c;ZXZpbA==\x07", r"\u{1b}]52;c;ZXZpbA==\u{7}"),
        ("\x1bP+q\x1b\\", "\\u{1b}P+q\\u{1b}\\"),
        ("\u{9b}2J", r"\u{9b}2J"),
        ("\u{90}x\u{9c}", r"\u{90}x\u{9c}"),
        ("a\nb", r"a\nb"),
        ("a\r\nb", r"a\r\nb"),
        ("a\rb", r"a\rb"),
        ("a\tb", r"a\tb"),
        ("a\0b", r"a\0b"),
        ("a\x08\x08b", r"a\u{8}\u{8}b"),
        ("a\x0b\x0cb", r"a\u{b}\u{c}b"),
        ("a\x7fb", r"a\u{7f}b"),
        ("a\u{85}b", r"a\u{85}b"),
        ("a\u{2028}b\u{2029}c", r"a\u{2028}b\u{2029}c"),
        ("\u{202e}gpj.exe", r"\u{202e}gpj.exe"),
        ("\u{202a}\u{202b}\u{202c}\u{202d}", r"\u{202a}\u{202b}\u{202c}\u{202d}"),
        ("\u{2066}\u{2067}\u{2068}\u{2069}", r"\u{2066}\u{2067}\u{2068}\u{2069}"),
        ("\u{200e}\u{200f}\u{61c}", r"\u{200e}\u{200f}\u{61c}"),
        ("a\u{200b}\u{200c}\u{200d}b", r"a\u{200b}\u{200c}\u{200d}b"),
        ("\u{feff}a", r"\u{feff}a"),
        ("a\u{ad}b", r"a\u{ad}b"),
        ("\u{e0041}", r"\u{e0041}"),
        ("\u{e000}", r"\u{e000}"),
        ("\u{fff9}", r"\u{fff9}"),
        ("e\u{301}\u{301}\u{301}", r"e\u{301}\u{301}\u{301}"),
        (r"a\nb", r"a\nb"),
        ("größer 日本 ✓", "größer 日本 ✓"),
    ];

    #[test]
    fn nothing_that_a_terminal_obeys_and_no_line_end_is_left() {
        for (text, shown) in HOSTILE {
            assert_eq!(readable(text), *shown, "{text:?}");
            assert_eq!(readable_bytes(text.as_bytes()), *shown, "{text:?}");
            assert!(!shown.chars().any(char::is_control));
            assert_eq!(readable(shown), *shown, "escaped twice");
        }
    }

    #[test]
    fn every_control_character_is_escaped() {
        for c in ('\0'..='\u{a0}').chain('\u{2000}'..='\u{206f}').filter(|c| *c != ' ') {
            let is_risky = c.is_control() || ('\u{200b}'..='\u{200f}').contains(&c) || c >= '\u{2028}';
            let is_risky = is_risky && !('\u{2030}'..='\u{205e}').contains(&c);
            let shown = readable(&format!("{c}"));
            assert!(!is_risky || shown.starts_with('\\'), "{c:?} is shown as {shown:?}");
        }
    }

    #[test]
    fn a_megabyte_is_cut() {
        for piece in ["x", "é", "日", "\n", "\u{202e}"] {
            let shown = readable(&piece.repeat(1024 * 1024 / piece.len()));
            assert!(shown.ends_with('…') && shown.len() <= 8 * READABLE_CHARS_MAX + 3, "{}", shown.len());
        }
        let just = "x".repeat(READABLE_CHARS_MAX);
        assert_eq!(readable(&just), just);
        assert_eq!(readable_bytes(&[b'x'; 5000]), format!("{just}…"));
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_the_replacement_character() {
        assert_eq!(readable_bytes(b"a\xffb\x1b"), "a\u{fffd}b\\u{1b}");
    }
}
