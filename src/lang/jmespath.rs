//! `JMESPath` as Kyverno speaks it: go-jmespath 0.4 with Kyverno's functions and its rule for missing keys.
//!
//! A [`Program`] is compiled once, shared between threads and evaluated over documents in place. It is evaluated against a [`Scope`] of
//! variables (resolved when looked at) or one value, in an [`Env`] that holds time, randomness and the limits. Integers of a Kubernetes
//! object are Go `int64`s and no `JMESPath` numbers, exactly as in Kyverno's background scan; numbers of literals, functions and JSON data
//! are floats. `{{ }}` and context entries are not known here.

mod ast;
mod env;
mod evaluate;
mod functions;
mod go_json;
mod go_value;
mod lexer;
mod names;
mod parser;
mod power;
mod prepared;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use crate::document::Value;
use crate::gostd::compiled;

pub use env::{Env, EvaluateError, Hosts, Scope};
pub use functions::names as function_names;
pub use go_json::{decode as decode_json, encode as encode_json};
pub use go_value::{equal, is_false, sprint};
pub use names::{Name, names};

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// The message that go-jmespath gives.
    pub message: String,
    /// Where the error was found, in bytes from the start of the text.
    pub position: usize,
}

impl CompileError {
    fn syntax(message: &str, position: usize) -> Self {
        Self { message: format!("SyntaxError: {message}"), position }
    }
}

/// Whether a result can be kept as long as what was read stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purity {
    /// The same input gives the same result.
    Pure,
    /// The result may depend on time, randomness or the network.
    Volatile,
}

/// A compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    root: ast::Expr,
}

impl Program {
    /// Compiles an expression. Unknown functions and wrong arguments are errors of the evaluation, as in go-jmespath; use
    /// [`unknown_functions`](Self::unknown_functions) to find the former early.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        compiled::note();
        Ok(Self { root: parser::parse(text)? })
    }

    /// Whether some function of the expression looks at time, randomness or the network.
    pub fn purity(&self) -> Purity {
        let is_volatile = |expr: &ast::Expr| match expr {
            ast::Expr::Call(call) => {
                call.function.is_some_and(|function| function.is_volatile(&call.arguments))
            }
            _ => false,
        };
        if self.root.any(&is_volatile) { Purity::Volatile } else { Purity::Pure }
    }

    /// The variables that the expression may look up, sorted; `@` stands for the scope as a whole.
    pub fn free_roots(&self) -> Vec<String> {
        let mut roots = BTreeSet::new();
        self.root.collect_roots(&mut roots);
        roots.into_iter().collect()
    }

    /// The names of called functions that do not exist, sorted.
    pub fn unknown_functions(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        self.root.collect_unknown_functions(&mut names);
        names.into_iter().collect()
    }

    /// Evaluates the expression against variables.
    pub fn evaluate<'d>(&'d self, scope: &dyn Scope<'d>, env: &Env<'_>) -> Result<Value<'d>, EvaluateError> {
        evaluate::Evaluator::over_scope(scope, env).run(&self.root)
    }

    /// Evaluates the expression against one value.
    pub fn evaluate_on<'d>(&'d self, value: &Value<'d>, env: &Env<'_>) -> Result<Value<'d>, EvaluateError> {
        evaluate::Evaluator::over_value(env).run_on(&self.root, value)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}
