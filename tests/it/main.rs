//! The one integration-test binary: a module per kind of test.

mod store;
#[cfg(test)]
mod live;
