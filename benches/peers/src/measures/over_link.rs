//! Tunnels over links that take their time.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::backend::{BIG_FILE, SMALL};
use crate::failed::Failed;
use crate::link::Shape;
use crate::measures::{Column, Measure, Subject};
use crate::statistics::median;
use crate::transfer::{Download, Transfer};

/// Requests of which the median time to the first octet is told.
const TRIES: u32 = 5;

/// Downloads at once.
const STREAMS: usize = 20;

/// Over one kind of link between relay and agent; before the backend where there is no agent.
#[derive(Debug)]
pub(super) struct OverLink {
    name: &'static str,
    about: &'static str,
    shape: Shape,
}

/// 1 Gbit/s.
const GIGABIT: Option<u64> = Some(125_000_000);

/// What Linux lets a connection send without an acknowledgement unless it is told otherwise: the last number of
/// `net.ipv4.tcp_wmem`.
const SEND_BUFFER: Option<usize> = Some(4 << 20);

impl OverLink {
    /// One of each kind.
    pub(super) const ALL: [Self; 6] = [
        Self::delayed(
            "link-0ms",
            "first octets, one download, and 20 at once over a link in user space without delay",
            0,
        ),
        Self::delayed(
            "link-20ms",
            "first octets, one download, and 20 at once over a link of 20 ms there and back",
            20,
        ),
        Self::delayed(
            "link-100ms",
            "first octets, one download, and 20 at once over a link of 100 ms there and back",
            100,
        ),
        Self::delayed(
            "link-200ms",
            "first octets, one download, and 20 at once over a link of 200 ms there and back",
            200,
        ),
        Self {
            name: "link-1gbit",
            about: "first octets, one download, and 20 at once over a link of 100 ms there and back and 1 Gbit/s",
            shape: Shape { rate: GIGABIT, ..Shape::delay(Duration::from_millis(100)) },
        },
        Self {
            name: "link-4mib",
            about: "first octets, one download, and 20 at once over a link of 100 ms there and back and 1 Gbit/s, with 4 MiB in flight for each connection of TCP",
            shape: Shape {
                rate: GIGABIT,
                in_flight: SEND_BUFFER,
                ..Shape::delay(Duration::from_millis(100))
            },
        },
    ];

    const fn delayed(name: &'static str, about: &'static str, millis: u64) -> Self {
        Self { name, about, shape: Shape::delay(Duration::from_millis(millis)) }
    }
}

impl Measure for OverLink {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::compared("first octet ms"),
            Column::compared("MB/s"),
            Column::compared("MB/s of 20"),
            Column::compared("least/most of 20"),
        ]
    }

    fn take(&self, subject: &mut Subject<'_>) -> Result<Vec<Option<f64>>, Failed> {
        let line = subject.fresh(Some(self.shape))?;
        let first = (0..TRIES).map(|_| Ok(download(line.addr(), SMALL, None)?.first.as_secs_f64() * 1e3));
        let first = first.collect::<Result<Vec<_>, Failed>>()?;
        let lasting = Duration::from_secs(subject.seconds.into());
        let one = download(line.addr(), BIG_FILE, Some(Instant::now() + lasting))?;
        // What is still on its way of a download that was broken off must not meet the others.
        drop(line);
        let line = subject.fresh(Some(self.shape))?;
        let many = download_at_once(line.addr(), lasting)?;
        let total: u64 = many.iter().sum();
        let (least, most) = (many.iter().min(), many.iter().max());
        let evenness = least.zip(most).map(|(least, most)| *least as f64 / *most as f64);
        let megabytes = total as f64 / 1e6 / lasting.as_secs_f64();
        Ok(vec![median(&first), Some(one.megabytes_per_second()), Some(megabytes), evenness])
    }
}

fn download(addr: SocketAddr, path: &str, deadline: Option<Instant>) -> Result<Transfer, Failed> {
    Download::start(addr, path)?.finish(deadline)
}

/// The octets that each of the downloads had after the same time.
fn download_at_once(addr: SocketAddr, lasting: Duration) -> Result<Vec<u64>, Failed> {
    let deadline = Instant::now() + lasting;
    thread::scope(|scope| {
        let start = |_| scope.spawn(move || download(addr, BIG_FILE, Some(deadline)));
        let downloads: Vec<_> = (0..STREAMS).map(start).collect();
        let octets = downloads.into_iter().map(|download| match download.join() {
            Ok(transfer) => transfer.map(|transfer| transfer.octets),
            Err(_) => Err(Failed::Load("a download panicked".to_owned())),
        });
        octets.collect()
    })
}
