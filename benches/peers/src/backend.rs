//! What all systems bring their clients to.

use std::fs::File;
use std::net::SocketAddr;

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

/// The big file is all hole: it takes no room on the disk, and its pages are as many as those of any other.
fn make_files(directory: &std::path::Path) -> Result<(), Failed> {
    let files = directory.join("files");
    std::fs::create_dir(&files).map_err(io("a directory for the files"))?;
    std::fs::write(files.join("10k"), [b'x'; 10 * 1024]).map_err(io("a file of 10 KiB"))?;
    File::create(files.join("big")).and_then(|big| big.set_len(BIG)).map_err(io("a file of 1 GiB"))
}

fn configuration(addr: SocketAddr, directory: &std::path::Path) -> String {
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
