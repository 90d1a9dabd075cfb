//! What policies read outside the API server, from servers that the tests run themselves.

pub(crate) mod certificate;
mod images;
mod policies;
pub(crate) mod registry;
mod scans;
pub(crate) mod server;
mod services;
mod signatures;
pub(crate) mod signing;
