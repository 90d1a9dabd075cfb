//! What Go and apimachinery compute, as policies observe it.

pub mod wildcard;

#[cfg(test)]
mod testing;
