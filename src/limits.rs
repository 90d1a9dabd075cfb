//! Every bound of the engine, with its reason. A bound is counted and reported where it bites, never silent.
//!
//! Operators' own settings are in `config`; what stands here protects Patrol from its input.

/// The largest object that is read, in bytes: eight times what etcd accepts by default, and far below what a tape can address.
pub const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// The deepest nesting that is read, in levels: real objects stay below 40, serde's own guard stands at 128.
pub const DOCUMENT_DEPTH_MAX: usize = 120;

/// The longest CEL expression that is read, in characters: cel-go's own bound, which the API server keeps.
pub const CEL_EXPRESSION_CHARS_MAX: usize = 100_000;

/// The deepest CEL expression, in levels: cel-go's own bound; parser, checker and evaluator recurse once a level.
pub const CEL_EXPRESSION_DEPTH_MAX: usize = 250;

/// The cost of one CEL expression as the API server counts it: its bound for a call.
pub const CEL_COST_PER_CALL_MAX: u64 = 1_000_000;

/// The cost of all CEL expressions of one policy and object: the API server's bound.
pub const CEL_COST_PER_POLICY_MAX: u64 = 10_000_000;

/// The cost of one CEL expression of Kyverno's policies, which the reference does not bound: ten times the API server's, about a second.
pub const CEL_COST_PER_KYVERNO_CALL_MAX: u64 = 10_000_000;

/// The longest string or list that one CEL function makes, in bytes or items: below it, the cost bound decides.
pub const CEL_RESULT_SIZE_MAX: usize = 16 << 20;
