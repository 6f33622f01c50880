//! Telephones inside this process, with a handler and no backend: what the program `scale-crowd` holds.

use std::convert::Infallible;
use std::ops::Range;
use std::process::exit;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use clap::Parser;
use telephone_tokio::{BoxError, Handle, Telephone, TokioRuntime};
use tokio::runtime::{Builder, Runtime};

use crate::crowd::Connected;

/// A small answer, below each mount.
pub const SMALL: &str = "/small";
/// An answer of [`BODY_OCTETS`], below each mount.
pub const BODY: &str = "/body";
/// 10 MiB.
pub const BODY_OCTETS: usize = 10 << 20;

/// Telephones that dial at once: fewer than a relay's listener lets wait.
const DIALLING_MAX: usize = 64;

/// Between two looks at those that dial.
const GLANCE: Duration = Duration::from_micros(200);

/// Holds many telephones at a plugboard, and says when all are connected. Their token comes by TELEPHONE_TOKEN.
#[derive(Debug, Parser)]
pub struct Order {
    /// Where to dial
    #[arg(long, value_name = "URL")]
    plugboard: String,

    /// What all mounts lie below: /path/0, /path/1 and so on
    #[arg(long, value_name = "PATH")]
    under: String,

    /// How many mounts
    #[arg(long, value_name = "N")]
    mounts: u64,

    /// How many of them each telephone has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    in_each: u64,

    /// The token of all telephones
    #[arg(long, value_name = "JWT", env = "TELEPHONE_TOKEN", hide_env_values = true)]
    token: String,
}

impl Order {
    /// The numbers of each telephone's mounts.
    fn telephones(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let in_each = usize::try_from(self.in_each).unwrap_or(usize::MAX);
        let firsts = (0..self.mounts).step_by(in_each);
        firsts.map(|first| first..self.mounts.min(first.saturating_add(self.in_each)))
    }

    fn mount(&self, number: u64) -> String {
        format!("{}/{number}", self.under)
    }

    /// Lets one telephone dial.
    fn dial(&self, mounts: Range<u64>, runtime: &Runtime, app: &Router) -> Result<Handle, BoxError> {
        let described =
            Telephone::builder().url(&self.plugboard).token(self.token.clone()).strip_prefix(true);
        // A short name, or the relay would keep all mounts in it once more.
        let described = described.instance(self.mount(mounts.start));
        let described = mounts.fold(described, |described, number| described.mount(&self.mount(number)));
        let telephone = described.service(TokioRuntime::default(), app.clone())?;
        let handle = telephone.handle();
        runtime.spawn(async {
            if let Err(error) = telephone.run().await {
                eprintln!("scale-crowd: {error}");
                exit(1);
            }
        });
        Ok(handle)
    }
}

/// Lets all telephones dial, says on standard output when they are connected, and holds them.
///
/// # Errors
/// If they cannot even begin.
pub fn hold(order: &Order) -> Result<Infallible, BoxError> {
    // One thread: the relay has one too, and the machine may have no more than two processors.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let body = Bytes::from(vec![0; BODY_OCTETS]);
    let app = Router::new().route(SMALL, get(async || "ten octets")).route(BODY, get(async move || body));
    let started = Instant::now();
    let mut dialling = Vec::new();
    for mounts in order.telephones() {
        wait_until_fewer(&mut dialling, DIALLING_MAX);
        dialling.push(order.dial(mounts, &runtime, &app)?);
    }
    wait_until_fewer(&mut dialling, 1);
    println!("{}", Connected(started.elapsed()));
    loop {
        thread::park();
    }
}

fn wait_until_fewer(dialling: &mut Vec<Handle>, count: usize) {
    while dialling.len() >= count {
        dialling.retain(|handle| !handle.status().is_ready());
        if dialling.len() >= count {
            thread::sleep(GLANCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telephones(mounts: u64, in_each: u64) -> Vec<Range<u64>> {
        let (plugboard, under, token) = (String::new(), String::new(), String::new());
        Order { plugboard, under, mounts, in_each, token }.telephones().collect()
    }

    #[test]
    fn mounts_are_dealt_out_to_as_few_telephones_as_can_have_them() {
        assert_eq!(telephones(3, 1), [0..1, 1..2, 2..3]);
        assert_eq!(telephones(130, 64), [0..64, 64..128, 128..130]);
        assert_eq!(telephones(1, 64), vec![0..1]);
    }
}
