//! What Go's standard library and Kubernetes' apimachinery compute, as policies observe it.
//!
//! Each module owns one family of Go functions and repeats their results and their error texts,
//! because those texts end up in report messages. Everything here is pure: no clock, environment or
//! I/O, and no other room but `limits`. Documents, expressions and policies live elsewhere.

pub mod archive;
pub mod compiled;
pub mod duration;
pub mod image;
pub mod ip;
pub mod path;
pub mod quantity;
pub mod random_text;
pub mod regexp;
pub mod semver_range;
pub mod strconv;
pub mod strings;
pub mod time;
pub mod url;
pub mod wildcard;
pub mod x509;

#[cfg(test)]
mod testing;
