//! Waits for the next run of any schedule, and tells it.
//!
//! One run of a schedule is told at a time: the next one only when whoever took it has dropped it. What is due meanwhile is left out or told
//! afterwards, as the schedule says. The clock is asked for the time; the trigger and the watchdog only say when to look.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::{Concurrency, RunCounts, Schedule, Trigger};
use crate::limits;

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A run that is due. The schedule counts as busy until this is dropped.
#[derive(Debug)]
pub struct Due {
    /// The schedule.
    pub schedule: String,
    /// When it was due.
    pub at: Timestamp,
    /// Whether it was missed while Patrol was down.
    pub is_made_up: bool,
    _busy: Busy,
}

#[derive(Debug)]
struct Busy {
    board: Arc<Board>,
    schedule: String,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(entry) = self.board.lock().get_mut(&self.schedule) {
            entry.is_busy = false;
        }
        self.board.changed.notify_one();
    }
}

#[derive(Debug)]
struct Entry {
    schedule: Schedule,
    next: Option<Timestamp>,
    is_busy: bool,
    waiting: Option<Timestamp>,
    counts: RunCounts,
}

#[derive(Debug, Default)]
struct Board {
    entries: Mutex<BTreeMap<String, Entry>>,
    changed: Notify,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    OnTime,
    MissedWhileDown,
    MissedByTrigger,
    OnDemand,
}

/// The running schedules.
#[derive(Debug)]
pub struct Scheduler {
    board: Arc<Board>,
    seed: String,
    clock: Arc<dyn Clock>,
    runs: mpsc::Sender<Due>,
    task: JoinHandle<()>,
    stop: Arc<Notify>,
}

impl Scheduler {
    /// Starts the schedules on the current runtime. `last_runs` is when each last started, as far as is known: one that missed a run since is told
    /// at once, and so is one that never ran. `seed` names the installation, for the jitter.
    pub fn start(
        schedules: Vec<Schedule>,
        last_runs: &BTreeMap<String, Timestamp>,
        seed: &str,
        clock: Arc<dyn Clock>,
        trigger: Box<dyn Trigger>,
    ) -> (Self, mpsc::Receiver<Due>) {
        let (runs, receiver) = mpsc::channel(2 * limits::SCHEDULES_MAX);
        let (board, stop) = (Arc::<Board>::default(), Arc::<Notify>::default());
        let looper = Looper {
            board: Arc::clone(&board),
            seed: seed.to_owned(),
            clock: Arc::clone(&clock),
            runs: runs.clone(),
            stop: Arc::clone(&stop),
        };
        looper.begin(schedules, last_runs);
        let task = tokio::spawn(looper.run(trigger));
        (Self { board, seed: seed.to_owned(), clock, runs, task, stop }, receiver)
    }

    /// Puts other schedules in the place of the ones that run. Those that stay the same notice nothing; one that is new runs at once, one whose times
    /// changed at its next time.
    pub fn replace(&self, schedules: Vec<Schedule>) {
        let now = self.clock.now();
        let mut entries = self.board.lock();
        entries.retain(|name, _| schedules.iter().any(|schedule| schedule.name == *name));
        for schedule in schedules {
            match entries.get_mut(&schedule.name) {
                Some(entry) if entry.schedule == schedule => {}
                Some(entry) => {
                    entry.next = schedule.next_after(now, &self.seed);
                    entry.schedule = schedule;
                }
                None => {
                    entries.insert(schedule.name.clone(), Entry::new(schedule, Some(now)));
                }
            }
        }
        drop(entries);
        self.board.changed.notify_one();
    }

    /// Tells a run now, or when the current one is over. False if there is no such schedule.
    pub fn run_now(&self, schedule: &str) -> bool {
        let is_known = self.board.lock().contains_key(schedule);
        if is_known {
            tell(&self.board, &self.runs, schedule, self.clock.now(), Cause::OnDemand);
        }
        is_known
    }

    /// What happened to each schedule since the start.
    pub fn counts(&self) -> BTreeMap<String, RunCounts> {
        self.board.lock().iter().map(|(name, entry)| (name.clone(), entry.counts)).collect()
    }

    /// When each schedule runs next; absent for one that never does.
    pub fn next_runs(&self) -> BTreeMap<String, Timestamp> {
        let entries = self.board.lock();
        entries.iter().filter_map(|(name, entry)| Some((name.clone(), entry.next?))).collect()
    }

    /// The time between two runs of each schedule as things stand.
    pub fn intervals(&self) -> BTreeMap<String, Duration> {
        let now = self.clock.now();
        let entries = self.board.lock();
        let gap = |entry: &Entry| entry.schedule.timing.gap_after(now);
        entries.iter().filter_map(|(name, entry)| Some((name.clone(), gap(entry)?))).collect()
    }

    /// How many schedules wait for their current run to end before the next.
    pub fn n_waiting(&self) -> usize {
        self.board.lock().values().filter(|entry| entry.waiting.is_some()).count()
    }

    /// Tells no more runs.
    pub async fn stop(self) {
        self.stop.notify_one();
        // The task ends by itself; that it panicked is nothing that stopping could mend.
        let _ = self.task.await;
    }
}

impl Entry {
    fn new(schedule: Schedule, next: Option<Timestamp>) -> Self {
        Self { schedule, next, is_busy: false, waiting: None, counts: RunCounts::default() }
    }
}

struct Looper {
    board: Arc<Board>,
    seed: String,
    clock: Arc<dyn Clock>,
    runs: mpsc::Sender<Due>,
    stop: Arc<Notify>,
}

impl Looper {
    fn begin(&self, schedules: Vec<Schedule>, last_runs: &BTreeMap<String, Timestamp>) {
        let now = self.clock.now();
        for schedule in schedules.into_iter().take(limits::SCHEDULES_MAX) {
            let name = schedule.name.clone();
            // A last run in the future is a clock that was set back.
            let last = last_runs.get(&name).map(|last| (*last).min(now));
            let missed =
                last.and_then(|last| schedule.next_after(last, &self.seed)).filter(|next| *next <= now);
            let next = if last.is_none() { Some(now) } else { schedule.next_after(now, &self.seed) };
            self.board.lock().insert(name.clone(), Entry::new(schedule, next));
            if let Some(missed) = missed {
                tell(&self.board, &self.runs, &name, missed, Cause::MissedWhileDown);
            }
        }
    }

    async fn run(self, mut trigger: Box<dyn Trigger>) {
        let mut is_late = false;
        loop {
            self.tell_waiting();
            let wait = self.tell_due(is_late);
            is_late = false;
            let patience = wait.unwrap_or(Duration::MAX).saturating_add(grace()).min(look_again());
            tokio::select! {
                () = self.wake(trigger.as_mut(), wait) => {}
                () = tokio::time::sleep(patience) => is_late = true,
                () = self.board.changed.notified() => {}
                () = self.stop.notified() => break,
            }
        }
        trigger.shut_down().await;
    }

    /// Waits for the trigger, and for the rest of the time if it is early.
    async fn wake(&self, trigger: &mut dyn Trigger, wait: Option<Duration>) {
        let Some(wait) = wait else { return std::future::pending().await };
        let due = self.clock.now().checked_add(wait);
        trigger.wake_in(wait).await;
        let rest = due.map(|due| until(self.clock.now(), due)).unwrap_or_default();
        tokio::time::sleep(rest).await;
    }

    /// Tells what is due, and says how long it is until something is.
    fn tell_due(&self, is_late: bool) -> Option<Duration> {
        let now = self.clock.now();
        let mut due = Vec::new();
        for (name, entry) in self.board.lock().iter_mut() {
            if let Some(at) = entry.next.filter(|next| *next <= now) {
                let is_rescued = is_late && until(at, now) >= grace();
                due.push((name.clone(), at, if is_rescued { Cause::MissedByTrigger } else { Cause::OnTime }));
                entry.next = entry.schedule.next_after(now, &self.seed);
            }
        }
        for (name, at, cause) in due {
            tell(&self.board, &self.runs, &name, at, cause);
        }
        let next = self.board.lock().values().filter_map(|entry| entry.next).min();
        next.map(|next| until(now, next))
    }

    fn tell_waiting(&self) {
        let is_ready = |entry: &Entry| !entry.is_busy && entry.waiting.is_some();
        let mut ready: Vec<(String, Timestamp)> = Vec::new();
        for (name, entry) in self.board.lock().iter_mut().filter(|(_, entry)| is_ready(entry)) {
            ready.extend(entry.waiting.take().map(|at| (name.clone(), at)));
        }
        for (name, at) in ready {
            tell(&self.board, &self.runs, &name, at, Cause::OnTime);
        }
    }
}

/// Tells a run, or leaves it out or for later if the schedule is busy.
fn tell(board: &Arc<Board>, runs: &mpsc::Sender<Due>, schedule: &str, at: Timestamp, cause: Cause) {
    let mut entries = board.lock();
    let Some(entry) = entries.get_mut(schedule) else { return };
    entry.counts.made_up += u64::from(cause == Cause::MissedWhileDown);
    entry.counts.rescued += u64::from(cause == Cause::MissedByTrigger);
    if entry.is_busy {
        let may_wait = entry.schedule.concurrency == Concurrency::Queue || cause == Cause::OnDemand;
        if may_wait && entry.waiting.is_none() {
            entry.waiting = Some(at);
            entry.counts.queued += 1;
        } else {
            entry.counts.skipped += 1;
        }
        return;
    }
    entry.is_busy = true;
    entry.counts.fired += 1;
    drop(entries);
    let busy = Busy { board: Arc::clone(board), schedule: schedule.to_owned() };
    let is_made_up = cause == Cause::MissedWhileDown;
    // Full only if replaced schedules are all still busy, closed only if nobody scans any more; the dropped run frees its schedule.
    if let Err(error) = runs.try_send(Due { schedule: schedule.to_owned(), at, is_made_up, _busy: busy }) {
        tracing::debug!(schedule, %error, "nobody takes the run");
    }
}

fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

fn grace() -> Duration {
    Duration::from_secs(limits::WATCHDOG_GRACE_SECS)
}

fn look_again() -> Duration {
    Duration::from_secs(limits::WATCHDOG_LOOK_SECS_MAX)
}
