//! The tolerance of the backend leg: an odd head or trailer section becomes the strict one that it means.
//!
//! The rule of both legs is stated in `docs/tolerance.md`. An answer is written afresh for the client, so what was
//! understood once cannot smuggle. A clean section never comes here: the scanner notes what is odd as it passes, and
//! the strict reader comes first. What has more than one meaning (bare CR, NUL) the scanner has refused already.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::error::{Malformed, ResponseError};
use super::scan::is_token;

/// Bytes of a value that an [`Oddity`] keeps.
const VALUE_SHOWN: usize = 80;

/// What was odd about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Odd {
    /// LF without CR ends a line.
    BareLf,
    /// A field goes on in the next line.
    Fold,
    /// White space between a field's name and its colon.
    SpaceBeforeColon,
    /// A control byte in a value, other than NUL.
    Control,
    /// A version other than 1.0 and 1.1.
    Version,
    /// More than one space before the status.
    StatusSpaces,
    /// A field's name is no token: the field is dropped.
    FieldName,
    /// The same length more than once.
    LengthRepeated,
    /// A length beside a transfer coding.
    LengthAndCoding,
    /// `chunked` more than once.
    CodingRepeated,
    /// A transfer coding in HTTP/1.0.
    CodingInHttp10,
    /// A framing field's name with `_` for `-`.
    FramingAlias,
    /// `Connection` names something that is no token.
    ConnectionOption,
    /// `Connection` names a field that is not the sender's to remove.
    ProtectedOption,
    /// White space or another line end around a chunk's size, or an extension outside the grammar.
    ChunkFrame,
}

impl Odd {
    /// The rule that was broken, for logs.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BareLf => "bare LF",
            Self::Fold => "folded line",
            Self::SpaceBeforeColon => "white space before a colon",
            Self::Control => "control character",
            Self::Version => "unknown HTTP version",
            Self::StatusSpaces => "white space in the status line",
            Self::FieldName => "malformed field name",
            Self::LengthRepeated => "repeated Content-Length",
            Self::LengthAndCoding => "Content-Length beside Transfer-Encoding",
            Self::CodingRepeated => "repeated Transfer-Encoding",
            Self::CodingInHttp10 => "Transfer-Encoding in HTTP/1.0",
            Self::FramingAlias => "look-alike of a framing field",
            Self::ConnectionOption => "malformed Connection",
            Self::ProtectedOption => "Connection names an end-to-end field",
            Self::ChunkFrame => "malformed line of a chunk",
        }
    }
}

/// The first thing that was odd about an answer that was understood. Its connection is not used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// The rule.
    pub rule: Odd,
    /// The field's name; empty for the status line and the body.
    pub field: Bytes,
    /// The start of the value.
    pub value: Bytes,
}

impl Oddity {
    /// Boxed, for most answers have none.
    pub(super) fn new(rule: Odd, field: &[u8], value: &[u8]) -> Box<Self> {
        let Excerpt { field, value } = Excerpt::new(field, value);
        Box::new(Self { rule, field, value })
    }

    /// Of the line of a chunk at the front of `input`.
    pub(super) fn of_chunk(input: &[u8]) -> Box<Self> {
        Self::new(Odd::ChunkFrame, b"", first_line(input))
    }
}

/// Where an answer broke the rule that it was refused for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The field's name; empty for the status line and the body.
    pub field: Bytes,
    /// The start of the value.
    pub value: Bytes,
}

impl Excerpt {
    fn new(field: &[u8], value: &[u8]) -> Self {
        let cut = |text: &[u8]| Bytes::copy_from_slice(text.get(..VALUE_SHOWN).unwrap_or(text));
        Self { field: cut(field), value: cut(value) }
    }

    /// A line of what broke a rule outside of a head.
    pub(super) fn of_body(input: &[u8]) -> Self {
        Self::new(b"", first_line(input))
    }

    /// What an error is about in a head that was read up to `at`.
    pub(super) fn of_head(head: &[u8], at: usize, error: ResponseError) -> Self {
        let mut lines = head.split(|&octet| octet == b'\n');
        let is_odd = |line: &&[u8]| !is_token(name_of(line).trim_ascii_end()) && !is_folded(line);
        let line = match error {
            ResponseError::StatusLine => lines.next(),
            ResponseError::UnaskedSwitch => return Self::of_field(head, b"upgrade"),
            ResponseError::Malformed(Malformed::Length | Malformed::LengthRepeated) => {
                return Self::of_field(head, b"content-length");
            }
            ResponseError::Malformed(
                Malformed::Coding | Malformed::CodingRepeated | Malformed::CodingUnknown,
            ) => return Self::of_field(head, b"transfer-encoding"),
            ResponseError::Malformed(Malformed::FieldLine) => lines.skip(1).find(is_odd),
            _ => {
                let read = head.get(..at).unwrap_or(head);
                let read = read.strip_suffix(b"\n").unwrap_or(read);
                let start =
                    read.iter().rposition(|&octet| octet == b'\n').map_or(0, |end| end.saturating_add(1));
                head.get(start..).and_then(|rest| rest.split(|&octet| octet == b'\n').next())
            }
        };
        let line = line.unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.as_ptr() == head.as_ptr() || !line.contains(&b':') {
            return Self::new(b"", line);
        }
        let name = name_of(line);
        Self::new(name, after_colon(line.get(name.len()..).unwrap_or_default()))
    }

    /// The values of a field that may have come several times.
    fn of_field(head: &[u8], name: &[u8]) -> Self {
        let lines = head.split(|&octet| octet == b'\n').map(|line| (name_of(line), line));
        let (mut field, mut values) = (&b""[..], Vec::new());
        for (found, line) in lines.filter(|(found, _)| found.trim_ascii_end().eq_ignore_ascii_case(name)) {
            if !values.is_empty() {
                values.extend_from_slice(b", ");
            }
            field = found.trim_ascii_end();
            values.extend_from_slice(after_colon(line.get(found.len()..).unwrap_or_default()));
        }
        Self::new(field, &values)
    }
}

/// The strict form of a section that the lenient scanner let through, and what was odd about it first.
pub(super) fn straightened(section: &[u8], has_start_line: bool) -> (Vec<u8>, Option<Box<Oddity>>) {
    let mut strict = Strict { text: Vec::with_capacity(section.len()), odd: None };
    let mut lines = section.split_inclusive(|&octet| octet == b'\n').map(without_end);
    if has_start_line && let Some((line, is_bare)) = lines.next() {
        strict.start_line(line, is_bare);
    }
    let mut fields = lines.peekable();
    while let Some((line, is_bare)) = fields.next() {
        let start = strict.text.len();
        strict.field(line, is_bare);
        while let Some((fold, is_bare)) = fields.next_if(|(line, _)| is_folded(line)) {
            strict.fold(name_of(line), fold, is_bare);
        }
        strict.text.extend_from_slice(b"\r\n");
        if has_odd_name(line) {
            // No such field can be written, and none of those that have a meaning is spelled so.
            let name = name_of(line);
            let value = line.get(name.len()..).unwrap_or_default();
            strict.note(Odd::FieldName, name, after_colon(value));
            strict.text.truncate(start);
        }
    }
    (strict.text, strict.odd)
}

/// The first line that is not empty, as far as it came.
fn first_line(input: &[u8]) -> &[u8] {
    let input = input.strip_prefix(b"\r\n").unwrap_or(input);
    let line = input.split(|&octet| octet == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line without its end, and whether that was a bare LF.
fn without_end(line: &[u8]) -> (&[u8], bool) {
    match line {
        [text @ .., b'\r', b'\n'] => (text, false),
        [text @ .., b'\n'] => (text, true),
        text => (text, false),
    }
}

fn name_of(line: &[u8]) -> &[u8] {
    line.split(|&octet| octet == b':').next().unwrap_or_default()
}

/// Whether a line has a colon, and before it a name without white space that is no token.
fn has_odd_name(line: &[u8]) -> bool {
    let name = name_of(line).trim_ascii_end();
    let is_name =
        name.len() < line.len() && name.iter().all(|octet| !octet.is_ascii_control() && *octet != b' ');
    is_name && line.contains(&b':') && !is_token(name)
}

fn after_colon(value: &[u8]) -> &[u8] {
    value.strip_prefix(b":").unwrap_or(value).trim_ascii()
}

fn is_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

struct Strict {
    text: Vec<u8>,
    odd: Option<Box<Oddity>>,
}

impl Strict {
    fn note(&mut self, rule: Odd, field: &[u8], value: &[u8]) {
        self.odd.get_or_insert_with(|| Oddity::new(rule, field, value));
    }

    fn start_line(&mut self, line: &[u8], is_bare: bool) {
        if is_bare {
            self.note(Odd::BareLf, b"", line);
        }
        let rest = match line {
            // Any later version is read as 1.1, whose syntax it uses (RFC 9110 §2.5).
            [b'H', b'T', b'T', b'P', b'/', major @ b'1'..=b'9', b'.', minor, rest @ ..]
                if minor.is_ascii_digit() && (*major, *minor) > (b'1', b'1') =>
            {
                self.note(Odd::Version, b"", line);
                self.text.extend_from_slice(b"HTTP/1.1");
                rest
            }
            line => line,
        };
        let mut rest = rest;
        if self.text.is_empty()
            && let Some((version, status)) = rest.split_at_checked(8)
        {
            self.text.extend_from_slice(version);
            rest = status;
        }
        while let Some(status) = rest.strip_prefix(b" ").filter(|status| status.starts_with(b" ")) {
            self.note(Odd::StatusSpaces, b"", line);
            rest = status;
        }
        self.value(b"", rest);
        self.text.extend_from_slice(b"\r\n");
    }

    fn field(&mut self, line: &[u8], is_bare: bool) {
        let name = name_of(line);
        let value = line.get(name.len()..).unwrap_or_default();
        if is_bare {
            self.note(Odd::BareLf, name, after_colon(value));
        }
        let cut = name.trim_ascii_end();
        if cut.len() < name.len() && is_token(cut) {
            self.note(Odd::SpaceBeforeColon, cut, after_colon(value));
            self.text.extend_from_slice(cut);
        } else {
            self.text.extend_from_slice(name);
        }
        self.value(name, value);
    }

    /// Appends a value, with a space for each control.
    fn value(&mut self, name: &[u8], value: &[u8]) {
        let is_control = |octet: &u8| octet.is_ascii_control() && *octet != b'\t';
        if value.iter().any(is_control) {
            self.note(Odd::Control, name, after_colon(value));
        }
        self.text.extend(value.iter().map(|octet| if is_control(octet) { b' ' } else { *octet }));
    }

    /// Joins a folded line with one space (RFC 9112 §5.2).
    fn fold(&mut self, name: &[u8], line: &[u8], is_bare: bool) {
        self.note(if is_bare { Odd::BareLf } else { Odd::Fold }, name, line.trim_ascii());
        while matches!(self.text.last(), Some(b' ' | b'\t')) {
            self.text.pop();
        }
        self.text.push(b' ');
        self.value(name, line.trim_ascii());
    }
}
