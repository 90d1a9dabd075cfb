//! Schedules: when scans are due. Says `Due` into a queue and does nothing else; what a scan does, and whether there is something to do, it does
//! not know.
//!
//! The one room that uses tokio-cron-scheduler, only to be woken and only in UTC: which moment is next is computed here, and a watchdog fires
//! what the trigger missed.

mod timing;

pub use timing::{Concurrency, Schedule, Timing, TimingError};
