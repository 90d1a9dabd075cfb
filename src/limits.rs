//! Every bound of the engine, with its reason. A bound is counted and reported where it bites, never silent.
//!
//! Operators' own settings are in `config`; what stands here protects Patrol from its input.

/// The largest object that is read, in bytes: eight times what etcd accepts by default, and far below what a tape can address.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// The deepest nesting that is read, in levels: real objects stay below 40, serde's own guard stands at 128.
pub const DOCUMENT_DEPTH_MAX: usize = 120;

/// The longest CEL expression that is read, in characters: cel-go's own bound, which the API server keeps.
pub const CEL_EXPRESSION_CHARS_MAX: usize = 100_000;

/// The deepest CEL expression, in levels: cel-go's own bound; parser, checker and evaluator recurse once a
/// level.
pub const CEL_EXPRESSION_DEPTH_MAX: usize = 250;

/// The least stack, in bytes, of a thread that compiles or evaluates CEL: the deepest expression takes under
/// 3 MiB in a build without optimisation.
pub const CEL_STACK_BYTES_MIN: usize = 4 << 20;

/// The cost of one CEL expression as the API server counts it: its bound for a call.
pub const CEL_COST_PER_CALL_MAX: u64 = 1_000_000;

/// The cost of all CEL expressions of one policy and object: the API server's bound.
pub const CEL_COST_PER_POLICY_MAX: u64 = 10_000_000;

/// The cost of one CEL expression of Kyverno's policies, which the reference does not bound: ten times the
/// API server's, about a second.
pub const CEL_COST_PER_KYVERNO_CALL_MAX: u64 = 10_000_000;

/// The longest string or list that one CEL function makes, in bytes or items: below it, the cost bound
/// decides.
pub const CEL_RESULT_SIZE_MAX: usize = 16 << 20;

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
