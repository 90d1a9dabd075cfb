//! Patrol.
fn main() {}
