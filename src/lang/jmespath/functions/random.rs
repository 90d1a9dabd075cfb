//! Kyverno's `random`: a text that matches a pattern, drawn from the environment's random numbers.

use super::{Answer, Arguments, Function, STRING, Volatility};
use crate::document::Value;
use crate::gostd::random_text::{RandomTextError, generate};
use crate::lang::jmespath::EvaluateError;

pub(super) static FUNCTIONS: &[Function] =
    &[Function::new("random", &[STRING], random).volatile(Volatility::Always)];

fn random<'d>(a: &Arguments<'_, 'd>) -> Answer<'d> {
    let pattern = a.text(0);
    if pattern.is_empty() {
        return Err(EvaluateError::other("no pattern provided"));
    }
    let env = a.env();
    env.charge(pattern.len() * 50)?;
    let text = generate(pattern, &mut || env.step().is_ok().then(|| env.random()));
    match text {
        Ok(text) => Ok(Value::owned(text)),
        Err(RandomTextError::Exhausted) => Err(EvaluateError::LimitExceeded),
        Err(RandomTextError::Pattern(message)) => Err(EvaluateError::other(message)),
    }
}
