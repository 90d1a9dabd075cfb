//! An apply configuration, merged into an object as server-side apply merges it.
//!
//! As `sigs.k8s.io/structured-merge-diff/v6/typed` (`merge.go`): nothing is removed, of scalars and of what is atomic the patch's value
//! stays, the items of keyed lists merge with those of the same key and take the patch's order. What an object has that its shape does not
//! know is kept: servers newer than the table may have such fields.

use std::collections::VecDeque;

use serde_json::Value;

use super::Shapes;
use super::schema::{List, Relation, Resolved, Shape};
use super::typed::{self, Key, field, key_of};

/// What happens to lists, maps and structs that are replaced as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atomics {
    /// A patch that has some is refused, as mutating admission policies do.
    Refused,
    /// They are replaced, as server-side apply does.
    Replaced,
}

/// The object with the patch applied.
///
/// # Errors
/// Why the patch does not fit, in the API server's words.
pub(crate) fn apply(
    shapes: &Shapes,
    object: &Value,
    patch: &Value,
    atomics: Atomics,
) -> Result<Value, String> {
    let faults = typed::faults(&shapes.root, patch);
    if !faults.is_empty() {
        return Err(format!("failed to convert patch object to typed object: {}", joined(&faults)));
    }
    if atomics == Atomics::Refused {
        let found = typed::atomics(&shapes.root, patch);
        if !found.is_empty() {
            return Err(format!(
                "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}",
                found.join(", ")
            ));
        }
    }
    merge(&shapes.root, Some(object), Some(patch)).map_err(|fault| format!("failed to merge patch: {fault}"))
}

/// Several errors as the library prints them.
fn joined(faults: &[String]) -> String {
    match faults {
        [one] => one.clone(),
        several => format!("errors:\n  {}", several.join("\n  ")),
    }
}

/// At least one of the two is there.
fn merge(shape: &Shape, live: Option<&Value>, patch: Option<&Value>) -> Result<Value, String> {
    let (Some(live), Some(patch)) = (live, patch) else {
        return Ok(live.or(patch).cloned().unwrap_or_default());
    };
    match (shape.resolve(), live, patch) {
        (Resolved::Map { is_atomic: false, map }, Value::Object(live), Value::Object(patch)) => {
            fields(live, patch, |name| field(map, name).unwrap_or(&Shape::Unknown))
        }
        (Resolved::Anything | Resolved::Unknown, Value::Object(live), Value::Object(patch)) => {
            fields(live, patch, |_| shape)
        }
        (Resolved::Map { .. }, live, Value::Null) if live.is_object() => Ok(live.clone()),
        (Resolved::List(_), live, Value::Null) if live.is_array() => Ok(live.clone()),
        (Resolved::List(list), Value::Array(live), Value::Array(patch))
            if list.relation != Relation::Atomic && !(live.is_empty() && patch.is_empty()) =>
        {
            items(list, live, patch)
        }
        _ => Ok(patch.clone()),
    }
}

type Fields = serde_json::Map<String, Value>;

fn fields<'s>(live: &Fields, patch: &Fields, shape: impl Fn(&str) -> &'s Shape) -> Result<Value, String> {
    let mut merged = live.clone();
    for (name, value) in patch {
        let value =
            merge(shape(name), live.get(name), Some(value)).map_err(|e| below(&format!(".{name}"), &e))?;
        merged.insert(name.clone(), value);
    }
    Ok(Value::Object(merged))
}

/// An error's text with one more step before its path.
fn below(step: &str, error: &str) -> String {
    if error.starts_with(['.', '[']) { format!("{step}{error}") } else { format!("{step}: {error}") }
}

/// Items with their keys, and the key of each.
struct Indexed<'v> {
    keys: Vec<Key>,
    items: &'v [Value],
}

impl<'v> Indexed<'v> {
    fn new(list: &List, items: &'v [Value]) -> Result<Self, String> {
        let key = |(at, item)| key_of(list, item).map_err(|error| format!("element {at}: {error}"));
        Ok(Self { keys: items.iter().enumerate().map(key).collect::<Result<_, _>>()?, items })
    }

    fn has(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }

    /// The item of a key, if there is exactly one.
    fn get(&self, key: &Key) -> Option<&'v Value> {
        let mut found = self.keys.iter().zip(self.items).filter(|(known, _)| *known == key);
        let (_, item) = found.next()?;
        found.next().is_none().then_some(item)
    }
}

/// Merges keyed lists. Items that both have stand in the patch's order; those of the object alone keep their place before what followed
/// them.
fn items(list: &List, live: &[Value], patch: &[Value]) -> Result<Value, String> {
    let (live, patch) = (Indexed::new(list, live)?, Indexed::new(list, patch)?);
    let mut shared: VecDeque<&Key> = patch.keys.iter().filter(|key| live.has(key)).collect();
    let mut next_shared = shared.pop_front();
    let (mut merged, mut done): (Vec<Value>, Vec<&Key>) = (Vec::new(), Vec::new());
    let join = |key: &Key, live: Option<&Value>, patch: Option<&Value>| {
        merge(&list.items, live, patch).map_err(|error| below(&key.to_string(), &error))
    };
    let (mut l, mut p) = (0, 0);
    while l < live.keys.len() || p < patch.keys.len() {
        if let (Some(mine), Some(theirs)) = (live.keys.get(l), patch.keys.get(p)) {
            if mine == theirs {
                done.push(mine);
                merged.push(join(mine, live.get(mine), patch.get(mine))?);
                (l, p) = (l + 1, p + 1);
                next_shared = shared.pop_front();
                continue;
            }
            if patch.has(mine) && next_shared.is_some_and(|next| next != mine) {
                l += 1;
                continue;
            }
        }
        if let Some(mine) = live.keys.get(l) {
            if !patch.has(mine) {
                merged.push(join(mine, live.items.get(l), None)?);
                l += 1;
                continue;
            }
            if done.contains(&mine) {
                l += 1;
            }
        }
        if let Some(theirs) = patch.keys.get(p) {
            done.push(theirs);
            merged.push(join(theirs, live.get(theirs), patch.get(theirs))?);
            p += 1;
            if next_shared == Some(theirs) {
                next_shared = shared.pop_front();
            }
        }
    }
    Ok(Value::Array(merged))
}
