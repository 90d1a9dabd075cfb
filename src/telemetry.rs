//! What Patrol tells about itself: metrics in Prometheus' text format, health, debug pages, logs.
//!
//! The one room that uses the metrics crate. Pure rooms count and return; the wiring calls the `record_…` methods of [`Telemetry`]; nothing else
//! reaches in. `metrics` is the table of everything that is exposed.

mod families;
mod http;
mod logs;
pub mod metrics;
mod record;
#[cfg(test)]
mod tests;

pub use http::{HttpError, PlanFormat, PlanProvider, Readiness, debug_router, listen, metrics_router, serve};
pub use logs::{LogError, LogLevel, start_logs};
pub use record::{ConfigReload, ScanEndState, ScanRun, Telemetry};
