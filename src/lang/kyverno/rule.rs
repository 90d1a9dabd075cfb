//! One rule of a Kyverno policy.

mod pattern;
