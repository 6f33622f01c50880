//! Tasks that serve one request after the other: one for each would be allocated, registered and thrown away as often.

use std::future::poll_fn;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use telephone_core::message::RequestHead;

use crate::backend::Leg;
use crate::runtime::Runtime;
use crate::stream::StreamHandle;

/// How many tasks wait for their next request; further ones end.
const WAITING_MAX: usize = 64;

/// A request that came for `mount`.
pub(super) struct Request {
    pub(super) mount: Bytes,
    pub(super) head: RequestHead,
    pub(super) stream: StreamHandle,
}

/// Takes requests. What asks it is built once, whatever serves them.
pub(super) trait Serve: Send + Sync {
    /// Serves a request beside all others.
    fn serve(&self, request: Request);
}

/// The tasks of one telephone. Those that wait end with it, the others when their request is over.
pub(super) struct Crew<R, L> {
    runtime: R,
    leg: Arc<L>,
    waiting: Arc<Waiting<Request>>,
}

impl<R: Runtime, L: Leg> Crew<R, L> {
    pub(super) fn new(runtime: R, leg: L) -> Self {
        Self { runtime, leg: Arc::new(leg), waiting: Arc::new(Waiting::new()) }
    }
}

impl<R: Runtime, L: Leg> Serve for Crew<R, L> {
    fn serve(&self, request: Request) {
        let Err(request) = self.waiting.call(request) else { return };
        let (leg, waiting) = (self.leg.clone(), self.waiting.clone());
        let work = async move {
            let place = Arc::new(Place::default());
            let mut next = Some(request);
            while let Some(Request { mount, head, stream }) = next {
                leg.serve(&mount, head, stream).await;
                next = waiting.next(&place).await;
            }
        };
        // Boxed, for a runtime moves what it is given several times.
        self.runtime.spawn(Box::pin(work));
    }
}

impl<R, L> Drop for Crew<R, L> {
    fn drop(&mut self) {
        self.waiting.dismiss();
    }
}

/// Who waits for something to do.
struct Waiting<T> {
    /// `None` once nothing more will come.
    places: Mutex<Option<Vec<Arc<Place<T>>>>>,
}

/// One task's place among those who wait. It is among them once, or not at all; that of a task which was dropped may stay there.
struct Place<T>(Mutex<Call<T>>);

/// What a task that waits is told.
enum Call<T> {
    /// Nothing yet; whom to wake.
    None(Option<Waker>),
    Next(T),
    Dismissed,
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self(Mutex::new(Call::None(None)))
    }
}

impl<T> Waiting<T> {
    const fn new() -> Self {
        Self { places: Mutex::new(Some(Vec::new())) }
    }

    fn places(&self) -> MutexGuard<'_, Option<Vec<Arc<Place<T>>>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives `what` to one who waits, or back if nobody does.
    fn call(&self, what: T) -> Result<(), T> {
        // Whoever came last has the warmest caches. A place that nobody else knows is a task's that was dropped.
        let is_taken = |place: &Arc<Place<T>>| Arc::strong_count(place) > 1;
        let place = self.places().as_mut().and_then(|places| iter::from_fn(|| places.pop()).find(is_taken));
        let Some(place) = place else { return Err(what) };
        place.tell(Call::Next(what));
        Ok(())
    }

    /// Waits for something to do. `None` if so many wait already, or nothing more will come.
    async fn next(&self, place: &Arc<Place<T>>) -> Option<T> {
        match &mut *self.places() {
            Some(places) if places.len() < WAITING_MAX => places.push(place.clone()),
            _ => return None,
        }
        poll_fn(|cx| place.poll(cx)).await
    }

    fn dismiss(&self) {
        let places = self.places().take();
        places.into_iter().flatten().for_each(|place| place.tell(Call::Dismissed));
    }
}

impl<T> Place<T> {
    fn lock(&self) -> MutexGuard<'_, Call<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, call: Call<T>) {
        let before = std::mem::replace(&mut *self.lock(), call);
        if let Call::None(Some(waker)) = before {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        let mut call = self.lock();
        match std::mem::replace(&mut *call, Call::None(None)) {
            Call::Next(next) => Poll::Ready(Some(next)),
            Call::Dismissed => Poll::Ready(None),
            Call::None(_) => {
                *call = Call::None(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;

    use super::*;
    use crate::shared::tests::Woken;

    #[test]
    fn each_call_goes_to_one_who_waits_and_none_is_lost() {
        let waiting = Waiting::new();
        assert_eq!(waiting.call(0), Err(0), "nobody waits");
        let places: [Arc<Place<u32>>; 2] = Default::default();
        let woken: [Arc<Woken>; 2] = Default::default();
        let wakers = woken.clone().map(Waker::from);
        let [mut first, mut second] = [0, 1].map(|at| Box::pin(waiting.next(&places[at])));
        let context = |at: usize| Context::from_waker(&wakers[at]);
        assert!(
            first.as_mut().poll(&mut context(0)).is_pending()
                && second.as_mut().poll(&mut context(1)).is_pending()
        );
        // Woken for some other reason it still waits once.
        assert!(second.as_mut().poll(&mut context(1)).is_pending());
        assert_eq!([waiting.call(1), waiting.call(2), waiting.call(3)], [Ok(()), Ok(()), Err(3)]);
        assert!(woken.iter().all(|woken| woken.is_woken()));
        assert_eq!(second.as_mut().poll(&mut context(1)), Poll::Ready(Some(1)));
        assert_eq!(first.as_mut().poll(&mut context(0)), Poll::Ready(Some(2)));
    }

    #[test]
    fn nothing_is_given_to_who_was_dropped() {
        let waiting = Waiting::new();
        let mut cx = Context::from_waker(Waker::noop());
        let (first, second) = (Arc::<Place<u32>>::default(), Arc::<Place<u32>>::default());
        let mut wait = Box::pin(waiting.next(&first));
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        assert!(Box::pin(waiting.next(&second)).as_mut().poll(&mut cx).is_pending());
        drop(second);
        assert_eq!([waiting.call(1), waiting.call(2)], [Ok(()), Err(2)]);
        assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(Some(1)));
    }

    #[test]
    fn so_many_wait_and_no_more_and_all_end_when_nothing_more_will_come() {
        let waiting: Waiting<u32> = Waiting::new();
        let places: Vec<Arc<Place<u32>>> = (0..=WAITING_MAX).map(|_| Arc::default()).collect();
        let mut cx = Context::from_waker(Waker::noop());
        let mut waits: Vec<_> = places.iter().map(|place| Box::pin(waiting.next(place))).collect();
        let polled: Vec<_> = waits.iter_mut().map(|wait| wait.as_mut().poll(&mut cx)).collect();
        assert!(polled[..WAITING_MAX].iter().all(Poll::is_pending));
        assert_eq!(polled[WAITING_MAX], Poll::Ready(None));
        waiting.dismiss();
        for wait in &mut waits[..WAITING_MAX] {
            assert_eq!(wait.as_mut().poll(&mut cx), Poll::Ready(None));
        }
        assert_eq!(waiting.call(1), Err(1));
        let late = pin!(waiting.next(&places[0]));
        assert_eq!(late.poll(&mut cx), Poll::Ready(None));
    }
}
