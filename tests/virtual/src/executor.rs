//! One thread, one queue, one heap of timers: tasks on virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use telephone_driver::core::time::Timestamp;

/// Polls at one moment of virtual time that only a loop without an end can need.
const POLLS_AT_ONCE_MAX: u64 = 200_000;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that end together, as those of one process do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(usize);

struct Task {
    group: Group,
    /// Absent while it is polled.
    work: Option<Work>,
    waker: Waker,
    is_queued: bool,
    polls: u64,
}

/// What a timer does.
enum Due {
    /// Wakes a task of this group.
    Wake(Option<Group>, Waker),
    Run(Box<dyn FnOnce() + Send>),
}

/// What becomes of the clock of timers while a process is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerClock {
    /// It stands still, as on a suspended machine.
    StoodStill,
    /// It goes on, as of a stopped process.
    WentOn,
}

struct Process {
    name: String,
    is_alive: bool,
    frozen: Option<Frozen>,
    /// How far its clock of timers is behind.
    behind: Duration,
    /// Polls of its tasks, those that have ended too.
    polls: u64,
}

/// What happens to a process while it is frozen.
struct Frozen {
    since: Timestamp,
    /// Its tasks that were woken.
    woken: Vec<u64>,
    /// Its timers that would have fired.
    due: Vec<((Timestamp, u64), Waker)>,
}

#[derive(Default)]
struct State {
    now: Timestamp,
    queue: VecDeque<u64>,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
    timers: BTreeMap<(Timestamp, u64), Due>,
    timers_set: u64,
    processes: Vec<Process>,
    polls: u64,
    polls_at_once: u64,
    trace: u64,
}

/// A deterministic executor. Clones are the same one.
///
/// Tasks run in the order in which they were woken; when none is ready, time jumps to the next timer. Nothing
/// here looks at a clock or starts a thread.
#[derive(Clone, Default)]
pub struct Executor(Arc<Mutex<State>>);

struct TaskWaker {
    id: u64,
    executor: Executor,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.executor.lock();
        let Some(task) = state.tasks.get_mut(&self.id) else { return };
        if !std::mem::replace(&mut task.is_queued, true) {
            state.queue.push_back(self.id);
        }
    }
}

impl Executor {
    /// An executor at time zero, with nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.lock().now
    }

    /// A new group of tasks.
    pub fn group(&self, name: impl Into<String>) -> Group {
        let mut state = self.lock();
        state.processes.push(Process {
            name: name.into(),
            is_alive: true,
            frozen: None,
            behind: Duration::ZERO,
            polls: 0,
        });
        Group(state.processes.len() - 1)
    }

    /// Runs `work` in `group` until it ends or the group is killed. What a dead group spawns is dropped.
    pub fn spawn(&self, group: Group, work: impl Future<Output = ()> + Send + 'static) {
        let work: Work = Box::pin(work);
        let mut state = self.lock();
        if !state.processes.get(group.0).is_some_and(|process| process.is_alive) {
            drop(state);
            return drop(work);
        }
        let id = state.next_task;
        state.next_task += 1;
        let waker = Waker::from(Arc::new(TaskWaker { id, executor: self.clone() }));
        let task = Task { group, work: Some(work), waker, is_queued: true, polls: 0 };
        state.tasks.insert(id, task);
        state.queue.push_back(id);
    }

    /// Drops every task of a group at once, as the end of its process does. Not for the group that calls.
    pub fn kill(&self, group: Group) {
        let mut state = self.lock();
        if let Some(process) = state.processes.get_mut(group.0) {
            process.is_alive = false;
        }
        let ids: Vec<u64> =
            state.tasks.iter().filter(|(_, task)| task.group == group).map(|(id, _)| *id).collect();
        let tasks: Vec<Task> = ids.iter().filter_map(|id| state.tasks.remove(id)).collect();
        drop(state);
        // What dropping one does, such as waking, finds the executor unlocked.
        drop(tasks);
    }

    /// Lets no task of a group run.
    pub fn freeze(&self, group: Group) {
        let mut state = self.lock();
        let now = state.now;
        if let Some(process) = state.processes.get_mut(group.0) {
            process.frozen.get_or_insert(Frozen { since: now, woken: Vec::new(), due: Vec::new() });
        }
    }

    /// Lets a group's tasks run again.
    pub fn thaw(&self, group: Group, clock: TimerClock) {
        let mut state = self.lock();
        let now = state.now;
        let Some(process) = state.processes.get_mut(group.0) else { return };
        let Some(Frozen { since, woken, due }) = process.frozen.take() else { return };
        state.queue.extend(woken);
        match clock {
            TimerClock::StoodStill => state.put_off(group, due, now.since(since)),
            TimerClock::WentOn => {
                drop(state);
                due.into_iter().for_each(|(_, waker)| waker.wake());
            }
        }
    }

    /// The time of a group's timers.
    #[must_use]
    pub fn now_of(&self, group: Group) -> Timestamp {
        let state = self.lock();
        Timestamp::ZERO + state.now.since(Timestamp::ZERO + state.behind(group))
    }

    /// Drops everything, so that nothing that holds the executor keeps itself alive in it.
    pub fn clear(&self) {
        let groups = self.lock().processes.len();
        (0..groups).for_each(|group| self.kill(Group(group)));
        let timers = std::mem::take(&mut self.lock().timers);
        drop(timers);
    }

    /// Runs `event` at `deadline`, or as soon as it can if that is over.
    pub fn at(&self, deadline: Timestamp, event: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        let key = state.next_timer(deadline);
        state.timers.insert(key, Due::Run(Box::new(event)));
    }

    /// A timer for `deadline`.
    #[must_use]
    pub fn sleep_until(&self, deadline: Timestamp) -> Sleep {
        Sleep { executor: self.clone(), deadline, group: None, timer: None }
    }

    /// A timer on a group's own clock.
    #[must_use]
    pub fn sleep_of(&self, group: Group, deadline: Timestamp) -> Sleep {
        Sleep { executor: self.clone(), deadline, group: Some(group), timer: None }
    }

    /// Waits for `time`.
    pub async fn sleep(&self, time: Duration) {
        self.sleep_until(self.now() + time).await;
    }

    /// Runs until `is_done` says so, looked at whenever nothing is ready, or until `deadline`. True if it is done.
    pub fn run_until(&self, deadline: Timestamp, is_done: impl Fn() -> bool) -> bool {
        loop {
            while self.poll_next() {}
            if is_done() {
                return true;
            }
            if !self.advance(deadline) {
                return false;
            }
        }
    }

    /// Runs for `time`.
    pub fn run_for(&self, time: Duration) {
        self.run_until(self.now() + time, || false);
    }

    /// Polls the task whose turn it is. False if none is ready.
    fn poll_next(&self) -> bool {
        let mut state = self.lock();
        let Some(id) = state.queue.pop_front() else { return false };
        let Some((mut work, waker)) = state.take_work(id) else { return true };
        drop(state);
        let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.lock();
        match polled {
            Poll::Pending => {
                if let Some(task) = state.tasks.get_mut(&id) {
                    task.work = Some(work);
                    return true;
                }
                // Its group was killed meanwhile.
                drop(state);
                drop(work);
            }
            Poll::Ready(()) => {
                let task = state.tasks.remove(&id);
                drop(state);
                drop((task, work));
            }
        }
        true
    }

    /// Moves time to the next timer and fires it. False if there is none up to `deadline`, which then is the time.
    fn advance(&self, deadline: Timestamp) -> bool {
        let mut state = self.lock();
        let next = state.timers.first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= deadline);
        let Some((at, number)) = next else {
            state.now = state.now.max(deadline);
            state.polls_at_once = 0;
            return false;
        };
        if at > state.now {
            state.now = at;
            state.polls_at_once = 0;
        }
        let due = state.timers.remove(&(at, number));
        if let Some(Due::Wake(Some(group), waker)) = &due
            && let Some(frozen) = state.processes.get_mut(group.0).and_then(|one| one.frozen.as_mut())
        {
            frozen.due.push(((at, number), waker.clone()));
            return true;
        }
        drop(state);
        match due {
            Some(Due::Wake(_, waker)) => waker.wake(),
            Some(Due::Run(event)) => event(),
            None => {}
        }
        true
    }

    /// Tasks of a group that have not ended.
    #[must_use]
    pub fn tasks(&self, group: Group) -> usize {
        self.lock().tasks.values().filter(|task| task.group == group).count()
    }

    /// Timers that tasks have set; what the network has under way is not among them.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.lock().timers.values().filter(|due| matches!(due, Due::Wake(..))).count()
    }

    /// Polls of all tasks of a group so far.
    #[must_use]
    pub fn polls(&self, group: Group) -> u64 {
        self.lock().processes.get(group.0).map_or(0, |process| process.polls)
    }

    /// Polls of all tasks so far.
    #[must_use]
    pub fn polls_of_all(&self) -> u64 {
        self.lock().polls
    }

    /// The polls of the living task that was polled most often.
    #[must_use]
    pub fn polls_of_busiest(&self) -> u64 {
        self.lock().tasks.values().map(|task| task.polls).max().unwrap_or(0)
    }

    /// Adds what happened to the trace.
    pub fn trace(&self, words: &[u64]) {
        self.lock().trace(words);
    }

    /// A hash over the order and the time of everything that happened. (I47)
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.lock().trace
    }
}

impl State {
    fn next_timer(&mut self, deadline: Timestamp) -> (Timestamp, u64) {
        self.timers_set += 1;
        (deadline.max(self.now), self.timers_set)
    }

    fn take_work(&mut self, id: u64) -> Option<(Work, Waker)> {
        let task = self.tasks.get_mut(&id)?;
        if let Some(frozen) = self.processes.get_mut(task.group.0).and_then(|one| one.frozen.as_mut()) {
            frozen.woken.push(id);
            return None;
        }
        task.is_queued = false;
        task.polls += 1;
        let (work, waker, group) = (task.work.take()?, task.waker.clone(), task.group);
        self.polls += 1;
        self.polls_at_once += 1;
        let now = self.now.as_micros();
        self.trace(&[now, id]);
        let process = self.processes.get_mut(group.0)?;
        process.polls += 1;
        if self.polls_at_once > POLLS_AT_ONCE_MAX {
            panic_any(format!(
                "{} polls at {now} us: {} is in a busy loop",
                self.polls_at_once, process.name
            ));
        }
        Some((work, waker))
    }

    fn behind(&self, group: Group) -> Duration {
        self.processes.get(group.0).map_or(Duration::ZERO, |process| process.behind)
    }

    /// When a timer for `deadline` on a group's clock fires.
    fn due_at(&self, deadline: Timestamp, group: Option<Group>) -> Timestamp {
        deadline + group.map_or(Duration::ZERO, |group| self.behind(group))
    }

    /// Puts a group's timers off by the time that its clock stood still: those that were `due` meanwhile, and those to come.
    fn put_off(&mut self, group: Group, due: Vec<((Timestamp, u64), Waker)>, time: Duration) {
        let due = due.into_iter().map(|(key, waker)| (key, Due::Wake(Some(group), waker)));
        let timers = std::mem::take(&mut self.timers).into_iter();
        let (own, others): (BTreeMap<_, _>, _) =
            timers.partition(|(_, due)| matches!(due, Due::Wake(Some(one), _) if *one == group));
        self.timers = others;
        self.timers.extend(due.chain(own).map(|((at, number), due)| ((at + time, number), due)));
        if let Some(process) = self.processes.get_mut(group.0) {
            process.behind += time;
        }
    }

    /// Takes a timer of a group out, wherever it is.
    fn take_timer(&mut self, group: Option<Group>, key: (Timestamp, u64)) -> Option<Due> {
        let frozen = group.and_then(|group| self.processes.get_mut(group.0)?.frozen.as_mut());
        if let Some(frozen) = frozen {
            frozen.due.retain(|(due, _)| *due != key);
        }
        self.timers.remove(&key)
    }

    fn trace(&mut self, words: &[u64]) {
        for word in words {
            let mixed = (self.trace ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.trace = mixed ^ (mixed >> 29);
        }
    }
}

/// A timer on virtual time. Dropping it takes it out of the heap.
pub struct Sleep {
    executor: Executor,
    deadline: Timestamp,
    /// Whose clock it goes by, if not the world's.
    group: Option<Group>,
    /// Its number in the heap.
    timer: Option<u64>,
}

impl Sleep {
    fn clear(&mut self) {
        let Some(number) = self.timer.take() else { return };
        let mut state = self.executor.lock();
        let at = state.due_at(self.deadline, self.group);
        let due = state.take_timer(self.group, (at, number));
        drop(state);
        drop(due);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor.clone();
        let mut state = executor.lock();
        let at = state.due_at(self.deadline, self.group);
        if at <= state.now {
            return Poll::Ready(());
        }
        let key = self.timer.map_or_else(|| state.next_timer(at), |number| (at, number));
        let earlier = state.timers.insert(key, Due::Wake(self.group, cx.waker().clone()));
        drop(state);
        drop(earlier);
        self.timer = Some(key.1);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests;
