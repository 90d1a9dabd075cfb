//! Functions that only the surroundings can answer: `resource`, `globalContext`, `http`, `image` metadata, `time.now`, `random`; and
//! `generator`, which does nothing here.
//!
//! Functions are spelled as Kyverno 1.17 spells them (`Get`) and as later versions also do (`get`).

use crate::gostd::x509;
use crate::lang::cel::{Context, Entry, EvalError, Native, Opaque, Value};

use super::super::arguments::{argument, own, text};

/// The names under which the surroundings are asked.
pub mod host {
    /// `apiVersion, resource, namespace, name[, subresources]` → the object; a policy in a namespace leaves
    /// the namespace out, here and below.
    pub const RESOURCE_GET: &str = "resource.Get";
    /// `apiVersion, resource, namespace[, labels]` → the list.
    pub const RESOURCE_LIST: &str = "resource.List";
    /// `apiVersion, resource, [namespace, ]object` → the answer (a self subject access review, a token
    /// review, …).
    pub const RESOURCE_POST: &str = "resource.Post";
    /// `apiVersion, kind` → the plural.
    pub const RESOURCE_PLURAL: &str = "resource.ToGVR";
    /// `name[, projection]` → the entry's value.
    pub const GLOBAL_CONTEXT_GET: &str = "globalContext.Get";
    /// `CA bundle, url[, headers]` → the decoded answer.
    pub const HTTP_GET: &str = "http.Get";
    /// `CA bundle, url, body[, headers]` → the decoded answer.
    pub const HTTP_POST: &str = "http.Post";
    /// `CA bundle, url, body[, headers]` → the decoded answer.
    pub const HTTP_PUT: &str = "http.Put";
    /// `image` → the registry's data.
    pub const IMAGE_METADATA: &str = "image.GetMetadata";
    /// → the instant.
    pub const TIME_NOW: &str = "time.now";
    /// `pattern` → a random string that matches it.
    pub const RANDOM: &str = "random";
}

/// The variables of the libraries and their types.
pub(super) const CONTEXTS: &[(&str, &str)] = &[
    ("resource", "resource.Context"),
    ("globalContext", "globalcontext.Context"),
    ("http", "http.Context"),
    ("image", "imagedata.Context"),
    ("generator", "generator.Context"),
    ("json", "json.Json"),
    ("yaml", "yaml.Yaml"),
];

/// What `random()` generates.
const RANDOM_PATTERN: &str = "[0-9a-z]{8}";

/// A library's own variable.
#[derive(Debug)]
struct Handle {
    kind: &'static str,
    /// The CA bundle of an HTTP client, in PEM.
    bundle: String,
}

impl Opaque for Handle {
    fn type_name(&self) -> &'static str {
        self.kind
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| (self.kind, &self.bundle) == (other.kind, &other.bundle))
    }
}

/// A resource's group, version and name, from `resource.ToGVR`.
#[derive(Debug, PartialEq, Eq)]
struct GroupVersionResource {
    api_version: String,
    resource: String,
}

impl Opaque for GroupVersionResource {
    fn type_name(&self) -> &'static str {
        "schema.GroupVersionResource"
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>() == Some(self)
    }
}

/// The value of a library's variable, by its position in [`CONTEXTS`].
pub(super) fn context<'d>(position: usize) -> Option<Value<'d>> {
    let (_, kind) = CONTEXTS.get(position)?;
    Some(Value::opaque(Handle { kind, bundle: String::new() }))
}

const fn ask(name: &'static str, id: &'static str, signature: &'static str, native: Native) -> Entry {
    Entry::new(name, id, signature, native).volatile()
}

/// Functions in both spellings.
macro_rules! spelled {
    ($($pascal:literal $camel:literal $id:literal $signature:literal $native:expr;)*) => {
        &[$(ask($pascal, $id, $signature, $native), ask($camel, $id, $signature, $native)),*]
    };
}

/// Those of policies everywhere.
pub(super) const COMMON: &[Entry] = spelled! {
    "ToGVR" "toGVR" "convert_to_gvr_string_string"
        "resource.Context.(string, string) -> schema.GroupVersionResource" to_gvr;
    "Get" "get" "globalcontext_get_string" "globalcontext.Context.(string) -> dyn" global;
    "Get" "get" "globalcontext_get_string_string" "globalcontext.Context.(string, string) -> dyn" global;
    "Get" "get" "http_get_string" "http.Context.(string) -> dyn"
        |ctx, args| http(ctx, host::HTTP_GET, args);
    "Get" "get" "http_get_string_headers" "http.Context.(string, map(string, string)) -> dyn"
        |ctx, args| http(ctx, host::HTTP_GET, args);
    "Post" "post" "http_post_string_any" "http.Context.(string, dyn) -> dyn"
        |ctx, args| http(ctx, host::HTTP_POST, args);
    "Post" "post" "http_post_string_any_headers" "http.Context.(string, dyn, map(string, string)) -> dyn"
        |ctx, args| http(ctx, host::HTTP_POST, args);
    "Put" "put" "http_put_string_any" "http.Context.(string, dyn) -> dyn"
        |ctx, args| http(ctx, host::HTTP_PUT, args);
    "Put" "put" "http_put_string_any_headers" "http.Context.(string, dyn, map(string, string)) -> dyn"
        |ctx, args| http(ctx, host::HTTP_PUT, args);
    "Client" "client" "http_client_string" "http.Context.(string) -> http.Context" client;
    "GetMetadata" "getMetadata" "imagedata_get_string" "imagedata.Context.(string) -> dyn"
        |ctx, args| method(ctx, host::IMAGE_METADATA, args);
    "Apply" "apply" "generator_apply_string_list" "generator.Context.(string, list(map(string, dyn))) -> bool"
        |_, _| Ok(Value::Bool(true));
    "time.now" "time.Now" "time_now" "() -> timestamp"
        |ctx, args| ctx.call_host(host::TIME_NOW, args);
    "random" "random.random" "random_string" "(string) -> string"
        |ctx, args| ctx.call_host(host::RANDOM, args);
    "random" "random.random" "random_string_default" "() -> string"
        |ctx, _| ctx.call_host(host::RANDOM, &[Value::borrowed(RANDOM_PATTERN)]);
};

/// `resource` of policies without a namespace.
pub(super) const CLUSTER: &[Entry] = spelled! {
    "List" "list" "resource_list_string_string_string"
        "resource.Context.(string, string, string) -> map(string, dyn)" list;
    "List" "list" "resource_list_string_string_string_map"
        "resource.Context.(string, string, string, map(string, string)) -> map(string, dyn)" list;
    "List" "list" "list_resources_gvr_string"
        "resource.Context.(schema.GroupVersionResource, string) -> map(string, dyn)" list;
    "List" "list" "list_resources_gvr_string_map"
        "resource.Context.(schema.GroupVersionResource, string, map(string, string)) -> map(string, dyn)" list;
    "Get" "get" "resource_get_string_string_string_string"
        "resource.Context.(string, string, string, string) -> map(string, dyn)" get;
    "Get" "get" "resource_get_gvr_string_string"
        "resource.Context.(schema.GroupVersionResource, string, string) -> map(string, dyn)" get;
    "Get" "get" "resource_get_string_string_string_string_stringlist"
        "resource.Context.(string, string, string, string, list(string)) -> map(string, dyn)" get;
    "Get" "get" "resource_get_gvr_string_string_stringlist"
        "resource.Context.(schema.GroupVersionResource, string, string, list(string)) -> map(string, dyn)" get;
    "Post" "post" "resource_post_string_string_string_map"
        "resource.Context.(string, string, string, map(string, dyn)) -> map(string, dyn)" post;
    "Post" "post" "resource_post_string_string_map"
        "resource.Context.(string, string, map(string, dyn)) -> map(string, dyn)"
        |ctx, args| match args {
            [handle, version, plural, data] => {
                let args = [handle.clone(), version.clone(), plural.clone(), Value::borrowed(""), data.clone()];
                post(ctx, &args)
            }
            _ => Err(EvalError::Fixed("no such overload")),
        };
};

/// `resource` of policies in a namespace: the namespace is the policy's own.
pub(super) const NAMESPACED: &[Entry] = spelled! {
    "List" "list" "resource_list_string_string" "resource.Context.(string, string) -> map(string, dyn)" list;
    "List" "list" "resource_list_string_string_map"
        "resource.Context.(string, string, map(string, string)) -> map(string, dyn)" list;
    "List" "list" "list_resources_gvr"
        "resource.Context.(schema.GroupVersionResource) -> map(string, dyn)" list;
    "List" "list" "list_resources_gvr_map"
        "resource.Context.(schema.GroupVersionResource, map(string, string)) -> map(string, dyn)" list;
    "Get" "get" "resource_get_string_string_string"
        "resource.Context.(string, string, string) -> map(string, dyn)" get;
    "Get" "get" "resource_get_gvr_string"
        "resource.Context.(schema.GroupVersionResource, string) -> map(string, dyn)" get;
    "Get" "get" "resource_get_gvr_string_stringlist"
        "resource.Context.(schema.GroupVersionResource, string, list(string)) -> map(string, dyn)" get;
    "Get" "get" "resource_get_string_string_string_stringlist"
        "resource.Context.(string, string, string, list(string)) -> map(string, dyn)" get;
    "Post" "post" "resource_post_string_string_map"
        "resource.Context.(string, string, map(string, dyn)) -> map(string, dyn)" post;
};

type Outcome<'d> = Result<Value<'d>, EvalError>;

fn list<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    resource(ctx, host::RESOURCE_LIST, args)
}

fn get<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    resource(ctx, host::RESOURCE_GET, args)
}

fn post<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    resource(ctx, host::RESOURCE_POST, args)
}

/// Asks the surroundings, without the library's own variable.
fn method<'d>(ctx: &mut Context<'_, 'd>, function: &str, args: &[Value<'d>]) -> Outcome<'d> {
    ctx.call_host(function, args.get(1..).unwrap_or(&[]))
}

fn global<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    method(ctx, host::GLOBAL_CONTEXT_GET, args)
}

/// Asks about a resource, whose kind is given as two strings or as one value of `ToGVR`.
fn resource<'d>(ctx: &mut Context<'_, 'd>, function: &str, args: &[Value<'d>]) -> Outcome<'d> {
    let args = args.get(1..).unwrap_or(&[]);
    let Some((kind, rest)) = args.split_first() else { return Err(EvalError::Fixed("no such overload")) };
    let Some(gvr) = kind.as_opaque::<GroupVersionResource>() else { return ctx.call_host(function, args) };
    let mut spelled = vec![Value::string(gvr.api_version.as_str()), Value::string(gvr.resource.as_str())];
    spelled.extend_from_slice(rest);
    ctx.call_host(function, &spelled)
}

fn to_gvr<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let plural = method(ctx, host::RESOURCE_PLURAL, args)?;
    let resource = plural.as_str().unwrap_or_default().to_owned();
    Ok(Value::opaque(GroupVersionResource { api_version: text(args, 1)?.to_owned(), resource }))
}

fn client<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    let bundle = text(args, 1)?;
    if bundle.is_empty() {
        return argument(args, 0).cloned();
    }
    if !x509::has_certificate(bundle) {
        return Err(EvalError::Fixed("request failed: failed to parse PEM CA bundle for APICall"));
    }
    Ok(Value::opaque(Handle { kind: "http.Context", bundle: bundle.to_owned() }))
}

fn http<'d>(ctx: &mut Context<'_, 'd>, function: &str, args: &[Value<'d>]) -> Outcome<'d> {
    let bundle = own::<Handle>(args, 0)?.bundle.as_str();
    let mut asked = vec![Value::string(bundle)];
    asked.extend_from_slice(args.get(1..).unwrap_or(&[]));
    ctx.call_host(function, &asked)
}
