//! The one block of a PEM file, and nothing that is passed over. (RFC 7468)

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::BadKey;

/// What stands between the two boundaries.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    pub(super) der: Vec<u8>,
}

/// The only block of `text`. What stands outside of blocks is refused, though RFC 7468 §5.2 lets explanations stand there:
/// a key whose boundary is damaged would pass for one of them, and be left out without a word.
pub(super) fn only_block(text: &str) -> Result<Block<'_>, BadKey> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end).enumerate().filter(|(_, line)| !line.is_empty());
    let mut outside = None;
    while let Some((at, line)) = lines.next() {
        let Some(label) = boundary(line, "-----BEGIN ") else {
            outside.get_or_insert(at + 1);
            continue;
        };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| !is_end(line, label)).collect();
        // Without its end the block has swallowed the rest of the file, which is no base64 either.
        let der = STANDARD.decode(body.concat()).map_err(|_| BadKey::Damaged { line: at + 1 })?;
        blocks.push(Block { label, der });
    }
    let number = blocks.len();
    match (blocks.pop(), number, outside) {
        (None, ..) => Err(BadKey::Unknown),
        (Some(_), 2.., _) => Err(BadKey::Several { number }),
        (Some(_), _, Some(line)) => Err(BadKey::Outside { line }),
        (Some(block), _, None) => Ok(block),
    }
}

fn boundary<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix("-----")
}

fn is_end(line: &str, label: &str) -> bool {
    boundary(line, "-----END ") == Some(label)
}
