//! Kyverno's functions that look outside: other resources, global context entries, services, registries.
//!
//! Signatures: `cel/libs` of github.com/kyverno/sdk. Here a function only names its question; [`answer`] asks the inputs for the fact.
//! Namespaced policies see their own namespace alone.

use std::any::Any;

use super::frame::key;
use crate::lang::cel::{Context, Entry, Environment, EvalError, Key, Opaque, Type, Value};
use crate::lang::{Inputs, Volatility};
use crate::model::{FactKey, FactValue};

const NO_SUCH_OVERLOAD: EvalError = EvalError::Fixed("no such overload");

/// A variable whose methods ask for something, with what was said to it.
#[derive(Debug)]
struct Service {
    type_name: &'static str,
    /// The CA bundle of an HTTP client.
    bundle: String,
}

impl Opaque for Service {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn equals(&self, other: &dyn Opaque) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| other.type_name == self.type_name)
    }
}

/// The variables and their types.
const SERVICES: [(&str, &str); 4] = [
    ("resource", "resource.Context"),
    ("globalContext", "globalcontext.Context"),
    ("http", "http.Context"),
    ("image", "imagedata.Context"),
];

macro_rules! asking {
    ($name:literal, $id:literal, $signature:literal, $question:literal) => {
        Entry::new($name, $id, $signature, |context, args| ask(context, $question, args)).volatile()
    };
}

const COMMON: &[Entry] = &[
    asking!("Get", "http_get_string", "http.Context.(string) -> dyn", "http.get"),
    asking!("Get", "http_get_headers", "http.Context.(string, map(string, string)) -> dyn", "http.get"),
    asking!("get", "http_get_string_camel", "http.Context.(string) -> dyn", "http.get"),
    asking!("get", "http_get_headers_camel", "http.Context.(string, map(string, string)) -> dyn", "http.get"),
    asking!("Post", "http_post", "http.Context.(string, dyn) -> dyn", "http.post"),
    asking!(
        "Post",
        "http_post_headers",
        "http.Context.(string, dyn, map(string, string)) -> dyn",
        "http.post"
    ),
    asking!("post", "http_post_camel", "http.Context.(string, dyn) -> dyn", "http.post"),
    asking!(
        "post",
        "http_post_headers_camel",
        "http.Context.(string, dyn, map(string, string)) -> dyn",
        "http.post"
    ),
    Entry::new("Client", "http_client_string", "http.Context.(string) -> http.Context", client),
    Entry::new("client", "http_client_string_camel", "http.Context.(string) -> http.Context", client),
    asking!("Get", "globalcontext_get", "globalcontext.Context.(string) -> dyn", "globalContext.get"),
    asking!(
        "Get",
        "globalcontext_get2",
        "globalcontext.Context.(string, string) -> dyn",
        "globalContext.get"
    ),
    asking!("get", "globalcontext_get_camel", "globalcontext.Context.(string) -> dyn", "globalContext.get"),
    asking!(
        "get",
        "globalcontext_get2_camel",
        "globalcontext.Context.(string, string) -> dyn",
        "globalContext.get"
    ),
    asking!("GetMetadata", "imagedata_get", "imagedata.Context.(string) -> dyn", "image.getMetadata"),
    asking!("getMetadata", "imagedata_get_camel", "imagedata.Context.(string) -> dyn", "image.getMetadata"),
    Entry::new("parseServiceAccount", "parse_sa", "(string) -> map(string, string)", service_account),
    Entry::new(
        "user.parseServiceAccount",
        "user_parse_sa",
        "(string) -> map(string, string)",
        service_account,
    ),
];

const CLUSTER: &[Entry] = &[
    asking!(
        "Get",
        "resource_get",
        "resource.Context.(string, string, string, string) -> map(string, dyn)",
        "resource.get"
    ),
    asking!(
        "get",
        "resource_get_camel",
        "resource.Context.(string, string, string, string) -> map(string, dyn)",
        "resource.get"
    ),
    asking!(
        "List",
        "resource_list",
        "resource.Context.(string, string, string) -> map(string, dyn)",
        "resource.list"
    ),
    asking!(
        "list",
        "resource_list_camel",
        "resource.Context.(string, string, string) -> map(string, dyn)",
        "resource.list"
    ),
    asking!(
        "List",
        "resource_list_labels",
        "resource.Context.(string, string, string, map(string, string)) -> map(string, dyn)",
        "resource.list"
    ),
    asking!(
        "list",
        "resource_list_labels_camel",
        "resource.Context.(string, string, string, map(string, string)) -> map(string, dyn)",
        "resource.list"
    ),
    asking!(
        "Post",
        "resource_post",
        "resource.Context.(string, string, string, map(string, dyn)) -> map(string, dyn)",
        "resource.post"
    ),
    asking!(
        "post",
        "resource_post_camel",
        "resource.Context.(string, string, string, map(string, dyn)) -> map(string, dyn)",
        "resource.post"
    ),
    asking!(
        "Post",
        "resource_post_cluster",
        "resource.Context.(string, string, map(string, dyn)) -> map(string, dyn)",
        "resource.post"
    ),
    asking!(
        "post",
        "resource_post_cluster_camel",
        "resource.Context.(string, string, map(string, dyn)) -> map(string, dyn)",
        "resource.post"
    ),
];

const NAMESPACED: &[Entry] = &[
    asking!(
        "Get",
        "resource_get_own",
        "resource.Context.(string, string, string) -> map(string, dyn)",
        "resource.get own"
    ),
    asking!(
        "get",
        "resource_get_own_camel",
        "resource.Context.(string, string, string) -> map(string, dyn)",
        "resource.get own"
    ),
    asking!(
        "List",
        "resource_list_own",
        "resource.Context.(string, string) -> map(string, dyn)",
        "resource.list own"
    ),
    asking!(
        "list",
        "resource_list_own_camel",
        "resource.Context.(string, string) -> map(string, dyn)",
        "resource.list own"
    ),
    asking!(
        "List",
        "resource_list_own_labels",
        "resource.Context.(string, string, map(string, string)) -> map(string, dyn)",
        "resource.list own"
    ),
    asking!(
        "list",
        "resource_list_own_labels_camel",
        "resource.Context.(string, string, map(string, string)) -> map(string, dyn)",
        "resource.list own"
    ),
];

/// The environment with these functions and the variables that they belong to.
pub(super) fn add_to(env: Environment, is_namespaced: bool) -> Environment {
    let env = SERVICES.iter().fold(env, |env, (name, kind)| env.with_variable(name, Type::opaque(kind)));
    env.with_functions(COMMON).with_functions(if is_namespaced { NAMESPACED } else { CLUSTER })
}

/// The positions and names of the variables, for whoever resolves them.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(name, _)| *name)
}

/// The value of one of the variables.
pub(super) fn service<'d>(position: usize) -> Value<'d> {
    let type_name = SERVICES.get(position).map_or("", |(_, kind)| kind);
    Value::opaque(Service { type_name, bundle: String::new() })
}

fn ask<'d>(
    context: &mut Context<'_, 'd>,
    question: &str,
    args: &[Value<'d>],
) -> Result<Value<'d>, EvalError> {
    context.call_host(question, args)
}

fn client<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    Ok(Value::opaque(Service { type_name: "http.Context", bundle: text(args, 1)?.to_owned() }))
}

fn service_account<'d>(_: &mut Context<'_, 'd>, args: &[Value<'d>]) -> Result<Value<'d>, EvalError> {
    let parts = text(args, 0)?.strip_prefix("system:serviceaccount:").and_then(|user| user.split_once(':'));
    let (namespace, name) = parts.unwrap_or_default();
    Ok(Value::map(vec![(key("Namespace"), Value::string(namespace)), (key("Name"), Value::string(name))]))
}

fn text<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v str, EvalError> {
    args.get(at).and_then(Value::as_str).ok_or(NO_SUCH_OVERLOAD)
}

/// Answers a question; `None` if it is none of these.
///
/// # Errors
/// What the look-up said, or [`EvalError::Pending`].
pub(super) fn answer<'d>(
    question: &str,
    args: &[Value<'d>],
    inputs: &'d Inputs<'d>,
    is_namespaced: bool,
) -> Option<Result<Value<'d>, EvalError>> {
    let own = inputs.resource.key.namespace.as_str();
    Some(match question {
        "resource.get" => get(args, 3, None, inputs),
        "resource.get own" => get(args, 3, Some(own), inputs),
        "resource.list" => list(args, None, inputs),
        "resource.list own" => list(args, Some(own), inputs),
        "resource.post" => post(args, inputs),
        "globalContext.get" if is_namespaced => {
            Err(EvalError::Fixed("globalContext.* is not allowed in namespaced policies"))
        }
        "globalContext.get" => global(args, inputs),
        "http.get" | "http.post" if is_namespaced => {
            Err(EvalError::Fixed("http calls are not allowed in namespaced policies"))
        }
        "http.get" => call(args, "GET", inputs),
        "http.post" => call(args, "POST", inputs),
        "image.getMetadata" => image(args, inputs),
        _ => return None,
    })
}

fn found<'d>(inputs: &'d Inputs<'d>, key: &FactKey, what: &str) -> Result<Value<'d>, EvalError> {
    match inputs.fact(key) {
        None => Err(EvalError::Pending),
        Some(FactValue::Found(document)) => Ok(Value::from(document.root())),
        Some(FactValue::Missing) => Err(EvalError::failed(format!("failed to get {what}: not found"))),
        Some(FactValue::Failed { message, .. } | FactValue::Refused(message)) => {
            Err(EvalError::failed(format!("failed to get {what}: {message}")))
        }
    }
}

fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

fn get<'d>(
    args: &[Value<'d>],
    at: usize,
    own: Option<&str>,
    inputs: &'d Inputs<'d>,
) -> Result<Value<'d>, EvalError> {
    let (group, version) = group_version(text(args, 1)?);
    let plural = text(args, 2)?;
    let (namespace, name) = match own {
        Some(own) => (own, text(args, at)?),
        None => (text(args, at)?, text(args, at + 1)?),
    };
    let key = FactKey::Objects {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: plural.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        selector: String::new(),
    };
    found(inputs, &key, &format!("resource: {plural} \"{name}\""))
}

fn list<'d>(args: &[Value<'d>], own: Option<&str>, inputs: &'d Inputs<'d>) -> Result<Value<'d>, EvalError> {
    let (group, version) = group_version(text(args, 1)?);
    let plural = text(args, 2)?;
    let (namespace, labels) = match own {
        Some(own) => (own, args.get(3)),
        None => (text(args, 3)?, args.get(4)),
    };
    let labels = labels.and_then(Value::as_map);
    let pairs = labels
        .iter()
        .flat_map(|labels| labels.iter())
        .filter_map(|(name, value)| Some(format!("{}={}", name.as_str()?, value.as_str()?)));
    let mut pairs: Vec<String> = pairs.collect();
    pairs.sort();
    let key = FactKey::Objects {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: plural.to_owned(),
        namespace: namespace.to_owned(),
        name: String::new(),
        selector: pairs.join(","),
    };
    found(inputs, &key, &format!("list of {plural}"))
}

fn post<'d>(args: &[Value<'d>], inputs: &'d Inputs<'d>) -> Result<Value<'d>, EvalError> {
    let api_version = text(args, 1)?;
    let plural = text(args, 2)?;
    let (namespace, data) = match args {
        [_, _, _, data] => ("", data),
        [_, _, _, namespace, data] => (namespace.as_str().ok_or(NO_SUCH_OVERLOAD)?, data),
        _ => return Err(NO_SUCH_OVERLOAD),
    };
    let body = data.to_json().ok_or(EvalError::Fixed("failed to create resource: the data is not JSON"))?;
    let root = if group_version(api_version).0.is_empty() { "/api" } else { "/apis" };
    let path = if namespace.is_empty() {
        format!("{root}/{api_version}/{plural}")
    } else {
        format!("{root}/{api_version}/namespaces/{namespace}/{plural}")
    };
    inputs.note_volatile(Volatility::MaxAge);
    let key = FactKey::ApiCall { method: "POST".to_owned(), path, body: body.to_string() };
    found(inputs, &key, "the answer to a new resource")
}

fn global<'d>(args: &[Value<'d>], inputs: &'d Inputs<'d>) -> Result<Value<'d>, EvalError> {
    let projection = args.get(2).and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = FactKey::GlobalContext { name: text(args, 1)?.to_owned(), projection };
    found(inputs, &key, "global reference")
}

fn image<'d>(args: &[Value<'d>], inputs: &'d Inputs<'d>) -> Result<Value<'d>, EvalError> {
    let data = found(inputs, &FactKey::Image(text(args, 1)?.to_owned()), "image data")?;
    let Some(map) = data.as_map().filter(|map| map.get_str("configData").is_some()) else { return Ok(data) };
    // As in `extensions/imagedataloader` of the SDK, where two parts are called otherwise, and the digest is told.
    let mut fields = Vec::new();
    for (from, to) in IMAGE_FIELDS {
        if let Some(value) = map.get_str(from).filter(|value| !matches!(value, Value::Null)) {
            fields.push((key(to), value));
        }
    }
    let told = |name: &str| map.get_str(name).and_then(|value| value.as_str().map(str::to_owned));
    if let Some(identifier) = told("identifier").filter(|identifier| !identifier.starts_with("sha256:")) {
        fields.push((key("tag"), Value::string(identifier)));
    }
    if let Some((_, digest)) = told("resolvedImage").as_deref().and_then(|image| image.split_once('@')) {
        fields.push((key("digest"), Value::string(digest)));
    }
    Ok(Value::map(fields))
}

/// The parts of an image's data, as the fact and as policies call them.
const IMAGE_FIELDS: [(&str, &str); 8] = [
    ("image", "image"),
    ("resolvedImage", "resolvedImage"),
    ("registry", "registry"),
    ("repository", "repository"),
    ("identifier", "identifier"),
    ("manifestList", "imageIndex"),
    ("manifest", "manifest"),
    ("configData", "config"),
];

/// An answer of a service: its body, and beside it, if it is an object, its fields; `statusCode`, which a fact has only if it is a success.
fn call<'d>(args: &[Value<'d>], method: &str, inputs: &'d Inputs<'d>) -> Result<Value<'d>, EvalError> {
    let bundle = args.first().and_then(Value::as_opaque::<Service>).map(|service| service.bundle.as_str());
    let (body, headers) = if method == "POST" { (args.get(2), args.get(3)) } else { (None, args.get(2)) };
    let json = |value: Option<&Value<'d>>| match value {
        None => Some(None),
        Some(value) => value.to_json().map(Some),
    };
    let not_json = EvalError::Fixed("failed to encode request data");
    let body = json(body).ok_or_else(|| not_json.clone())?.map_or_else(String::new, |body| body.to_string());
    let mut options = serde_json::Map::new();
    if let Some(headers) = json(headers).ok_or(not_json)? {
        options.insert("headers".to_owned(), headers_of(&headers));
    }
    if let Some(bundle) = bundle.filter(|bundle| !bundle.is_empty()) {
        options.insert("caBundle".to_owned(), bundle.into());
    }
    let options =
        if options.is_empty() { String::new() } else { serde_json::Value::Object(options).to_string() };
    let url = text(args, 1)?.to_owned();
    inputs.note_volatile(Volatility::MaxAge);
    let key_of_call = FactKey::ServiceCall { method: method.to_owned(), url, body, options };
    let body = found(inputs, &key_of_call, "an answer")?;
    let mut fields = vec![(key("body"), body.clone()), (key("statusCode"), Value::Int(200))];
    if let Some(map) = body.as_map() {
        fields.extend(map.iter().filter_map(|(name, value)| Some((Key::of(&name)?, value))));
    }
    Ok(Value::map(fields))
}

/// Headers as a service call of a kyverno.io policy has them: a list of keys and values.
fn headers_of(headers: &serde_json::Value) -> serde_json::Value {
    let headers = headers.as_object().into_iter().flatten();
    headers.map(|(name, value)| serde_json::json!({"key": name, "value": value})).collect()
}
