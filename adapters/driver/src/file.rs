//! Files under names that may be something else's: a FIFO that nobody serves must not hold a program up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// Opens a regular file for reading. Never waits.
///
/// # Errors
/// It cannot be opened, or is a FIFO, a socket, a device or a directory.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    never_wait(&mut options);
    // Before it is opened: to open some devices does something. And after it, for the name may be another's by then.
    check_regular(&fs::metadata(path)?)?;
    let file = options.open(path)?;
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// When a file of the user is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// At the start of the program.
    First,
    /// Later: at a signal, for a dial, for a request.
    Again,
}

/// Opens a file that the command line names for reading. It must be a regular file: the name of a FIFO waits for its writer,
/// and may do so for ever. For the first reading it may also be a descriptor that the program was started with, such as
/// `/dev/stdin` or the `/dev/fd/63` of `<(command)`, of whatever kind that is: to read it waits for its writer's end.
///
/// # Errors
/// It cannot be opened, or is none of these.
pub fn open_named(path: &Path, reading: Reading) -> io::Result<File> {
    match reading {
        Reading::First if is_descriptor(path) => File::open(path),
        Reading::First | Reading::Again => open_regular(path),
    }
}

/// At most so many bytes of a file, opened as [`open_named`] has it.
///
/// # Errors
/// It cannot be opened or read.
pub fn read_named(path: &Path, reading: Reading, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_named(path, reading)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the path names a descriptor of this process.
fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || ["/dev/fd", "/proc/self/fd"].iter().any(|all| path.starts_with(all))
}

fn check_regular(metadata: &fs::Metadata) -> io::Result<()> {
    let kind = kind(metadata);
    if metadata.is_file() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::InvalidInput, format!("it is {kind} and not a regular file")))
}

/// Opens a file to append to, and makes one with mode 0600 if there is none. Never waits: a FIFO must have a reader. What
/// is written to one that is full waits for its reader.
///
/// # Errors
/// It cannot be opened or made. [`ErrorKind::NotConnected`]: it is a FIFO that nobody reads.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    never_wait(&mut options);
    let file = options.open(path).map_err(|error| {
        let is_fifo = || fs::metadata(path).is_ok_and(|metadata| kind(&metadata) == "a FIFO");
        if has_no_peer(&error) && is_fifo() {
            io::Error::new(ErrorKind::NotConnected, "it is a FIFO that nobody reads: start its reader")
        } else {
            error
        }
    })?;
    wait_again(&file)?;
    Ok(file)
}

#[cfg(unix)]
fn never_wait(options: &mut OpenOptions) {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags);
}

#[cfg(not(unix))]
fn never_wait(_: &mut OpenOptions) {}

#[cfg(unix)]
fn has_no_peer(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error())
}

#[cfg(not(unix))]
fn has_no_peer(_: &io::Error) -> bool {
    false
}

#[cfg(unix)]
fn wait_again(file: &File) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    Ok(rustix::fs::fcntl_setfl(file, flags - rustix::fs::OFlags::NONBLOCK)?)
}

#[cfg(not(unix))]
fn wait_again(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn kind(metadata: &fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    let of = metadata.file_type();
    if of.is_fifo() {
        "a FIFO"
    } else if of.is_socket() {
        "a socket"
    } else if of.is_block_device() || of.is_char_device() {
        "a device"
    } else if of.is_dir() {
        "a directory"
    } else {
        "something else"
    }
}

#[cfg(not(unix))]
fn kind(metadata: &fs::Metadata) -> &'static str {
    if metadata.is_dir() { "a directory" } else { "something else" }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;

    fn fifo(directory: &Path) -> PathBuf {
        let path = directory.join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
        path
    }

    /// Neither open waits, or the test would not end.
    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        for (path, kind) in [
            (fifo(directory.path()), "a FIFO"),
            (socket, "a socket"),
            ("/dev/null".into(), "a device"),
            (directory.path().into(), "a directory"),
        ] {
            let refused = open_regular(&path).expect_err(kind).to_string();
            assert_eq!(refused, format!("it is {kind} and not a regular file"));
        }
        let file = directory.path().join("file");
        fs::write(&file, "text").expect("room on the disk");
        let mut text = String::new();
        open_regular(&file).expect("a file").read_to_string(&mut text).expect("text");
        assert_eq!(text, "text");
    }

    #[test]
    fn a_pipe_that_the_program_was_started_with_is_read_once_and_a_fifo_never() {
        let directory = tempfile::tempdir().expect("a directory");
        let named = fifo(directory.path());
        for reading in [Reading::First, Reading::Again] {
            let refused = open_named(&named, reading).expect_err("a FIFO").to_string();
            assert_eq!(refused, "it is a FIFO and not a regular file");
        }
        let (reader, mut writer) = io::pipe().expect("a pipe");
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        writer.write_all(b"text").expect("room in the pipe");
        drop(writer);
        let mut text = String::new();
        open_named(Path::new(&path), Reading::First)
            .expect("a pipe")
            .read_to_string(&mut text)
            .expect("text");
        assert_eq!(text, "text");
        assert!(open_named(Path::new(&path), Reading::Again).is_err());
    }

    #[test]
    fn a_fifo_is_appended_to_once_somebody_reads_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = fifo(directory.path());
        let refused = open_to_append(&path).expect_err("nobody reads");
        assert_eq!(refused.kind(), ErrorKind::NotConnected);
        assert!(refused.to_string().contains("FIFO that nobody reads"), "{refused}");
        let mut options = OpenOptions::new();
        options.read(true);
        never_wait(&mut options);
        let reader = options.open(&path).expect("a reader");
        let mut writer = open_to_append(&path).expect("somebody reads");
        writer.write_all(b"line").expect("room in the pipe");
        let is_waiting =
            !rustix::fs::fcntl_getfl(&writer).expect("flags").contains(rustix::fs::OFlags::NONBLOCK);
        assert!(is_waiting, "a full pipe is waited for");
        drop(writer);
        let mut text = String::new();
        wait_again(&reader).expect("flags");
        { reader }.read_to_string(&mut text).expect("text");
        assert_eq!(text, "line");
    }

    #[test]
    fn a_file_that_is_made_is_its_owners_alone_and_one_that_is_there_keeps_its_mode() {
        let directory = tempfile::tempdir().expect("a directory");
        let [fresh, old] = ["fresh", "old"].map(|name| directory.path().join(name));
        fs::write(&old, "").expect("room on the disk");
        fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).expect("it is ours");
        for (path, mode) in [(fresh, 0o600), (old, 0o644)] {
            let file = open_to_append(&path).expect("a file");
            assert_eq!(file.metadata().expect("it is open").permissions().mode() & 0o777, mode);
        }
    }
}
