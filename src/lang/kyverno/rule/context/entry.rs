//! Context entries of a rule: `variable`, `configMap`, `apiCall`, `globalReference`, `imageRegistry`.
//!
//! All but variables are facts: named here, fetched by the wiring. The rules are those of Kyverno's `pkg/engine/context/loaders` and
//! `pkg/engine/apicall`.

use std::sync::Arc;

use crate::document::{Document, DocumentBuilder, Map, Node, Text, Value};
use crate::lang::jmespath::{CompileError, Program};
use crate::model::{FactKey, FactValue};
use crate::policy::Warning;

use super::super::template::Template;
use super::{Context, Failure, Query};

/// The context entries of a rule or of a `foreach`, in order.
#[derive(Debug, Default)]
pub(crate) struct Entries(Vec<Entry>);

/// One context entry.
#[derive(Debug)]
pub(super) struct Entry {
    name: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Variable { expression: Option<Expression>, value: Option<Template>, default: Option<Template> },
    ConfigMap { name: Template, namespace: Option<Template> },
    ApiCall(Box<ApiCall>),
    Global { name: Template, expression: Option<Expression> },
    Image { reference: Template, expression: Option<Expression> },
    Unknown(String),
}

#[derive(Debug)]
struct ApiCall {
    method: String,
    path: Option<Template>,
    /// Key and value of each part of the body.
    data: Vec<(String, Template)>,
    service: Option<Service>,
    expression: Option<Expression>,
    default: Option<Document>,
}

#[derive(Debug)]
struct Service {
    url: Template,
    options: Template,
}

/// `jmesPath`: compiled here if it has no variables.
#[derive(Debug)]
struct Expression {
    text: Template,
    fixed: Option<Fixed>,
}

/// An expression as it is evaluated over variables, and over one value.
#[derive(Debug)]
struct Fixed {
    query: Query,
    program: Result<Arc<Program>, CompileError>,
}

impl Expression {
    fn compile(node: Node<'_>) -> Option<Self> {
        let text = text_template(node, "jmesPath")?;
        let literal = text.as_literal().and_then(Node::as_str);
        let fixed = literal.map(|literal| Fixed {
            query: Query::compile(literal),
            program: Program::compile(literal).map(Arc::new),
        });
        Some(Self { text, fixed })
    }

    /// The value over the variables; `text` is the expression's.
    fn over_variables<'d>(&'d self, text: &str, context: &Context<'d>) -> Result<Value<'d>, Failure> {
        match &self.fixed {
            Some(fixed) if !context.is_delete() => context.query(&fixed.query),
            _ => context.query_text(text),
        }
    }

    /// The value over one value; `text` is the expression's.
    fn over<'d>(
        &'d self,
        value: &Value<'d>,
        text: &str,
        context: &Context<'d>,
    ) -> Result<Value<'d>, Failure> {
        match &self.fixed {
            Some(fixed) => context.query_compiled_on(text, fixed.program.clone(), value),
            None => context.query_on(text, value),
        }
    }
}

/// Why an entry has no value.
#[derive(Debug)]
pub(super) enum LoadError {
    Pending,
    /// Something that the configuration does not allow, which must not be taken for a missing value.
    Unsupported(String),
    Lost(String),
}

impl From<Failure> for LoadError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Pending => Self::Pending,
            Failure::Error(message) => Self::Lost(message),
        }
    }
}

type Loaded<'d> = Result<Value<'d>, LoadError>;

impl Entries {
    /// Compiles a `context` list; `path` is its place in the policy.
    pub(crate) fn compile(list: Option<Node<'_>>, path: &str, warnings: &mut Vec<Warning>) -> Self {
        let Some(list) = list else { return Self::default() };
        let entries = list.items().enumerate().map(|(index, entry)| {
            let entry = Entry::compile(entry);
            if let Source::Unknown(message) = &entry.source {
                warnings.push(Warning::new(format!("{path}[{index}]"), message.clone()));
            }
            entry
        });
        Self(entries.collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }
}

fn template(node: Node<'_>, key: &str) -> Option<Template> {
    node.get(key).filter(|value| !value.is_null()).map(Template::compile)
}

/// A text that is not empty.
fn text_template(node: Node<'_>, key: &str) -> Option<Template> {
    node.get(key).filter(|value| value.as_str().is_some_and(|text| !text.is_empty())).map(Template::compile)
}

fn empty() -> Template {
    let mut builder = DocumentBuilder::new();
    builder.string("");
    Template::compile(builder.finish().root())
}

impl Entry {
    fn compile(node: Node<'_>) -> Self {
        let name = node.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
        let source = if let Some(variable) = node.get("variable") {
            Source::Variable {
                expression: Expression::compile(variable),
                value: template(variable, "value"),
                default: template(variable, "default"),
            }
        } else if let Some(config_map) = node.get("configMap") {
            Source::ConfigMap {
                name: template(config_map, "name").unwrap_or_else(empty),
                namespace: text_template(config_map, "namespace"),
            }
        } else if let Some(call) = node.get("apiCall") {
            Source::ApiCall(Box::new(ApiCall::compile(call)))
        } else if let Some(global) = node.get("globalReference") {
            Source::Global {
                name: template(global, "name").unwrap_or_else(empty),
                expression: Expression::compile(global),
            }
        } else if let Some(image) = node.get("imageRegistry") {
            Source::Image {
                reference: template(image, "reference").unwrap_or_else(empty),
                expression: Expression::compile(image),
            }
        } else {
            Source::Unknown(format!("the context entry `{name}` has no source that is known"))
        };
        Self { name, source }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn load<'d>(&'d self, context: &Context<'d>) -> Loaded<'d> {
        if !matches!(self.source, Source::Variable { .. })
            && let Some(given) = context.given(&self.name)
        {
            return Ok(given);
        }
        match &self.source {
            Source::Variable { expression, value, default } => {
                self.load_variable(context, expression.as_ref(), value.as_ref(), default.as_ref())
            }
            Source::ConfigMap { name, namespace } => self.load_config_map(context, name, namespace.as_ref()),
            Source::ApiCall(call) => self.load_call(context, call),
            Source::Global { name, expression } => self.load_global(context, name, expression.as_ref()),
            Source::Image { reference, expression } => {
                self.load_image(context, reference, expression.as_ref())
            }
            Source::Unknown(message) => Err(LoadError::Unsupported(message.clone())),
        }
    }

    fn substituted<'d>(&self, template: &'d Template, context: &Context<'d>) -> Loaded<'d> {
        template.value(context).map_err(|failure| {
            failure.under(&format!("failed to substitute variables in context entry {}", self.name)).into()
        })
    }

    fn text<'d>(&self, template: &'d Template, context: &Context<'d>) -> Result<String, LoadError> {
        match self.substituted(template, context)? {
            Value::String(text) => Ok(text.as_str().to_owned()),
            Value::Null => Ok(String::new()),
            other => Ok(other.to_json()),
        }
    }

    fn load_variable<'d>(
        &'d self,
        context: &Context<'d>,
        expression: Option<&'d Expression>,
        value: Option<&'d Template>,
        default: Option<&'d Template>,
    ) -> Loaded<'d> {
        let text = expression.map(|expression| self.text(&expression.text, context)).transpose()?;
        let default = match default {
            Some(template) => self.substituted(template, context)?,
            None => Value::Null,
        };
        let value = value.map(|template| self.substituted(template, context)).transpose()?;
        let result = match (&value, expression) {
            (None, None) => Ok(Value::Null),
            (None, Some(expression)) => {
                expression.over_variables(text.as_deref().unwrap_or_default(), context)
            }
            (Some(value), None) => Ok(value.clone()),
            (Some(value), Some(expression)) => {
                expression.over(value, text.as_deref().unwrap_or_default(), context)
            }
        };
        let is_found_null = value.is_some();
        let output = match result {
            Ok(Value::Null) if !is_found_null => default,
            Ok(value) => value,
            Err(Failure::Pending) => return Err(LoadError::Pending),
            Err(Failure::Error(_)) if !default.is_null() => default,
            Err(Failure::Error(message)) => {
                let expression = text.unwrap_or_default();
                return Err(LoadError::Lost(format!(
                    "failed to apply jmespath {expression} to variable {}: {message}",
                    self.name
                )));
            }
        };
        if output.is_null() {
            return match context.given(&self.name) {
                Some(given) => Ok(given),
                None => Err(LoadError::Lost(format!(
                    "failed to add context entry for variable {} since it evaluated to nil",
                    self.name
                ))),
            };
        }
        Ok(context.arena().json_value(output))
    }

    fn load_config_map<'d>(
        &'d self,
        context: &Context<'d>,
        name: &'d Template,
        namespace: Option<&'d Template>,
    ) -> Loaded<'d> {
        let name = self.text(name, context)?;
        let own_namespace = context.policy_namespace;
        let namespace =
            namespace.map(|template| self.text(template, context)).transpose()?.unwrap_or_default();
        let namespace = match (namespace.is_empty(), own_namespace.is_empty()) {
            (false, _) => namespace,
            (true, true) => "default".to_owned(),
            (true, false) => own_namespace.to_owned(),
        };
        if !own_namespace.is_empty() && namespace != own_namespace {
            return Err(LoadError::Lost(format!(
                "context entry {}: configMap namespace {namespace:?} is different from policy namespace {own_namespace:?}",
                self.name
            )));
        }
        let what = format!("failed to get configmap {namespace}/{name}");
        let found = Self::fact(context, &FactKey::ConfigMap { namespace, name }, &what)?;
        let mut map = Map::new();
        for key in ["data", "metadata"] {
            let value = found.get(key).map_or(Value::Null, |value| context.arena().json_value(value.into()));
            map.insert(Text::Borrowed(key), value);
        }
        Ok(Value::map(map))
    }

    fn load_call<'d>(&'d self, context: &Context<'d>, call: &'d ApiCall) -> Loaded<'d> {
        let key = self.call_key(context, call)?;
        let what = format!("failed to fetch data for APICall {}", self.name);
        match (Self::fact(context, &key, &what), &call.default) {
            (Ok(found), _) => self.applied(context, found, call.expression.as_ref()),
            (Err(LoadError::Lost(_)), Some(default)) => Ok(context.arena().json_value(default.root().into())),
            (Err(error), _) => Err(error),
        }
    }

    fn call_key<'d>(&self, context: &Context<'d>, call: &'d ApiCall) -> Result<FactKey, LoadError> {
        let mut map = Map::new();
        for (key, template) in &call.data {
            map.insert(Text::Borrowed(key), self.substituted(template, context)?);
        }
        let body = if call.method == "POST" { Value::map(map).to_json() } else { String::new() };
        let method = call.method.clone();
        if let Some(service) = &call.service {
            return Ok(FactKey::ServiceCall {
                method,
                url: self.text(&service.url, context)?,
                body,
                options: self.substituted(&service.options, context)?.to_json(),
            });
        }
        let Some(path) = &call.path else {
            return Err(LoadError::Lost(format!(
                "missing URLPath or service in context entry {}",
                self.name
            )));
        };
        let path = self.text(path, context)?;
        let own = context.policy_namespace;
        if !own.is_empty() && !is_within(&path, own) {
            return Err(LoadError::Lost(format!(
                "context entry {}: path {path} refers to a namespace other than {own}",
                self.name
            )));
        }
        Ok(FactKey::ApiCall { method, path, body })
    }

    fn load_global<'d>(
        &'d self,
        context: &Context<'d>,
        name: &'d Template,
        expression: Option<&'d Expression>,
    ) -> Loaded<'d> {
        let full_name = self.text(name, context)?;
        let mut names = full_name.split('.').map(str::to_owned);
        let name = names.next().unwrap_or_default();
        let projection = names.next().unwrap_or_default();
        let what = format!("failed to fetch entry key={name}");
        let found = Self::fact(context, &FactKey::GlobalContext { name, projection }, &what)?;
        self.applied(context, found, expression)
    }

    fn load_image<'d>(
        &'d self,
        context: &Context<'d>,
        reference: &'d Template,
        expression: Option<&'d Expression>,
    ) -> Loaded<'d> {
        let reference = self.text(reference, context)?;
        let what = format!("failed to fetch image descriptor: {reference}, error");
        match Self::fact(context, &FactKey::Image(reference), &what) {
            Ok(found) => self.applied(context, found, expression),
            Err(LoadError::Lost(message)) => Err(LoadError::Unsupported(message)),
            Err(error) => Err(error),
        }
    }

    fn applied<'d>(
        &self,
        context: &Context<'d>,
        found: Node<'d>,
        expression: Option<&'d Expression>,
    ) -> Loaded<'d> {
        let found = context.arena().json_value(found.into());
        let Some(expression) = expression else { return Ok(found) };
        let text = self.text(&expression.text, context)?;
        let result = expression.over(&found, &text, context).map_err(|failure| {
            failure.under(&format!("failed to apply JMESPath {text} for context entry {}", self.name))
        })?;
        Ok(context.arena().json_value(result))
    }

    /// What a look-up found; `what` starts the message if it found nothing.
    fn fact<'d>(context: &Context<'d>, key: &FactKey, what: &str) -> Result<Node<'d>, LoadError> {
        let (value, reads) = context.inputs().fact_by_part(key).ok_or(LoadError::Pending)?;
        match value {
            FactValue::Found(document) => Ok(document.tracked(reads)),
            FactValue::Missing => Err(LoadError::Lost(format!("{what}: not found"))),
            FactValue::Refused(message) => Err(LoadError::Unsupported(format!("{what}: {message}"))),
            FactValue::Failed { message, .. } => Err(LoadError::Lost(format!("{what}: {message}"))),
        }
    }
}

/// Whether a path of the API server stays within a namespace: a namespaced policy must not look elsewhere.
fn is_within(path: &str, namespace: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let mut steps = path.split('/');
    steps.by_ref().any(|step| step == "namespaces") && steps.next() == Some(namespace)
}

impl ApiCall {
    fn compile(node: Node<'_>) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::as_str);
        let data = node.get("data").map(Node::items).into_iter().flatten().map(|part| {
            let key = part.get("key").and_then(Node::as_str).unwrap_or_default().to_owned();
            (key, template(part, "value").unwrap_or_else(empty))
        });
        let service = node.get("service").filter(|service| !service.is_null()).map(|service| {
            let mut builder = DocumentBuilder::new();
            builder.open_object();
            for (key, value) in service.sorted_entries() {
                if key != "url" {
                    builder.key(key);
                    builder.node(value);
                }
            }
            builder.close();
            Service {
                url: template(service, "url").unwrap_or_else(empty),
                options: Template::compile(builder.finish().root()),
            }
        });
        Self {
            method: text("method").filter(|method| !method.is_empty()).unwrap_or("GET").to_owned(),
            path: text_template(node, "urlPath"),
            data: data.collect(),
            service,
            expression: Expression::compile(node),
            default: node
                .get("default")
                .filter(|value| !value.is_null())
                .map(|value| Value::from(value).to_document()),
        }
    }
}
