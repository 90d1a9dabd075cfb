//! The shape of a test file: `cli.kyverno.io/v1alpha1` Test, deprecated fields included.
//! Upstream: `cmd/cli/kubectl-kyverno/apis/v1alpha1/test.go`, `test_result.go`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::document::{Document, Node};
use crate::folder::{self, Problem};
use crate::inventory::Origin;
use crate::lang::Operation;
use crate::model::PolicyKind;

use super::find::TestFile;

/// One Test document.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The case's name.
    pub(super) name: String,
    /// Where it stands.
    pub(super) origin: Origin,
    /// The folder that its paths are relative to.
    pub(super) folder: PathBuf,
    /// The whole object.
    pub(super) document: Arc<Document>,
    /// What it expects.
    pub(super) lines: Vec<Line>,
}

/// One entry of `results`.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// `name` or `namespace/name` of a policy.
    pub(super) policy: String,
    /// The rule, empty for all results of the policy.
    pub(super) rule: String,
    /// The kind, only told.
    pub(super) kind: String,
    /// `name` or `namespace/name` of resources.
    pub(super) resources: Vec<String>,
    /// The status that is expected.
    pub(super) expected: String,
    /// What is asked of the API server.
    pub(super) operation: Operation,
    /// The kinds of policy that the line is about; empty if it does not say.
    pub(super) kinds: Vec<PolicyKind>,
    /// The file with what mutated resources must be.
    pub(super) patched: String,
}

/// Reads the Test documents of a file.
pub(super) fn read(file: &TestFile, problems: &mut Vec<Problem>) -> Vec<Case> {
    let mut cases = Vec::new();
    for manifest in folder::read_file(&file.path, problems) {
        match manifest.parse() {
            Err(error) => problems.push(error.into()),
            Ok(document) if matches!(text(document.root(), "kind"), "" | "Test") => {
                let lines = lines(document.root(), &manifest.origin, problems);
                cases.push(Case {
                    name: file.case.clone(),
                    origin: manifest.origin,
                    folder: file.path.parent().unwrap_or(Path::new("")).to_owned(),
                    document: Arc::new(document),
                    lines,
                });
            }
            Ok(document) => {
                let message = format!("is a `{}`, not a `Test`", text(document.root(), "kind"));
                problems.push(Problem { origin: manifest.origin, message });
            }
        }
    }
    cases
}

/// A field's text, empty if there is none.
pub(super) fn text<'d>(node: Node<'d>, key: &str) -> &'d str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}

/// A field's strings: a list of them, or one alone.
pub(super) fn strings<'d>(node: Node<'d>, key: &str) -> Vec<&'d str> {
    let value = node.get(key);
    let one = value.and_then(Node::as_str);
    let many = value.into_iter().flat_map(Node::items).filter_map(Node::as_str);
    one.into_iter().chain(many).filter(|text| !text.is_empty()).collect()
}

fn lines(test: Node<'_>, origin: &Origin, problems: &mut Vec<Problem>) -> Vec<Line> {
    let mut lines = Vec::new();
    for (at, result) in test.get("results").into_iter().flat_map(Node::items).enumerate() {
        let mut wrong = |field: &str, what: &str| {
            let message = format!("results[{at}].{field}: {what}");
            problems.push(Problem { origin: origin.clone(), message });
        };
        let first = |keys: [&str; 2]| {
            keys.into_iter().map(|key| text(result, key)).find(|text| !text.is_empty()).unwrap_or("")
        };
        let operation = match text(result, "operation") {
            "" => Operation::Create,
            word => Operation::of(word).unwrap_or_else(|| {
                wrong("operation", &format!("`{word}` is no operation"));
                Operation::Create
            }),
        };
        let policy = text(result, "policy");
        if policy.is_empty() {
            wrong("policy", "is missing");
        }
        lines.push(Line {
            policy: with_namespace(text(result, "namespace"), policy),
            rule: text(result, "rule").to_owned(),
            kind: text(result, "kind").to_owned(),
            resources: [strings(result, "resources"), strings(result, "resource")]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            expected: first(["result", "status"]).to_owned(),
            operation,
            kinds: kinds(result),
            patched: first(["patchedResources", "patchedResource"]).to_owned(),
        });
    }
    lines
}

/// The deprecated field `namespace` is that of the policy.
fn with_namespace(namespace: &str, policy: &str) -> String {
    if namespace.is_empty() || policy.contains('/') {
        policy.to_owned()
    } else {
        format!("{namespace}/{policy}")
    }
}

/// Which kinds of policy a line is about by its flags.
fn kinds(result: Node<'_>) -> Vec<PolicyKind> {
    use PolicyKind as K;
    let flags: [(&str, &[K]); 7] = [
        ("isValidatingPolicy", &[K::ValidatingPolicy, K::NamespacedValidatingPolicy]),
        ("isImageValidatingPolicy", &[K::ImageValidatingPolicy, K::NamespacedImageValidatingPolicy]),
        ("isMutatingPolicy", &[K::MutatingPolicy, K::NamespacedMutatingPolicy]),
        ("isGeneratingPolicy", &[K::GeneratingPolicy, K::NamespacedGeneratingPolicy]),
        ("isDeletingPolicy", &[K::DeletingPolicy, K::NamespacedDeletingPolicy]),
        ("isValidatingAdmissionPolicy", &[K::ValidatingAdmissionPolicy]),
        ("isMutatingAdmissionPolicy", &[K::MutatingAdmissionPolicy]),
    ];
    let is_set = |flag: &str| result.get(flag).and_then(Node::as_bool) == Some(true);
    flags.into_iter().filter(|(flag, _)| is_set(flag)).flat_map(|(_, kinds)| kinds.iter().copied()).collect()
}
