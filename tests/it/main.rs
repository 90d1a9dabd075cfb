//! The one integration-test binary: a module per kind of test.

// Stands for the crate of that name in the fuzz targets, see `fuzz.rs`.
#[cfg(test)]
extern crate self as libfuzzer_sys;

// `cfg(test)` says to clippy that all of it is test code, not only the functions marked as tests.
#[cfg(test)]
mod cel;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod jmespath;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod live;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod store;
#[cfg(test)]
mod tidy;
