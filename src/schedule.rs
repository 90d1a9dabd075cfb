//! Schedules: when scans are due. Says `Due` into a queue and does nothing else; what a scan does, and whether there is something to do, it does
//! not know.
//!
//! The one room that uses tokio-cron-scheduler, only to be woken and only in UTC: which moment is next is computed here, and a watchdog fires
//! what the trigger missed.

mod service;
#[cfg(test)]
mod tests;
mod timing;
mod trigger;

pub use service::{Clock, Due, Scheduler, SystemClock};
pub use timing::{Concurrency, Schedule, Timing, TimingError};
pub use trigger::{CronTrigger, Trigger};

/// How often what happened to one schedule since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// Runs that were told, those below included.
    pub fired: u64,
    /// Runs that were missed while Patrol was down, and made up.
    pub made_up: u64,
    /// Runs that the trigger missed and the watchdog fired.
    pub rescued: u64,
    /// Runs that were left out because the last one was not over.
    pub skipped: u64,
    /// Runs that waited for the last one.
    pub queued: u64,
}

impl RunCounts {
    /// Each count with its word.
    pub fn words(&self) -> [(&'static str, u64); 5] {
        [
            ("fired", self.fired),
            ("made_up", self.made_up),
            ("rescued", self.rescued),
            ("skipped", self.skipped),
            ("queued", self.queued),
        ]
    }
}
