//! A compiled expression, and what its evaluation may cost.

use std::cell::Cell;

use super::check;
use super::environment::Environment;
use super::error::EvalError;
use super::eval::{Activation, Machine};
use super::ir::Ir;
use super::issues::CompileErrors;
use super::syntax;
use super::types::Type;
use super::value::Value;
use crate::gostd::compiled;
use crate::limits::{CEL_COST_PER_CALL_MAX, CEL_COST_PER_POLICY_MAX};

/// What evaluations may cost, in the API server's units.
#[derive(Debug)]
pub struct Budget {
    per_call: u64,
    total: u64,
    spent: Cell<u64>,
}

impl Budget {
    /// A bound for each evaluation.
    pub fn per_call(limit: u64) -> Self {
        Self { per_call: limit, total: u64::MAX, spent: Cell::new(0) }
    }

    /// The API server's bounds: for each evaluation, and for all of one policy and object together.
    pub fn of_api_server() -> Self {
        Self { total: CEL_COST_PER_POLICY_MAX, ..Self::per_call(CEL_COST_PER_CALL_MAX) }
    }

    /// Whether all evaluations together have cost too much; every further one fails.
    pub fn is_exhausted(&self) -> bool {
        self.spent.get() > self.total
    }

    /// What was spent by all evaluations so far.
    pub fn spent(&self) -> u64 {
        self.spent.get()
    }

    pub(crate) fn call_limit(&self) -> u64 {
        self.per_call
    }

    pub(crate) fn spend(&self, cost: u64) {
        self.spent.set(self.spent.get().saturating_add(cost));
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::per_call(CEL_COST_PER_CALL_MAX)
    }
}

const OUT_OF_BUDGET: EvalError = EvalError::Cancelled(
    "validation failed due to running out of cost budget, no further validation rules will be run",
);

/// A compiled expression; shared between threads.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) root: Ir,
    /// The definitions of `cel.bind`.
    pub(crate) definitions: Vec<Ir>,
    pub(crate) n_locals: usize,
    result: Type,
}

impl Program {
    /// Parses and checks an expression.
    ///
    /// # Errors
    /// All faults found, each with its place.
    pub fn compile(env: &Environment, source: &str) -> Result<Self, CompileErrors> {
        Self::build(env, source, true)
    }

    /// Parses an expression without checking types, as cel-go does where checking is off; for the conformance
    /// tests.
    #[doc(hidden)]
    pub fn compile_unchecked(env: &Environment, source: &str) -> Result<Self, CompileErrors> {
        Self::build(env, source, false)
    }

    fn build(env: &Environment, source: &str, is_checked: bool) -> Result<Self, CompileErrors> {
        compiled::note();
        let of = |issues| CompileErrors::of(source, issues);
        let tree = syntax::parse(source).map_err(of)?;
        let checked = check::check(env, &tree, is_checked).map_err(|faults| match faults.instantiation {
            Some(text) => CompileErrors::of_instantiation(text),
            None => of(faults.issues),
        })?;
        Ok(Self {
            root: checked.root,
            definitions: checked.definitions,
            n_locals: checked.n_locals,
            result: checked.result,
        })
    }

    /// A program of an operation on constants.
    pub(crate) fn of_constant(root: Ir) -> Self {
        Self { root, definitions: Vec::new(), n_locals: 0, result: Type::Dyn }
    }

    /// The type of the result, as far as it is known before evaluation.
    pub fn result_type(&self) -> &Type {
        &self.result
    }

    /// Computes the expression.
    ///
    /// # Errors
    /// The expression's own error, a bound that was hit, or [`EvalError::Pending`].
    pub fn evaluate<'d>(
        &'d self,
        activation: &dyn Activation<'d>,
        budget: &Budget,
    ) -> Result<Value<'d>, EvalError> {
        let mut machine = Machine::new(self, activation, budget.call_limit());
        let outcome = machine.run(&self.root);
        budget.spend(machine.cost());
        if budget.is_exhausted() { Err(OUT_OF_BUDGET) } else { outcome }
    }
}
