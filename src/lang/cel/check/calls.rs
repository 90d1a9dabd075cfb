//! Calls: which overloads fit the arguments' types, and the operation that a function becomes.

use std::sync::Arc;

use super::super::environment::Overload;
use super::super::ir::{Call, Const, Ir, Operator};
use super::super::syntax::{Expr, ExprKind, Literal};
use super::super::types::{Type, freshen};
use super::{Checker, Typed};
use crate::gostd::regexp::Regexp;

/// The operation of a function that the evaluator knows by itself.
fn operator(function: &str) -> Option<Operator> {
    Some(match function {
        "_+_" => Operator::Add,
        "_-_" => Operator::Subtract,
        "_*_" => Operator::Multiply,
        "_/_" => Operator::Divide,
        "_%_" => Operator::Modulo,
        "_<_" => Operator::Less,
        "_<=_" => Operator::LessEquals,
        "_>_" => Operator::Greater,
        "_>=_" => Operator::GreaterEquals,
        "_==_" => Operator::Equals,
        "_!=_" => Operator::NotEquals,
        "@in" => Operator::In,
        "contains" => Operator::Contains,
        "startsWith" => Operator::StartsWith,
        "endsWith" => Operator::EndsWith,
        "matches" => Operator::Matches,
        _ => return None,
    })
}

/// Whether all overloads are of the language itself, for which the evaluator has an operation.
fn is_builtin(function: &str, candidates: &[Arc<Overload>]) -> bool {
    let ids: &[&str] = match function {
        "contains" => &["contains_string"],
        "size" => {
            return candidates
                .iter()
                .all(|c| c.params.first().is_some_and(|kind| !matches!(kind, Type::Opaque(..))));
        }
        _ => return true,
    };
    candidates.iter().all(|candidate| ids.contains(&candidate.entry.id))
}

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        expr: &Expr,
        target: Option<&Expr>,
        function: &str,
        args: &[Expr],
    ) -> Typed {
        if let Some(expanded) = self.expand(expr, target, function, args) {
            return expanded;
        }
        let mut checked = Vec::with_capacity(args.len() + 1);
        let Some(target) = target else {
            for arg in args {
                checked.push(self.expr(arg));
            }
            let function = function.strip_prefix('.').unwrap_or(function);
            return self.resolve(expr.at, function, false, checked, args);
        };
        if let Some(prefix) = target.qualified_name() {
            let name = format!("{}.{function}", prefix.strip_prefix('.').unwrap_or(&prefix));
            if self.env.functions.contains_key(name.as_str()) {
                for arg in args {
                    checked.push(self.expr(arg));
                }
                return self.resolve(expr.at, &name, false, checked, args);
            }
        }
        for arg in args {
            checked.push(self.expr(arg));
        }
        let target = self.expr(target);
        checked.insert(0, target);
        self.resolve(expr.at, function, true, checked, args)
    }

    /// Chooses the overloads of a call and builds its operation.
    pub(super) fn resolve(
        &mut self,
        at: u32,
        function: &str,
        is_member: bool,
        args: Vec<Typed>,
        written: &[Expr],
    ) -> Typed {
        let env = self.env;
        let Some(overloads) = env.functions.get(function) else {
            return if self.is_checked {
                self.refuse(at, format!("undeclared reference to '{function}' (in container '')"))
            } else {
                (Ir::Fail(format!("unknown function: {function}").into()), Type::Dyn)
            };
        };
        let (args, kinds): (Vec<Ir>, Vec<Type>) = args.into_iter().unzip();
        let mut candidates: Vec<Arc<Overload>> = Vec::new();
        let mut result: Option<Type> = None;
        for overload in overloads.iter().filter(|overload| overload.is_member == is_member) {
            self.n_fresh += 1;
            let params: Vec<Type> =
                overload.params.iter().map(|param| freshen(param, self.n_fresh)).collect();
            if !self.mapping.are_assignable(&kinds, &params) {
                continue;
            }
            candidates.push(overload.clone());
            let this = self.mapping.substitute(&freshen(&overload.result, self.n_fresh), false);
            result = Some(match result {
                None => this,
                Some(known) if known == this || known == Type::Dyn => known,
                Some(_) => Type::Dyn,
            });
        }
        let Some(result) = result else {
            if !self.is_checked {
                return (Ir::Fail("no such overload".into()), Type::Dyn);
            }
            let kinds: Vec<String> =
                kinds.iter().map(|kind| self.mapping.substitute(kind, true).to_string()).collect();
            let shown = match kinds.split_first() {
                Some((receiver, rest)) if is_member => format!("{receiver}.({})", rest.join(", ")),
                _ => format!("({})", kinds.join(", ")),
            };
            return self
                .refuse(at, format!("found no matching overload for '{function}' applied to '{shown}'"));
        };
        if env.validates_literals {
            self.validate_literals(function, written);
        }
        (self.lower(function, candidates, args), result)
    }

    fn lower(&mut self, function: &str, candidates: Vec<Arc<Overload>>, args: Vec<Ir>) -> Ir {
        let is_builtin = is_builtin(function, &candidates);
        let is_optional = candidates.iter().any(|candidate| candidate.entry.id.starts_with("optional_or"));
        let call = |args| {
            let candidates = candidates.clone();
            Ir::Call(Box::new(Call { function: function.into(), candidates, args }))
        };
        if let (Some(operator), true, 2) = (operator(function), is_builtin, args.len()) {
            let args: Result<[Ir; 2], _> = args.try_into();
            return match args {
                Ok([text, pattern]) if operator == Operator::Matches => matches(text, pattern),
                Ok(args) => Ir::Binary(operator, Box::new(args)),
                Err(args) => call(args),
            };
        }
        let mut each = args.into_iter();
        match (function, each.next(), each.next(), each.next()) {
            ("!_", Some(operand), None, None) => Ir::Not(Box::new(operand)),
            ("-_", Some(operand), None, None) => Ir::Negate(Box::new(operand)),
            ("size", Some(operand), None, None) if is_builtin => Ir::Size(Box::new(operand)),
            ("dyn", Some(operand), None, None) => operand,
            ("_[_]" | "_[?_]", Some(operand), Some(index), None) => Ir::Index {
                operand: Box::new(operand),
                index: Box::new(index),
                is_optional: function == "_[?_]",
            },
            ("_?_:_", Some(condition), Some(then), Some(otherwise)) => {
                Ir::If(Box::new([condition, then, otherwise]))
            }
            ("or" | "orValue", Some(left), Some(right), None) if is_optional => {
                Ir::OptOr { left: Box::new(left), right: Box::new(right), unwraps: function == "orValue" }
            }
            (_, first, second, third) => {
                call(first.into_iter().chain(second).chain(third).chain(each).collect())
            }
        }
    }

    /// The API server's checks of constant arguments (`cel/validator.go`).
    fn validate_literals(&mut self, function: &str, args: &[Expr]) {
        let [.., last] = args else { return };
        let ExprKind::Literal(Literal::String(text)) = &last.kind else { return };
        let is_valid = match function {
            "duration" => crate::gostd::duration::Duration::parse(text).is_ok(),
            "timestamp" => super::super::library::time::parse(text).is_some(),
            "matches" => Regexp::compile(text).is_ok(),
            _ => true,
        };
        if !is_valid {
            self.issue(last.at, format!("invalid {function} argument"));
        }
    }
}

/// `matches`, with a constant expression compiled at once.
fn matches(text: Ir, pattern: Ir) -> Ir {
    if let Ir::Const(Const::String(pattern)) = &pattern
        && let Ok(regex) = Regexp::compile(pattern)
    {
        return Ir::Matches(Box::new(text), Box::new(regex));
    }
    Ir::Binary(Operator::Matches, Box::new([text, pattern]))
}
