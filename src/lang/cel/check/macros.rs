//! Macros: `has`, comprehensions with one and two variables, `cel.bind`, `optMap`, `sortBy`, `math.greatest`.
//!
//! A call is a macro by its name and the number of its arguments, whatever its target is (cel-go's
//! `parser/macro.go` and `ext`).

use super::super::ir::{Const, Fold, Ir, Step};
use super::super::syntax::{Element, Expr, ExprKind, Literal};
use super::super::types::Type;
use super::{Checker, Typed};
use crate::limits::CEL_DOUBLED_MAX;

/// What the quantifiers are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    All,
    Exists,
    ExistsOne,
}

impl Quantifier {
    fn of(function: &str) -> Option<Self> {
        Some(match function {
            "all" => Self::All,
            "exists" => Self::Exists,
            "exists_one" | "existsOne" => Self::ExistsOne,
            _ => return None,
        })
    }
}

const NOT_A_NAME: &str = "argument must be a simple name";
const NOT_AN_IDENTIFIER: &str = "argument is not an identifier";

impl Checker<'_> {
    /// The meaning of a call, if it is a macro's.
    pub(super) fn expand(
        &mut self,
        expr: &Expr,
        target: Option<&Expr>,
        function: &str,
        args: &[Expr],
    ) -> Option<Typed> {
        let macros = self.env.macros;
        let Some(target) = target else {
            return match (function, args) {
                ("has", [arg]) => Some(self.has(expr.at, arg)),
                _ => None,
            };
        };
        let namespace = target.as_ident().unwrap_or("");
        match (function, args) {
            ("bind", [name, value, body]) if macros.bindings && namespace == "cel" => {
                Some(self.bind(name, value, body))
            }
            ("block", [values, body]) if macros.block && namespace == "cel" => Some(self.block(values, body)),
            ("index", [index]) if macros.block && namespace == "cel" => Some(self.block_value(index)),
            ("iterVar" | "accuVar", [_, _]) if macros.block && namespace == "cel" => {
                let name = loop_variable(expr)?;
                Some(self.ident(expr.at, &name))
            }
            ("greatest" | "least", _) if macros.math && namespace == "math" => {
                Some(self.extreme(expr.at, function, target, args))
            }
            ("optMap", [name, body]) if macros.has_optionals => {
                Some(self.opt_map(expr.at, target, name, body, true))
            }
            ("optFlatMap", [name, body]) if macros.optionals >= 1 => {
                Some(self.opt_map(expr.at, target, name, body, false))
            }
            ("sortBy", [name, key]) if macros.sort_by => Some(self.sort_by(expr.at, target, name, key)),
            ("filter", [name, predicate]) => {
                let at = expr.at;
                Some(
                    self.comprehension(at, target, &[name], NOT_AN_IDENTIFIER, |this| {
                        this.filter(at, predicate)
                    }),
                )
            }
            ("map", [name, transform]) => {
                let at = expr.at;
                Some(self.comprehension(at, target, &[name], NOT_AN_IDENTIFIER, |this| {
                    this.map_step(at, None, transform)
                }))
            }
            ("map", [name, filter, transform]) => {
                let at = expr.at;
                Some(self.comprehension(at, target, &[name], NOT_AN_IDENTIFIER, |this| {
                    this.map_step(at, Some(filter), transform)
                }))
            }
            ("existsOne", [_, _]) if !macros.exists_one_alias => None,
            (_, [name, predicate]) => {
                let (quantifier, at) = (Quantifier::of(function)?, expr.at);
                Some(self.comprehension(at, target, &[name], NOT_A_NAME, |this| {
                    this.quantify(at, quantifier, predicate)
                }))
            }
            (_, [first, second, ..]) if macros.two_variables => {
                self.two_variables(expr, target, function, [first, second], args.get(2..)?)
            }
            _ => None,
        }
    }

    fn two_variables(
        &mut self,
        expr: &Expr,
        target: &Expr,
        function: &str,
        names: [&Expr; 2],
        rest: &[Expr],
    ) -> Option<Typed> {
        let at = expr.at;
        if let (Some(quantifier), [predicate]) = (Quantifier::of(function), rest) {
            return Some(self.comprehension(at, target, &names, NOT_A_NAME, |this| {
                this.quantify(at, quantifier, predicate)
            }));
        }
        let (filter, transform) = match rest {
            [transform] => (None, transform),
            [filter, transform] => (Some(filter), transform),
            _ => return None,
        };
        Some(match function {
            "transformList" => self
                .comprehension(at, target, &names, NOT_A_NAME, |this| this.map_step(at, filter, transform)),
            "transformMap" => self.comprehension(at, target, &names, NOT_A_NAME, |this| {
                this.transform_map(at, filter, transform)
            }),
            "transformMapEntry" => self.comprehension(at, target, &names, NOT_A_NAME, |this| {
                this.transform_entry(at, filter, transform)
            }),
            _ => return None,
        })
    }

    fn has(&mut self, at: u32, arg: &Expr) -> Typed {
        let ExprKind::Select { operand, field, is_optional: false } = &arg.kind else {
            return self.refuse(arg.at, "invalid argument to has() macro".to_owned());
        };
        let (ir, kind) = self.expr(operand);
        if self.lazy_field(&kind, &ir, field).is_some() {
            return (Ir::Const(Const::Bool(true)), Type::Bool);
        }
        self.field_type(at, &kind, field, false);
        (Ir::Has { operand: Box::new(ir), field: field.as_str().into() }, Type::Bool)
    }

    /// The name that an argument declares; the conformance tests' loop variables are names too.
    fn name(&mut self, expr: &Expr, complaint: &str) -> Option<String> {
        let block = self.env.macros.block;
        match expr.as_ident() {
            Some("__result__" | "@result") => {
                self.issue(expr.at, "iteration variable overwrites accumulator variable".to_owned());
                None
            }
            Some(name) if !name.starts_with('.') => Some(name.to_owned()),
            _ => {
                let name = if block { loop_variable(expr) } else { None };
                if name.is_none() {
                    self.issue(expr.at, complaint.to_owned());
                }
                name
            }
        }
    }

    fn comprehension(
        &mut self,
        at: u32,
        target: &Expr,
        names: &[&Expr],
        complaint: &str,
        body: impl FnOnce(&mut Self) -> (Step, Type),
    ) -> Typed {
        let range = self.expr(target);
        self.comprehension_over(range, at, target.at, names, complaint, body)
    }

    fn comprehension_over(
        &mut self,
        (range, kind): Typed,
        at: u32,
        range_at: u32,
        names: &[&Expr],
        complaint: &str,
        body: impl FnOnce(&mut Self) -> (Step, Type),
    ) -> Typed {
        let mut declared = Vec::new();
        for name in names {
            let Some(name) = self.name(name, complaint) else {
                return (Ir::Const(Const::Null), Type::Error);
            };
            declared.push(name);
        }
        if let [first, second] = declared.as_slice()
            && first == second
        {
            return self
                .refuse(names.last().map_or(at, |e| e.at), format!("duplicate variable name: {first}"));
        }
        let has_two = declared.len() == 2;
        let (key, value) = self.range_types(range_at, &kind, has_two);
        let depth = self.scope.len();
        let mut slots = Vec::new();
        for (name, kind) in declared.iter().zip([key, value]) {
            slots.push(self.push_local(name, kind, None));
        }
        let (step, result) = body(self);
        self.scope.truncate(depth);
        let first = slots.first().copied().unwrap_or(0);
        let fold = Fold { range, first, second: slots.get(1).copied(), step };
        let result = self.mapping.substitute(&result, false);
        (Ir::Fold(Box::new(fold)), result)
    }

    /// The types of the variables over a range.
    fn range_types(&mut self, at: u32, kind: &Type, has_two: bool) -> (Type, Type) {
        let kind = self.mapping.substitute(kind, false);
        match &kind {
            Type::List(element) if has_two => (Type::Int, (**element).clone()),
            Type::List(element) => ((**element).clone(), Type::Error),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.mapping.is_assignable(&Type::Dyn, &kind);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let text = format!(
                    "expression of type '{other}' cannot be range of a comprehension \
                     (must be list, map, or dynamic)"
                );
                self.issue(at, text);
                (Type::Error, Type::Error)
            }
        }
    }

    fn quantify(&mut self, at: u32, quantifier: Quantifier, predicate: &Expr) -> (Step, Type) {
        let step = match quantifier {
            Quantifier::All => Step::All(self.bool_expr(predicate).0),
            Quantifier::Exists => Step::Exists(self.bool_expr(predicate).0),
            Quantifier::ExistsOne => {
                let predicate = self.expr(predicate);
                Step::ExistsOne(self.condition(at, predicate, &Type::Int))
            }
        };
        (step, Type::Bool)
    }

    /// The condition of `_?_:_` with branches of a type: what the macros that count or collect expand to.
    fn condition(&mut self, at: u32, (ir, kind): Typed, branches: &Type) -> Ir {
        if !self.mapping.is_assignable(&kind, &Type::Bool) {
            let kind = self.mapping.substitute(&kind, true);
            let branches = self.mapping.substitute(branches, true);
            let shown = format!("({kind}, {branches}, {branches})");
            self.issue(at, format!("found no matching overload for '_?_:_' applied to '{shown}'"));
        }
        ir
    }

    fn filter(&mut self, at: u32, predicate: &Expr) -> (Step, Type) {
        let element = self.scope.last().map_or(Type::Dyn, |local| local.kind.clone());
        let result = Type::list(element);
        let predicate = self.expr(predicate);
        (Step::Filter(self.condition(at, predicate, &result)), result)
    }

    fn map_step(&mut self, at: u32, filter: Option<&Expr>, transform: &Expr) -> (Step, Type) {
        let filter = filter.map(|filter| self.expr(filter));
        let (transform, kind) = self.expr(transform);
        let result = Type::list(kind);
        let filter = filter.map(|filter| self.condition(at, filter, &result));
        (Step::Map { filter, transform }, result)
    }

    fn transform_map(&mut self, at: u32, filter: Option<&Expr>, value: &Expr) -> (Step, Type) {
        let key = self.scope.iter().rev().nth(1).map_or(Type::Dyn, |local| local.kind.clone());
        let filter = filter.map(|filter| self.expr(filter));
        let (value, kind) = self.expr(value);
        let result = Type::map(key, kind);
        let filter = filter.map(|filter| self.condition(at, filter, &result));
        (Step::TransformMap { filter, value }, result)
    }

    fn transform_entry(&mut self, at: u32, filter: Option<&Expr>, entry: &Expr) -> (Step, Type) {
        let filter = filter.map(|filter| self.expr(filter));
        let (entry, kind) = self.expr(entry);
        let (key, value) = (self.unknown(), self.unknown());
        let wanted = Type::map(key, value);
        if !self.mapping.is_assignable(&wanted, &kind) {
            let (wanted, kind) =
                (self.mapping.substitute(&wanted, true), self.mapping.substitute(&kind, true));
            let shown = format!("({wanted}, {kind})");
            self.issue(at, format!("found no matching overload for 'cel.@mapInsert' applied to '{shown}'"));
        }
        let result = self.mapping.substitute(&wanted, false);
        let filter = filter.map(|filter| self.condition(at, filter, &result));
        (Step::TransformMapEntry { filter, entry }, result)
    }

    fn sort_by(&mut self, at: u32, target: &Expr, name: &Expr, key: &Expr) -> Typed {
        if matches!(target.kind, ExprKind::Literal(_) | ExprKind::Map(_) | ExprKind::Struct { .. }) {
            let text =
                "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
            return self.refuse(target.at, text.to_owned());
        }
        let range = self.expr(target);
        let of_range = range.1.clone();
        let (folded, keys) = self.comprehension_over(range, at, at, &[name], NOT_AN_IDENTIFIER, |this| {
            let (key, kind) = this.expr(key);
            (Step::SortBy(key), Type::list(kind))
        });
        let args = vec![(Ir::Const(Const::Null), of_range), (Ir::Const(Const::Null), keys)];
        let (_, result) = self.resolve(at, "@sortByAssociatedKeys", true, args);
        (folded, result)
    }

    fn define(&mut self, value: Ir) -> u16 {
        let definition = u16::try_from(self.definitions.len()).unwrap_or(u16::MAX);
        self.definitions.push(value);
        definition
    }

    fn bind(&mut self, name: &Expr, value: &Expr, body: &Expr) -> Typed {
        let Some(name) = self.name(name, "cel.bind() variable names must be simple identifiers") else {
            return (Ir::Const(Const::Null), Type::Error);
        };
        // The value is computed inside the body, so its own variables must not share the slot.
        let depth = self.scope.len();
        let slot = self.push_local("", Type::Dyn, None);
        let (value, kind) = self.expr(value);
        let definition = self.define(value);
        self.scope.truncate(depth);
        self.push_local(&name, kind, Some(definition));
        let reserve = self.reserve();
        let (body, result) = self.expr(body);
        self.scope.truncate(depth);
        self.n_locals = self.n_locals.max(reserve);
        (Ir::Bind { slot, body: Box::new(body) }, result)
    }

    fn opt_map(&mut self, at: u32, target: &Expr, name: &Expr, body: &Expr, wraps: bool) -> Typed {
        let macro_name = if wraps { "optMap" } else { "optFlatMap" };
        let (n_issues, n_late) = (self.issues.len(), self.late.len());
        let (target, kind) = self.expr(target);
        // The macro's expansion has the target twice, so its faults are listed twice; of a chain of macros they
        // would double with each.
        if self.issues.len() < CEL_DOUBLED_MAX {
            self.issues.extend_from_within(n_issues..);
        }
        if self.late.len() < CEL_DOUBLED_MAX {
            self.late.extend_from_within(n_late..);
        }
        let complaint = format!("{macro_name}() variable name must be a simple identifier");
        let Some(name) = self.name(name, &complaint) else {
            return (Ir::Const(Const::Null), Type::Error);
        };
        self.resolve(at, "hasValue", true, vec![(Ir::Const(Const::Null), kind.clone())]);
        let (_, inner) = self.resolve(at, "value", true, vec![(Ir::Const(Const::Null), kind)]);
        let slot = self.push_local(&name, inner, None);
        let (body, result) = self.expr(body);
        self.scope.pop();
        let result = if wraps {
            Type::optional(result)
        } else {
            let none = Type::optional(self.unknown());
            if self.mapping.is_assignable(&none, &result) {
                result
            } else {
                let (result, none) =
                    (self.mapping.substitute(&result, true), self.mapping.substitute(&none, true));
                let shown = format!("(bool, {result}, {none})");
                self.issue(at, format!("found no matching overload for '_?_:_' applied to '{shown}'"));
                Type::Error
            }
        };
        (Ir::OptMap { target: Box::new(target), slot, body: Box::new(body), wraps }, result)
    }

    fn extreme(&mut self, at: u32, function: &str, target: &Expr, args: &[Expr]) -> Typed {
        let shown = format!("math.{function}()");
        let name = if function == "least" { "math.@min" } else { "math.@max" };
        match args {
            [] => return self.refuse(target.at, format!("{shown} requires at least one argument")),
            [one] => {
                let is_list = matches!(&one.kind, ExprKind::List(items)
                    if !items.is_empty() && items.iter().all(|item| may_be_number(&item.value)));
                if !is_list && !may_be_number(one) {
                    return self.refuse(one.at, format!("{shown} invalid single argument value"));
                }
            }
            many => {
                if let Some(wrong) = many.iter().find(|arg| !may_be_number(arg)) {
                    return self
                        .refuse(wrong.at, format!("{shown} simple literal arguments must be numeric"));
                }
            }
        }
        let checked = if args.len() > 2 {
            let value = |expr: &Expr| Element { value: expr.clone(), is_optional: false };
            vec![self.list(&args.iter().map(value).collect::<Vec<_>>())]
        } else {
            args.iter().map(|arg| self.expr(arg)).collect()
        };
        self.resolve(at, name, false, checked)
    }

    /// `cel.block([v0, v1, …], body)`, where `cel.index(i)` is the value `i`.
    fn block(&mut self, values: &Expr, body: &Expr) -> Typed {
        let ExprKind::List(values) = &values.kind else {
            return self.refuse(values.at, "cel.block requires a list".to_owned());
        };
        let depth = self.scope.len();
        for element in values {
            let (value, kind) = self.expr(&element.value);
            let kind =
                if element.is_optional { kind.unwrap_optional().cloned().unwrap_or(kind) } else { kind };
            let definition = self.define(value);
            let slot = self.push_local("", kind.clone(), Some(definition));
            self.block.push((slot, definition, kind));
        }
        let (body, result) = self.expr(body);
        self.scope.truncate(depth);
        let slots: Vec<u16> = self.block.drain(..).map(|(slot, ..)| slot).collect();
        let bound = slots.into_iter().fold(body, |body, slot| Ir::Bind { slot, body: Box::new(body) });
        (bound, result)
    }

    fn block_value(&mut self, index: &Expr) -> Typed {
        let found = match &index.kind {
            ExprKind::Literal(Literal::Int(index)) => usize::try_from(*index).ok(),
            _ => None,
        };
        match found.and_then(|index| self.block.get(index)) {
            Some((slot, definition, kind)) => {
                (Ir::Bound { slot: *slot, definition: *definition }, kind.clone())
            }
            None => self.refuse(index.at, "cel.index out of range".to_owned()),
        }
    }

    fn reserve(&self) -> usize {
        self.scope.len()
    }
}

/// The name of the conformance tests' `cel.iterVar(depth, index)`.
fn loop_variable(expr: &Expr) -> Option<String> {
    let ExprKind::Call { target: Some(target), function, args } = &expr.kind else { return None };
    if target.as_ident() != Some("cel") || !matches!(function.as_str(), "iterVar" | "accuVar") {
        return None;
    }
    let number = |expr: &Expr| match &expr.kind {
        ExprKind::Literal(Literal::Int(value)) => Some(*value),
        _ => None,
    };
    match args.as_slice() {
        [a, b] => Some(format!("@{function}:{}:{}", number(a)?, number(b)?)),
        _ => None,
    }
}

/// Whether an argument is no literal of another kind.
fn may_be_number(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(literal) => {
            matches!(literal, Literal::Int(_) | Literal::Uint(_) | Literal::Double(_))
        }
        ExprKind::List(_) | ExprKind::Map(_) | ExprKind::Struct { .. } => false,
        _ => true,
    }
}
