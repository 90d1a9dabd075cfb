//! The variable `request` and what is derived from it, with the values that a test gives on top.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::{Document, Map, Text, Value};
use crate::lang::{Inputs, Operation};

use super::super::arena::Arena;

type Given = BTreeMap<String, Arc<Document>>;

/// The variable `request`: what Kyverno's background scan puts there, which is less than an admission request holds.
pub(super) fn value<'d>(inputs: &'d Inputs<'d>, arena: &'d Arena) -> Value<'d> {
    let request = inputs.request;
    let mut map = Map::new();
    if request.operation == Operation::Delete {
        let old = request.old_object.as_ref().map_or_else(|| inputs.object(), |old| old.root());
        map.insert(Text::Borrowed("oldObject"), old.into());
    } else {
        map.insert(Text::Borrowed("object"), inputs.object().into());
        if let Some(old) = &request.old_object {
            map.insert(Text::Borrowed("oldObject"), old.root().into());
        }
    }
    map.insert(Text::Borrowed("namespace"), Value::borrowed(&inputs.resource.key.namespace));
    map.insert(Text::Borrowed("operation"), Value::borrowed(request.operation.as_str()));
    if let Some(user) = &request.user {
        for (key, value) in user.root().entries() {
            map.insert(Text::Borrowed(key), value.into());
        }
    }
    let mut value = Value::map(map);
    for (name, document) in &request.given {
        if let Some(path) = name.strip_prefix("request.") {
            let steps: Vec<&str> = path.split('.').collect();
            value = with(&value, &steps, &arena.json_value(document.root().into()));
        }
    }
    value
}

/// The operation, which a test can give.
pub(super) fn operation<'d>(inputs: &'d Inputs<'_>) -> &'d str {
    let given = &inputs.request.given;
    let given = if given.is_empty() { None } else { given.get("request.operation") };
    given.and_then(|document| document.root().as_str()).unwrap_or(inputs.request.operation.as_str())
}

/// A variable that a test gives, as a whole or by dotted names below it.
pub(super) fn given<'d>(given: &'d Given, name: &str, arena: &'d Arena) -> Option<Value<'d>> {
    let mut value = given.get(name).map(|document| arena.json_value(document.root().into()));
    for (dotted, document) in given {
        if let Some(path) = dotted.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) {
            let steps: Vec<&str> = path.split('.').collect();
            let base = value.unwrap_or_else(|| Value::map(Map::new()));
            value = Some(with(&base, &steps, &arena.json_value(document.root().into())));
        }
    }
    value
}

/// The value with another one put at a path.
fn with<'d>(base: &Value<'d>, steps: &[&'d str], value: &Value<'d>) -> Value<'d> {
    let Some((step, rest)) = steps.split_first() else { return value.clone() };
    let mut map: Map<'d> = base.entries().unwrap_or_default().into_iter().collect();
    let below = map.remove(*step).unwrap_or_else(|| Value::map(Map::new()));
    map.insert(Text::Borrowed(step), with(&below, rest, value));
    Value::map(map)
}

/// `serviceAccountName` and `serviceAccountNamespace`: there when the request has a user, empty if the user is no service account.
pub(super) fn service_account<'d>(inputs: &'d Inputs<'d>, name: &str) -> Option<Value<'d>> {
    let user = inputs.request.user.as_ref()?.root().path(&["userInfo", "username"])?.as_str().unwrap_or("");
    let account = user.strip_prefix("system:serviceaccount:").unwrap_or("");
    let (namespace, rest) = account.split_once(':').unwrap_or(("", ""));
    let account_name = rest.split(':').next().unwrap_or("");
    Some(Value::borrowed(if name == "serviceAccountName" { account_name } else { namespace }))
}
