//! Patrol's side: a row compiled in the API server's environment and evaluated under its limits.

use std::cell::OnceCell;
use std::hint::black_box;

use anyhow::{Context, anyhow};
use patrol::document::Document;
use patrol::lang::cel::{Activation, Budget, Environment, EvalError, Program, Type, Value};
use patrol::lang::cel_k8s::{KubernetesVersion, VARIABLES, base_environment, with_variables};

use super::clock::{Cost, cost_of};
use super::rows::Row;

/// A compiled row.
#[derive(Debug)]
pub(crate) struct Run {
    program: Program,
    variables: Vec<Program>,
    /// The slot of the first variable; the others follow.
    first: u16,
    /// Evaluations a measure.
    n: u64,
}

const VARIABLES_MAX: usize = 4;

/// What names mean in one evaluation.
struct Names<'d> {
    object: &'d Document,
    run: &'d Run,
    budget: &'d Budget,
    values: [OnceCell<Result<Value<'d>, EvalError>>; VARIABLES_MAX],
}

impl<'d> Activation<'d> for Names<'d> {
    fn resolve(&self, slot: u16) -> Result<Value<'d>, EvalError> {
        let Some(at) = slot.checked_sub(self.run.first).map(usize::from) else {
            return Ok(self.object.root().into());
        };
        let unknown = || EvalError::failed("no such attribute(s)");
        let program = self.run.variables.get(at).ok_or_else(unknown)?;
        let cell = self.values.get(at).ok_or_else(unknown)?;
        cell.get_or_init(|| program.evaluate(self, self.budget)).clone()
    }
}

impl Run {
    pub(crate) fn compile(row: &Row) -> anyhow::Result<Self> {
        let mut env: Environment = with_variables(
            base_environment(KubernetesVersion::new(1, 36)).with_variable("object", Type::Dyn),
        );
        let first = env.n_slots();
        let mut variables = Vec::new();
        for (name, text) in row.variables {
            let program = Program::compile(&env, text)?;
            env = env.with_lazy_field(VARIABLES, name, program.result_type().clone());
            variables.push(program);
        }
        let program = Program::compile(&env, row.expression).with_context(|| row.name)?;
        Ok(Self { program, variables, first, n: 1 })
    }

    /// Evaluates once, everything that is made for one resource included.
    fn evaluate<R>(&self, object: &Document, read: impl FnOnce(Value<'_>) -> R) -> anyhow::Result<R> {
        let budget = Budget::of_api_server();
        let names = Names { object, run: self, budget: &budget, values: Default::default() };
        self.program.evaluate(&names, &budget).map(read).map_err(|error| anyhow!("{error}"))
    }

    /// The value as JSON.
    pub(crate) fn value(&self, object: &Document) -> anyhow::Result<String> {
        let value = self.evaluate(object, |value| value.to_json())?;
        Ok(value.context("no JSON")?.to_string())
    }

    /// Measures for at least some nanoseconds of processor time.
    pub(crate) fn measure(&mut self, object: &Document, nanos: u64) -> anyhow::Result<Cost> {
        loop {
            let cost = cost_of(self.n, || {
                for _ in 0..self.n {
                    black_box(self.evaluate(black_box(object), |value| drop(black_box(value)))?);
                }
                Ok(())
            })?;
            if cost.nanos * self.n as f64 >= nanos as f64 {
                return Ok(cost);
            }
            self.n *= 2;
        }
    }
}
