//! When scans that could not begin are tried again: soon at first, then less and less often, until one begins. A schedule's own time may come
//! earlier; a nightly one need not wait for the next night.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// The schedules whose last scan could not begin.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<String, Retry>);

#[derive(Clone, Copy, Debug)]
struct Retry {
    wait: Duration,
    /// `None` while the next try is under way.
    at: Option<Instant>,
}

impl Retries {
    /// The scan of a schedule could not begin; how long until it is tried again.
    pub(super) fn failed(&mut self, schedule: &str) -> Duration {
        let max = Duration::from_secs(limits::SCAN_RETRY_SECS_MAX);
        let first = Duration::from_secs(limits::SCAN_RETRY_SECS_MIN);
        let wait = self.0.get(schedule).map_or(first, |retry| (retry.wait * 2).min(max));
        self.0.insert(schedule.to_owned(), Retry { wait, at: Some(Instant::now() + wait) });
        wait
    }

    /// The scan of a schedule began.
    pub(super) fn done(&mut self, schedule: &str) {
        self.0.remove(schedule);
    }

    /// Ends when the next one is due; never if there is none.
    pub(super) fn next(&self) -> impl Future<Output = ()> + use<> {
        let next = self.0.values().filter_map(|retry| retry.at).min();
        async move {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    /// The schedules that are due.
    pub(super) fn take_due(&mut self) -> Vec<String> {
        let now = Instant::now();
        let is_due = |retry: &Retry| retry.at.is_some_and(|at| at <= now);
        let due = self.0.iter_mut().filter(|(_, retry)| is_due(retry));
        due.map(|(schedule, retry)| {
            retry.at = None;
            schedule.clone()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_schedule_is_tried_again_less_and_less_often_until_it_begins() {
        let mut retries = Retries::default();
        let start = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            waits.push(retries.failed("nightly").as_secs());
            retries.next().await;
            assert_eq!(retries.take_due(), ["nightly"]);
            assert!(retries.take_due().is_empty());
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(start.elapsed().as_secs(), waits.iter().sum::<u64>());
        retries.failed("nightly");
        retries.done("nightly");
        assert_eq!(retries.failed("nightly").as_secs(), 5);
        assert!(retries.take_due().is_empty());
    }
}
