//! What the variables of one rule see: the request, the images of a pod, the element of a `foreach`, context entries, and values that a
//! test gives.
//!
//! Context entries are loaded when an expression looks at them, each at most once; an entry sees those before it. An entry that cannot be
//! loaded is as if it were not there, as in Kyverno's deferred loading; why is kept for the message.

mod entry;
mod images;
mod request;

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use crate::document::{Map, Text, Value};
use crate::lang::jmespath::{CompileError, Env, EvaluateError, Program, Scope};
use crate::lang::{Inputs, Operation, Volatility};

use super::arena::Arena;
use super::programs::Programs;

pub(crate) use entry::Entries;
pub(super) use images::{Extractors, Image, ImageMap};

/// Why a part of a rule has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Facts are missing; they are noted in the inputs.
    Pending,
    /// For people.
    Error(String),
}

impl Failure {
    /// The failure of a variable at a path.
    pub(super) fn at(self, variable: &str, path: &str) -> Self {
        match self {
            Self::Pending => Self::Pending,
            Self::Error(message) => {
                Self::Error(format!("failed to resolve {variable} at path {path}: {message}"))
            }
        }
    }

    /// The failure with words before it.
    pub(super) fn under(self, prefix: &str) -> Self {
        match self {
            Self::Pending => Self::Pending,
            Self::Error(message) => Self::Error(format!("{prefix}: {message}")),
        }
    }
}

/// What an empty expression comes to.
const NO_QUERY: &str = "invalid query (nil)";

fn incorrect(text: &str, error: &CompileError) -> String {
    format!("incorrect query {text}: {error}")
}

/// An expression of a rule.
#[derive(Debug)]
pub(super) struct Query {
    text: Box<str>,
    program: Result<Program, String>,
}

impl Query {
    /// Compiles an expression; what is wrong with it shows when it is evaluated.
    pub(super) fn compile(text: &str) -> Self {
        let text = text.trim();
        let program = if text.is_empty() {
            Err(NO_QUERY.to_owned())
        } else {
            Program::compile(text).map_err(|error| incorrect(text, &error))
        };
        Self { text: text.into(), program }
    }

    /// The expression.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// What all contexts of one evaluation share.
#[derive(Debug)]
pub(crate) struct Shared<'d> {
    pub(super) inputs: &'d Inputs<'d>,
    pub(super) arena: &'d Arena,
    env: Env<'d>,
}

impl<'d> Shared<'d> {
    /// For one rule and one resource.
    pub(crate) fn new(inputs: &'d Inputs<'d>, arena: &'d Arena) -> Self {
        let nanos = i64::try_from(inputs.now.as_nanosecond()).unwrap_or(i64::MAX);
        let seed = nanos.cast_unsigned();
        Self { inputs, arena, env: Env::new(nanos, seed) }
    }
}

/// The variables of one rule.
#[derive(Debug)]
pub(crate) struct Context<'d> {
    shared: &'d Shared<'d>,
    policy_namespace: &'d str,
    programs: &'d Programs,
    extractors: Option<&'d Extractors>,
    layers: RefCell<Vec<Layer<'d>>>,
    /// While an entry is loaded: its layer and position; it sees only what comes before.
    horizon: Cell<Option<(usize, usize)>>,
    request: OnceCell<Value<'d>>,
    images: OnceCell<Result<Option<ImageMap>, String>>,
    losses: RefCell<Vec<String>>,
    /// What is over all other variables for a while: the fields of a predicate.
    overlay: RefCell<Option<Value<'d>>>,
}

/// The entries of the rule, or of one `foreach` with its element.
#[derive(Debug)]
struct Layer<'d> {
    entries: &'d Entries,
    states: Vec<State<'d>>,
    element: Option<Element<'d>>,
}

#[derive(Clone, Debug)]
enum State<'d> {
    Unloaded,
    Loading,
    Loaded(Value<'d>),
    Lost,
}

/// The element that a `foreach` is at.
#[derive(Clone, Debug)]
pub(super) struct Element<'d> {
    pub(super) value: Value<'d>,
    pub(super) index: usize,
    pub(super) nesting: usize,
}

impl<'d> Context<'d> {
    /// A context for a rule of a policy in that namespace (empty for cluster-wide policies).
    pub(crate) fn new(
        shared: &'d Shared<'d>,
        entries: &'d Entries,
        policy_namespace: &'d str,
        programs: &'d Programs,
    ) -> Self {
        let context = Self {
            shared,
            policy_namespace,
            programs,
            extractors: None,
            layers: RefCell::default(),
            horizon: Cell::new(None),
            request: OnceCell::new(),
            images: OnceCell::new(),
            losses: RefCell::default(),
            overlay: RefCell::default(),
        };
        context.enter(entries, None);
        context
    }

    /// The same with a rule's own way of finding images.
    pub(super) fn with_extractors(self, extractors: Option<&'d Extractors>) -> Self {
        Self { extractors, ..self }
    }

    /// Opens the layer of a `foreach` element.
    pub(super) fn enter(&self, entries: &'d Entries, element: Option<Element<'d>>) {
        let states = vec![State::Unloaded; entries.len()];
        self.layers.borrow_mut().push(Layer { entries, states, element });
    }

    /// Closes the innermost layer.
    pub(super) fn leave(&self) {
        self.layers.borrow_mut().pop();
    }

    /// Does something with the fields of an object over all other variables.
    pub(super) fn with_overlay<T>(&self, fields: Value<'d>, work: impl FnOnce() -> T) -> T {
        let before = self.overlay.replace(Some(fields));
        let done = work();
        self.overlay.replace(before);
        done
    }

    pub(super) fn inputs(&self) -> &'d Inputs<'d> {
        self.shared.inputs
    }

    pub(super) fn arena(&self) -> &'d Arena {
        self.shared.arena
    }

    pub(super) fn env(&self) -> &'d Env<'d> {
        &self.shared.env
    }

    /// Whether the request deletes the resource.
    pub(super) fn is_delete(&self) -> bool {
        request::operation(self.inputs()) == Operation::Delete.as_str()
    }

    /// The images of the resource; the message says which image is malformed.
    pub(super) fn images(&self) -> Result<Option<&ImageMap>, &str> {
        let found =
            self.images.get_or_init(|| images::extract(self.inputs().object(), self.extractors, self.env()));
        found.as_ref().map(Option::as_ref).map_err(String::as_str)
    }

    /// The value of a variable: an expression between braces.
    pub(super) fn variable(&self, query: &'d Query) -> Result<Value<'d>, Failure> {
        if query.text.contains("request.object") && self.is_delete() {
            return self.query_text(&query.text);
        }
        self.query(query)
    }

    /// The value of an expression.
    pub(super) fn query(&self, query: &'d Query) -> Result<Value<'d>, Failure> {
        match &query.program {
            Ok(program) => self.run(program),
            Err(message) => Err(Failure::Error(message.clone())),
        }
    }

    /// The value of an expression that came out of a substitution.
    pub(super) fn query_text(&self, text: &str) -> Result<Value<'d>, Failure> {
        let replaced;
        let text = if self.is_delete() {
            replaced = text.replace("request.object", "request.oldObject");
            &replaced
        } else {
            text
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(Failure::Error(NO_QUERY.to_owned()));
        }
        match self.programs.get(text) {
            Ok(program) => self.run(self.arena().program(program)),
            Err(error) => Err(Failure::Error(incorrect(text, &error))),
        }
    }

    /// The value of an expression over one value instead of the variables.
    pub(super) fn query_on(&self, text: &str, value: &Value<'d>) -> Result<Value<'d>, Failure> {
        self.query_compiled_on(text, self.programs.get(text), value)
    }

    /// The value of an expression that is compiled already, over one value instead of the variables.
    pub(super) fn query_compiled_on(
        &self,
        text: &str,
        program: Result<Arc<Program>, CompileError>,
        value: &Value<'d>,
    ) -> Result<Value<'d>, Failure> {
        let program = program
            .map_err(|error| Failure::Error(format!("failed to compile JMESPath: {text}, error: {error}")))?;
        let result = self.arena().program(program).evaluate_on(value, self.env());
        self.note_volatility();
        result.map_err(|error| self.failure(&error))
    }

    /// The value of a compiled expression over one value instead of the variables.
    pub(super) fn evaluate_on(
        &self,
        program: &'d Program,
        value: &Value<'d>,
    ) -> Result<Value<'d>, EvaluateError> {
        let result = program.evaluate_on(value, self.env());
        self.note_volatility();
        result
    }

    fn run(&self, program: &'d Program) -> Result<Value<'d>, Failure> {
        let result = program.evaluate(self, self.env());
        self.note_volatility();
        result.map_err(|error| match self.failure(&error) {
            Failure::Error(message) => Failure::Error(format!("JMESPath query failed: {message}")),
            Failure::Pending => Failure::Pending,
        })
    }

    fn note_volatility(&self) {
        if self.env().was_volatile() {
            self.inputs().note_volatile(Volatility::MaxAge);
        }
    }

    fn failure(&self, error: &EvaluateError) -> Failure {
        match error {
            EvaluateError::Pending => Failure::Pending,
            EvaluateError::NotFound { .. } => {
                let losses = self.losses.borrow();
                let mut message = error.to_string();
                for loss in losses.iter() {
                    message.push_str("; ");
                    message.push_str(loss);
                }
                Failure::Error(message)
            }
            other => Failure::Error(other.to_string()),
        }
    }

    /// The value of an entry or of an element in the layers; the latest definition that can be loaded counts.
    fn in_layers(&self, name: &str) -> Result<Option<Value<'d>>, EvaluateError> {
        let (last_layer, mut below) = match self.horizon.get() {
            Some((layer, position)) => (layer, position),
            None => (self.layers.borrow().len().saturating_sub(1), usize::MAX),
        };
        for depth in (0..=last_layer).rev() {
            let Some((entries, element)) =
                self.layers.borrow().get(depth).map(|layer| (layer.entries, layer.element.clone()))
            else {
                continue;
            };
            for (position, entry) in entries.iter().enumerate().rev() {
                if position < below
                    && entry.name() == name
                    && let Some(value) = self.entry_value(depth, position, entry)?
                {
                    return Ok(Some(value));
                }
            }
            below = usize::MAX;
            if let Some(value) = element.and_then(|element| element.variable(name)) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn entry_value(
        &self,
        depth: usize,
        position: usize,
        entry: &'d entry::Entry,
    ) -> Result<Option<Value<'d>>, EvaluateError> {
        match self.state(depth, position) {
            State::Loaded(value) => return Ok(Some(value)),
            State::Lost | State::Loading => return Ok(None),
            State::Unloaded => {}
        }
        self.set_state(depth, position, State::Loading);
        let horizon = self.horizon.replace(Some((depth, position)));
        let loaded = entry.load(self);
        self.horizon.set(horizon);
        match loaded {
            Ok(value) => {
                self.set_state(depth, position, State::Loaded(value.clone()));
                Ok(Some(value))
            }
            Err(entry::LoadError::Pending) => {
                self.set_state(depth, position, State::Unloaded);
                Err(EvaluateError::Pending)
            }
            Err(entry::LoadError::Unsupported(message)) => Err(EvaluateError::scope(message)),
            Err(entry::LoadError::Lost(message)) => {
                self.losses.borrow_mut().push(message);
                self.set_state(depth, position, State::Lost);
                Ok(None)
            }
        }
    }

    fn state(&self, depth: usize, position: usize) -> State<'d> {
        let layers = self.layers.borrow();
        layers.get(depth).and_then(|layer| layer.states.get(position)).cloned().unwrap_or(State::Lost)
    }

    fn set_state(&self, depth: usize, position: usize, state: State<'d>) {
        let mut layers = self.layers.borrow_mut();
        if let Some(slot) = layers.get_mut(depth).and_then(|layer| layer.states.get_mut(position)) {
            *slot = state;
        }
    }

    /// A value that a test gives, under its name or below it.
    fn given(&self, name: &str) -> Option<Value<'d>> {
        let given = &self.inputs().request.given;
        if given.is_empty() {
            return None;
        }
        request::given(given, name, self.arena()).or_else(|| self.given_for_element(name))
    }

    /// A value that a test gives for each element of a list that is gone through: `name[]` holds one for each.
    fn given_for_element(&self, name: &str) -> Option<Value<'d>> {
        let values = self.inputs().request.given.get(&format!("{name}[]"))?;
        let layers = self.layers.borrow();
        let element = layers.iter().rev().find_map(|layer| layer.element.as_ref())?;
        Some(self.arena().json_value(values.root().at_index(element.index)?.into()))
    }
}

impl<'d> Scope<'d> for Context<'d> {
    fn get(&self, name: &str) -> Result<Option<Value<'d>>, EvaluateError> {
        if let Some(value) = self.overlay.borrow().as_ref().and_then(|fields| fields.get(name)) {
            return Ok(Some(value));
        }
        if name == "request" {
            return Ok(Some(
                self.request.get_or_init(|| request::value(self.inputs(), self.arena())).clone(),
            ));
        }
        if let Some(value) = self.in_layers(name)? {
            return Ok(Some(value));
        }
        if let Some(value) = self.given(name) {
            return Ok(Some(value));
        }
        match name {
            "images" => match self.images() {
                Ok(images) => Ok(images.map(ImageMap::value)),
                Err(message) => Err(EvaluateError::scope(message)),
            },
            "serviceAccountName" | "serviceAccountNamespace" => {
                Ok(request::service_account(self.inputs(), name))
            }
            _ => Ok(None),
        }
    }

    fn whole(&self) -> Result<Value<'d>, EvaluateError> {
        let mut names: Vec<String> = ["request", "images", "serviceAccountName", "serviceAccountNamespace"]
            .map(str::to_owned)
            .to_vec();
        for layer in self.layers.borrow().iter() {
            names.extend(layer.entries.iter().map(|entry| entry.name().to_owned()));
            names.extend(layer.element.iter().flat_map(Element::names));
        }
        let given = &self.inputs().request.given;
        names.extend(given.keys().filter_map(|name| name.split('.').next()).map(str::to_owned));
        let mut map = Map::new();
        for name in names {
            if let Some(value) = self.get(&name)? {
                map.insert(Text::from(name), value);
            }
        }
        Ok(Value::map(map))
    }
}

impl<'d> Element<'d> {
    fn variable(&self, name: &str) -> Option<Value<'d>> {
        let rest = name.strip_prefix("element")?;
        let (is_index, nesting) = match rest.strip_prefix("Index") {
            Some(nesting) => (true, nesting),
            None => (false, rest),
        };
        if !nesting.is_empty() && nesting.parse() != Ok(self.nesting) {
            return None;
        }
        // Kyverno adds the index as a Go integer, which JMESPath does not take for a number.
        let index = i64::try_from(self.index).unwrap_or(i64::MAX);
        Some(if is_index { Value::Int(index) } else { self.value.clone() })
    }

    fn names(&self) -> [String; 4] {
        let nesting = self.nesting;
        [
            "element".to_owned(),
            "elementIndex".to_owned(),
            format!("element{nesting}"),
            format!("elementIndex{nesting}"),
        ]
    }
}
