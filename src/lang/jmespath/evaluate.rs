//! The evaluator: walks the tree over values in place.
//!
//! Where a missing key becomes null and where it stays an error is decided here, operator by operator, as in Kyverno's fork of
//! go-jmespath (`interpreter.go`). Every node and every list item costs a step of the [`Env`].

use crate::document::{Kind, Map, Text, Value};

use super::ast::{Call, Comparator, Expr, Slice};
use super::functions::{Argument, Arguments};
use super::go_value::{equal_counted, is_false, items, number};
use super::{Env, EvaluateError, Scope};

type Evaluated<'d> = Result<Value<'d>, EvaluateError>;

/// What an expression is applied to.
#[derive(Clone, Copy)]
pub(super) enum Focus<'v, 'd> {
    /// The variables.
    Scope,
    /// A value.
    Value(&'v Value<'d>),
}

/// One evaluation.
pub(super) struct Evaluator<'a, 'd> {
    scope: Option<&'a dyn Scope<'d>>,
    env: &'a Env<'a>,
}

/// A missing key as null.
pub(super) fn or_null(evaluated: Evaluated<'_>) -> Evaluated<'_> {
    match evaluated {
        Err(EvaluateError::NotFound { .. }) => Ok(Value::Null),
        other => other,
    }
}

/// Every error of the expression itself as null.
fn any_or_null(evaluated: Evaluated<'_>) -> Evaluated<'_> {
    match evaluated {
        Err(EvaluateError::NotFound { .. } | EvaluateError::Other { .. }) => Ok(Value::Null),
        other => other,
    }
}

impl<'a, 'd> Evaluator<'a, 'd> {
    pub(super) fn over_scope(scope: &'a dyn Scope<'d>, env: &'a Env<'a>) -> Self {
        Self { scope: Some(scope), env }
    }

    pub(super) fn over_value(env: &'a Env<'a>) -> Self {
        Self { scope: None, env }
    }

    pub(super) fn env(&self) -> &'a Env<'a> {
        self.env
    }

    pub(super) fn run(&self, expr: &'d Expr) -> Evaluated<'d> {
        let value = self.eval(expr, Focus::Scope)?;
        self.measure(&value)?;
        Ok(value)
    }

    pub(super) fn run_on(&self, expr: &'d Expr, value: &Value<'d>) -> Evaluated<'d> {
        let value = self.eval(expr, Focus::Value(value))?;
        self.measure(&value)?;
        Ok(value)
    }

    /// Charges for the size of a result: lists may share items, so what is cheap to make can be huge to print.
    fn measure(&self, value: &Value<'d>) -> Result<(), EvaluateError> {
        match value {
            Value::List(items) => {
                items.iter().try_for_each(|item| self.env.step().and_then(|()| self.measure(item)))
            }
            Value::Map(entries) => {
                entries.values().try_for_each(|item| self.env.step().and_then(|()| self.measure(item)))
            }
            _ => Ok(()),
        }
    }

    /// Evaluates an expression that a function was given for one of its items.
    pub(super) fn apply(&self, expr: &'d Expr, value: &Value<'d>) -> Evaluated<'d> {
        self.eval(expr, Focus::Value(value))
    }

    fn eval(&self, expr: &'d Expr, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        self.env.step()?;
        match expr {
            Expr::Field(name) => self.field(name, focus),
            Expr::Sub(left, right) => self.eval_chain(left, right, focus),
            Expr::Identity | Expr::Current => self.whole(focus),
            Expr::Literal(document) => Ok(document.root().into()),
            Expr::Index(left, index) => Ok(at_index(&self.eval(left, focus)?, *index)),
            Expr::Slice(left, slice) => self.slice(&self.eval(left, focus)?, *slice),
            Expr::Projection(left, right) => self.projection(left, right, focus),
            Expr::ValueProjection(left, right) => self.value_projection(left, right, focus),
            Expr::Filter { left, right, condition } => self.filter(left, right, condition, focus),
            Expr::Flatten(left) => self.flatten(left, focus),
            Expr::Compare(comparator, left, right) => self.compare(*comparator, left, right, focus),
            Expr::Or(left, right) => {
                let left = or_null(self.eval(left, focus))?;
                if is_false(&left) { or_null(self.eval(right, focus)) } else { Ok(left) }
            }
            Expr::And(left, right) => {
                let left = or_null(self.eval(left, focus))?;
                if is_false(&left) { Ok(left) } else { self.eval(right, focus) }
            }
            Expr::Not(operand) => Ok(Value::Bool(is_false(&or_null(self.eval(operand, focus))?))),
            Expr::Pipe(left, right) => self.pipe(left, right, focus),
            Expr::List(items) => self.list(items, focus),
            Expr::Hash(entries) => self.hash(entries, focus),
            Expr::Call(call) => self.call(call, focus),
            Expr::Reference(_) => {
                Err(EvaluateError::other("an expression reference can only be the argument of a function"))
            }
        }
    }

    fn whole(&self, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        match (focus, self.scope) {
            (Focus::Value(value), _) => Ok(value.clone()),
            (Focus::Scope, Some(scope)) => scope.whole(),
            (Focus::Scope, None) => Ok(Value::Null),
        }
    }

    fn field(&self, name: &'d std::sync::Arc<str>, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        let found = match (focus, self.scope) {
            (Focus::Value(value), _) => match value.get(name) {
                None if value.kind() != Kind::Object => return Ok(Value::Null),
                found => found,
            },
            (Focus::Scope, Some(scope)) => scope.get(name)?,
            (Focus::Scope, None) => None,
        };
        found.ok_or_else(|| EvaluateError::NotFound { key: name.clone() })
    }

    fn eval_chain(&self, left: &'d Expr, right: &'d Expr, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        match left {
            Expr::Identity | Expr::Current => self.eval(right, focus),
            _ => {
                let left = self.eval(left, focus)?;
                self.eval(right, Focus::Value(&left))
            }
        }
    }

    fn pipe(&self, left: &'d Expr, right: &'d Expr, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        if matches!(left, Expr::Identity | Expr::Current) {
            return or_null(self.eval(right, focus));
        }
        let left = or_null(self.eval(left, focus))?;
        or_null(self.eval(right, Focus::Value(&left)))
    }

    /// Applies the right side of a projection to an item and keeps what is not null.
    fn project(
        &self,
        right: &'d Expr,
        item: Value<'d>,
        kept: &mut Vec<Value<'d>>,
    ) -> Result<(), EvaluateError> {
        self.env.step()?;
        let projected = match right {
            Expr::Identity => item,
            _ => or_null(self.eval(right, Focus::Value(&item)))?,
        };
        if !projected.is_null() {
            kept.push(projected);
        }
        Ok(())
    }

    fn projection(&self, left: &'d Expr, right: &'d Expr, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        let left = or_null(self.eval(left, focus))?;
        let Some(items) = items(&left) else { return Ok(Value::Null) };
        let mut kept = Vec::with_capacity(items.size_hint().0);
        for item in items {
            self.project(right, item, &mut kept)?;
        }
        Ok(Value::list(kept))
    }

    fn value_projection(&self, left: &'d Expr, right: &'d Expr, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        let left = any_or_null(self.eval(left, focus))?;
        let Some(entries) = left.entries() else { return Ok(Value::Null) };
        // WHY: go-jmespath makes the list of values twice as long as it should be; its first half is nulls, which an expression
        // like `to_string(@)` turns into values. The order of its second half is random there and that of the keys here.
        let mut kept = Vec::with_capacity(entries.len());
        for _ in &entries {
            self.project(right, Value::Null, &mut kept)?;
        }
        for (_, value) in entries {
            self.project(right, value, &mut kept)?;
        }
        Ok(Value::list(kept))
    }

    fn filter(
        &self,
        left: &'d Expr,
        right: &'d Expr,
        condition: &'d Expr,
        focus: Focus<'_, 'd>,
    ) -> Evaluated<'d> {
        let left = any_or_null(self.eval(left, focus))?;
        let Some(items) = items(&left) else { return Ok(Value::Null) };
        let mut kept = Vec::new();
        for item in items {
            if !is_false(&or_null(self.eval(condition, Focus::Value(&item)))?) {
                self.project(right, item, &mut kept)?;
            }
        }
        Ok(Value::list(kept))
    }

    fn flatten(&self, left: &'d Expr, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        let left = any_or_null(self.eval(left, focus))?;
        let Some(outer) = items(&left) else { return Ok(Value::Null) };
        let mut flat = Vec::new();
        for item in outer {
            self.env.charge(item.len().unwrap_or(0) + 1)?;
            match items(&item) {
                Some(inner) => flat.extend(inner),
                None => flat.push(item),
            }
        }
        Ok(Value::list(flat))
    }

    fn slice(&self, value: &Value<'d>, slice: Slice) -> Evaluated<'d> {
        let Some(items) = items(value) else { return Ok(Value::Null) };
        let items: Vec<Value<'d>> = items.collect();
        self.env.charge(items.len())?;
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let step = slice.step.unwrap_or(1);
        if step == 0 {
            return Err(EvaluateError::other("Invalid slice, step cannot be 0"));
        }
        let (first, last) = if step < 0 { (length - 1, -1) } else { (0, length) };
        let mut position = slice.start.map_or(first, |start| cap(length, start, step));
        let end = slice.stop.map_or(last, |stop| cap(length, stop, step));
        let mut kept = Vec::new();
        while (step > 0 && position < end) || (step < 0 && position > end) {
            kept.extend(usize::try_from(position).ok().and_then(|at| items.get(at)).cloned());
            let Some(next) = position.checked_add(step) else { break };
            position = next;
        }
        Ok(Value::list(kept))
    }

    fn compare(
        &self,
        comparator: Comparator,
        left: &'d Expr,
        right: &'d Expr,
        focus: Focus<'_, 'd>,
    ) -> Evaluated<'d> {
        let left = or_null(self.eval(left, focus))?;
        let right = or_null(self.eval(right, focus))?;
        match comparator {
            Comparator::Equal => return Ok(Value::Bool(equal_counted(&left, &right, self.env)?)),
            Comparator::NotEqual => return Ok(Value::Bool(!equal_counted(&left, &right, self.env)?)),
            _ => {}
        }
        let (Some(left), Some(right)) = (number(&left), number(&right)) else { return Ok(Value::Null) };
        Ok(Value::Bool(match comparator {
            Comparator::Less => left < right,
            Comparator::LessOrEqual => left <= right,
            Comparator::Greater => left > right,
            _ => left >= right,
        }))
    }

    fn is_null(focus: Focus<'_, 'd>) -> bool {
        matches!(focus, Focus::Value(value) if value.is_null())
    }

    fn list(&self, items: &'d [Expr], focus: Focus<'_, 'd>) -> Evaluated<'d> {
        if Self::is_null(focus) {
            return Ok(Value::Null);
        }
        let items: Result<Vec<_>, _> = items.iter().map(|item| or_null(self.eval(item, focus))).collect();
        items.map(Value::list)
    }

    fn hash(&self, entries: &'d [(std::sync::Arc<str>, Expr)], focus: Focus<'_, 'd>) -> Evaluated<'d> {
        if Self::is_null(focus) {
            return Ok(Value::Null);
        }
        let mut map = Map::new();
        for (key, value) in entries {
            map.insert(Text::Borrowed(key), or_null(self.eval(value, focus))?);
        }
        Ok(Value::map(map))
    }

    fn call(&self, call: &'d Call, focus: Focus<'_, 'd>) -> Evaluated<'d> {
        let Some(name) = &call.name else { return Err(EvaluateError::other("invalid node value type")) };
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            arguments.push(match argument {
                Expr::Reference(expr) => Argument::Reference(expr),
                _ => Argument::Value(or_null(self.eval(argument, focus))?),
            });
        }
        match call.function {
            Some(function) => function.call(&Arguments::new(self, function, &arguments, &call.prepared)),
            None => Err(EvaluateError::other(format!("unknown function: {name}"))),
        }
    }
}

fn at_index<'d>(value: &Value<'d>, index: i64) -> Value<'d> {
    let Some(mut items) = items(value) else { return Value::Null };
    let length = i64::try_from(items.size_hint().0).unwrap_or(i64::MAX);
    let position = if index < 0 { index.saturating_add(length) } else { index };
    usize::try_from(position).ok().and_then(|position| items.nth(position)).unwrap_or(Value::Null)
}

/// A bound of a slice brought into the list.
fn cap(length: i64, bound: i64, step: i64) -> i64 {
    if bound < 0 {
        let bound = bound.saturating_add(length);
        if bound < 0 { if step < 0 { -1 } else { 0 } } else { bound }
    } else if bound >= length {
        if step < 0 { length - 1 } else { length }
    } else {
        bound
    }
}
