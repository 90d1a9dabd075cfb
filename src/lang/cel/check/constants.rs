//! What can be computed before evaluation is: operations on constants, and sets of constant strings.
//!
//! An operation that fails is left for evaluation, where something around it may absorb the error.

use super::super::eval::NoVariables;
use super::super::ir::{Const, Ir, Operator};
use super::super::program::{Budget, Program};

/// What one constant may cost to compute.
const COST_MAX: u64 = 10_000;

fn is_foldable(ir: &Ir) -> bool {
    let is_const = |ir: &Ir| ir.as_const().is_some();
    match ir {
        Ir::Not(operand)
        | Ir::Negate(operand)
        | Ir::Size(operand)
        | Ir::Select { operand, .. }
        | Ir::OptSelect { operand, .. }
        | Ir::Has { operand, .. }
        | Ir::Matches(operand, _) => is_const(operand),
        Ir::Index { operand, index, .. } => is_const(operand) && is_const(index),
        Ir::Binary(_, _, args) => args.iter().all(is_const),
        Ir::Call(call) => {
            call.args.iter().all(is_const)
                && !call.candidates.iter().any(|candidate| candidate.entry.is_volatile)
        }
        Ir::List(items) => items.iter().all(|(item, is_optional)| is_const(item) && !is_optional),
        Ir::Map(entries) => entries.iter().all(|e| is_const(&e.key) && is_const(&e.value) && !e.is_optional),
        _ => false,
    }
}

/// The operation, computed if it can be. With `keeps_literals` lists and maps stay operations, except as what `in` searches: of what a
/// mutation gives, the API server tells literals from parts of documents.
pub(super) fn fold(ir: Ir, keeps_literals: bool) -> Ir {
    let ir = match ir {
        Ir::Binary(Operator::In, is_unique, args) if keeps_literals => {
            let [value, list] = *args;
            Ir::Binary(Operator::In, is_unique, Box::new([value, fold(list, false)]))
        }
        ir => ir,
    };
    let ir = to_set(ir);
    if !is_foldable(&ir) || (keeps_literals && matches!(ir, Ir::List(_) | Ir::Map(_))) {
        return ir;
    }
    let program = Program::of_constant(ir);
    let computed =
        program.evaluate(&NoVariables, &Budget::per_call(COST_MAX)).ok().and_then(|value| Const::of(&value));
    match computed {
        Some(constant) => Ir::Const(constant),
        None => program.root,
    }
}

/// Why an operation on constants cannot be computed, if it cannot.
pub(super) fn failure(ir: &Ir) -> Option<String> {
    let program = Program::of_constant(ir.clone());
    let outcome = program.evaluate(&NoVariables, &Budget::per_call(COST_MAX));
    outcome
        .err()
        .filter(super::super::error::EvalError::is_absorbable)
        .map(|error| error.message().into_owned())
}

/// `x in ['a', 'b']` as a search in sorted strings.
fn to_set(ir: Ir) -> Ir {
    let Ir::Binary(Operator::In, is_unique, args) = ir else { return ir };
    let [value, list] = &*args;
    let strings = list.as_const_node().and_then(|node| {
        let strings = node.items().map(|item| item.as_str().map(Box::<str>::from));
        strings.collect::<Option<Vec<_>>>().filter(|_| node.kind() == crate::document::Kind::Array)
    });
    match strings {
        Some(mut strings) if value.as_const().is_none() => {
            strings.sort_unstable();
            let [value, _] = *args;
            Ir::InStrings(Box::new(value), strings)
        }
        _ => Ir::Binary(Operator::In, is_unique, args),
    }
}
