//! limits: see ARCHITECTURE.md.

/// Longest text read as a Kubernetes quantity, in bytes. Real quantities have under 30; the bound keeps
/// exact arithmetic on hostile input cheap.
pub const QUANTITY_TEXT_BYTES_MAX: usize = 1024;

/// Largest magnitude of a decimal exponent in a quantity. The API server's own types end at 10^18; the
/// bound keeps aligning two quantities from allocating without end.
pub const QUANTITY_EXPONENT_MAX: i32 = 4096;

/// Longest regular expression that is compiled, in bytes; beyond it the expression is "too large" in Go's
/// words.
pub const REGEXP_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Deepest nesting of a regular expression. Go allows 1,000; the compiler recurses on worker stacks, and
/// real expressions stay under 10.
pub const REGEXP_NESTING_MAX: u32 = 200;

/// Memory that one compiled regular expression may take, in bytes.
pub const REGEXP_COMPILED_BYTES_MAX: usize = 32 * 1024 * 1024;
