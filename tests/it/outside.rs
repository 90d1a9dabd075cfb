//! What policies read outside the API server, from servers that the tests run themselves.

mod certificate;
mod images;
mod policies;
mod registry;
mod scans;
pub(crate) mod server;
mod services;
mod signatures;
mod signing;
