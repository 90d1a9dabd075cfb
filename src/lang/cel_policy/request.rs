//! `request`, as expressions see it: the admission request that an evaluation stands for, in its JSON form, where empty fields are absent.

use super::environment::Dialect;
use super::frame::key;
use crate::document::Node;
use crate::lang::Inputs;
use crate::lang::cel::{Key, Text, Value};

/// The value of `request`, whose kind is served under that plural. To the API server a Namespace is in itself; the reference's scans say that it is in none.
pub(super) fn request<'d>(inputs: &'d Inputs<'d>, dialect: Dialect, plural: &str) -> Value<'d> {
    let resource = &inputs.resource;
    let kind = || {
        let kind = Value::borrowed(resource.key.kind.as_str());
        group_version(inputs, "kind", kind)
    };
    let of_plural = || group_version(inputs, "resource", Value::string(plural));
    let mut fields = vec![
        (key("uid"), Value::borrowed("")),
        (key("kind"), kind()),
        (key("resource"), of_plural()),
        (key("requestKind"), kind()),
        (key("requestResource"), of_plural()),
        (key("operation"), Value::borrowed(inputs.request.operation.as_str())),
        (key("userInfo"), user(inputs)),
        (key("object"), Value::from(inputs.object())),
        (key("oldObject"), Value::Null),
        (key("dryRun"), Value::Bool(false)),
        (key("options"), Value::Null),
    ];
    let is_own = dialect.is_admission() && resource.key.is_namespace();
    let namespace = if is_own { &resource.key.name } else { &resource.key.namespace };
    for (name, value) in [
        ("name", &resource.key.name),
        ("namespace", namespace),
        ("subResource", &inputs.request.subresource),
        ("requestSubResource", &inputs.request.subresource),
    ] {
        if !value.is_empty() {
            fields.push((key(name), Value::borrowed(value)));
        }
    }
    if let Some(old) = &inputs.request.old_object {
        fields.push((key("oldObject"), Value::from(old.root())));
    }
    Value::map(fields)
}

fn group_version<'d>(inputs: &'d Inputs<'d>, name: &'static str, value: Value<'d>) -> Value<'d> {
    Value::map(vec![
        (key("group"), Value::borrowed(inputs.resource.key.group.as_str())),
        (key("version"), Value::borrowed(inputs.resource.version.as_str())),
        (key(name), value),
    ])
}

fn user<'d>(inputs: &'d Inputs<'d>) -> Value<'d> {
    let user = inputs.request.user.as_ref().and_then(|user| user.root().get("userInfo"));
    let fields = user.into_iter().flat_map(Node::entries);
    let fields = fields.filter(|(_, value)| !value.is_null());
    let to_field =
        |(name, value): (&'d str, Node<'d>)| (Key::String(Text::Borrowed(name)), Value::from(value));
    Value::map(fields.map(to_field).collect())
}

/// A namespace of which only the name is known, as the reference makes one up where there is no cluster.
pub(super) fn namespace_named(name: &str) -> Value<'_> {
    Value::map(vec![
        (key("metadata"), Value::map(vec![(key("name"), Value::borrowed(name))])),
        (key("spec"), Value::map(Vec::new())),
        (key("status"), Value::map(Vec::new())),
    ])
}
