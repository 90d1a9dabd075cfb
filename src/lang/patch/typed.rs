//! Whether a patch fits the shape of its object, and what of it would replace more than it says.
//!
//! As `sigs.k8s.io/structured-merge-diff/v6/typed` (`validate.go`) and `findAtomics` of the API server's `patch/smd.go`, with their texts.

use serde_json::Value;

use super::schema::{Field, List, Map, Relation, Resolved, Scalar, Shape};

/// What tells an item of a list apart from its siblings.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    /// The values of key fields, sorted by name.
    Fields(Vec<(Box<str>, Value)>),
    /// The item itself.
    Value(Value),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fields(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", fields.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
        }
    }
}

/// The key of an item.
///
/// # Errors
/// Why it has none.
pub(super) fn key_of(list: &List, item: &Value) -> Result<Key, String> {
    let refused = |text: &str| Err(text.to_owned());
    let keys = match &list.relation {
        Relation::Keyed(keys) => keys,
        Relation::Set => {
            return match item {
                Value::Object(_) => refused("associative list without keys has an element that's a map type"),
                Value::Array(_) => refused("not supported: associative list with lists as elements"),
                Value::Null => {
                    refused("associative list without keys has an element that's an explicit null")
                }
                scalar => Ok(Key::Value(scalar.clone())),
            };
        }
        Relation::Atomic => return refused("invalid indexing of non-associative list"),
    };
    let item = match item {
        Value::Object(item) => item,
        Value::Null => return refused("associative list with keys may not have a null element"),
        _ => return refused("associative list with keys may not have non-map elements"),
    };
    let default = |key: &str| match list.items.resolve() {
        Resolved::Map { map, .. } => map.fields.get(key).and_then(|field| field.default.clone()),
        _ => None,
    };
    let mut fields: Vec<(Box<str>, Value)> = keys
        .iter()
        .filter_map(|key| Some((key.clone(), item.get(&**key).cloned().or_else(|| default(key))?)))
        .collect();
    if fields.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values \
             for any key fields)",
            keys.join(" ")
        ));
    }
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Key::Fields(fields))
}

/// The shape of a map's field; `None` if it has no such field.
pub(super) fn field<'s>(map: &'s Map, name: &str) -> Option<&'s Shape> {
    map.fields.get(name).map(|Field { shape, .. }| shape).or(map.others.as_ref())
}

/// What is wrong with a patch, one line each, with its place.
pub(super) fn faults(shape: &Shape, patch: &Value) -> Vec<String> {
    let mut faults = Faults::default();
    faults.visit(shape, patch);
    faults.found
}

#[derive(Default)]
struct Faults {
    path: String,
    found: Vec<String>,
}

impl Faults {
    fn note(&mut self, text: &str) {
        let path = &self.path;
        self.found.push(if path.is_empty() { text.to_owned() } else { format!("{path}: {text}") });
    }

    fn below(&mut self, step: &str, visit: impl FnOnce(&mut Self)) {
        let len = self.path.len();
        self.path.push_str(step);
        visit(self);
        self.path.truncate(len);
    }

    fn visit(&mut self, shape: &Shape, value: &Value) {
        match (shape.resolve(), value) {
            (Resolved::Anything | Resolved::Whole | Resolved::Unknown, value) if !value.is_null() => {}
            (Resolved::Scalar(scalar), value) => self.scalar(scalar, value),
            (Resolved::List(list), Value::Array(items)) => self.list(list, items),
            (Resolved::List(_), other) => self.note(&format!("expected list, got {}", go_value(other))),
            (Resolved::Map { map, .. }, Value::Object(fields)) => {
                for (name, value) in fields {
                    self.below(&format!(".{name}"), |faults| match field(map, name) {
                        Some(shape) => faults.visit(shape, value),
                        None => faults.note("field not declared in schema"),
                    });
                }
            }
            (_, other) => self.note(&format!("expected map, got {}", go_value(other))),
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) {
        let fits = match scalar {
            Scalar::String => value.is_string(),
            Scalar::Number => value.is_number(),
            Scalar::Bool => value.is_boolean(),
            Scalar::Any => value.is_string() || value.is_number() || value.is_boolean(),
        };
        if fits {
            return;
        }
        let got = go_value(value);
        self.note(&match scalar {
            Scalar::String => {
                let inner = got.trim_start_matches("&{").trim_end_matches('}');
                let inner = if value.is_null() { "0" } else { inner };
                format!("expected string, got &value.valueUnstructured{{Value:{inner}}}")
            }
            Scalar::Number => format!("expected numeric (int or float), got {}", go_type(value)),
            Scalar::Bool => format!("expected boolean, got {got}"),
            Scalar::Any => format!("expected any scalar, got {got}"),
        });
    }

    fn list(&mut self, list: &List, items: &[Value]) {
        let mut seen: Vec<Key> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let step = match (&list.relation, key_of(list, item)) {
                (Relation::Atomic, _) => format!("[{at}]"),
                (_, Ok(key)) => {
                    let step = key.to_string();
                    if seen.contains(&key) {
                        self.note(&format!("duplicate entries for key {step}"));
                    }
                    seen.push(key);
                    step
                }
                (_, Err(error)) => {
                    self.note(&format!("element {at}: {error}"));
                    return;
                }
            };
            self.below(&step, |faults| faults.visit(&list.items, item));
        }
    }
}

/// A value as Go prints one that an interface of the library holds.
fn go_value(value: &Value) -> String {
    format!("&{{{}}}", go_inner(value))
}

fn go_inner(value: &Value) -> String {
    match value {
        Value::Null => "NULL_VALUE".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_inner).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}:{}", go_inner(value))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "structpb.NullValue",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The places of a patch where a list, map or struct is replaced as a whole.
pub(super) fn atomics(shape: &Shape, patch: &Value) -> Vec<String> {
    let mut found = Vec::new();
    find_atomics(shape, patch, &mut String::new(), &mut found);
    found
}

fn find_atomics(shape: &Shape, value: &Value, path: &mut String, found: &mut Vec<String>) {
    let len = path.len();
    match (shape.resolve(), value) {
        (Resolved::Map { map, is_atomic }, Value::Object(fields)) => {
            if is_atomic {
                found.push(path.clone());
            }
            for (name, value) in fields {
                let below = map.fields.get(name.as_str()).map(|field| &field.shape);
                let below = below.or(map.others.as_ref().filter(|others| matches!(others, Shape::Unknown)));
                if let Some(shape) = below {
                    path.push('.');
                    path.push_str(name);
                    find_atomics(shape, value, path, found);
                    path.truncate(len);
                }
            }
        }
        (Resolved::Unknown, Value::Object(fields)) => {
            for (name, value) in fields {
                path.push('.');
                path.push_str(name);
                find_atomics(shape, value, path, found);
                path.truncate(len);
            }
        }
        (Resolved::List(list), Value::Array(items)) => {
            if list.relation == Relation::Atomic {
                found.push(path.clone());
            }
            for (at, item) in items.iter().enumerate() {
                path.extend(["[", &at.to_string(), "]"]);
                find_atomics(&list.items, item, path, found);
                path.truncate(len);
            }
        }
        (Resolved::Anything | Resolved::Whole | Resolved::Unknown, Value::Array(_))
        | (Resolved::Whole, Value::Object(_)) => found.push(path.clone()),
        _ => {}
    }
}
