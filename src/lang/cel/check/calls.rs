//! Calls: which overloads fit the arguments' types, and the operation that a function becomes.

use std::sync::Arc;

use super::super::environment::Overload;
use super::super::eval::{is_index, not_an_index};
use super::super::ir::{Call, Const, Ir, Operator};
use super::super::syntax::{Expr, ExprKind, Literal};
use super::super::types::{Type, freshen};
use super::{Checker, Typed, constants};
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

/// The functions that cel-go's optimizer applies to constants.
const CONVERSIONS: [&str; 8] = ["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"];

/// Whether cel-go's planner sees a constant.
fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Call { target: None, function, args } => {
            (function == "dyn" || CONVERSIONS.contains(&function.as_str())) && args.iter().all(is_constant)
        }
        ExprKind::Ident(name) => CONVERSIONS.contains(&name.as_str()),
        ExprKind::List(elements) => {
            elements.iter().all(|element| !element.is_optional && is_constant(&element.value))
        }
        ExprKind::Map(entries) => {
            entries.iter().all(|e| !e.is_optional && is_constant(&e.key) && is_constant(&e.value))
        }
        _ => false,
    }
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
        let is_exempt = function == "format";
        self.n_exempt += usize::from(is_exempt);
        let (mut resolved, is_known) = self.plain_call(expr, target, function, args);
        self.n_exempt -= usize::from(is_exempt);
        if is_known && self.is_checked {
            if self.env.validates_literals || self.env.validates_format {
                self.demand_valid_literals(expr.at, function, target, args);
            }
            if self.env.instantiates_conversions {
                resolved.0 = self.instantiate(function, args, resolved.0);
            }
        }
        resolved
    }

    /// A call that is no macro's, and whether its overload was found.
    fn plain_call(
        &mut self,
        expr: &Expr,
        target: Option<&Expr>,
        function: &str,
        args: &[Expr],
    ) -> (Typed, bool) {
        let n_issues = self.issues.len();
        let mut checked = Vec::with_capacity(args.len() + 1);
        let before = self.instantiation.take();
        for arg in args {
            checked.push(self.expr(arg));
        }
        // A receiver is checked behind the arguments but planned before them.
        let of_args = self.instantiation.take();
        let typed = match target {
            None => {
                let plain = function.strip_prefix('.').unwrap_or(function);
                let function = if self.env.functions.contains_key(plain) { plain } else { function };
                self.resolve(expr.at, function, false, checked)
            }
            Some(target) => {
                if let Some(name) = self.namespaced(target, function) {
                    self.resolve(expr.at, &name, false, checked)
                } else {
                    let target = self.expr(target);
                    checked.insert(0, target);
                    self.resolve(expr.at, function, true, checked)
                }
            }
        };
        self.instantiation = before.or(self.instantiation.take()).or(of_args);
        (typed, self.issues.len() == n_issues)
    }

    /// The name of a function in a namespace (`math.abs`), if the receiver is one.
    fn namespaced(&self, target: &Expr, function: &str) -> Option<String> {
        let prefix = target.qualified_name()?;
        let name = format!("{}.{function}", prefix.strip_prefix('.').unwrap_or(&prefix));
        self.env.functions.contains_key(name.as_str()).then_some(name)
    }

    /// Conversions of constants and constant expressions are done when the program is made; failing ones
    /// refuse it.
    fn instantiate(&mut self, function: &str, args: &[Expr], ir: Ir) -> Ir {
        let is_conversion = CONVERSIONS.contains(&function) && args.iter().all(is_constant);
        let pattern = match args {
            [pattern, ..] if matches!(function, "find" | "findAll") => Some(pattern),
            [.., pattern] if function == "matches" => Some(pattern),
            _ => None,
        };
        let failed = if is_conversion {
            constants::failure(&ir)
        } else if let Ir::Index { index, .. } = &ir {
            index.as_const().filter(|_| args.get(1).is_some_and(is_constant)).and_then(unfit_index)
        } else if let Some(ExprKind::Literal(Literal::String(text))) = pattern.map(|pattern| &pattern.kind) {
            Regexp::compile(text).err().map(|error| error.to_string())
        } else {
            None
        };
        self.instantiation = self.instantiation.take().or(failed);
        ir
    }

    /// Chooses the overloads of a call and builds its operation.
    pub(super) fn resolve(&mut self, at: u32, function: &str, is_member: bool, args: Vec<Typed>) -> Typed {
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
            let (names, first) = (&overload.type_params, self.n_fresh);
            self.n_fresh += names.len();
            let params: Vec<Type> =
                overload.params.iter().map(|param| freshen(param, names, first)).collect();
            if !self.mapping.are_assignable(&kinds, &params) {
                continue;
            }
            candidates.push(overload.clone());
            let this = self.mapping.substitute(&freshen(&overload.result, names, first), false);
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
        (lower(function, &candidates, args), result)
    }
}

/// `matches`, with a constant expression compiled at once.
fn matches(text: Ir, pattern: Ir) -> Ir {
    if let Ir::Const(Const::String(pattern)) = &pattern
        && let Ok(regex) = Regexp::compile(pattern)
    {
        return Ir::Matches(Box::new(text), Box::new(regex));
    }
    Ir::Binary(Operator::Matches, true, Box::new([text, pattern]))
}

/// An index; one that is a constant string is a field by another name, in cel-go too.
fn indexed(operand: Ir, index: Ir, is_optional: bool) -> Ir {
    match index {
        Ir::Const(Const::String(field)) if is_optional => operand.opt_select(&field),
        Ir::Const(Const::String(field)) => operand.select(&field),
        index => Ir::Index { operand: Box::new(operand), index: Box::new(index), is_optional },
    }
}

/// What is said of a constant index that is neither a key nor a number.
fn unfit_index(index: &Const) -> Option<String> {
    let index = index.to_value();
    (!is_index(&index)).then(|| not_an_index(&index, false).message().into_owned())
}

/// A call without a look at its arguments' types, as cel-go's optimizer makes of one with a constant pattern.
fn unguarded(ir: Ir) -> Ir {
    let Ir::Call(mut call) = ir else { return ir };
    for candidate in &mut call.candidates {
        let overload = Arc::make_mut(candidate);
        overload.entry = overload.entry.unguarded();
    }
    Ir::Call(call)
}

/// The operation of a call.
fn lower(function: &str, candidates: &[Arc<Overload>], args: Vec<Ir>) -> Ir {
    let is_builtin = is_builtin(function, candidates);
    let is_optional = candidates.iter().any(|candidate| candidate.entry.id.starts_with("optional_or"));
    let call = |args| {
        let candidates = candidates.to_vec();
        Ir::Call(Box::new(Call { function: function.into(), candidates, args }))
    };
    if let (Some(operator), true, 2) = (operator(function), is_builtin, args.len()) {
        let args: Result<[Ir; 2], _> = args.try_into();
        return match args {
            Ok([text, pattern]) if operator == Operator::Matches => matches(text, pattern),
            Ok(args) => Ir::Binary(operator, candidates.len() == 1, Box::new(args)),
            Err(args) => call(args),
        };
    }
    if let ("find" | "findAll", [_, Ir::Const(Const::String(_)), ..]) = (function, args.as_slice()) {
        return unguarded(call(args));
    }
    let mut each = args.into_iter();
    match (function, each.next(), each.next(), each.next()) {
        ("!_", Some(operand), None, None) => Ir::Not(Box::new(operand)),
        ("-_", Some(operand), None, None) => Ir::Negate(Box::new(operand)),
        ("size", Some(operand), None, None) if is_builtin => Ir::Size(Box::new(operand)),
        ("dyn", Some(operand), None, None) => operand,
        ("_[_]" | "_[?_]", Some(operand), Some(index), None) => {
            let of_optional = candidates.iter().all(|candidate| candidate.entry.id.starts_with("optional_"));
            indexed(operand, index, of_optional || function == "_[?_]")
        }
        ("_?_:_", Some(condition), Some(then), Some(otherwise)) => {
            Ir::If(Box::new([condition, then, otherwise]))
        }
        ("or" | "orValue", Some(left), Some(right), None) if is_optional => {
            Ir::OptOr { left: Box::new(left), right: Box::new(right), unwraps: function == "orValue" }
        }
        (_, first, second, third) => call(first.into_iter().chain(second).chain(third).chain(each).collect()),
    }
}
