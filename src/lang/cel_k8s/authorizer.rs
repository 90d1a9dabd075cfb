//! `authorizer` and its checks (`pkg/cel/library/authz.go`).
//!
//! A check is answered by the surroundings:
//! [`Activation::call_host`](crate::lang::cel::Activation::call_host) is asked for [`CHECK`] with one map
//! (`user`, `path` or `group`, `resource`, `subresource`, `namespace`, `name`, `verb`, selectors) and answers
//! with a map of `allowed`, `reason` and, if the check itself failed, `error`.

use crate::lang::cel::{Context, Entry, EvalError, Key, Opaque, Text, Value};

use super::arguments::{own, text};
use super::costs;

/// The name of the function that the surroundings answer.
pub const CHECK: &str = "authorizer.check";

const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "path",
        "authorizer_path",
        "kubernetes.authorization.Authorizer.(string) -> kubernetes.authorization.PathCheck",
        |_, args| {
            let path = text(args, 1)?;
            if path.trim().is_empty() {
                return Err(EvalError::Fixed("path must not be empty"));
            }
            step(args, PATH, "path", path)
        },
    ),
    Entry::new(
        "group",
        "authorizer_group",
        "kubernetes.authorization.Authorizer.(string) -> kubernetes.authorization.GroupCheck",
        |_, args| step(args, GROUP, "group", text(args, 1)?),
    ),
    Entry::new(
        "serviceAccount",
        "authorizer_serviceaccount",
        "kubernetes.authorization.Authorizer.(string, string) -> kubernetes.authorization.Authorizer",
        service_account,
    ),
    Entry::new(
        "resource",
        "groupcheck_resource",
        "kubernetes.authorization.GroupCheck.(string) -> kubernetes.authorization.ResourceCheck",
        |_, args| {
            let resource = text(args, 1)?;
            if resource.trim().is_empty() {
                return Err(EvalError::Fixed("resource must not be empty"));
            }
            step(args, RESOURCE, "resource", resource)
        },
    ),
    resource_step("subresource", |_, args| step(args, RESOURCE, "subresource", text(args, 1)?)),
    resource_step("namespace", |_, args| step(args, RESOURCE, "namespace", text(args, 1)?)),
    resource_step("name", |_, args| step(args, RESOURCE, "name", text(args, 1)?)),
    Entry::new(
        "check",
        "pathcheck_check",
        "kubernetes.authorization.PathCheck.(string) -> kubernetes.authorization.Decision",
        check,
    )
    .costing(costs::check)
    .volatile(),
    Entry::new(
        "check",
        "resourcecheck_check",
        "kubernetes.authorization.ResourceCheck.(string) -> kubernetes.authorization.Decision",
        check,
    )
    .costing(costs::check)
    .volatile(),
    Entry::new("errored", "decision_errored", "kubernetes.authorization.Decision.() -> bool", |_, args| {
        Ok(Value::Bool(own::<Decision>(args, 0)?.error.is_some()))
    }),
    Entry::new("error", "decision_error", "kubernetes.authorization.Decision.() -> string", |_, args| {
        Ok(Value::string(own::<Decision>(args, 0)?.error.as_deref().unwrap_or("")))
    }),
    Entry::new("allowed", "decision_allowed", "kubernetes.authorization.Decision.() -> bool", |_, args| {
        Ok(Value::Bool(own::<Decision>(args, 0)?.is_allowed))
    }),
    Entry::new("reason", "decision_reason", "kubernetes.authorization.Decision.() -> string", |_, args| {
        Ok(Value::string(own::<Decision>(args, 0)?.reason.as_str()))
    }),
];

pub(super) const SELECTORS: &[Entry] = &[
    resource_step("fieldSelector", |_, args| step(args, RESOURCE, "fieldSelector", text(args, 1)?))
        .costing(costs::selector),
    resource_step("labelSelector", |_, args| step(args, RESOURCE, "labelSelector", text(args, 1)?))
        .costing(costs::selector),
];

const PATH: &str = "kubernetes.authorization.PathCheck";
const GROUP: &str = "kubernetes.authorization.GroupCheck";
const RESOURCE: &str = "kubernetes.authorization.ResourceCheck";

const fn resource_step(name: &'static str, native: crate::lang::cel::Native) -> Entry {
    let signature =
        "kubernetes.authorization.ResourceCheck.(string) -> kubernetes.authorization.ResourceCheck";
    Entry::new(name, name, signature, native)
}

/// An authorizer or a check under construction: its type and what was said so far.
#[derive(Clone, Debug)]
struct Authorizer {
    type_name: &'static str,
    said: Vec<(&'static str, String)>,
}

/// What a check found.
#[derive(Debug)]
struct Decision {
    is_allowed: bool,
    reason: String,
    error: Option<String>,
}

impl Opaque for Authorizer {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, _other: &dyn Opaque) -> bool {
        false
    }
}

impl Opaque for Decision {
    fn type_name(&self) -> &'static str {
        "kubernetes.authorization.Decision"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, _other: &dyn Opaque) -> bool {
        false
    }
}

/// The value of the variable `authorizer`.
pub fn authorizer<'d>() -> Value<'d> {
    Value::opaque(Authorizer { type_name: AUTHORIZER, said: Vec::new() })
}

/// The value of the variable `authorizer.requestResource`: a check of the resource itself.
pub fn request_resource<'d>(group: &str, resource: &str, namespace: &str, name: &str) -> Value<'d> {
    let said = vec![
        ("group", group.to_owned()),
        ("resource", resource.to_owned()),
        ("namespace", namespace.to_owned()),
        ("name", name.to_owned()),
    ];
    Value::opaque(Authorizer { type_name: RESOURCE, said })
}

fn step<'d>(
    args: &[Value<'d>],
    type_name: &'static str,
    key: &'static str,
    value: &str,
) -> Result<Value<'d>, EvalError> {
    let mut next = own::<Authorizer>(args, 0)?.clone();
    next.type_name = type_name;
    next.said.retain(|(known, _)| *known != key);
    next.said.push((key, value.to_owned()));
    Ok(Value::opaque(next))
}

fn service_account<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let (namespace, name) = (text(args, 1)?, text(args, 2)?);
    if !super::format::is_subdomain(name)? {
        return Err(EvalError::Fixed("Invalid service account name"));
    }
    if !super::format::is_label(namespace)? {
        return Err(EvalError::Fixed("Invalid service account namespace"));
    }
    step(args, AUTHORIZER, "user", &format!("system:serviceaccount:{namespace}:{name}"))
}

fn check<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let said = &own::<Authorizer>(args, 0)?.said;
    let mut request: Vec<(Key<'d>, Value<'d>)> = said
        .iter()
        .map(|(key, value)| (Key::String(Text::Borrowed(key)), Value::string(value.as_str())))
        .collect();
    request.push((Key::String(Text::Borrowed("verb")), Value::string(text(args, 1)?)));
    let answer = ctx.call_host(CHECK, &[Value::map(request)])?;
    let field = |name: &str| answer.as_map().and_then(|map| map.get_str(name));
    let string = |name: &str| field(name).and_then(|value| value.as_str().map(str::to_owned));
    Ok(Value::opaque(Decision {
        is_allowed: field("allowed").and_then(|value| value.as_bool()).unwrap_or(false),
        reason: string("reason").unwrap_or_default(),
        error: string("error"),
    }))
}
