//! Which octets may stand where, checked before anything is interpreted.
//!
//! The scanner walks a head or a trailer section as it comes, with the verdict of one that goes octet by octet, so that
//! a section that is refused is refused at the same octet however it was cut into reads.
//! What it lets through has CR and LF only as CRLF, no control but HTAB, no folded line, and is within
//! its bounds; `split` may then take it apart (RFC 9112 §2.2, §5).

use super::error::Malformed;

/// Whether `octet` may be part of a token (RFC 9110 §5.6.2).
pub(super) const fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// 1 for each octet that [`is_token_octet`]: each name of each field of each head is looked up.
const TOKEN_OCTETS: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0_u8;
    loop {
        #[allow(clippy::indexing_slicing, reason = "an octet is below 256, and const code has no `get_mut`")]
        let slot = &mut table[octet as usize];
        *slot = is_token_octet(octet) as u8;
        if octet == u8::MAX {
            break table;
        }
        octet += 1;
    }
};

/// Whether `text` is a token: not empty, and token octets only.
pub(crate) fn is_token(text: &[u8]) -> bool {
    // Without an early end: most are sound, and short.
    let is_sound = |octet: &u8| TOKEN_OCTETS.get(usize::from(*octet)).copied().unwrap_or_default();
    !text.is_empty() && text.iter().fold(1, |so_far, octet| so_far & is_sound(octet)) == 1
}

/// Whether `octet` may stand in a field value or a reason phrase: no control but HTAB, obs-text allowed
/// (RFC 9110 §5.5).
const fn is_text_octet(octet: u8) -> bool {
    (octet == b'\t') | ((octet >= b' ') & (octet != 0x7f))
}

/// Whether `text` may be sent as a field value or a reason phrase.
pub(crate) fn is_text(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk() else { return text.iter().all(|octet| is_text_octet(*octet)) };
    // The last eight may be looked at a second time in part: that costs less than one by one.
    let (eights, _) = text.as_chunks();
    let has_controls = eights.iter().chain([last]).any(|eight| controls(u64::from_le_bytes(*eight)) != 0);
    !has_controls || text_run(text) == text.len()
}

/// How much of a section is read before it is refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Octets of the start line; `None` for a section of fields only.
    pub(super) start_line: Option<usize>,
    /// Octets of one field line, without CRLF.
    pub(super) line: usize,
    /// Field lines.
    pub(super) lines: usize,
    /// Octets of the whole section.
    pub(super) total: usize,
}

/// Finds the end of a section, or the first octet that may not be where it is.
#[derive(Debug)]
pub(super) struct Scanner {
    bounds: Bounds,
    /// Octets seen.
    at: usize,
    /// Octets of the line that is being read.
    line: usize,
    /// Field lines that have ended.
    lines: usize,
    is_after_cr: bool,
    is_start_owed: bool,
    /// Empty lines that may still precede a request line (RFC 9112 §2.2). [H-06]
    blanks_left: u8,
    /// Whether an answer is read: bare LF, folds and controls pass, and are noted.
    is_lenient: bool,
    is_odd: bool,
}

impl Scanner {
    pub(super) const fn new(bounds: Bounds, blanks_left: u8) -> Self {
        let is_start_owed = bounds.start_line.is_some();
        let (is_after_cr, is_lenient, is_odd) = (false, false, false);
        Self { bounds, at: 0, line: 0, lines: 0, is_after_cr, is_start_owed, blanks_left, is_lenient, is_odd }
    }

    /// One for answers, which are written afresh: what has one meaning passes (`lenient`).
    pub(super) const fn lenient(bounds: Bounds) -> Self {
        Self { is_lenient: true, ..Self::new(bounds, 0) }
    }

    /// Whether what passed is to be straightened before it is split.
    pub(super) const fn is_odd(&self) -> bool {
        self.is_odd
    }

    /// Octets seen: those of the section up to one that is refused.
    pub(super) const fn seen(&self) -> usize {
        self.at
    }

    /// Goes on where the last call stopped; `input` starts with what earlier calls have seen. The answer
    /// is the section's length, its empty line included.
    pub(super) fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, Malformed> {
        loop {
            self.skip_text(input);
            if self.takes_line_end(input) {
                if self.end_line()? {
                    return Ok(Some(self.at));
                }
                continue;
            }
            let Some(&octet) = input.get(self.at) else { return Ok(None) };
            if self.at >= self.bounds.total {
                return Err(Malformed::SectionTooLong);
            }
            self.at = self.at.saturating_add(1);
            if self.accept(octet)? {
                return Ok(Some(self.at));
            }
        }
    }

    /// Passes over octets that only count, many in one step: the text of a line, up to the next bound.
    fn skip_text(&mut self, input: &[u8]) {
        let is_folded = self.line == 0 && matches!(input.get(self.at), Some(b' ' | b'\t'));
        if self.is_after_cr || is_folded {
            return;
        }
        let room = self.line_max().saturating_sub(self.line).min(self.bounds.total.saturating_sub(self.at));
        let rest = input.get(self.at..).unwrap_or_default();
        let count = text_run(rest.get(..room).unwrap_or(rest));
        self.at = self.at.saturating_add(count);
        self.line = self.line.saturating_add(count);
    }

    /// Passes over a whole line end, as most come.
    fn takes_line_end(&mut self, input: &[u8]) -> bool {
        let is_whole = !self.is_after_cr
            && self.bounds.total.saturating_sub(self.at) >= 2
            && input.get(self.at..).is_some_and(|rest| rest.starts_with(b"\r\n"));
        if is_whole {
            self.at = self.at.saturating_add(2);
        }
        is_whole
    }

    /// Takes one octet that was not passed over; `true` if it is the section's last.
    fn accept(&mut self, octet: u8) -> Result<bool, Malformed> {
        match octet {
            b'\n' if self.is_after_cr => self.end_line(),
            _ if self.is_after_cr => Err(Malformed::BareCr),
            b'\n' if self.is_lenient => {
                self.is_odd = true;
                self.end_line()
            }
            _ if self.is_lenient && self.has_room() && self.is_passable(octet) => {
                self.is_odd = true;
                self.line = self.line.saturating_add(1);
                Ok(false)
            }
            b' ' | b'\t' if self.line == 0 => Err(Malformed::LeadingSpace),
            // It would have been passed over but for the line's bound.
            _ if is_text_octet(octet) && self.is_start_owed => Err(Malformed::StartLineTooLong),
            _ if is_text_octet(octet) => Err(Malformed::LineTooLong),
            b'\r' => {
                self.is_after_cr = true;
                Ok(false)
            }
            b'\n' => Err(Malformed::BareLf),
            _ => Err(Malformed::Control),
        }
    }

    fn line_max(&self) -> usize {
        if self.is_start_owed { self.bounds.start_line.unwrap_or_default() } else { self.bounds.line }
    }

    fn has_room(&self) -> bool {
        self.line < self.line_max()
    }

    /// Whether an answer may have `octet` where it is: a control but NUL and CR, or the white space of a folded line.
    fn is_passable(&self, octet: u8) -> bool {
        match octet {
            b'\0' | b'\r' => false,
            b' ' | b'\t' => self.line == 0 && !self.is_start_owed && self.lines > 0,
            octet => octet.is_ascii_control(),
        }
    }

    fn end_line(&mut self) -> Result<bool, Malformed> {
        self.is_after_cr = false;
        let is_blank = self.line == 0;
        self.line = 0;
        if self.is_start_owed {
            if is_blank {
                self.blanks_left = self.blanks_left.checked_sub(1).ok_or(Malformed::BlankStartLine)?;
            }
            self.is_start_owed = is_blank;
            return Ok(false);
        }
        if is_blank {
            return Ok(true);
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines > self.bounds.lines { Err(Malformed::TooManyFields) } else { Ok(false) }
    }
}

/// Octets of text at the front of `octets`, eight in a step.
fn text_run(octets: &[u8]) -> usize {
    let mut count = 0_usize;
    while let Some((eight, _)) = octets.get(count..).and_then(<[u8]>::split_first_chunk) {
        let controls = controls(u64::from_le_bytes(*eight));
        if controls == 0 {
            count += 8;
            continue;
        }
        count += controls.trailing_zeros() as usize / 8;
        if octets.get(count) != Some(&b'\t') {
            return count;
        }
        count += 1;
    }
    let rest = octets.get(count..).unwrap_or_default();
    count + rest.iter().take_while(|octet| is_text_octet(**octet)).count()
}

/// The control octets among eight, of which the first is the lowest, HTAB among them: the lowest bit that is set is in the
/// first of them. Those above it may be wrong.
const fn controls(eight: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x80 * ONES;
    // An octet below 0x20 borrows, and so does one that is DEL with all its bits turned; those above 0x7f are text.
    let del = eight ^ (0x7f * ONES);
    (eight.wrapping_sub(0x20 * ONES) & !eight | del.wrapping_sub(ONES) & !del) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section whose start line and whose other lines have at most `line` octets.
    fn scan(section: &[u8], line: usize) -> Result<Option<usize>, Malformed> {
        let bounds = Bounds { start_line: Some(line), line, lines: 2, total: 40 };
        Scanner::new(bounds, 1).scan(section)
    }

    #[test]
    fn each_octet_that_may_not_stand_where_it_is_has_its_own_name() {
        for (section, said) in [
            (&b"a\r\nb\r\n\r\n"[..], Ok(Some(8))),
            (b"\r\na\r\nb c\td\r\n\r\nmore", Ok(Some(14))),
            (b" ", Err(Malformed::LeadingSpace)),
            (b"\ta", Err(Malformed::LeadingSpace)),
            (b"a\r\n b", Err(Malformed::LeadingSpace)),
            (b"a\r\nb\r\n\tc", Err(Malformed::LeadingSpace)),
            (b"\n", Err(Malformed::BareLf)),
            (b"ab\n", Err(Malformed::BareLf)),
            (b"a\r\nb\n", Err(Malformed::BareLf)),
            (b"\ra", Err(Malformed::BareCr)),
            (b"a\r\nb\r\r", Err(Malformed::BareCr)),
            (b"a\0", Err(Malformed::Control)),
            (b"\x7f", Err(Malformed::Control)),
            (b"\r\n\r\n", Err(Malformed::BlankStartLine)),
            (b"a\r\nb\r\nc\r\n\r\n", Ok(Some(11))),
            (b"a\r\nb\r\nc\r\nd\r\n", Err(Malformed::TooManyFields)),
        ] {
            assert_eq!(scan(section, 20), said, "{}", section.escape_ascii());
        }
    }

    #[test]
    fn a_text_is_judged_to_its_last_octet_however_long_it_is() {
        for length in 0..40 {
            let text = [b"\ta\xff ", &[b'x'; 36][..]].concat()[..length].to_vec();
            assert!(is_text(&text), "{length}");
            for place in 0..length {
                let mut broken = text.clone();
                broken[place] = b'\r';
                assert!(!is_text(&broken), "{length}: {place}");
            }
        }
    }

    #[test]
    fn each_octet_is_judged_alike_wherever_it_stands() {
        for octet in 0..=u8::MAX {
            for place in 0..20 {
                let mut text = [b'x'; 20];
                text[place] = octet;
                assert_eq!(is_text(&text), is_text_octet(octet), "{octet} at {place}");
                assert_eq!(text_run(&text), if is_text_octet(octet) { 20 } else { place });
                // What stands before and behind it makes no difference.
                let mut text = [0x80, b'\t', b' ', 0x7e, 0xff, 0xa0].repeat(4);
                text[place] = octet;
                text[place + 1] = b'\n';
                assert_eq!(text_run(&text), if is_text_octet(octet) { place + 1 } else { place });
            }
        }
    }

    #[test]
    fn bounds_hold_to_the_octet() {
        for line in [1, 2, 16, 17] {
            let full = &[b'x'; 20][..line];
            let long = [full, b" "].concat();
            let section = |start: &[u8], field: &[u8]| [start, b"\r\n", field, b"\r\n\r\n"].concat();
            assert_eq!(scan(&section(full, full), line), Ok(Some(2 * line + 6)));
            assert_eq!(scan(&section(&long, b"x"), line), Err(Malformed::StartLineTooLong));
            assert_eq!(scan(&section(b"x", &long), line), Err(Malformed::LineTooLong));
        }
        let section = |count| [b"a\r\n", &[b'x'; 40][..count], b"\r\n\r\n"].concat();
        assert_eq!(scan(&section(33), 40), Ok(Some(40)));
        assert_eq!(scan(&section(34), 40), Err(Malformed::SectionTooLong));
    }
}
