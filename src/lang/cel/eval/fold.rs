//! Comprehensions, with cel-go's rules of which error survives.
//!
//! `all` and `exists` keep the first error and go on for a deciding item; `exists_one`, `filter` and a
//! filtered `map` keep the last error of their condition; everything else ends at its first error.

use std::rc::Rc;

use super::super::error::{EvalError, NO_SUCH_OVERLOAD};
use super::super::ir::{Fold, Ir, Step};
use super::super::value::{Key, List, Map, MapValue, Value, go_display};
use super::{Local, Machine, Outcome};
use crate::lang::cel::library::lists::sort_by_keys;

/// What Go's `%T` prints for a value that cannot be iterated.
fn go_type(value: &Value<'_>) -> &'static str {
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

/// What one item did.
enum Flow<'d> {
    Next,
    Done(Value<'d>),
}

/// What a comprehension has so far.
struct State<'d> {
    failed: Option<EvalError>,
    count: u64,
    items: Vec<Value<'d>>,
    keys: Vec<Value<'d>>,
    map: MapValue<'d>,
}

impl<'d> Machine<'_, 'd> {
    #[inline(never)]
    pub(super) fn fold(&mut self, fold: &'d Fold) -> Outcome<'d> {
        let range = self.run(&fold.range)?;
        let mut state =
            State { failed: None, count: 0, items: Vec::new(), keys: Vec::new(), map: MapValue::default() };
        let done = if let Some(list) = range.as_list() {
            self.fold_list(fold, &list, &mut state)?
        } else if let Some(map) = range.as_map() {
            self.fold_map(fold, &map, &mut state)?
        } else if fold.second.is_some() {
            return Err(EvalError::failed(format!(
                "unsupported comprehension range type: {}",
                go_type(&range)
            )));
        } else {
            return Err(EvalError::failed(format!("got '{}', expected iterable type", go_type(&range))));
        };
        self.charge(if matches!(fold.step, Step::ExistsOne(_)) { 2 } else { 1 })?;
        match done {
            Some(value) => Ok(value),
            None => finish(fold, state),
        }
    }

    fn fold_list(
        &mut self,
        fold: &'d Fold,
        list: &List<'d>,
        state: &mut State<'d>,
    ) -> Result<Option<Value<'d>>, EvalError> {
        for (index, item) in list.iter().enumerate() {
            if let Some(second) = fold.second {
                let index = i64::try_from(index).unwrap_or(i64::MAX);
                self.set_local(fold.first, Local::Set(Value::Int(index)));
                self.set_local(second, Local::Set(item));
            } else {
                self.set_local(fold.first, Local::Set(item));
            }
            if let Flow::Done(value) = self.step(fold, state)? {
                return self.decided(fold, value, index + 1 < list.len());
            }
        }
        Ok(None)
    }

    /// Ends a quantifier; where an item is left, its condition is asked once more.
    fn decided(
        &mut self,
        fold: &'d Fold,
        value: Value<'d>,
        is_item_left: bool,
    ) -> Result<Option<Value<'d>>, EvalError> {
        if is_item_left {
            self.charge(if matches!(fold.step, Step::Exists(_)) { 3 } else { 2 })?;
        }
        Ok(Some(value))
    }

    fn fold_map(
        &mut self,
        fold: &'d Fold,
        map: &Map<'d>,
        state: &mut State<'d>,
    ) -> Result<Option<Value<'d>>, EvalError> {
        for (index, (key, value)) in map.iter().enumerate() {
            self.set_local(fold.first, Local::Set(key));
            if let Some(second) = fold.second {
                self.set_local(second, Local::Set(value));
            }
            if let Flow::Done(value) = self.step(fold, state)? {
                return self.decided(fold, value, index + 1 < map.len());
            }
        }
        Ok(None)
    }

    fn current(&self, slot: u16) -> Value<'d> {
        match self.local(slot) {
            Local::Set(value) => value.clone(),
            _ => Value::Null,
        }
    }

    fn step(&mut self, fold: &'d Fold, state: &mut State<'d>) -> Result<Flow<'d>, EvalError> {
        match &fold.step {
            Step::All(predicate) => self.quantify(predicate, false, state),
            Step::Exists(predicate) => self.quantify(predicate, true, state),
            Step::ExistsOne(predicate) => {
                if self.passes(predicate, state)? {
                    self.charge(2)?;
                    state.count += 1;
                }
                Ok(Flow::Next)
            }
            Step::Filter(predicate) => {
                if self.passes(predicate, state)? {
                    self.charge(13)?;
                    state.items.push(self.current(fold.first));
                }
                Ok(Flow::Next)
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
                Ok(Flow::Next)
            }
            Step::TransformMap { filter, value } => {
                if self.passes_filter(filter.as_ref(), state)? && state.failed.is_none() {
                    let value = self.run(value)?;
                    self.charge(3)?;
                    insert(&mut state.map, &self.current(fold.first), value)?;
                }
                Ok(Flow::Next)
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
                Ok(Flow::Next)
            }
            Step::SortBy(key) => {
                let key = self.run(key)?;
                self.charge(12)?;
                state.keys.push(key);
                state.items.push(self.current(fold.first));
                Ok(Flow::Next)
            }
        }
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

    fn quantify(
        &mut self,
        predicate: &'d Ir,
        decisive: bool,
        state: &mut State<'d>,
    ) -> Result<Flow<'d>, EvalError> {
        self.charge(if decisive { 4 } else { 3 })?;
        match self.run(predicate) {
            Ok(Value::Bool(value)) if value == decisive => return Ok(Flow::Done(Value::Bool(decisive))),
            Ok(Value::Bool(_)) => {}
            Ok(_) => state.failed = state.failed.take().or(Some(NO_SUCH_OVERLOAD)),
            Err(error) if error.is_absorbable() => state.failed = state.failed.take().or(Some(error)),
            Err(error) => return Err(error),
        }
        Ok(Flow::Next)
    }

    fn passes_filter(&mut self, filter: Option<&'d Ir>, state: &mut State<'d>) -> Result<bool, EvalError> {
        filter.map_or(Ok(true), |filter| self.passes(filter, state))
    }

    /// Whether a condition holds; its error replaces the one before.
    fn passes(&mut self, predicate: &'d Ir, state: &mut State<'d>) -> Result<bool, EvalError> {
        match self.run(predicate) {
            Ok(Value::Bool(value)) => return Ok(value),
            Ok(_) => state.failed = Some(NO_SUCH_OVERLOAD),
            Err(error) if error.is_absorbable() => state.failed = Some(error),
            Err(error) => return Err(error),
        }
        Ok(false)
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
        Step::All(_) => Value::Bool(true),
        Step::Exists(_) => Value::Bool(false),
        Step::ExistsOne(_) => Value::Bool(state.count == 1),
        Step::Filter(_) | Step::Map { .. } => Value::list(state.items),
        Step::TransformMap { .. } | Step::TransformMapEntry { .. } => Value::Map(Rc::new(state.map)),
        Step::SortBy(_) => sort_by_keys(state.items, &state.keys)?,
    })
}
