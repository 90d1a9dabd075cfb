//! How many patterns and expressions this thread has compiled, so that tests can tell that evaluations compile none: regular expressions,
//! wildcards, JMESPath and CEL are compiled with the policy that they stand in.

use std::cell::Cell;

thread_local! {
    static N: Cell<u64> = const { Cell::new(0) };
}

/// Notes that something was compiled.
pub(crate) fn note() {
    N.set(N.get().wrapping_add(1));
}

/// How often something was compiled on this thread so far.
pub fn count() -> u64 {
    N.get()
}
