//! The dry patch: a policy's mutations, evaluated in order and applied to a copy of the resource.
//!
//! Each mutation sees the copy as those before it left it. What a patch names is noted as read, part by part, and so is what expressions
//! read of the copy; everything else of the resource may change without another evaluation.

use std::cell::OnceCell;

use serde_json::Value as Json;

use super::expressions::{Mutation, PatchType};
use super::patch_value;
use crate::document::{Document, Node};
use crate::lang::Inputs;
use crate::lang::cel::{EvalError, Value};
use crate::lang::patch::{Atomics, Operation, PatchError, Shapes, apply, patch};

/// Why there is no patched object.
#[derive(Debug)]
pub(super) enum Fault {
    /// A fact has to be fetched first.
    Pending,
    /// An expression failed.
    Evaluation(EvalError),
    /// What it gave does not fit the object.
    Patch(String),
}

impl From<EvalError> for Fault {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Pending => Self::Pending,
            error => Self::Evaluation(error),
        }
    }
}

/// How patches are applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// What happens to atomic lists and maps of apply configurations.
    pub(super) atomics: Atomics,
    /// Where in the object the Pod stands that patches are about; empty if they are about the object itself.
    pub(super) template: &'static [&'static str],
    /// Whether literals of lists and maps may be nested without `Object` types, which the API server does not understand.
    pub(super) nests_literals: bool,
}

/// The changed objects of one evaluation, by mutation. They outlive the expressions that look into them.
#[derive(Debug, Default)]
pub(super) struct Stages(Vec<OnceCell<Document>>);

impl Stages {
    /// Room for this many mutations.
    pub(super) fn new(n_mutations: usize) -> Self {
        Self((0..n_mutations).map(|_| OnceCell::new()).collect())
    }
}

/// A copy of the resource that is being changed.
#[derive(Debug)]
pub(super) struct Draft<'d> {
    inputs: &'d Inputs<'d>,
    original: Option<Json>,
    /// The copy, once something has changed.
    changed: Option<Json>,
}

impl<'d> Draft<'d> {
    /// An unchanged copy.
    pub(super) fn new(inputs: &'d Inputs<'d>) -> Self {
        Self { inputs, original: None, changed: None }
    }

    /// Whether the copy differs from the resource.
    pub(super) fn is_changed(&self) -> bool {
        self.changed.is_some()
    }

    /// The copy as it is now; `None` if it is the resource.
    pub(super) fn changed(&self) -> Option<&Json> {
        self.changed.as_ref()
    }

    /// The copy, changed or not.
    pub(super) fn into_object(self) -> Option<Json> {
        self.changed.or(self.original).or_else(|| self.inputs.copy())
    }

    /// The copy as an expression sees it, kept in a stage; `None` if it is the resource.
    pub(super) fn object<'s>(&self, stages: &'s Stages, stage: usize) -> Result<Option<Node<'s>>, Fault>
    where
        'd: 's,
    {
        let (Some(changed), Some(stage)) = (&self.changed, stages.0.get(stage)) else { return Ok(None) };
        let document = Document::from_json(changed.to_string().as_bytes())
            .map_err(|error| Fault::Patch(format!("the patched object cannot be read: {error}")))?;
        Ok(Some(self.inputs.changed(stage.get_or_init(|| document))))
    }

    /// Applies what a mutation's expression gave.
    pub(super) fn apply(
        &mut self,
        mutation: &Mutation,
        value: &Value<'_>,
        manner: Manner,
    ) -> Result<(), Fault> {
        match mutation.kind {
            PatchType::ApplyConfiguration => self.merge(value, manner),
            PatchType::JsonPatch => self.patch(value, manner),
        }
        .map_err(Fault::Patch)
    }

    fn merge(&mut self, value: &Value<'_>, manner: Manner) -> Result<(), String> {
        patch_value::check_types(value).map_err(|error| format!("type mismatch: {error}"))?;
        let mut patch = patch_value::configuration(value, manner.nests_literals)?;
        if let Json::Object(fields) = &mut patch {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
        for step in manner.template.iter().rev() {
            patch = Json::Object(std::iter::once(((*step).to_owned(), patch)).collect());
        }
        for (name, below) in patch.as_object().into_iter().flatten() {
            match below.as_object().filter(|_| name == "metadata") {
                Some(fields) => fields.keys().for_each(|field| self.look(&[name, field])),
                None => self.look(&[name]),
            }
        }
        let before = self.current()?;
        let text = |key: &str| before.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let shapes = Shapes::of(&text("apiVersion"), &text("kind"));
        let after = apply(&shapes, before, &patch, manner.atomics)
            .map_err(|error| format!("error applying patch: {error}"))?;
        self.set(after);
        Ok(())
    }

    fn patch(&mut self, value: &Value<'_>, manner: Manner) -> Result<(), String> {
        let mut operations = patch_value::operations(value, manner.nests_literals)?;
        for operation in &mut operations {
            within(operation, manner.template);
        }
        for pointer in operations.iter().flat_map(Operation::pointers) {
            match &pointer {
                Some(pointer) => {
                    let tokens: Vec<&str> = pointer.tokens().iter().map(String::as_str).collect();
                    self.look(&tokens);
                }
                None => self.look(&[]),
            }
        }
        let mut after = self.current()?.clone();
        match patch(&mut after, &operations) {
            Ok(()) => {}
            // The patch as a whole is not applied.
            Err(PatchError::TestFailed(_)) => return Ok(()),
            Err(error) => return Err(format!("JSON Patch: {error}")),
        }
        let has_kind =
            |object: &Json| object.get("kind").and_then(Json::as_str).is_some_and(|kind| !kind.is_empty());
        if !has_kind(&after) && self.current().is_ok_and(has_kind) {
            return Err(format!("Internal error occurred: Object 'Kind' is missing in '{after}'"));
        }
        self.set(after);
        Ok(())
    }

    /// Notes that a part of the resource is looked at.
    fn look(&self, tokens: &[&str]) {
        let object = self.inputs.object();
        match tokens {
            [] => drop(object.len()),
            ["metadata"] => drop(object.get("metadata").map(Node::len)),
            ["metadata", field, ..] => drop(object.get("metadata").and_then(|metadata| metadata.get(field))),
            [field, ..] => drop(object.get(field)),
        }
    }

    fn current(&mut self) -> Result<&Json, String> {
        if let Some(changed) = &self.changed {
            return Ok(changed);
        }
        if self.original.is_none() {
            self.original = self.inputs.copy();
        }
        self.original.as_ref().ok_or_else(|| "the object cannot be copied".to_owned())
    }

    fn set(&mut self, after: Json) {
        self.changed = (self.original.as_ref() != Some(&after)).then_some(after);
    }
}

/// Moves an operation that is about a Pod to where the Pod's template stands.
fn within(operation: &mut Operation, template: &[&str]) {
    if template.is_empty() {
        return;
    }
    let is_moved = |path: &str| {
        let mut tokens = path.split('/').skip(1);
        match tokens.next() {
            Some("spec") => true,
            Some("metadata") => matches!(tokens.next(), Some("labels" | "annotations")),
            _ => false,
        }
    };
    let prefix = format!("/{}", template.join("/"));
    for path in [&mut operation.path, &mut operation.from] {
        if is_moved(path) {
            path.insert_str(0, &prefix);
        }
    }
}
