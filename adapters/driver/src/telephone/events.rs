//! What happens to a telephone, told to the program that embeds it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use futures_lite::Stream;
use telephone_core::limits::TELEPHONE_EVENTS_MAX;

/// Something that happened to a telephone. `plugboard` is the URL as it was [given](super::TelephoneBuilder::url).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TelephoneEvent {
    /// A new session has a link: requests can reach these mounts.
    Connected {
        /// Where.
        plugboard: String,
        /// What it serves.
        mounts: Vec<String>,
    },
    /// The session that was there before has a link again. Its streams go on.
    Resumed {
        /// Where.
        plugboard: String,
        /// What it serves.
        mounts: Vec<String>,
    },
    /// The link was lost. The telephone dials again.
    Lost {
        /// Which.
        plugboard: String,
    },
    /// A dial came to nothing.
    Failed {
        /// Which.
        plugboard: String,
        /// Dials in a row that failed.
        attempts: u32,
        /// Why, as in the log.
        reason: String,
    },
    /// The plugboard refused the token or the mounts.
    Refused {
        /// Which.
        plugboard: String,
        /// Dials in a row that failed.
        attempts: u32,
        /// Why, as in the log.
        reason: String,
    },
    /// A session ended, and with it its streams. The telephone dials again.
    Ended {
        /// Which.
        plugboard: String,
        /// Why, as in the log.
        reason: String,
    },
    /// The plugboard took mounts away: the token does not cover them, or a newer process has them.
    Narrowed {
        /// Which.
        plugboard: String,
        /// What is left.
        mounts: Vec<String>,
    },
    /// A fresh token was accepted for the session.
    Renewed {
        /// Which.
        plugboard: String,
        /// When it expires; none if it does not.
        expires: Option<SystemTime>,
    },
    /// A shutdown was asked for: what is in flight may finish.
    Draining {
        /// Which.
        plugboard: String,
    },
    /// The telephone is done with this plugboard.
    Stopped {
        /// Which.
        plugboard: String,
    },
    /// So many events were not read in time, and are lost. The [status](super::Handle::status) is the present state.
    Missed(u64),
}

/// The events of a telephone from now on, as a stream that ends when the telephone does.
///
/// It holds the latest 64 events that were not read. Older ones are dropped, and [`TelephoneEvent::Missed`] counts them.
#[must_use = "events that nobody reads are dropped"]
pub struct Events(Arc<Queue>);

impl Events {
    /// The next event; none once the telephone has ended. Dropping the future loses none.
    pub async fn next(&mut self) -> Option<TelephoneEvent> {
        poll_fn(|cx| self.0.poll(cx)).await
    }
}

impl Stream for Events {
    type Item = TelephoneEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TelephoneEvent>> {
        self.0.poll(cx)
    }
}

/// Who reads events. Nothing is kept for nobody.
#[derive(Default)]
pub(super) struct Readers(Mutex<Listed>);

#[derive(Default)]
struct Listed {
    readers: Vec<Weak<Queue>>,
    has_ended: bool,
}

impl Readers {
    pub(super) fn add(&self) -> Events {
        let queue = Arc::<Queue>::default();
        let mut listed = lock(&self.0);
        lock(&queue.0).has_ended = listed.has_ended;
        listed.readers.retain(|reader| reader.strong_count() > 0);
        listed.readers.push(Arc::downgrade(&queue));
        Events(queue)
    }

    /// Tells all readers, if there are some.
    pub(super) fn tell(&self, event: impl FnOnce() -> TelephoneEvent) {
        let readers: Vec<_> = lock(&self.0).readers.iter().filter_map(Weak::upgrade).collect();
        if !readers.is_empty() {
            let event = event();
            readers.iter().for_each(|reader| reader.put(Some(event.clone())));
        }
    }

    /// The telephone has ended: there are no more events.
    pub(super) fn end(&self) {
        let mut listed = lock(&self.0);
        listed.has_ended = true;
        let readers: Vec<_> = listed.readers.drain(..).filter_map(|reader| reader.upgrade()).collect();
        drop(listed);
        readers.iter().for_each(|reader| reader.put(None));
    }
}

#[derive(Default)]
struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<TelephoneEvent>,
    missed: u64,
    has_ended: bool,
    reader: Option<Waker>,
}

impl Queue {
    /// Keeps an event, or the end.
    fn put(&self, event: Option<TelephoneEvent>) {
        let mut waiting = lock(&self.0);
        match event {
            Some(event) => {
                if waiting.events.len() >= TELEPHONE_EVENTS_MAX {
                    waiting.events.pop_front();
                    waiting.missed += 1;
                }
                waiting.events.push_back(event);
            }
            None => waiting.has_ended = true,
        }
        let reader = waiting.reader.take();
        drop(waiting);
        reader.into_iter().for_each(Waker::wake);
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<TelephoneEvent>> {
        let mut waiting = lock(&self.0);
        let missed = std::mem::take(&mut waiting.missed);
        if missed > 0 {
            return Poll::Ready(Some(TelephoneEvent::Missed(missed)));
        }
        match waiting.events.pop_front() {
            None if !waiting.has_ended => {
                waiting.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            event => Poll::Ready(event),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};

    fn lost(number: usize) -> TelephoneEvent {
        TelephoneEvent::Lost { plugboard: number.to_string() }
    }

    #[test]
    fn each_reader_gets_what_happens_from_its_beginning_to_the_end() {
        let readers = Readers::default();
        readers.tell(|| unreachable!("nobody reads"));
        let mut one = readers.add();
        readers.tell(|| lost(1));
        let mut two = readers.add();
        readers.tell(|| lost(2));
        readers.end();
        let rest = |events: &mut Events| [(); 3].map(|()| block_on(events.next()));
        assert_eq!(rest(&mut one), [Some(lost(1)), Some(lost(2)), None]);
        assert_eq!(rest(&mut two), [Some(lost(2)), None, None]);
        assert_eq!(block_on(readers.add().next()), None);
    }

    #[test]
    fn a_reader_that_is_late_gets_the_latest_events_and_the_count_of_the_others() {
        let readers = Readers::default();
        let mut events = readers.add();
        (0..TELEPHONE_EVENTS_MAX + 5).for_each(|number| readers.tell(|| lost(number)));
        assert_eq!(block_on(events.next()), Some(TelephoneEvent::Missed(5)));
        for number in 5..TELEPHONE_EVENTS_MAX + 5 {
            assert_eq!(block_on(events.next()), Some(lost(number)));
        }
        assert_eq!(block_on(poll_once(events.next())), None);
    }

    #[test]
    fn a_reader_that_waits_is_woken_and_one_that_is_gone_is_forgotten() {
        let readers = Arc::new(Readers::default());
        let mut events = readers.add();
        let telling = readers.clone();
        let thread = std::thread::spawn(move || telling.tell(|| lost(7)));
        assert_eq!(block_on(events.next()), Some(lost(7)));
        thread.join().unwrap();
        drop(events);
        readers.tell(|| unreachable!("nobody reads"));
    }
}
