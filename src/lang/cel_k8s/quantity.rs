//! `quantity` and its methods (`pkg/cel/library/quantity.go`).

use std::cmp::Ordering;

use crate::gostd::quantity::{Format, Quantity};
use crate::lang::cel::{Context, Entry, EvalError, Opaque, Value};

use super::arguments::{argument, own, text};
use super::costs;

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new("quantity", "string_to_quantity", "(string) -> kubernetes.Quantity", |_, args| {
        match Quantity::parse(text(args, 0)?) {
            Ok(quantity) => Ok(to_value(quantity, false)),
            Err(error) => Err(EvalError::failed(error.to_string())),
        }
    })
    .costing(costs::reading),
    Entry::new("isQuantity", "is_quantity_string", "(string) -> bool", |_, args| {
        Ok(Value::Bool(Quantity::parse(text(args, 0)?).is_ok()))
    })
    .costing(costs::reading),
    Entry::new("sign", "quantity_sign", "(kubernetes.Quantity) -> int", |_, args| {
        Ok(Value::Int(i64::from(amount(args, 0)?.signum())))
    }),
    Entry::new(
        "isGreaterThan",
        "quantity_is_greater_than",
        "kubernetes.Quantity.(kubernetes.Quantity) -> bool",
        |_, args| Ok(Value::Bool(order(args)?.is_gt())),
    ),
    Entry::new(
        "isLessThan",
        "quantity_is_less_than",
        "kubernetes.Quantity.(kubernetes.Quantity) -> bool",
        |_, args| Ok(Value::Bool(order(args)?.is_lt())),
    ),
    Entry::new(
        "compareTo",
        "quantity_compare_to",
        "kubernetes.Quantity.(kubernetes.Quantity) -> int",
        |_, args| Ok(Value::Int(order(args)? as i64)),
    ),
    Entry::new("asApproximateFloat", "quantity_get_float", "kubernetes.Quantity.() -> double", |_, args| {
        Ok(Value::Double(amount(args, 0)?.as_approximate_f64()))
    }),
    Entry::new("asInteger", "quantity_get_int", "kubernetes.Quantity.() -> int", |_, args| {
        amount(args, 0)?.as_i64().map(Value::Int).ok_or(EvalError::Fixed("cannot convert value to integer"))
    }),
    Entry::new("isInteger", "quantity_is_integer", "kubernetes.Quantity.() -> bool", |_, args| {
        Ok(Value::Bool(amount(args, 0)?.as_i64().is_some()))
    }),
    Entry::new(
        "add",
        "quantity_add",
        "kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity",
        add,
    ),
    Entry::new("add", "quantity_add_int", "kubernetes.Quantity.(int) -> kubernetes.Quantity", add),
    Entry::new(
        "sub",
        "quantity_sub",
        "kubernetes.Quantity.(kubernetes.Quantity) -> kubernetes.Quantity",
        sub,
    ),
    Entry::new("sub", "quantity_sub_int", "kubernetes.Quantity.(int) -> kubernetes.Quantity", sub),
];

#[derive(Debug)]
struct QuantityValue {
    amount: Quantity,
    /// Made by `add` or `sub`: the API server cannot compare with such a one on the right of `==`.
    is_computed: bool,
}

impl Opaque for QuantityValue {
    fn type_name(&self) -> &'static str {
        "kubernetes.Quantity"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| self.amount == other.amount)
    }

    fn refuses(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| other.is_computed)
    }

    fn to_text(&self) -> String {
        self.amount.to_string()
    }
}

fn to_value<'d>(amount: Quantity, is_computed: bool) -> Value<'d> {
    Value::opaque(QuantityValue { amount, is_computed })
}

fn amount<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v Quantity, EvalError> {
    own::<QuantityValue>(args, at).map(|value| &value.amount)
}

fn order(args: &[Value<'_>]) -> Result<Ordering, EvalError> {
    Ok(amount(args, 0)?.cmp(amount(args, 1)?))
}

/// The second operand: a quantity, or an integer as one.
fn operand(args: &[Value<'_>]) -> Result<Quantity, EvalError> {
    match argument(args, 1)? {
        Value::Int(value) => Ok(Quantity::from_i64(*value, Format::DecimalExponent)),
        _ => amount(args, 1).cloned(),
    }
}

fn add<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    Ok(to_value(amount(args, 0)?.add(&operand(args)?), true))
}

fn sub<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    Ok(to_value(amount(args, 0)?.sub(&operand(args)?), true))
}
