//! What the names of a policy's expressions mean for one resource.
//!
//! Everything is computed when it is read, and at most once: variables, the request, the namespace. What is not there yet is asked for as a
//! fact, and the evaluation ends with [`EvalError::Pending`].

use std::cell::{Cell, OnceCell};

use super::environment::{Dialect, Meaning};
use super::expressions::{Expression, Expressions, Validation};
use super::image_validating_policy::ImageNames;
use super::{library, names, request};
use crate::document::Node;
use crate::lang::cel::{Activation, Budget, EvalError, Key, Text, Value};
use crate::lang::{Inputs, Operation, cel_k8s};
use crate::limits;
use crate::model::{self, FactKey, FactValue};

/// The result of an expression.
pub(super) type Outcome<'d> = Result<Value<'d>, EvalError>;

/// The meaning of names in one evaluation.
#[derive(Debug)]
pub(crate) struct Frame<'d> {
    pub(super) expressions: &'d Expressions,
    pub(super) inputs: &'d Inputs<'d>,
    pub(super) budget: Budget,
    /// The value of `params`.
    params: Option<Node<'d>>,
    /// The value of `object` where it is not the resource as it is: a copy that mutations have changed.
    changed: Cell<Option<Node<'d>>>,
    /// The lists of the exceptions that apply.
    exceptions: OnceCell<Value<'d>>,
    /// The names and functions of a policy about images.
    images: OnceCell<ImageNames<'d>>,
    has_namespace: bool,
    variables: Vec<OnceCell<Outcome<'d>>>,
    request: OnceCell<Value<'d>>,
    namespace: OnceCell<Outcome<'d>>,
    /// How many random numbers were drawn.
    n_drawn: Cell<u64>,
}

impl<'d> Frame<'d> {
    /// A frame without parameters.
    pub(crate) fn new(expressions: &'d Expressions, inputs: &'d Inputs<'d>, budget: Budget) -> Self {
        Self {
            expressions,
            inputs,
            budget,
            params: None,
            changed: Cell::new(None),
            exceptions: OnceCell::new(),
            images: OnceCell::new(),
            has_namespace: true,
            variables: expressions.variables.iter().map(|_| OnceCell::new()).collect(),
            request: OnceCell::new(),
            namespace: OnceCell::new(),
            n_drawn: Cell::new(0),
        }
    }

    /// With parameters.
    pub(crate) fn with_params(self, params: Option<Node<'d>>) -> Self {
        Self { params, ..self }
    }

    /// Says what `object` is from now on, if it is not the resource as it is. Variables that were read already keep their values.
    pub(super) fn set_object(&self, changed: Option<Node<'d>>) {
        self.changed.set(changed);
    }

    /// With `namespaceObject` being null, as the API server has it in match conditions.
    pub(super) fn without_namespace(self) -> Self {
        Self { has_namespace: false, ..self }
    }

    /// Says what `exceptions` holds; the first word counts.
    pub(super) fn set_exceptions(&self, images: Vec<&'d str>, values: Vec<&'d str>) {
        let strings = |list: Vec<&'d str>| Value::list(list.into_iter().map(Value::borrowed).collect());
        let _ = self.exceptions.set(Value::map(vec![
            (key("allowedImages"), strings(images)),
            (key("allowedValues"), strings(values)),
        ]));
    }

    /// Says what a policy about images may name; the first word counts.
    pub(super) fn set_images(&self, images: ImageNames<'d>) {
        let _ = self.images.set(images);
    }

    /// What a policy about images may name, once it is said.
    pub(super) fn images(&self) -> Option<&ImageNames<'d>> {
        self.images.get()
    }

    /// Computes an expression.
    pub(super) fn value(&self, expression: &'d Expression) -> Outcome<'d> {
        expression.program.evaluate(self, &self.budget)
    }

    /// Computes a condition.
    pub(super) fn condition(&self, expression: &'d Expression) -> Result<bool, EvalError> {
        let value = self.value(expression)?;
        value
            .as_bool()
            .ok_or_else(|| EvalError::failed(format!("unexpected result type {}", value.type_name())))
    }

    /// Whether conditions hold, as Kyverno asks them: one that is false decides before one that fails.
    pub(super) fn holds(
        &self,
        conditions: &'d [Expression],
        ignores_failures: bool,
    ) -> Result<bool, EvalError> {
        let mut errors = Vec::new();
        for condition in conditions {
            match self.condition(condition) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(EvalError::Pending) => return Err(EvalError::Pending),
                Err(error) => errors.push(error.to_string()),
            }
        }
        match errors.as_slice() {
            [] => Ok(true),
            _ if ignores_failures => Ok(false),
            several => Err(EvalError::failed(several.join("; "))),
        }
    }

    /// What a validation that is not met says; `index` is its position.
    pub(super) fn reason(&self, index: usize, validation: &'d Validation) -> Result<String, EvalError> {
        let message = match &validation.message_expression {
            None => validation.message.clone(),
            Some(expression) => self.message(expression)?,
        };
        let is_said = !message.is_empty();
        Ok(if is_said { message } else { format!("CEL expression validation failed at index {index}") })
    }

    /// What a message expression says, or why it says nothing.
    fn message(&self, expression: &'d Expression) -> Result<String, EvalError> {
        match self.value(expression) {
            Ok(value) => Ok(value
                .as_str()
                .map_or_else(|| "failed to convert message expression to string".to_owned(), str::to_owned)),
            Err(EvalError::Pending) => Err(EvalError::Pending),
            Err(error) => Ok(format!("failed to evaluate message expression: {error}")),
        }
    }

    /// Audit annotations become properties of the result; those without text are left out.
    pub(super) fn annotate(&self, outcome: &mut model::Outcome) -> Result<(), EvalError> {
        for annotation in &self.expressions.audit_annotations {
            let name = &annotation.name;
            let value = self.value(&annotation.expression).map_err(|error| match error {
                EvalError::Pending => EvalError::Pending,
                error => EvalError::failed(format!("failed to evaluate auditAnnotation '{name}': {error}")),
            })?;
            let Some(text) = value.as_str() else {
                let message = format!("failed to convert auditAnnotation '{name}' expression");
                return Err(EvalError::failed(message));
            };
            if !text.is_empty() {
                outcome.properties.insert(name.clone(), text.to_owned());
            }
        }
        Ok(())
    }

    /// The next random number: the same ones in each run at the same time, so that a run that is repeated with more facts repeats itself.
    /// `None` after [`limits::CEL_RANDOM_PARTS_MAX`].
    pub(super) fn draw(&self) -> Option<u64> {
        let n_drawn = self.n_drawn.get();
        self.n_drawn.set(n_drawn + 1);
        let now = self.inputs.now.as_nanosecond().rem_euclid(i128::from(u64::MAX));
        let seed = u64::try_from(now).unwrap_or_default();
        (n_drawn < limits::CEL_RANDOM_PARTS_MAX).then(|| scrambled(seed.wrapping_add(n_drawn)))
    }

    fn object(&self) -> Value<'d> {
        match self.inputs.request.operation {
            Operation::Delete => Value::Null,
            _ => Value::from(self.changed.get().unwrap_or_else(|| self.inputs.object())),
        }
    }

    fn old_object(&self) -> Value<'d> {
        let old = self.inputs.request.old_object.as_ref();
        old.map_or(Value::Null, |old| Value::from(old.root()))
    }

    fn variable(&self, at: usize) -> Outcome<'d> {
        let (Some(cell), Some(variable)) = (self.variables.get(at), self.expressions.variables.get(at))
        else {
            return Err(EvalError::Fixed("no such attribute(s)"));
        };
        if let Some(known) = cell.get() {
            return known.clone();
        }
        let computed = self.value(&variable.expression).map_err(|error| match error {
            error if !error.is_absorbable() || !self.expressions.dialect.is_admission() => error,
            error => EvalError::failed(format!(
                "composited variable \"{}\" fails to evaluate: {error}",
                variable.name
            )),
        });
        cell.get_or_init(|| computed).clone()
    }

    fn plural(&self) -> Result<String, EvalError> {
        names::plural_of(self.inputs.resource, self.inputs).ok_or(EvalError::Pending)
    }

    fn namespace_object(&self) -> Outcome<'d> {
        let key = &self.inputs.resource.key;
        if !self.has_namespace || key.namespace.is_empty() || key.is_namespace() {
            return Ok(Value::Null);
        }
        let fact = self.inputs.fact_by_part(&FactKey::Namespace(key.namespace.clone()));
        let (value, reads) = fact.ok_or(EvalError::Pending)?;
        match value {
            FactValue::Found(namespace) => Ok(Value::from(namespace.tracked(reads))),
            FactValue::Missing => Ok(request::namespace_named(&key.namespace)),
            FactValue::Failed { message, .. } | FactValue::Refused(message) => {
                Err(EvalError::failed(format!("namespace {} cannot be read: {message}", key.namespace)))
            }
        }
    }
}

/// A number that looks random (the finalizer of SplitMix64).
fn scrambled(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

pub(super) fn key(name: &'static str) -> Key<'static> {
    Key::String(Text::Borrowed(name))
}

impl<'d> Activation<'d> for Frame<'d> {
    fn resolve(&self, slot: u16) -> Outcome<'d> {
        let meaning = self.expressions.meanings.get(usize::from(slot)).copied().flatten();
        Ok(match meaning {
            Some(Meaning::Object) => self.object(),
            Some(Meaning::OldObject) => self.old_object(),
            Some(Meaning::Request) => {
                if let Some(known) = self.request.get() {
                    return Ok(known.clone());
                }
                let plural = self.plural()?;
                let dialect = self.expressions.dialect;
                self.request.get_or_init(|| request::request(self.inputs, dialect, &plural)).clone()
            }
            Some(Meaning::NamespaceObject) => {
                if let Some(known) = self.namespace.get() {
                    return known.clone();
                }
                let namespace = self.namespace_object();
                return self.namespace.get_or_init(|| namespace).clone();
            }
            Some(Meaning::Params) => self.params.map_or(Value::Null, Value::from),
            Some(Meaning::Variable(at)) => return self.variable(at),
            Some(Meaning::Authorizer) => cel_k8s::authorizer(),
            Some(Meaning::RequestResource) => {
                let key = &self.inputs.resource.key;
                cel_k8s::request_resource(&key.group, &self.plural()?, &key.namespace, &key.name)
            }
            Some(Meaning::Exceptions) => {
                self.set_exceptions(Vec::new(), Vec::new());
                self.exceptions.get().cloned().unwrap_or(Value::Null)
            }
            Some(Meaning::Images) => self.images.get().map_or(Value::Null, ImageNames::images),
            Some(Meaning::Attestors) => self.images.get().map_or(Value::Null, ImageNames::attestors),
            Some(Meaning::Attestations) => self.images.get().map_or(Value::Null, ImageNames::attestations),
            Some(Meaning::Service(at)) => cel_k8s::kyverno::library_variable(at).unwrap_or(Value::Null),
            None => return Err(EvalError::Fixed("no such attribute(s)")),
        })
    }

    fn call_host(&self, function: &str, args: &[Value<'d>]) -> Outcome<'d> {
        if let Some(answer) = self.images.get().and_then(|images| images.answer(self, function, args)) {
            return answer;
        }
        let is_namespaced = self.expressions.dialect == Dialect::Kyverno { is_namespaced: true };
        if let Some(answer) = library::answer(self, function, args, is_namespaced) {
            return answer;
        }
        if function == cel_k8s::AUTHORIZER_CHECK {
            return Ok(Value::map(vec![
                (key("allowed"), Value::Bool(false)),
                (key("reason"), Value::string("a scan has no user")),
            ]));
        }
        Err(EvalError::failed(format!("function `{function}` is not available here")))
    }
}
