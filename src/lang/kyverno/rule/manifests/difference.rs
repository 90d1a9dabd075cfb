//! In which fields an object differs from its signed manifest, as `k8s-manifest-sigstore` compares (`pkg/util/mapnode`).

use std::collections::BTreeMap;

use crate::document::{Kind, Map, Node, Text, Value};

/// One field whose values differ; `None` where there is none.
#[derive(Debug)]
pub(super) struct Difference<'d> {
    key: String,
    before: Option<Node<'d>>,
    after: Option<Node<'d>>,
}

/// The fields that differ, by key, without those that are ignored. `manifest` is what was signed.
pub(super) fn differences<'d>(
    manifest: Node<'d>,
    object: Node<'d>,
    is_ignored: impl Fn(&str) -> bool,
) -> Vec<Difference<'d>> {
    let mut before = BTreeMap::new();
    let mut after = BTreeMap::new();
    leaves(manifest, "", &mut before);
    leaves(object, "", &mut after);
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let values = |key: &String| (before.get(key).copied(), after.get(key).copied());
    let all: Vec<Difference<'_>> = keys
        .into_iter()
        .map(|key| (key, values(key)))
        .filter(|(_, values)| !matches!(values, (Some(a), Some(b)) if a.equals(*b)))
        .map(|(key, (before, after))| Difference { key: key.clone(), before, after })
        .collect();
    let is_moved: Vec<bool> = all.iter().map(|own| all.iter().any(|other| own.is_moved_to(other))).collect();
    let kept = all.into_iter().zip(is_moved).filter(|(own, is_moved)| !is_moved && !is_ignored(&own.key));
    kept.map(|(own, _)| own).collect()
}

/// The differences as the reference prints them.
pub(super) fn print(differences: &[Difference<'_>]) -> String {
    let items = differences.iter().map(|difference| {
        let (before, after) = difference.shown();
        let values = map([("after", after), ("before", before)]);
        map([("key", Value::borrowed(&difference.key)), ("values", values)])
    });
    map([("items", Value::list(items.collect()))]).to_json()
}

fn map<'d, const N: usize>(entries: [(&'static str, Value<'d>); N]) -> Value<'d> {
    let mut map = Map::new();
    for (key, value) in entries {
        map.insert(Text::Borrowed(key), value);
    }
    Value::map(map)
}

/// The values that hold no others, by their keys with dots between them. Nothing, like an empty list or map, is no value.
fn leaves<'d>(node: Node<'d>, path: &str, into: &mut BTreeMap<String, Node<'d>>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match node.kind() {
        Kind::Null => {}
        Kind::Object => node.entries().for_each(|(key, value)| leaves(value, &below(key), into)),
        Kind::Array => {
            let items = node.items().enumerate();
            items.for_each(|(index, item)| leaves(item, &below(&index.to_string()), into));
        }
        _ => {
            into.insert(path.to_owned(), node);
        }
    }
}

impl<'d> Difference<'d> {
    /// Whether the value only moved within its list: the other one has it at the same place of another item.
    fn is_moved_to(&self, other: &Self) -> bool {
        let values = (self.before, self.after, other.before, other.after);
        let ((Some(own), None, None, Some(its)) | (None, Some(own), Some(its), None)) = values else {
            return false;
        };
        let shape = |key: &str| -> Vec<String> {
            key.split('.').map(|step| if is_index(step) { "#".to_owned() } else { step.to_owned() }).collect()
        };
        // The last step is no item of a list of maps.
        let has_item =
            self.key.rsplit_once('.').is_some_and(|(above, _)| above.split('.').skip(1).any(is_index));
        has_item && own.equals(its) && shape(&self.key) == shape(&other.key)
    }

    /// The values, or what they are where their types differ.
    fn shown(&self) -> (Value<'d>, Value<'d>) {
        let value = |node: Option<Node<'d>>| node.map_or(Value::Null, Value::from);
        match (self.before, self.after) {
            (Some(before), Some(after)) if type_of(before) != type_of(after) => {
                (Value::owned(typed(before)), Value::owned(typed(after)))
            }
            (before, after) => (value(before), value(after)),
        }
    }
}

fn is_index(step: &str) -> bool {
    !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())
}

/// The Go type of a value.
fn type_of(node: Node<'_>) -> &'static str {
    match node.kind() {
        Kind::Bool => "bool",
        Kind::Int | Kind::Float => "float64",
        _ => "string",
    }
}

/// A value as Go prints it with `(type: %T) %s`.
fn typed(node: Node<'_>) -> String {
    let kind = type_of(node);
    match node.as_str() {
        Some(text) => format!("(type: {kind}) {text}"),
        None => format!("(type: {kind}) %!s({kind}={})", node.to_json()),
    }
}
