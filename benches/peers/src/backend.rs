//! What all systems bring their clients to.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use telephone_tests::nginx::Nginx;

use crate::failed::{Failed, io};
use crate::sink;
use crate::transfer::BIG;

/// A small answer.
pub const SMALL: &str = "/small";
/// An answer of 10 KiB.
pub const TEN_KIB: &str = "/10k";
/// An answer of 1 GiB.
pub const BIG_FILE: &str = "/big";

/// Octets of the answers to [`body`].
pub const BODIES: [u64; 8] = [0, 1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20, 100 << 20, 1 << 30];

/// The path of an answer of so many octets, which must be one of [`BODIES`].
pub fn body(octets: u64) -> String {
    format!("/bodies/{octets}")
}

/// Which of the backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Serving {
    /// nginx with one process, which serves files.
    Files,
    /// The one that throws away what is sent to it.
    Uploads,
}

/// The running backends; nginx ends when this is dropped.
#[derive(Debug)]
pub struct Backends {
    files: Nginx,
    uploads: SocketAddr,
}

impl Backends {
    /// Starts them.
    ///
    /// # Errors
    /// If the files cannot be made or the sink cannot listen.
    ///
    /// # Panics
    /// If nginx does not start.
    pub fn start() -> Result<Self, Failed> {
        let mut made = Ok(());
        let files = Nginx::run(|addr, directory| {
            made = make_files(directory);
            configuration(addr, directory)
        });
        made?;
        Ok(Self { files, uploads: sink::start()? })
    }

    /// The address of one.
    pub fn addr(&self, serving: Serving) -> SocketAddr {
        match serving {
            Serving::Files => self.files.addr(),
            Serving::Uploads => self.uploads,
        }
    }
}

fn make_files(directory: &Path) -> Result<(), Failed> {
    let files = directory.join("files");
    let bodies = files.join("bodies");
    std::fs::create_dir_all(&bodies).map_err(io("a directory for the files"))?;
    std::fs::write(files.join("10k"), [b'x'; 10 * 1024]).map_err(io("a file of 10 KiB"))?;
    make_hole(&files.join("big"), BIG)?;
    BODIES.into_iter().try_for_each(|octets| make_hole(&bodies.join(octets.to_string()), octets))
}

/// A file that is all hole: it takes no room on the disk, and its pages are as many as those of any other.
fn make_hole(path: &Path, octets: u64) -> Result<(), Failed> {
    File::create(path).and_then(|file| file.set_len(octets)).map_err(io(path.display().to_string()))
}

fn configuration(addr: SocketAddr, directory: &Path) -> String {
    format!(
        "sendfile on;
         tcp_nopush on;
         keepalive_timeout 1h;
         keepalive_requests 1000000000;
         open_file_cache max=16 inactive=1h;
         server {{
           listen {addr} backlog=4096;
           root {}/files;
           location = {SMALL} {{ default_type text/plain; return 200 'ten octets'; }}
         }}",
        directory.display()
    )
}
