//! Files that an editor or a shell wrote in another encoding than was meant.

use core::fmt;

/// An encoding in which nothing is read, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignEncoding {
    /// UTF-8 behind a byte order mark.
    ByteOrderMark,
    /// UTF-16, of either byte order.
    Utf16,
}

impl ForeignEncoding {
    /// What is wrong, and what would be right.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByteOrderMark => {
                "it begins with a byte order mark (BOM, EF BB BF); save it as UTF-8 without BOM"
            }
            Self::Utf16 => {
                "it is UTF-16, as PowerShell's `>` writes it; save it as ASCII or UTF-8 without BOM (`Set-Content -Encoding ascii`)"
            }
        }
    }
}

impl fmt::Display for ForeignEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `bytes` are text in an encoding that nothing here reads. UTF-16 is known by its byte order mark and the zero byte
/// of its first character, so that a random secret is hardly ever taken for it (one in 2^24).
#[must_use]
pub const fn foreign_encoding(bytes: &[u8]) -> Option<ForeignEncoding> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Some(ForeignEncoding::ByteOrderMark),
        [0xff, 0xfe, _, 0, ..] | [0xfe, 0xff, 0, _, ..] => Some(ForeignEncoding::Utf16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_another_encoding_is_recognised_and_other_bytes_are_not() {
        for (bytes, encoding) in [
            (&b"\xef\xbb\xbfeyJ"[..], Some(ForeignEncoding::ByteOrderMark)),
            (b"\xff\xfee\0y\0", Some(ForeignEncoding::Utf16)),
            (b"\xfe\xff\0e\0y", Some(ForeignEncoding::Utf16)),
            (b"\xff\xfe", None),
            (b"\xff\xfe\x10\x10", None),
            (b"eyJ", None),
            (b"", None),
        ] {
            assert_eq!(foreign_encoding(bytes), encoding, "{bytes:?}");
        }
        assert!(ForeignEncoding::Utf16.as_str().contains("UTF-16"));
        assert!(ForeignEncoding::ByteOrderMark.as_str().contains("BOM"));
    }
}
