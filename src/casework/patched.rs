//! What a test expects of mutated resources: `patchedResources`, a file with objects.
//! Upstream: `cmd/cli/kubectl-kyverno/commands/test/compare.go`, `pkg/…/resource/compare.go`: empty lists and maps do not count.

use serde_json::Value;

use super::case::{Case, Line};
use crate::folder::{self, Problem};

/// The objects that mutated resources must be; none: whatever they are.
#[derive(Debug, Default)]
pub(super) struct Expectation(Option<Vec<Value>>);

/// Reads the objects that a line expects.
pub(super) fn expected(case: &Case, line: &Line, problems: &mut Vec<Problem>) -> Expectation {
    if line.patched.is_empty() {
        return Expectation::default();
    }
    let mut objects = Vec::new();
    for manifest in folder::read_file(&case.folder.join(&line.patched), problems) {
        match manifest.parse() {
            Ok(document) => objects.extend(serde_json::to_value(document.root())),
            Err(error) => problems.push(error.into()),
        }
    }
    Expectation(Some(objects))
}

impl Expectation {
    /// Whether a mutated resource is what is expected of it.
    ///
    /// # Errors
    /// What is expected instead.
    pub(super) fn compare(&self, patched: &Value) -> Result<(), String> {
        let Some(objects) = &self.0 else { return Ok(()) };
        let text = |object: &Value, pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
        let is_same = |object: &&Value| {
            let namespace = text(object, "/metadata/namespace");
            ["/kind", "/metadata/name"].iter().all(|pointer| text(object, pointer) == text(patched, pointer))
                && (namespace.is_null() || namespace == text(patched, "/metadata/namespace"))
        };
        // The reference expects nothing of a resource that is not in the file.
        let Some(wanted) = objects.iter().find(is_same) else { return Ok(()) };
        let (mut wanted, mut patched) = (wanted.clone(), patched.clone());
        // Where a file names no namespace, the default one is meant.
        if text(&wanted, "/metadata/namespace").is_null()
            && let Some(metadata) = patched.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("namespace");
        }
        tidy(&mut wanted);
        tidy(&mut patched);
        if wanted == patched {
            return Ok(());
        }
        Err(format!("the patched resource is not the expected one: {patched}"))
    }
}

/// Takes away nulls and empty lists and maps.
fn tidy(value: &mut Value) {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(tidy);
            items.retain(|item| !is_empty(item));
        }
        Value::Object(fields) => {
            fields.values_mut().for_each(tidy);
            fields.retain(|_, value| !is_empty(value));
        }
        _ => {}
    }
}
