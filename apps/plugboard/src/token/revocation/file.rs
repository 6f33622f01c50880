//! The file of revocations: a line of JSON for each, `{"sub":"shop","at":1800000000}` or `{"jti":"…","at":…}`.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{REVOCATIONS_MAX, Revoked};
use crate::token::verifier::NAME_BYTES_MAX;

/// Bytes of the longest line: each of a name as an escape of six, and what stands around it.
const LINE_BYTES_MAX: u64 = 6 * NAME_BYTES_MAX as u64 + 128;

/// Why a file cannot keep revocations.
#[derive(Debug, thiserror::Error)]
pub enum BadRevocations {
    /// It cannot be opened or read.
    #[error("it cannot be used: {0}")]
    Unusable(#[from] io::Error),
    /// Two relays that share a file would each miss what the other revokes.
    #[error("another process has it open; give each relay a file of its own, and send POST /revoke to each")]
    InUse,
    /// It is a directory, a pipe or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// A line is no revocation, and is not one that was not written whole: the last one, without a line end.
    #[error(r#"line {line} is damaged: it must be JSON such as {{"sub":"shop"}} or {{"jti":"…"}}; correct it, or remove it"#)]
    Damaged {
        /// Which line.
        line: usize,
    },
    /// More than are kept.
    #[error("it has more than {REVOCATIONS_MAX} entries; change the key instead, and empty it")]
    TooMany,
}

/// One line.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<std::borrow::Cow<'a, str>>,
    /// When it was revoked, in seconds since 1970: for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
}

/// The file, open for appending and locked.
#[derive(Debug)]
pub(super) struct RevocationFile {
    file: File,
    /// Bytes of it that are whole lines.
    length: u64,
    /// Behind them stands the beginning of a line that could not be written.
    is_torn: bool,
    /// The last of them has no end.
    lacks_line_end: bool,
}

impl RevocationFile {
    /// Opens the file, or makes it, with what it holds.
    pub(super) fn open(path: &Path) -> Result<(Self, BTreeSet<Revoked>), BadRevocations> {
        let file = options().open(path)?;
        if !file.metadata()?.is_file() {
            return Err(BadRevocations::NotAFile);
        }
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => BadRevocations::InUse,
            TryLockError::Error(error) => BadRevocations::Unusable(error),
        })?;
        // A file that was made just now must still have its name after a crash.
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        let mut this = Self { file, length: 0, is_torn: false, lacks_line_end: false };
        let entries = this.read(path)?;
        Ok((this, entries))
    }

    fn read(&mut self, path: &Path) -> Result<BTreeSet<Revoked>, BadRevocations> {
        let mut reader = BufReader::new(&self.file);
        let (mut entries, mut bytes, mut number, mut length) = (BTreeSet::new(), Vec::new(), 0, 0);
        loop {
            bytes.clear();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? as u64;
            if read == 0 {
                break;
            }
            number += 1;
            if let Some(revoked) = parse(&bytes) {
                entries.insert(revoked);
                if entries.len() > REVOCATIONS_MAX {
                    return Err(BadRevocations::TooMany);
                }
            } else if !bytes.trim_ascii().is_empty() {
                // What ends its line was written whole, by whatever wrote it.
                let is_torn = reader.fill_buf()?.is_empty() && bytes.last() != Some(&b'\n');
                if !is_torn || !(number > 1 || is_beginning(&bytes)) {
                    return Err(BadRevocations::Damaged { line: number });
                }
                tracing::warn!(
                    path = %path.display(),
                    line = number,
                    "--revocations: the last line was not written whole; it is left out"
                );
                self.is_torn = true;
                break;
            }
            length += read;
            // Whoever edits it may leave the last line end out.
            self.lacks_line_end = bytes.last() != Some(&b'\n');
        }
        self.length = length;
        Ok(entries)
    }

    /// Appends entries and waits until they are on the disk. Without an error all of them are.
    pub(super) fn append(&mut self, entries: &BTreeSet<Revoked>, now: SystemTime) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut lines = if self.lacks_line_end { vec![b'\n'] } else { Vec::new() };
        for entry in entries {
            serde_json::to_writer(&mut lines, &line(entry, at))?;
            lines.push(b'\n');
        }
        if self.is_torn {
            self.file.set_len(self.length)?;
        }
        self.is_torn = true;
        self.file.write_all(&lines)?;
        self.file.sync_data()?;
        self.is_torn = false;
        self.lacks_line_end = false;
        self.length += lines.len() as u64;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn unwritable(path: &Path) -> Self {
        Self { file: File::open(path).unwrap(), length: 0, is_torn: false, lacks_line_end: false }
    }
}

/// Only its owner may read it.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn line(revoked: &Revoked, at: u64) -> Line<'_> {
    let (sub, jti) = match revoked {
        Revoked::Subject(name) => (Some(name.into()), None),
        Revoked::Token(name) => (None, Some(name.into())),
    };
    Line { sub, jti, at: Some(at) }
}

fn parse(bytes: &[u8]) -> Option<Revoked> {
    let Line { sub, jti, at: _ } = serde_json::from_slice(bytes).ok()?;
    Revoked::named(sub.map(Into::into), jti.map(Into::into))
}

/// Whether bytes can be the beginning of a line of ours: a file of another kind is not to be changed.
fn is_beginning(bytes: &[u8]) -> bool {
    [&b"{\"sub\":\""[..], b"{\"jti\":\""]
        .iter()
        .any(|ours| bytes.starts_with(ours) || ours.starts_with(bytes))
}

#[cfg(test)]
mod tests;
