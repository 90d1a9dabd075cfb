//! What Kyverno's libraries ask of their surroundings, answered by facts: other resources, services, global context entries, images; and the
//! time and random texts, whose answers do not hold for ever.
//!
//! The functions and their signatures are `cel_k8s::kyverno`'s. A policy in a namespace sees that namespace alone.
//! Upstream: `cel/libs` of github.com/kyverno/sdk, `pkg/cel/libs/context.go` of Kyverno.

use super::frame::{self, Frame};
use super::names;
use crate::gostd::random_text::{RandomTextError, generate};
use crate::lang::cel::{EvalError, Key, Timestamp, Value};
use crate::lang::cel_k8s::kyverno::{decoded, host};
use crate::lang::{Inputs, Volatility};
use crate::model::{FactKey, FactValue};

const NO_SUCH_OVERLOAD: EvalError = EvalError::Fixed("no such overload");

type Answer<'d> = Result<Value<'d>, EvalError>;

/// Answers a question of one of the libraries; `None` if it is none of theirs.
pub(super) fn answer<'d>(
    frame: &Frame<'d>,
    question: &str,
    args: &[Value<'d>],
    is_namespaced: bool,
) -> Option<Answer<'d>> {
    let inputs = frame.inputs;
    let asker = Asker { inputs, own: is_namespaced.then_some(inputs.resource.key.namespace.as_str()) };
    Some(match question {
        host::RESOURCE_GET => asker.get(args),
        host::RESOURCE_LIST => asker.list(args),
        host::RESOURCE_POST => asker.post(args),
        host::RESOURCE_PLURAL => asker.plural(args).map(Value::string),
        host::GLOBAL_CONTEXT_GET if is_namespaced => {
            Err(EvalError::Fixed("globalContext.* is not allowed in namespaced policies"))
        }
        host::GLOBAL_CONTEXT_GET => asker.global(args),
        host::HTTP_GET | host::HTTP_POST | host::HTTP_PUT if is_namespaced => Err(EvalError::Fixed(
            "request failed: http calls are not allowed in namespaced policies: \
                 set --allowHTTPInNamespacedPolicies to enable",
        )),
        host::HTTP_GET => asker.call("GET", args),
        host::HTTP_POST => asker.call("POST", args),
        host::HTTP_PUT => asker.call("PUT", args),
        host::IMAGE_METADATA => asker.image(args),
        host::TIME_NOW => Ok(now(inputs)),
        host::RANDOM => random(frame, args),
        _ => return None,
    })
}

/// The data of the image that the first argument names.
pub(super) fn image_data<'d>(inputs: &'d Inputs<'d>, args: &[Value<'d>]) -> Answer<'d> {
    Asker { inputs, own: None }.image(args)
}

fn text<'v>(args: &'v [Value<'_>], at: usize) -> Result<&'v str, EvalError> {
    args.get(at).and_then(Value::as_str).ok_or(NO_SUCH_OVERLOAD)
}

fn now<'d>(inputs: &Inputs<'_>) -> Value<'d> {
    inputs.note_volatile(Volatility::MaxAge);
    let nanos = u32::try_from(inputs.now.subsec_nanosecond()).unwrap_or_default();
    Value::Timestamp(Timestamp { seconds: inputs.now.as_second(), nanos, offset_s: 0 })
}

fn random<'d>(frame: &Frame<'d>, args: &[Value<'d>]) -> Answer<'d> {
    frame.inputs.note_volatile(Volatility::MaxAge);
    match generate(text(args, 0)?, &mut || frame.draw()) {
        Ok(text) => Ok(Value::string(text)),
        Err(RandomTextError::Pattern(message)) => Err(EvalError::failed(message)),
        Err(RandomTextError::Exhausted) => Err(EvalError::Cancelled("random: the text is too long")),
    }
}

/// Group and version of an `apiVersion`.
fn group_version(api_version: &str) -> Result<(&str, &str), EvalError> {
    match api_version.split_once('/') {
        None => Ok(("", api_version)),
        Some((group, version)) if !version.contains('/') => Ok((group, version)),
        Some(_) => Err(EvalError::failed(format!("unexpected GroupVersion string: {api_version}"))),
    }
}

/// A resource name with its group, as errors of the API server name it.
fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
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

/// Who asks: the inputs, and the namespace that a policy in a namespace is confined to.
struct Asker<'d> {
    inputs: &'d Inputs<'d>,
    own: Option<&'d str>,
}

impl<'d> Asker<'d> {
    /// The namespace, and the arguments behind it; a policy in a namespace gives none.
    fn namespace<'v>(&self, args: &'v [Value<'d>]) -> Result<(String, &'v [Value<'d>]), EvalError> {
        let rest = args.get(2..).unwrap_or(&[]);
        match (self.own, rest.split_first()) {
            (Some(own), _) => Ok((own.to_owned(), rest)),
            (None, Some((namespace, rest))) => {
                Ok((namespace.as_str().ok_or(NO_SUCH_OVERLOAD)?.to_owned(), rest))
            }
            (None, None) => Err(NO_SUCH_OVERLOAD),
        }
    }

    /// A fact, where its absence is an error of that text.
    fn found(&self, key: &FactKey, what: &str, absent: &str) -> Answer<'d> {
        let (value, reads) = self.inputs.fact_by_part(key).ok_or(EvalError::Pending)?;
        match value {
            FactValue::Found(document) => Ok(Value::from(document.tracked(reads))),
            FactValue::Missing => Err(EvalError::failed(format!("{what}: {absent}"))),
            FactValue::Failed { message, .. } | FactValue::Refused(message) => {
                Err(EvalError::failed(format!("{what}: {message}")))
            }
        }
    }

    fn get(&self, args: &[Value<'d>]) -> Answer<'d> {
        let (group, version) = group_version(text(args, 0)?)?;
        let plural = text(args, 1)?;
        let (namespace, rest) = self.namespace(args)?;
        let name = text(rest, 0)?;
        let key = match rest.get(1).and_then(Value::as_list).filter(|list| !list.is_empty()) {
            None => FactKey::Objects {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: plural.to_owned(),
                namespace,
                name: name.to_owned(),
                selector: String::new(),
            },
            Some(subresources) => {
                let mut path = format!("{}/{name}", collection(text(args, 0)?, plural, &namespace));
                for subresource in subresources.iter() {
                    path.push('/');
                    path.push_str(subresource.as_str().ok_or(NO_SUCH_OVERLOAD)?);
                }
                FactKey::ApiCall { method: "GET".to_owned(), path, body: String::new() }
            }
        };
        let absent = format!("{} \"{name}\" not found", qualified(group, plural));
        self.found(&key, "failed to get resource", &absent)
    }

    fn list(&self, args: &[Value<'d>]) -> Answer<'d> {
        let (group, version) = group_version(text(args, 0)?)?;
        let plural = text(args, 1)?;
        let (namespace, rest) = self.namespace(args)?;
        let mut pairs = Vec::new();
        for (name, value) in rest.first().and_then(Value::as_map).iter().flat_map(|labels| labels.iter()) {
            let (name, value) = (name.as_str().ok_or(NO_SUCH_OVERLOAD)?, value.as_str());
            pairs.push(format!("{name}={}", value.ok_or(NO_SUCH_OVERLOAD)?));
        }
        pairs.sort();
        let key = FactKey::Objects {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: plural.to_owned(),
            namespace,
            name: String::new(),
            selector: pairs.join(","),
        };
        let absent = "the server could not find the requested resource";
        self.found(&key, "failed to list resource", absent)
    }

    fn post(&self, args: &[Value<'d>]) -> Answer<'d> {
        group_version(text(args, 0)?)?;
        let (namespace, rest) = self.namespace(args)?;
        let data = rest.first().and_then(Value::to_json);
        let body = data.ok_or(EvalError::Fixed("failed to create resource: the data is not JSON"))?;
        let path = collection(text(args, 0)?, text(args, 1)?, &namespace);
        self.inputs.note_volatile(Volatility::MaxAge);
        let key = FactKey::ApiCall { method: "POST".to_owned(), path, body: body.to_string() };
        let absent = "the server could not find the requested resource";
        self.found(&key, "failed to create resource", absent)
    }

    /// The plural of a kind.
    fn plural(&self, args: &[Value<'d>]) -> Result<String, EvalError> {
        let what = "failed to map kind to resource";
        let (api_version, kind) = (text(args, 0)?, text(args, 1)?);
        let (group, version) = group_version(api_version)?;
        if let Some(plural) = names::builtin_plural(group, kind) {
            return Ok(plural.to_owned());
        }
        let key =
            FactKey::Kind { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() };
        let absent = format!("no matches for kind \"{kind}\" in version \"{api_version}\"");
        let served = self.found(&key, what, &absent)?;
        let plural = served.as_map().and_then(|served| served.get_str("plural"));
        Ok(plural.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// An entry's data; null if there is no entry of that name.
    fn global(&self, args: &[Value<'d>]) -> Answer<'d> {
        let projection = args.get(1).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = FactKey::GlobalContext { name: text(args, 0)?.to_owned(), projection };
        if self.inputs.fact_by_part(&key).is_some_and(|(value, _)| *value == FactValue::Missing) {
            return Ok(Value::Null);
        }
        self.found(&key, "failed to get global reference", "")
    }

    fn image(&self, args: &[Value<'d>]) -> Answer<'d> {
        let key = FactKey::Image(text(args, 0)?.to_owned());
        let data = self.found(&key, "failed to get image data", "there is no such image")?;
        let Some(map) = data.as_map().filter(|map| map.get_str("configData").is_some()) else {
            return Ok(data);
        };
        // As in `extensions/imagedataloader` of the SDK, where two parts are called otherwise, and the digest is told.
        let mut fields = Vec::new();
        for (from, to) in IMAGE_FIELDS {
            if let Some(value) = map.get_str(from).filter(|value| !matches!(value, Value::Null)) {
                fields.push((frame::key(to), value));
            }
        }
        let told = |name: &str| map.get_str(name).and_then(|value| value.as_str().map(str::to_owned));
        if let Some(identifier) = told("identifier").filter(|identifier| !identifier.starts_with("sha256:")) {
            fields.push((frame::key("tag"), Value::string(identifier)));
        }
        if let Some((_, digest)) = told("resolvedImage").as_deref().and_then(|image| image.split_once('@')) {
            fields.push((frame::key("digest"), Value::string(digest)));
        }
        Ok(Value::map(fields))
    }

    /// The answer of a service: an object with its fields and `statusCode`, or `body` and `statusCode` where it is no object.
    fn call(&self, method: &str, args: &[Value<'d>]) -> Answer<'d> {
        let (bundle, url) = (text(args, 0)?, text(args, 1)?);
        let (body, headers) = match method {
            "GET" => (None, args.get(2)),
            _ => (args.get(2), args.get(3)),
        };
        let unreadable = EvalError::Fixed("request failed: failed to encode request data");
        let body = match body {
            None => String::new(),
            Some(body) => body.to_json().ok_or(unreadable)?.to_string(),
        };
        let mut options = serde_json::Map::new();
        options.insert("answersStatus".to_owned(), true.into());
        if let Some(headers) = headers.and_then(Value::to_json) {
            let headers = headers.as_object().into_iter().flatten();
            let pairs = headers.map(|(name, value)| serde_json::json!({"key": name, "value": value}));
            options.insert("headers".to_owned(), pairs.collect());
        }
        if !bundle.is_empty() {
            options.insert("caBundle".to_owned(), bundle.into());
        }
        self.inputs.note_volatile(Volatility::MaxAge);
        let key = FactKey::ServiceCall {
            method: method.to_owned(),
            url: url.to_owned(),
            body,
            options: serde_json::Value::Object(options).to_string(),
        };
        let reply = self.found(&key, "request failed", "there is no answer")?;
        let part = |name: &str| reply.as_map().and_then(|reply| reply.get_str(name)).unwrap_or(Value::Null);
        let (body, status) = (decoded(&part("body")), part("statusCode"));
        let mut fields: Vec<(Key<'d>, Value<'d>)> = match body.as_map() {
            Some(map) => map.iter().filter_map(|(name, value)| Some((Key::of(&name)?, value))).collect(),
            None => vec![(frame::key("body"), body)],
        };
        fields.retain(|(name, _)| *name != frame::key("statusCode"));
        fields.push((frame::key("statusCode"), status));
        Ok(Value::map(fields))
    }
}

/// The path of the objects of a resource.
fn collection(api_version: &str, plural: &str, namespace: &str) -> String {
    let root = if api_version.contains('/') { "/apis" } else { "/api" };
    if namespace.is_empty() {
        format!("{root}/{api_version}/{plural}")
    } else {
        format!("{root}/{api_version}/namespaces/{namespace}/{plural}")
    }
}
