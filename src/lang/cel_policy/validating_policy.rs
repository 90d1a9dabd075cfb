//! `policies.kyverno.io` `ValidatingPolicy` and `NamespacedValidatingPolicy`.
//!
//! Upstream: `pkg/cel/policies/vpol` of Kyverno: match constraints, exceptions, match conditions, validations in order, audit annotations.
//! Pod policies also judge pod controllers, with the same outcome as if they were written for them.

use std::sync::Arc;

use super::exception::{self, Excepted, Exception, Reach};
use super::expressions::{Expressions, Spec};
use super::frame::Frame;
use super::variants::{Variants, standing};
use super::{Dialect, Pending};
use crate::lang::cel::{Budget, EvalError};
use crate::lang::{Companions, Compiled, Evaluation, Evaluator, Inputs};
use crate::limits;
use crate::model::{Outcome, Status};
use crate::policy::PolicySource;

const INDEX: &str = "cel.validationIndex";

/// A compiled policy.
#[derive(Debug)]
struct ValidatingPolicy(Variants<Result<Rules, String>>);

#[derive(Debug)]
struct Rules {
    expressions: Expressions,
    exceptions: Vec<Exception>,
}

/// Compiles a policy.
pub(super) fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    let dialect = Dialect::Kyverno { is_namespaced: source.key.kind.is_namespaced() };
    let variants = Variants::compile(source, None, |spec, _| {
        let expressions = Expressions::compile(&Spec::of(spec), dialect)?;
        let exceptions = exception::compile(companions, &expressions)?;
        Ok(Rules { expressions, exceptions })
    });
    Compiled {
        selection: variants.selection(),
        evaluator: Arc::new(ValidatingPolicy(variants)),
        standing: standing(source.document.root()),
        warnings: Vec::new(),
        rules: Vec::new(),
    }
}

impl Evaluator for ValidatingPolicy {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        self.0.evaluate(inputs, |variant| {
            let error = |rule, message| Ok(Some(Outcome::new(rule, Status::Error, message)));
            let rules = match &variant.rules {
                Ok(rules) => rules,
                Err(message) => return error("", format!("the policy is not valid: {message}")),
            };
            match rules.judge(inputs, variant.ignores_failures) {
                Ok(outcome) => Ok(outcome),
                Err(EvalError::Pending) => Err(Pending),
                Err(failed) => error("evaluation", format!("failed to load context: {failed}")),
            }
        })
    }
}

impl Rules {
    /// An error is one of the match conditions, or of an audit annotation.
    fn judge(&self, inputs: &Inputs<'_>, ignores_failures: bool) -> Result<Option<Outcome>, EvalError> {
        let budget = Budget::per_call(limits::CEL_COST_PER_KYVERNO_CALL_MAX);
        let frame = Frame::new(&self.expressions, inputs, budget);
        let holds = |conditions| frame.holds(conditions, ignores_failures);
        match exception::apply(&self.exceptions, &frame, Reach::UnlessAllowing, holds) {
            Excepted::No => {}
            Excepted::Yes(outcome) => return Ok(Some(outcome)),
            Excepted::Failed(error) => return Err(error),
        }
        if !holds(&self.expressions.match_conditions)? {
            return Ok(None);
        }
        for (index, validation) in self.expressions.validations.iter().enumerate() {
            let mut outcome = match frame.condition(&validation.expression) {
                Ok(true) => continue,
                Ok(false) => {
                    let mut outcome = Outcome::new("", Status::Fail, frame.reason(index, validation)?);
                    frame.annotate(&mut outcome)?;
                    outcome
                }
                Err(EvalError::Pending) => return Err(EvalError::Pending),
                Err(error) => Outcome::new("", Status::Error, format!("error: {error}")),
            };
            outcome.properties.entry(INDEX.to_owned()).or_insert_with(|| index.to_string());
            return Ok(Some(outcome));
        }
        let mut outcome = Outcome::new("", Status::Pass, "success");
        frame.annotate(&mut outcome)?;
        Ok(Some(outcome))
    }
}
