//! The one integration-test binary: a module per kind of test.

mod cel;
