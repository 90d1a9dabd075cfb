//! The one integration-test binary: a module per kind of test.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod jmespath;
#[cfg(test)]
mod live;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod store;
