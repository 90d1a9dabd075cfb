//! What wakes the service when a run is due: tokio-cron-scheduler in production, anything in tests.
//!
//! Only ever asked for one wake-up at a time, in UTC and by a delay, since the scheduler freezes a time zone when a job is made, and its repeated
//! jobs may stop. It need not be exact or reliable: who is woken looks at the clock, and a watchdog stands behind it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio_cron_scheduler::job::JobId;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::limits;

/// Wakes once after a delay.
pub trait Trigger: Send + fmt::Debug {
    /// Ends after about the delay, or never. Dropping it takes the wish back.
    fn wake_in(&mut self, delay: Duration) -> BoxFuture<'_, ()>;

    /// Lets go of whatever runs in the background.
    fn shut_down(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The trigger of production.
pub struct CronTrigger {
    scheduler: JobScheduler,
    job: Option<JobId>,
    woken: Arc<Notify>,
}

impl fmt::Debug for CronTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CronTrigger").field("job", &self.job).finish_non_exhaustive()
    }
}

impl CronTrigger {
    /// Starts the scheduler on the current runtime.
    pub async fn start() -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        Ok(Self { scheduler, job: None, woken: Arc::default() })
    }

    async fn arm(&mut self, delay: Duration) -> Result<(), JobSchedulerError> {
        if let Some(job) = self.job.take() {
            // A job that ran is gone already; the answer does not matter, but it may never come.
            let patience = Duration::from_secs(limits::TRIGGER_CALL_SECS_MAX);
            let _ = tokio::time::timeout(patience, self.scheduler.remove(&job)).await;
        }
        self.woken = Arc::default();
        let woken = Arc::clone(&self.woken);
        // The scheduler counts in whole seconds.
        let delay = Duration::from_secs(delay.as_secs() + u64::from(delay.subsec_nanos() > 0));
        let job = Job::new_one_shot(delay, move |_, _| woken.notify_one())?;
        self.job = Some(self.scheduler.add(job).await?);
        Ok(())
    }
}

impl Trigger for CronTrigger {
    fn wake_in(&mut self, delay: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.arm(delay).await {
                tracing::warn!(%error, "the scheduler takes no jobs; the watchdog starts scans");
                std::future::pending::<()>().await;
            }
            self.woken.notified().await;
            self.job = None;
        })
    }

    fn shut_down(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.scheduler.shutdown().await {
                tracing::debug!(%error, "the scheduler did not shut down");
            }
        })
    }
}
