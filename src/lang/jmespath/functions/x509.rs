//! Kyverno's `x509_decode`.

use super::encode::detached;
use super::{Answer, Arguments, Function, STRING};
use crate::gostd::x509;
use crate::lang::jmespath::{EvaluateError, go_json};

pub(super) static FUNCTIONS: &[Function] = &[Function::new("x509_decode", &[STRING], decode)];

fn decode<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    a.env().charge_text(a.text(0).len().saturating_mul(16))?;
    let fields = x509::decode_pem(a.text(0)).map_err(EvaluateError::other)?;
    let document = go_json::decode(&fields.to_string()).map_err(EvaluateError::other)?;
    detached(a, &document)
}
