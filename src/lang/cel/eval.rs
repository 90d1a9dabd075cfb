//! Evaluation: walks the program, borrows from document and program, counts cost.
//!
//! The order of evaluation, and which of several errors wins, are cel-go's (`interpreter/interpretable.go`);
//! the cost is that of its tracker (`interpreter/runtimecost.go`), so that the API server's bounds bite at
//! the same place.

mod access;
mod fold;
mod operators;

use std::rc::Rc;
use std::slice;

use super::environment::Overload;
use super::error::{COST_LIMIT_EXCEEDED, EvalError, NO_SUCH_OVERLOAD};
use super::ir::{Call, Ir, MapEntry};
use super::program::Program;
use super::types::Type;
use super::value::{Key, MapValue, Value, go_display};
use crate::gostd::regexp::Regexp;

use access::Maybe;
pub(crate) use access::{is_index, not_an_index};
pub(crate) use operators::{add, size_of};

/// What the names of an environment mean in one evaluation.
pub trait Activation<'d> {
    /// The value of a variable.
    ///
    /// # Errors
    /// Why it has none; [`EvalError::Pending`] if it must be fetched first.
    fn resolve(&self, slot: u16) -> Result<Value<'d>, EvalError>;

    /// Calls a function that only the surroundings can answer (an authorizer's check, a lookup).
    ///
    /// # Errors
    /// The function's error; [`EvalError::Pending`] if the answer must be fetched first.
    fn call_host(&self, function: &str, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
        let _ = args;
        Err(EvalError::failed(format!("function `{function}` is not available here")))
    }
}

/// An activation without variables.
#[derive(Clone, Copy, Debug)]
pub struct NoVariables;

impl<'d> Activation<'d> for NoVariables {
    fn resolve(&self, _slot: u16) -> Result<Value<'d>, EvalError> {
        Err(EvalError::Fixed("no such attribute(s)"))
    }
}

/// What a function sees of the evaluation.
pub struct Context<'a, 'd> {
    activation: &'a dyn Activation<'d>,
    cost: u64,
    limit: u64,
}

impl std::fmt::Debug for Context<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Context {{ cost: {} }}", self.cost)
    }
}

impl<'d> Context<'_, 'd> {
    /// Adds to the cost.
    pub fn charge(&mut self, cost: u64) -> Result<(), EvalError> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(COST_LIMIT_EXCEEDED) } else { Ok(()) }
    }

    /// Calls a function that only the surroundings can answer.
    pub fn call_host(&self, function: &str, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
        self.activation.call_host(function, args)
    }

    /// A compiled regular expression in Go's syntax.
    pub fn regex(&mut self, pattern: &str) -> Result<Rc<Regexp>, EvalError> {
        Regexp::shared(pattern).map_err(|error| EvalError::failed(error.to_string()))
    }
}

/// A variable of a comprehension or of `cel.bind`.
#[derive(Clone, Debug)]
enum Local<'d> {
    Unset,
    Set(Value<'d>),
    Failed(EvalError),
}

impl<'d> Local<'d> {
    fn value(&self) -> Outcome<'d> {
        match self {
            Self::Set(value) => Ok(value.clone()),
            Self::Failed(error) => Err(error.clone()),
            Self::Unset => Err(NO_SUCH_OVERLOAD),
        }
    }
}

/// Locals that need no allocation.
const INLINE_LOCALS: usize = 4;

/// One evaluation.
pub(crate) struct Machine<'a, 'd> {
    program: &'d Program,
    context: Context<'a, 'd>,
    inline: [Local<'d>; INLINE_LOCALS],
    spill: Vec<Local<'d>>,
}

type Outcome<'d> = Result<Value<'d>, EvalError>;

impl<'a, 'd> Machine<'a, 'd> {
    pub(crate) fn new(program: &'d Program, activation: &'a dyn Activation<'d>, limit: u64) -> Self {
        Self {
            program,
            context: Context { activation, cost: 0, limit },
            inline: [const { Local::Unset }; INLINE_LOCALS],
            spill: vec![Local::Unset; program.n_locals.saturating_sub(INLINE_LOCALS)],
        }
    }

    pub(crate) fn cost(&self) -> u64 {
        self.context.cost
    }

    fn charge(&mut self, cost: u64) -> Result<(), EvalError> {
        self.context.charge(cost)
    }

    fn local(&self, slot: u16) -> &Local<'d> {
        let slot = usize::from(slot);
        self.inline.get(slot).or_else(|| self.spill.get(slot - INLINE_LOCALS)).unwrap_or(&Local::Unset)
    }

    fn set_local(&mut self, slot: u16, value: Local<'d>) {
        let slot = usize::from(slot);
        let place = match self.inline.get_mut(slot) {
            Some(place) => Some(place),
            None => self.spill.get_mut(slot - INLINE_LOCALS),
        };
        if let Some(place) = place {
            *place = value;
        }
    }

    /// Computes one operation.
    pub(crate) fn run(&mut self, ir: &'d Ir) -> Outcome<'d> {
        match ir {
            Ir::Const(constant) => Ok(constant.to_value()),
            Ir::Variable(slot) => {
                self.charge(1)?;
                self.context.activation.resolve(*slot)
            }
            Ir::Local(slot) => {
                self.charge(1)?;
                self.local(*slot).value()
            }
            Ir::Bound { slot, definition } => self.bound(*slot, *definition),
            Ir::Select { operand, fields } => self.select(operand, fields),
            Ir::OptSelect { .. } | Ir::Index { is_optional: true, .. } => self.optional(ir),
            Ir::Index { operand, index, is_optional: false } => self.index(operand, index),
            Ir::Negate(operand) => self.negate(operand),
            Ir::If(parts) => self.conditional(parts),
            Ir::Binary(operator, is_unique, args) if !operator.is_relation() => {
                self.arithmetic(*operator, *is_unique, args)
            }
            Ir::Size(operand) => self.size(operand),
            Ir::Call(call) => self.call(call),
            Ir::List(elements) => self.list(elements),
            Ir::Map(entries) => self.map(entries, None),
            Ir::Message(name, entries) => self.map(entries, Some(name)),
            Ir::Fold(fold) if !fold.step.is_quantifier() => self.fold(fold),
            Ir::Bind { slot, body } => {
                self.set_local(*slot, Local::Unset);
                self.run(body)
            }
            Ir::OptMap { target, slot, body, wraps } => self.opt_map(target, *slot, body, *wraps),
            Ir::OptOr { left, right, unwraps } => self.opt_or(left, right, *unwraps),
            Ir::Fail(text) => Err(EvalError::failed(&**text)),
            Ir::Has { .. }
            | Ir::Not(_)
            | Ir::And(_)
            | Ir::Or(_)
            | Ir::Binary(..)
            | Ir::InStrings(..)
            | Ir::Matches(..)
            | Ir::Fold(_) => self.test(ir).map(Value::Bool),
        }
    }

    /// Computes a condition; what gives only booleans is computed as one, without a value around it.
    pub(crate) fn test(&mut self, ir: &'d Ir) -> Result<bool, EvalError> {
        match ir {
            Ir::Has { operand, field } => self.has(operand, field),
            Ir::Not(operand) => self.not(operand),
            Ir::And(terms) => self.logic(terms, false),
            Ir::Or(terms) => self.logic(terms, true),
            Ir::Binary(operator, is_unique, args) if operator.is_relation() => {
                self.relation(*operator, *is_unique, args)
            }
            Ir::InStrings(operand, strings) => self.in_strings(operand, strings),
            Ir::Matches(operand, regex) => self.matches(operand, regex),
            Ir::Fold(fold) if fold.step.is_quantifier() => self.quantify(fold),
            _ => match &self.run(ir) {
                Ok(Value::Bool(value)) => Ok(*value),
                Ok(_) => Err(NO_SUCH_OVERLOAD),
                Err(error) => Err(error.clone()),
            },
        }
    }

    #[inline(never)]
    fn bound(&mut self, slot: u16, definition: u16) -> Outcome<'d> {
        self.charge(1)?;
        if let Local::Unset = self.local(slot) {
            let program = self.program;
            let local = match program.definitions.get(usize::from(definition)) {
                Some(ir) => match self.run(ir) {
                    Ok(value) => Local::Set(value),
                    Err(error) if error.is_absorbable() => Local::Failed(error),
                    Err(error) => return Err(error),
                },
                None => Local::Failed(NO_SUCH_OVERLOAD),
            };
            self.set_local(slot, local);
        }
        self.local(slot).value()
    }

    /// `&&` (`decisive` is false) and `||`: a decisive term wins over errors, else the first error counts.
    #[inline(never)]
    fn logic(&mut self, terms: &'d [Ir], decisive: bool) -> Result<bool, EvalError> {
        let mut failed = None;
        for term in terms {
            match self.test(term) {
                Ok(value) if value == decisive => return Ok(decisive),
                Ok(_) => {}
                Err(error) if error.is_absorbable() => failed = failed.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(!decisive), Err)
    }

    #[inline(never)]
    fn conditional(&mut self, [condition, then, otherwise]: &'d [Ir; 3]) -> Outcome<'d> {
        let branch = if self.test(condition)? { then } else { otherwise };
        let outcome = self.run(branch);
        if branch.is_attribute() && outcome.is_ok() {
            self.context.cost = self.context.cost.saturating_sub(1);
        }
        flatten(outcome)
    }

    #[inline(never)]
    fn list(&mut self, elements: &'d [(Ir, bool)]) -> Outcome<'d> {
        let mut items = Vec::with_capacity(elements.len());
        for (element, is_optional) in elements {
            match (self.run(element)?, is_optional) {
                (value, false) => items.push(value),
                (Value::Optional(Some(value)), true) => items.push((*value).clone()),
                (Value::Optional(None), true) => {}
                (value, true) => {
                    let text = go_display(&value);
                    return Err(EvalError::failed(format!(
                        "cannot initialize optional list element from non-optional value {text}"
                    )));
                }
            }
        }
        self.charge(10)?;
        Ok(Value::list(items))
    }

    #[inline(never)]
    fn map(&mut self, entries: &'d [MapEntry], message: Option<&'d str>) -> Outcome<'d> {
        let mut map = MapValue::default();
        for MapEntry { key, value, is_optional } in entries {
            let key = self.run(key)?;
            let value = match (self.run(value)?, is_optional) {
                (value, false) => Some(value),
                (Value::Optional(value), true) => value.map(|value| (*value).clone()),
                (value, true) => {
                    let (key, text) = (go_display(&key), go_display(&value));
                    return Err(EvalError::failed(format!(
                        "cannot initialize optional entry '{key}' from non-optional value {text}"
                    )));
                }
            };
            let Some(key) = Key::of(&key).filter(|_| !matches!(key, Value::Double(_))) else {
                return Err(EvalError::failed(format!("unsupported key type: {}", key.type_name())));
            };
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            }
        }
        self.charge(if message.is_some() { 40 } else { 30 })?;
        Ok(Value::Map(Rc::new(match message {
            Some(name) => MapValue::message(name, map.iter().cloned().collect()),
            None => map,
        })))
    }

    #[inline(never)]
    fn call(&mut self, call: &'d Call) -> Outcome<'d> {
        const FEW: usize = 4;
        if let [arg] = call.args.as_slice() {
            return match &self.run(arg) {
                Ok(value) => self.apply(call, slice::from_ref(value)),
                Err(error) => Err(error.clone()),
            };
        }
        if call.args.len() > FEW {
            let args = call.args.iter().map(|arg| self.run(arg)).collect::<Result<Vec<_>, _>>()?;
            return self.apply(call, &args);
        }
        let mut few = [const { Value::Null }; FEW];
        for (place, arg) in few.iter_mut().zip(&call.args) {
            *place = self.run(arg)?;
        }
        self.apply(call, few.get(..call.args.len()).unwrap_or(&[]))
    }

    /// Calls the first overload that takes the arguments.
    fn apply(&mut self, call: &'d Call, args: &[Value<'d>]) -> Outcome<'d> {
        let takes = |overload: &Overload| {
            !overload.entry.is_guarded
                || overload.params.iter().zip(args).all(|(kind, value)| fits(kind, value))
        };
        let Some(overload) = call.candidates.iter().find(|overload| takes(overload)) else {
            let types: Vec<&str> = args.iter().map(Value::type_name).collect();
            let text = format!("no such overload: {}({})", call.function, types.join(", "));
            return Err(EvalError::failed(text));
        };
        let mut outcome = (overload.entry.native)(&mut self.context, args);
        if let Ok(result) = &outcome {
            let cost = overload.entry.cost.map_or(1, |cost| cost(args, result));
            if let Err(error) = self.charge(cost) {
                outcome = Err(error);
            }
        }
        outcome
    }

    #[inline(never)]
    fn opt_map(&mut self, target: &'d Ir, slot: u16, body: &'d Ir, wraps: bool) -> Outcome<'d> {
        match self.maybe(target)? {
            Maybe::Nothing => Ok(Value::Optional(None)),
            Maybe::Something(place) => {
                self.set_local(slot, Local::Set(place.into_value()));
                let result = self.run(body)?;
                self.charge(3)?;
                flatten(Ok(if wraps { Value::some(result) } else { result }))
            }
            Maybe::Plain(place) => {
                let value = place.into_value();
                Err(EvalError::failed(format!("no such overload: hasValue({})", value.type_name())))
            }
        }
    }

    #[inline(never)]
    fn opt_or(&mut self, left: &'d Ir, right: &'d Ir, unwraps: bool) -> Outcome<'d> {
        match self.maybe(left)? {
            Maybe::Nothing => self.run(right),
            Maybe::Something(place) if !unwraps => Ok(Value::some(place.into_value())),
            Maybe::Something(place) | Maybe::Plain(place) => Ok(place.into_value()),
        }
    }
}

/// An optional in an optional loses a level where cel-go's conditional passes it on
/// (`relativeAttribute.Resolve`).
fn flatten(outcome: Outcome<'_>) -> Outcome<'_> {
    match &outcome {
        Ok(Value::Optional(Some(inner))) => match &**inner {
            Value::Optional(Some(_)) => Ok((**inner).clone()),
            Value::Optional(None) => Ok(Value::some(Value::Null)),
            _ => outcome,
        },
        _ => outcome,
    }
}

/// Whether a value may be given for a declared type: containers are judged by their first entry, as cel-go
/// does.
fn fits(kind: &Type, value: &Value<'_>) -> bool {
    match (kind, value) {
        (Type::Dyn | Type::Param(_) | Type::Error, _)
        | (Type::String, Value::String(_))
        | (Type::Int, Value::Int(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Double, Value::Double(_))
        | (Type::Uint, Value::Uint(_))
        | (Type::Bytes, Value::Bytes(_))
        | (Type::Null, Value::Null)
        | (Type::Duration, Value::Duration(_))
        | (Type::Timestamp, Value::Timestamp(_))
        | (Type::Type(_), Value::Type(_)) => true,
        (Type::List(element), value) => {
            value.as_list().is_some_and(|list| list.iter().next().is_none_or(|first| fits(element, &first)))
        }
        (Type::Map(key, element), value) => value.as_map().is_some_and(|map| {
            map.iter().next().is_none_or(|(first, value)| fits(key, &first) && fits(element, &value))
        }),
        (Type::Opaque(name, params), Value::Optional(inner)) => {
            &**name == "optional_type"
                && inner.as_ref().zip(params.first()).is_none_or(|(value, kind)| fits(kind, value))
        }
        (Type::Struct(name), Value::Map(map)) => map.type_name().is_none_or(|given| given == &**name),
        (Type::Struct(name) | Type::Opaque(name, _), Value::Opaque(value)) => value.type_name() == &**name,
        _ => false,
    }
}
