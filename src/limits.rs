//! limits: see ARCHITECTURE.md.

/// Longest text read as a Kubernetes quantity, in bytes. Real quantities have under 30; the bound keeps exact
/// arithmetic on hostile input cheap.
pub const QUANTITY_TEXT_BYTES_MAX: usize = 1024;

/// Largest magnitude of a decimal exponent in a quantity. The API server's own types end at 10^18; the bound
/// keeps aligning two quantities from allocating without end.
pub const QUANTITY_EXPONENT_MAX: i32 = 4096;
