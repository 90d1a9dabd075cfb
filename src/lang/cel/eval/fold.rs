//! Comprehensions, with cel-go's rules of which error survives.
//!
//! `all` and `exists` keep the first error and go on for a deciding item; `exists_one`, `filter` and a
//! filtered `map` keep the last error of their condition; everything else ends at its first error.

use std::rc::Rc;

use super::super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::super::ir::{Fold, Ir, Step};
use super::super::value::{Key, MapValue, Value, go_display};
use super::access::Place;
use super::{Local, Machine, Outcome};
use crate::document::Kind;
use crate::lang::cel::library::lists::sort_by_keys;

/// What Go's `%T` prints for a value that can neither be iterated nor be an index.
pub(super) fn go_type(value: &Value<'_>) -> &'static str {
    match value {
        Value::Bool(_) => "types.Bool",
        Value::Int(_) => "types.Int",
        Value::Uint(_) => "types.Uint",
        Value::Double(_) => "types.Double",
        Value::String(_) => "types.String",
        Value::Bytes(_) => "types.Bytes",
        Value::Duration(_) => "types.Duration",
        Value::Timestamp(_) => "types.Timestamp",
        Value::Null => "types.Null",
        Value::Optional(_) => "*types.Optional",
        Value::Type(_) => "*types.Type",
        _ => "ref.Val",
    }
}

fn not_iterable(fold: &Fold, range: &Value<'_>) -> EvalError {
    let kind = go_type(range);
    EvalError::failed(match fold.second {
        Some(_) => format!("unsupported comprehension range type: {kind}"),
        None => format!("got '{kind}', expected iterable type"),
    })
}

/// The keys of a map are computed before it shows that a map cannot be sorted.
fn refuse_to_sort_a_map(fold: &Fold) -> Result<(), EvalError> {
    match fold.step {
        Step::SortBy(_) => Err(EvalError::Fixed("no such overload: @sortByAssociatedKeys")),
        _ => Ok(()),
    }
}

/// What a comprehension has so far.
#[derive(Default)]
struct State<'d> {
    failed: Option<EvalError>,
    items: Vec<Value<'d>>,
    keys: Vec<Value<'d>>,
    map: MapValue<'d>,
}

impl<'d> Machine<'_, 'd> {
    /// Sets the variables to each item in turn until the visit is content; then: whether items are left.
    #[inline]
    fn each(
        &mut self,
        fold: &'d Fold,
        mut visit: impl FnMut(&mut Self) -> Result<bool, EvalError>,
    ) -> Result<Option<bool>, EvalError> {
        match &self.place(&fold.range)? {
            Place::Node(node) if node.kind() == Kind::Array => {
                let mut items = node.items();
                for at in 0_i64.. {
                    let Some(item) = items.next() else { break };
                    self.set_item(fold, at, item.into());
                    if visit(self)? {
                        return Ok(Some(items.len() > 0));
                    }
                }
            }
            Place::Node(node) if node.kind() == Kind::Object => {
                let mut entries = node.entries();
                while let Some((key, value)) = entries.next() {
                    self.set_entry(fold, Value::borrowed(key), || value.into());
                    if visit(self)? {
                        return Ok(Some(entries.len() > 0));
                    }
                }
                refuse_to_sort_a_map(fold)?;
            }
            Place::Value(Value::List(list)) => {
                for (at, item) in (0_i64..).zip(list.iter()) {
                    self.set_item(fold, at, item.clone());
                    if visit(self)? {
                        return Ok(Some(usize::try_from(at + 1).is_ok_and(|next| next < list.len())));
                    }
                }
            }
            Place::Value(Value::Map(map)) => {
                for (at, (key, value)) in map.iter().enumerate() {
                    self.set_entry(fold, key.to_value(), || value.clone());
                    if visit(self)? {
                        return Ok(Some(at + 1 < map.len()));
                    }
                }
                refuse_to_sort_a_map(fold)?;
            }
            other => return Err(not_iterable(fold, &other.clone().into_value())),
        }
        Ok(None)
    }

    fn set_item(&mut self, fold: &'d Fold, at: i64, item: Value<'d>) {
        match fold.second {
            None => self.set_local(fold.first, Local::Set(item)),
            Some(second) => {
                self.set_local(fold.first, Local::Set(Value::Int(at)));
                self.set_local(second, Local::Set(item));
            }
        }
    }

    fn set_entry(&mut self, fold: &'d Fold, key: Value<'d>, value: impl FnOnce() -> Value<'d>) {
        self.set_local(fold.first, Local::Set(key));
        if let Some(second) = fold.second {
            self.set_local(second, Local::Set(value()));
        }
    }

    /// `all`, `exists` and `exists_one`. The first two keep the first error and go on for a deciding item,
    /// the last one keeps the last error.
    #[inline(never)]
    pub(super) fn quantify(&mut self, fold: &'d Fold) -> Result<bool, EvalError> {
        match &fold.step {
            Step::All(predicate) => self.quantify_until(fold, predicate, false),
            Step::Exists(predicate) => self.quantify_until(fold, predicate, true),
            Step::ExistsOne(predicate) => {
                let (mut count, mut failed) = (0_u64, None);
                self.each(fold, |machine| {
                    if machine.passes(predicate, &mut failed)? {
                        machine.charge(2)?;
                        count += 1;
                    }
                    Ok(false)
                })?;
                self.charge(2)?;
                failed.map_or(Ok(count == 1), Err)
            }
            _ => Err(NO_SUCH_OVERLOAD),
        }
    }

    fn quantify_until(
        &mut self,
        fold: &'d Fold,
        predicate: &'d Ir,
        decisive: bool,
    ) -> Result<bool, EvalError> {
        let mut failed = None;
        let stopped = self.each(fold, |machine| {
            machine.charge(if decisive { 4 } else { 3 })?;
            match machine.test(predicate) {
                Ok(value) => return Ok(value == decisive),
                Err(error) if error.is_absorbable() => failed = failed.take().or(Some(error)),
                Err(error) => return Err(error),
            }
            Ok(false)
        })?;
        if stopped == Some(true) {
            // Where an item is left, the condition of the loop is asked once more.
            self.charge(if decisive { 3 } else { 2 })?;
        }
        self.charge(1)?;
        match failed {
            _ if stopped.is_some() => Ok(decisive),
            Some(error) => Err(error),
            None => Ok(!decisive),
        }
    }

    #[inline(never)]
    pub(super) fn fold(&mut self, fold: &'d Fold) -> Outcome<'d> {
        let mut state = State::default();
        self.each(fold, |machine| machine.step(fold, &mut state).map(|()| false))?;
        self.charge(1)?;
        finish(fold, state)
    }

    fn current(&self, slot: u16) -> Value<'d> {
        match self.local(slot) {
            Local::Set(value) => value.clone(),
            _ => Value::Null,
        }
    }

    fn step(&mut self, fold: &'d Fold, state: &mut State<'d>) -> Result<(), EvalError> {
        match &fold.step {
            Step::All(_) | Step::Exists(_) | Step::ExistsOne(_) => {}
            Step::Filter(predicate) => {
                if self.passes(predicate, &mut state.failed)? {
                    self.charge(13)?;
                    state.items.push(self.current(fold.first));
                }
            }
            Step::Map { filter, transform } => {
                if self.passes_filter(filter.as_ref(), state)? && state.failed.is_none() {
                    let outcome = self.run(transform);
                    self.charge(if transform.as_const().is_some() { 2 } else { 12 })?;
                    match outcome {
                        Ok(value) => state.items.push(value),
                        Err(error) => self.fail(error, filter.is_some(), state)?,
                    }
                }
            }
            Step::TransformMap { filter, value } => {
                if self.passes_filter(filter.as_ref(), state)? && state.failed.is_none() {
                    let value = self.run(value)?;
                    self.charge(3)?;
                    insert(&mut state.map, &self.current(fold.first), value)?;
                }
            }
            Step::TransformMapEntry { filter, entry } => {
                if self.passes_filter(filter.as_ref(), state)? && state.failed.is_none() {
                    let entry = self.run(entry)?;
                    self.charge(2)?;
                    let entry = entry.as_map().ok_or(NO_SUCH_OVERLOAD)?;
                    for (key, value) in entry.iter() {
                        insert(&mut state.map, &key, value)?;
                    }
                }
            }
            Step::SortBy(key) => {
                let key = self.run(key)?;
                self.charge(12)?;
                state.keys.push(key);
                state.items.push(self.current(fold.first));
            }
        }
        Ok(())
    }

    /// An error of a transform ends an unfiltered `map`; a filtered one goes on, as a later condition may
    /// fail too.
    #[expect(clippy::unused_self, reason = "reads as the other steps")]
    fn fail(&self, error: EvalError, goes_on: bool, state: &mut State<'d>) -> Result<(), EvalError> {
        if !goes_on || !error.is_absorbable() {
            return Err(error);
        }
        state.failed = Some(error);
        Ok(())
    }

    fn passes_filter(&mut self, filter: Option<&'d Ir>, state: &mut State<'d>) -> Result<bool, EvalError> {
        filter.map_or(Ok(true), |filter| self.passes(filter, &mut state.failed))
    }

    /// Whether a condition holds; its error replaces the one before.
    fn passes(&mut self, predicate: &'d Ir, failed: &mut Option<EvalError>) -> Result<bool, EvalError> {
        match self.test(predicate) {
            Err(error) if error.is_absorbable() => {
                *failed = Some(error);
                Ok(false)
            }
            outcome => outcome,
        }
    }
}

fn insert<'d>(map: &mut MapValue<'d>, key: &Value<'d>, value: Value<'d>) -> Result<(), EvalError> {
    let Some(key) = Key::of(key) else { return Err(NO_SUCH_OVERLOAD) };
    if map.get(&key).is_some() {
        let text = go_display(&key.to_value());
        return Err(EvalError::failed(format!("insert failed: key {text} already exists")));
    }
    map.insert(key, value);
    Ok(())
}

fn finish<'d>(fold: &'d Fold, state: State<'d>) -> Outcome<'d> {
    if let Some(error) = state.failed {
        return Err(error);
    }
    Ok(match &fold.step {
        Step::TransformMap { .. } | Step::TransformMapEntry { .. } => Value::Map(Rc::new(state.map)),
        Step::SortBy(_) => sort_by_keys(state.items, &state.keys)?,
        _ => Value::list(state.items),
    })
}
