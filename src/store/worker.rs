//! The one thread that owns a database, and the time limit on everything it is asked. A job that takes
//! too long is given up: the thread is left to itself and nothing is asked of it any more, since a
//! database that hangs cannot be interrupted. Knows nothing about what the jobs do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Name of the owner threads, so that a panic hook can tell their panics (which are caught) from others.
pub const WORKER_THREAD_NAME: &str = "patrol-store";

type Job<E> = Box<dyn FnOnce(&mut E) + Send>;

/// The calling side of an owner thread.
#[derive(Debug)]
pub(super) struct Worker<E> {
    /// `None` once closed or given up. Held during a job, so that time limits count from its start.
    link: Mutex<Option<Link<E>>>,
}

#[derive(Debug)]
struct Link<E> {
    jobs: SyncSender<Job<E>>,
    ended: Receiver<()>,
}

/// Why a job has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The worker was closed or given up before.
    Gone,
    /// It took too long; the worker is given up now.
    TimedOut,
    /// The job panicked.
    Panicked,
}

/// Why a worker did not start.
#[derive(Debug)]
pub(super) enum NoStart<F> {
    /// The start itself said so.
    Failed(F),
    /// It took too long, and goes on by itself.
    TimedOut,
    /// It panicked, or the thread could not be made.
    Panicked,
}

impl<E: 'static> Worker<E> {
    /// Starts the thread and waits until `start` has made what it owns.
    pub(super) fn start<F: Send + 'static>(
        limit: Duration,
        start: impl FnOnce() -> Result<E, F> + Send + 'static,
    ) -> Result<Self, NoStart<F>> {
        let (ready_tx, ready_rx) = sync_channel(1);
        let (jobs, jobs_rx) = sync_channel::<Job<E>>(1);
        let (ended_tx, ended) = sync_channel(1);
        let body = move || {
            match catch_unwind(AssertUnwindSafe(start)) {
                // The receiver is gone if the start took too long: then what it made is dropped here.
                Ok(Ok(owned)) => {
                    if ready_tx.send(Ok(())).is_ok() {
                        serve(owned, &jobs_rx);
                    }
                }
                Ok(Err(failure)) => drop(ready_tx.send(Err(failure))),
                Err(_) => drop(ready_tx),
            }
            drop(ended_tx);
        };
        if thread::Builder::new().name(WORKER_THREAD_NAME.to_owned()).spawn(body).is_err() {
            return Err(NoStart::Panicked);
        }
        match ready_rx.recv_timeout(limit) {
            Ok(Ok(())) => Ok(Self { link: Mutex::new(Some(Link { jobs, ended })) }),
            Ok(Err(failure)) => Err(NoStart::Failed(failure)),
            Err(RecvTimeoutError::Timeout) => Err(NoStart::TimedOut),
            Err(RecvTimeoutError::Disconnected) => Err(NoStart::Panicked),
        }
    }

    /// Runs a job on the thread and waits for its answer.
    pub(super) fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        job: impl FnOnce(&mut E) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let mut guard = self.link();
        let link = guard.as_ref().ok_or(NoAnswer::Gone)?;
        let (answer_tx, answer_rx) = sync_channel(1);
        let job: Job<E> = Box::new(move |owned| drop(answer_tx.send(job(owned))));
        link.jobs.send(job).map_err(|_| NoAnswer::Gone)?;
        match answer_rx.recv_timeout(limit) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => {
                *guard = None;
                Err(NoAnswer::TimedOut)
            }
            Err(RecvTimeoutError::Disconnected) => Err(NoAnswer::Panicked),
        }
    }

    /// Ends the thread and waits until it has dropped what it owns; `false` if that takes too long.
    pub(super) fn close(&self, limit: Duration) -> bool {
        let Some(Link { jobs, ended }) = self.link().take() else {
            return true;
        };
        drop(jobs);
        !matches!(ended.recv_timeout(limit), Err(RecvTimeoutError::Timeout))
    }

    fn link(&self) -> MutexGuard<'_, Option<Link<E>>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve<E>(mut owned: E, jobs: &Receiver<Job<E>>) {
    while let Ok(job) = jobs.recv() {
        // A panicking job drops its side of the answer, which tells the caller.
        drop(catch_unwind(AssertUnwindSafe(|| job(&mut owned))));
    }
    drop(catch_unwind(AssertUnwindSafe(|| drop(owned))));
}

/// Drops a value on a thread of its own; `false` if that takes longer than the limit (it goes on by itself).
pub(super) fn drop_within<T: Send + 'static>(value: T, limit: Duration) -> bool {
    let (done_tx, done) = sync_channel::<()>(1);
    let body = move || {
        drop(catch_unwind(AssertUnwindSafe(|| drop(value))));
        drop(done_tx);
    };
    let spawned = thread::Builder::new().name(WORKER_THREAD_NAME.to_owned()).spawn(body);
    spawned.is_ok() && !matches!(done.recv_timeout(limit), Err(RecvTimeoutError::Timeout))
}

#[cfg(test)]
mod tests;
