use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::*;

/// Soon enough that a test that would wait for it fails.
const LONG: Duration = Duration::from_secs(3600);
const AT_ONCE: Batching = Batching { bytes_max: 4096, batch_bytes: 1, delay: Duration::ZERO };

#[derive(Default)]
struct Content {
    text: Vec<u8>,
    writes: usize,
    /// Room that is left; none: as much as there may be.
    room: Option<usize>,
    resumed: Vec<u64>,
    errors: usize,
    opened: usize,
}

/// A disk that waits until it may write, and fails while it is full.
#[derive(Clone, Default)]
struct Disk {
    gate: Arc<Mutex<()>>,
    content: Arc<Mutex<Content>>,
    /// Told of each write before it waits.
    begun: Option<Sender<()>>,
}

impl Disk {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.content().text.clone()).unwrap()
    }

    fn watched() -> (Self, Receiver<()>) {
        let (begun, writes) = channel();
        (Self { begun: Some(begun), ..Self::default() }, writes)
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(begun) = &self.begun {
            let _ = begun.send(());
        }
        let _open = self.gate.lock().unwrap();
        let mut content = self.content();
        let taken = content.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if taken == 0 {
            return Err(ErrorKind::StorageFull.into());
        }
        content.room = content.room.map(|room| room - taken);
        content.writes += 1;
        content.text.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Disk {
    fn output(&mut self, reopens: bool) -> io::Result<&mut dyn Write> {
        self.content().opened += usize::from(reopens);
        Ok(self)
    }

    fn on_resumed(&mut self, dropped: u64) {
        self.content().resumed.push(dropped);
    }

    fn on_error(&mut self, _: &io::Error) {
        self.content().errors += 1;
    }
}

fn append(writer: &BackgroundWriter, line: &str) {
    writer.append(|lines| lines.extend_from_slice(line.as_bytes()));
}

#[test]
fn lines_that_come_together_are_one_write_and_the_end_does_not_wait_for_more() {
    let disk = Disk::default();
    let batching = Batching { bytes_max: 1 << 20, batch_bytes: 1 << 19, delay: LONG };
    let writer = BackgroundWriter::spawn("test", batching, disk.clone()).unwrap();
    for _ in 0..1000 {
        append(&writer, "line\n");
    }
    assert_eq!(disk.content().writes, 0);
    drop(writer);
    assert_eq!((disk.text(), disk.content().writes), ("line\n".repeat(1000), 1));
}

#[test]
fn a_full_batch_is_written_without_a_delay() {
    let (disk, writes) = Disk::watched();
    let batching = Batching { bytes_max: 4096, batch_bytes: 10, delay: LONG };
    let writer = BackgroundWriter::spawn("test", batching, disk.clone()).unwrap();
    append(&writer, "one\n");
    append(&writer, "and two\n");
    writes.recv_timeout(Duration::from_secs(10)).expect("a write");
    drop(writer);
    assert_eq!(disk.text(), "one\nand two\n");
}

#[test]
fn a_reader_that_stops_costs_lines_and_no_time_and_their_count_is_told_when_it_goes_on() {
    let (disk, writes) = Disk::watched();
    let stopped = disk.gate.lock().unwrap();
    let writer = BackgroundWriter::spawn("test", AT_ONCE, disk.clone()).unwrap();
    append(&writer, "first\n");
    writes.recv_timeout(Duration::from_secs(10)).expect("the thread writes");
    // As many as may wait while the first is in the thread's hands, and one half more.
    let line = "x".repeat(63) + "\n";
    for _ in 0..96 {
        append(&writer, &line);
    }
    assert_eq!(writer.dropped(), 32);
    drop(stopped);
    writer.flush();
    assert_eq!(disk.text(), "first\n".to_owned() + &line.repeat(64));
    assert_eq!(disk.content().resumed, [32]);
    append(&writer, "last\n");
    writer.flush();
    assert!(disk.text().ends_with("last\n"));
    assert_eq!(disk.content().resumed, [32], "they are told once");
}

/// As the program's own log does: what tells of dropped lines is a line itself.
#[test]
fn the_line_that_tells_of_dropped_lines_is_not_dropped() {
    #[derive(Clone)]
    struct Telling(Disk, Arc<Mutex<Option<BackgroundWriter>>>);
    impl Sink for Telling {
        fn output(&mut self, _: bool) -> io::Result<&mut dyn Write> {
            Ok(&mut self.0)
        }

        fn on_resumed(&mut self, dropped: u64) {
            append(self.1.lock().unwrap().as_ref().unwrap(), &format!("{dropped} were dropped\n"));
        }
    }
    let (disk, writes) = Disk::watched();
    let stopped = disk.gate.lock().unwrap();
    let log = Arc::<Mutex<Option<BackgroundWriter>>>::default();
    let writer = BackgroundWriter::spawn("test", AT_ONCE, Telling(disk.clone(), Arc::clone(&log))).unwrap();
    append(&writer, "first\n");
    writes.recv_timeout(Duration::from_secs(10)).expect("the thread writes");
    for _ in 0..96 {
        append(&writer, &("x".repeat(63) + "\n"));
    }
    let shared = BackgroundWriter(Arc::clone(&writer.0));
    *log.lock().unwrap() = Some(writer);
    drop(stopped);
    shared.flush();
    assert!(disk.text().ends_with("x\n32 were dropped\n"), "{}", disk.text());
    std::mem::forget(shared);
}

#[test]
fn a_flush_ends_though_nobody_reads() {
    let disk = Disk::default();
    let _stopped = disk.gate.lock().unwrap();
    let writer = BackgroundWriter::spawn("test", AT_ONCE, disk.clone()).unwrap();
    append(&writer, "line\n");
    let started = Instant::now();
    writer.flush();
    assert!(started.elapsed() >= STOP_TIMEOUT, "it gives the reader some time");
}

#[test]
fn a_full_disk_costs_the_lines_that_it_does_not_take_and_none_is_glued_to_half_a_line() {
    let disk = Disk::default();
    disk.content().room = Some(8);
    let batching = Batching { delay: LONG, batch_bytes: 4096, ..AT_ONCE };
    let writer = BackgroundWriter::spawn("test", batching, disk.clone()).unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        append(&writer, line);
    }
    writer.flush();
    assert_eq!((disk.text().as_str(), writer.dropped()), ("one\ntwo\n", 1), "the whole lines are kept");
    disk.content().room = Some(2);
    append(&writer, "four\n");
    writer.flush();
    assert_eq!((writer.dropped(), disk.content().errors), (2, 2));
    disk.content().room = None;
    append(&writer, "five\n");
    drop(writer);
    assert_eq!(disk.text(), "one\ntwo\nfo\nfive\n");
    assert_eq!(disk.content().resumed, [2]);
}

#[test]
fn a_line_that_is_longer_than_all_that_may_wait_is_dropped_and_the_others_stay() {
    let disk = Disk::default();
    let batching = Batching { delay: LONG, batch_bytes: 4096, ..AT_ONCE };
    let writer = BackgroundWriter::spawn("test", batching, disk.clone()).unwrap();
    append(&writer, "one\n");
    append(&writer, &("x".repeat(4096) + "\n"));
    append(&writer, "two\n");
    assert_eq!(writer.dropped(), 1);
    drop(writer);
    assert_eq!(disk.text(), "one\ntwo\n");
}

#[test]
fn a_place_is_opened_anew_at_once_and_before_the_lines_that_wait() {
    let disk = Disk::default();
    let batching = Batching { delay: LONG, batch_bytes: 4096, ..AT_ONCE };
    let writer = BackgroundWriter::spawn("test", batching, disk.clone()).unwrap();
    append(&writer, "waits\n");
    writer.reopen();
    let started = Instant::now();
    while disk.text().is_empty() && started.elapsed() < Duration::from_secs(10) {
        thread::yield_now();
    }
    assert_eq!(disk.text(), "waits\n");
    assert_eq!(disk.content().opened, 1);
    writer.reopen();
    drop(writer);
    assert_eq!(disk.content().opened, 2, "also when there are no lines");
}

/// As the other end of a pipe sets it on standard error that both share.
#[cfg(unix)]
#[test]
fn a_full_pipe_that_does_not_block_loses_no_line() {
    use std::io::Read as _;
    let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    struct Pipe(std::os::unix::net::UnixStream);
    impl Sink for Pipe {
        fn output(&mut self, _: bool) -> io::Result<&mut dyn Write> {
            Ok(&mut self.0)
        }

        fn on_resumed(&mut self, _: u64) {}
    }
    let batching = Batching { bytes_max: 8 << 20, ..AT_ONCE };
    let log = BackgroundWriter::spawn("test", batching, Pipe(writer)).unwrap();
    let line = "y".repeat(1023) + "\n";
    for _ in 0..2048 {
        append(&log, &line);
    }
    let mut text = vec![0; 2048 * line.len()];
    reader.read_exact(&mut text).unwrap();
    assert_eq!(log.dropped(), 0);
    assert!(text.ends_with(line.as_bytes()));
}
