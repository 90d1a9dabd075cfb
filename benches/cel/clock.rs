//! What work costs: processor time of this thread, which other load on the machine does not change, and
//! allocations.

use std::alloc::System;

use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one of several equal things costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) nanos: f64,
    pub(crate) allocations: f64,
}

fn thread_nanos() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// What each of the `n` things costs that `work` does.
pub(crate) fn cost_of(n: u64, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Cost> {
    let (region, start) = (Region::new(ALLOCATOR), thread_nanos());
    work()?;
    let nanos = thread_nanos() - start;
    let change = region.change();
    let n = n.max(1) as f64;
    Ok(Cost { nanos: nanos / n, allocations: (change.allocations + change.reallocations) as f64 / n })
}

/// The one in the middle; of an even number, the smaller of the two.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
