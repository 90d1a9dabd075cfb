//! A real cluster: a client that counts, retries and never trusts a reply; the objects and facts of a scan;
//! the reports that a scan writes.
//!
//! The only room that knows kube, and it takes from it only configuration, TLS, authentication and
//! connections: requests are made here as paths, and replies are read as bytes, so that a page of a list is
//! split without decoding its objects. What is scanned, and what is written, is decided in `scan/`; nothing
//! here is stored.

mod client;
mod connect;
mod context_entries;
mod counts;
mod discovery;
mod election;
mod facts;
mod failure;
mod forms;
mod leadership;
mod lease;
mod list;
mod page;
mod path;
mod policies;
mod settings;
mod sink;
mod source;
#[cfg(test)]
mod tests;

pub use client::ClusterClient;
pub use connect::ConnectError;
pub use counts::RequestKind;
pub use election::{Election, ElectionSettings};
pub use failure::{ApiFailure, FailureClass};
pub use leadership::{Lead, Leadership};
pub use settings::{ClusterSettings, Credentials};
pub use sink::ClusterSink;
pub use source::ClusterSource;
