//! Functions that only the surroundings can answer: `resource`, `globalContext`, `http`, `image` metadata,
//! `generator`, `time.now`, `random`, `x509.decode`, `gzip`.

use crate::lang::cel::{Context, Entry, EvalError, Native, Opaque, Value};

/// The names under which the surroundings are asked.
pub mod host {
    /// `apiVersion, resource, namespace, name[, subresources]` → the object.
    pub const RESOURCE_GET: &str = "resource.Get";
    /// `apiVersion, resource, namespace[, labels]` → the list.
    pub const RESOURCE_LIST: &str = "resource.List";
    /// `apiVersion, resource[, namespace], object` → the answer (a self subject access review, a token
    /// review, …).
    pub const RESOURCE_POST: &str = "resource.Post";
    /// `apiVersion, kind` → a map of `group`, `version`, `resource`.
    pub const RESOURCE_TO_GVR: &str = "resource.ToGVR";
    /// `name[, projection]` → the entry's value.
    pub const GLOBAL_CONTEXT_GET: &str = "globalContext.Get";
    /// `url[, headers]` → the decoded answer.
    pub const HTTP_GET: &str = "http.Get";
    /// `url, body[, headers]` → the decoded answer.
    pub const HTTP_POST: &str = "http.Post";
    /// `url, body[, headers]` → the decoded answer.
    pub const HTTP_PUT: &str = "http.Put";
    /// `image` → the registry's data.
    pub const IMAGE_METADATA: &str = "image.GetMetadata";
    /// → the instant.
    pub const TIME_NOW: &str = "time.now";
    /// `[expression]` → a random string.
    pub const RANDOM: &str = "random";
    /// `PEM text` → the certificate's fields.
    pub const X509_DECODE: &str = "x509.decode";
    /// `bytes` → the string.
    pub const GZIP_DECOMPRESS: &str = "gzip.decompress";
    /// `string` → the bytes.
    pub const GZIP_COMPRESS: &str = "gzip.compress";
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

/// A library's own variable: nothing but its type.
#[derive(Debug)]
struct Handle(&'static str);

impl Opaque for Handle {
    fn type_name(&self) -> &'static str {
        self.0
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        self.0 == other.type_name()
    }
}

/// A resource's group, version and name, from `resource.ToGVR`.
#[derive(Debug)]
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
        let other = other.as_any().downcast_ref::<Self>();
        other
            .is_some_and(|other| (&self.api_version, &self.resource) == (&other.api_version, &other.resource))
    }
}

/// The value of a library's variable.
pub(super) fn context<'d>(name: &str) -> Option<Value<'d>> {
    let (_, kind) = CONTEXTS.iter().find(|(known, _)| *known == name)?;
    Some(Value::opaque(Handle(kind)))
}

const fn ask(name: &'static str, id: &'static str, signature: &'static str, native: Native) -> Entry {
    Entry::new(name, id, signature, native).volatile()
}

pub(super) const ENTRIES: &[Entry] = &[
    ask(
        "ToGVR",
        "convert_to_gvr_string_string",
        "resource.Context.(string, string) -> schema.GroupVersionResource",
        to_gvr,
    ),
    ask("Get", "globalcontext_get_string_pascal", "globalcontext.Context.(string) -> dyn", global),
    ask(
        "Get",
        "globalcontext_get_string_string_pascal",
        "globalcontext.Context.(string, string) -> dyn",
        global,
    ),
    ask("get", "globalcontext_get_string_camel", "globalcontext.Context.(string) -> dyn", global),
    ask(
        "get",
        "globalcontext_get_string_string_camel",
        "globalcontext.Context.(string, string) -> dyn",
        global,
    ),
    ask("Get", "http_get_string", "http.Context.(string) -> dyn", |ctx, args| {
        method(ctx, host::HTTP_GET, args)
    }),
    ask(
        "Get",
        "http_get_string_headers",
        "http.Context.(string, map(string, string)) -> dyn",
        |ctx, args| method(ctx, host::HTTP_GET, args),
    ),
    ask("Post", "http_post_string_any", "http.Context.(string, dyn) -> dyn", |ctx, args| {
        method(ctx, host::HTTP_POST, args)
    }),
    ask(
        "Post",
        "http_post_string_any_headers",
        "http.Context.(string, dyn, map(string, string)) -> dyn",
        |ctx, args| method(ctx, host::HTTP_POST, args),
    ),
    ask("Put", "http_put_string_any", "http.Context.(string, dyn) -> dyn", |ctx, args| {
        method(ctx, host::HTTP_PUT, args)
    }),
    ask(
        "Put",
        "http_put_string_any_headers",
        "http.Context.(string, dyn, map(string, string)) -> dyn",
        |ctx, args| method(ctx, host::HTTP_PUT, args),
    ),
    Entry::new("Client", "http_client_string", "http.Context.(string) -> http.Context", |_, args| {
        first(args)
    }),
    ask("GetMetadata", "imagedata_get_string_pascal", "imagedata.Context.(string) -> dyn", |ctx, args| {
        method(ctx, host::IMAGE_METADATA, args)
    }),
    ask("getMetadata", "imagedata_get_string_camel", "imagedata.Context.(string) -> dyn", |ctx, args| {
        method(ctx, host::IMAGE_METADATA, args)
    }),
    ask(
        "Apply",
        "generator_apply_pascal",
        "generator.Context.(string, list(map(string, dyn))) -> bool",
        |_, _| Ok(Value::Bool(true)),
    ),
    ask(
        "apply",
        "generator_apply_camel",
        "generator.Context.(string, list(map(string, dyn))) -> bool",
        |_, _| Ok(Value::Bool(true)),
    ),
    ask("time.now", "time_now", "() -> timestamp", |ctx, args| ctx.call_host(host::TIME_NOW, args)),
    ask("random", "random_string_non_prefixed", "(string) -> string", random),
    ask("random", "random_default_non_prefixed", "() -> string", random),
    ask("random.random", "random_string_prefixed", "(string) -> string", random),
    ask("random.random", "random_default_prefixed", "() -> string", random),
    ask("x509.decode", "x509_decode_string", "(string) -> dyn", |ctx, args| {
        ctx.call_host(host::X509_DECODE, args)
    }),
    ask("gzip.decompress", "gzip_decompress", "(bytes) -> string", |ctx, args| {
        ctx.call_host(host::GZIP_DECOMPRESS, args)
    }),
    ask("gzip.compress", "gzip_compress", "(string) -> bytes", |ctx, args| {
        ctx.call_host(host::GZIP_COMPRESS, args)
    }),
];

const CONTEXT: &str = "resource.Context";

/// `resource` of policies without a namespace.
pub(super) const CLUSTER: &[Entry] = &[
    list(
        "resource_list_string_string_string",
        "resource.Context.(string, string, string) -> map(string, dyn)",
    ),
    list(
        "resource_list_string_string_string_map",
        "resource.Context.(string, string, string, map(string, string)) -> map(string, dyn)",
    ),
    list(
        "list_resources_gvr_string",
        "resource.Context.(schema.GroupVersionResource, string) -> map(string, dyn)",
    ),
    list(
        "list_resources_gvr_string_map",
        "resource.Context.(schema.GroupVersionResource, string, map(string, string)) -> map(string, dyn)",
    ),
    get(
        "resource_get_string_string_string_string",
        "resource.Context.(string, string, string, string) -> map(string, dyn)",
    ),
    get(
        "resource_get_gvr_string_string",
        "resource.Context.(schema.GroupVersionResource, string, string) -> map(string, dyn)",
    ),
    get(
        "resource_get_string_string_string_string_stringlist",
        "resource.Context.(string, string, string, string, list(string)) -> map(string, dyn)",
    ),
    get(
        "resource_get_gvr_string_string_stringlist",
        "resource.Context.(schema.GroupVersionResource, string, string, list(string)) -> map(string, dyn)",
    ),
    post(
        "resource_post_string_string_string_map",
        "resource.Context.(string, string, string, map(string, dyn)) -> map(string, dyn)",
    ),
    post(
        "resource_post_string_string_map",
        "resource.Context.(string, string, map(string, dyn)) -> map(string, dyn)",
    ),
];

/// `resource` of policies in a namespace: the namespace is the policy's own.
pub(super) const NAMESPACED: &[Entry] = &[
    list("resource_list_string_string", "resource.Context.(string, string) -> map(string, dyn)"),
    list(
        "resource_list_string_string_map",
        "resource.Context.(string, string, map(string, string)) -> map(string, dyn)",
    ),
    list("list_resources_gvr", "resource.Context.(schema.GroupVersionResource) -> map(string, dyn)"),
    list(
        "list_resources_gvr_map",
        "resource.Context.(schema.GroupVersionResource, map(string, string)) -> map(string, dyn)",
    ),
    get("resource_get_string_string_string", "resource.Context.(string, string, string) -> map(string, dyn)"),
    get(
        "resource_get_gvr_string",
        "resource.Context.(schema.GroupVersionResource, string) -> map(string, dyn)",
    ),
    get(
        "resource_get_gvr_string_stringlist",
        "resource.Context.(schema.GroupVersionResource, string, list(string)) -> map(string, dyn)",
    ),
    get(
        "resource_get_string_string_string_stringlist",
        "resource.Context.(string, string, string, list(string)) -> map(string, dyn)",
    ),
    post(
        "resource_post_string_string_map",
        "resource.Context.(string, string, map(string, dyn)) -> map(string, dyn)",
    ),
];

const fn list(id: &'static str, signature: &'static str) -> Entry {
    ask("List", id, signature, |ctx, args| resource(ctx, host::RESOURCE_LIST, args))
}

const fn get(id: &'static str, signature: &'static str) -> Entry {
    ask("Get", id, signature, |ctx, args| resource(ctx, host::RESOURCE_GET, args))
}

const fn post(id: &'static str, signature: &'static str) -> Entry {
    ask("Post", id, signature, |ctx, args| resource(ctx, host::RESOURCE_POST, args))
}

type Outcome<'d> = Result<Value<'d>, EvalError>;

fn first<'d>(args: &[Value<'d>]) -> Outcome<'d> {
    args.first().cloned().ok_or(EvalError::Fixed("no such overload"))
}

/// Asks the surroundings, without the library's own variable.
fn method<'d>(ctx: &mut Context<'_, 'd>, function: &str, args: &[Value<'d>]) -> Outcome<'d> {
    ctx.call_host(function, args.get(1..).unwrap_or(&[]))
}

fn global<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    method(ctx, host::GLOBAL_CONTEXT_GET, args)
}

fn random<'d>(ctx: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Outcome<'d> {
    ctx.call_host(host::RANDOM, args)
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
    let answer = method(ctx, host::RESOURCE_TO_GVR, args)?;
    let field = |name: &str| {
        let value = answer.as_map().and_then(|map| map.get_str(name));
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let (group, version) = (field("group"), field("version"));
    let api_version = if group.is_empty() { version } else { format!("{group}/{version}") };
    debug_assert!(args.first().is_some_and(|value| value.type_name() == CONTEXT));
    Ok(Value::opaque(GroupVersionResource { api_version, resource: field("resource") }))
}
