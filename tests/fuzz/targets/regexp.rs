//! Fuzzes the translation of Go's regular expressions.
#![no_main]

#[expect(dead_code, reason = "each target uses one of these functions")]
#[path = "../bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bodies::regexp(bytes);
});
