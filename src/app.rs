//! The service: schedules, scans, what they write, and the pages that tell about them.
//!
//! One task owns all of it: it waits for a run that is due, a changed configuration or the wish to end, and runs one scan at a time. A scan that
//! could not begin is told and tried again soon; nothing that goes wrong in one ends the service. Of several replicas only the one that leads
//! runs schedules; the others wait.

mod pages;
mod retries;
mod scanner;
mod service;

pub use scanner::{Request, Scanned, Scanner, ScannerSettings, cluster_settings};
pub use service::{Service, ServiceError};
