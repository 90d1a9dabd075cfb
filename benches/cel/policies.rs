//! The policies of `policies/pod-security-cel`, on the Pods and Deployments of the workload W4.
//!
//! One evaluation is one call of a compiled policy on a resource that it says something about: matching,
//! variables, validations and the outcome with its message, as a scan does it. Pods are judged by the rules
//! as they are written, Deployments by those that are derived for Pod controllers.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use patrol::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use patrol::document::{Document, Node};
use patrol::inventory::{Scopes, identify};
use patrol::lang::{Evaluation, Inputs, Request};
use patrol::model::{PolicyKey, PolicyKind, ResourceId};
use patrol::policy::PolicySource;

use super::clock::{Cost, cost_of};
use super::w4::Size;

const FOLDER: &str = "corpus/kyverno-cli/policies/pod-security-cel";

/// The pairs that are measured.
#[derive(Debug)]
pub(crate) struct Policies {
    catalog: Catalog,
    objects: Vec<(ResourceId, Document)>,
}

impl Policies {
    pub(crate) fn load(shared: &Path, size: Size) -> anyhow::Result<Self> {
        let folder = shared.join(FOLDER);
        let mut sources = Vec::new();
        for path in manifests(&folder)? {
            sources.extend(policy(&path)?);
        }
        ensure!(!sources.is_empty(), "there are no policies in `{}`", folder.display());
        let catalog = Catalog::build(sources, &[], &CatalogSettings::default());
        let scopes = Scopes::builtin();
        let objects = size.judged().map(|object| {
            let document = Document::from_json(&serde_json::to_vec(&object)?)?;
            Ok((identify(&document, &scopes)?, document))
        });
        Ok(Self { catalog, objects: objects.collect::<anyhow::Result<_>>()? })
    }

    pub(crate) fn len(&self) -> usize {
        self.catalog.policies.len()
    }

    pub(crate) fn n_objects(&self) -> usize {
        self.objects.len()
    }

    /// The names, in the order of the catalog.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.catalog.policies.iter().map(|policy| policy.key.name.as_str())
    }

    /// Evaluates one policy on everything that it says something about: how often, and what each cost.
    pub(crate) fn measure(&self, at: usize) -> anyhow::Result<(u64, Cost)> {
        let policy = self.catalog.policies.get(at).context("no such policy")?;
        let (facts, request) = (BTreeMap::new(), Request::scan());
        let evaluate = |(id, object): &(ResourceId, Document)| {
            let inputs = Inputs::new(id, object, &request, &facts, Timestamp::UNIX_EPOCH);
            policy.evaluator.evaluate(&inputs)
        };
        let mut judged = Vec::new();
        for pair in self.objects.iter().filter(|(id, _)| policy.selection.selects(id)) {
            match evaluate(pair) {
                Evaluation::Done(outcomes) if outcomes.is_empty() => {}
                Evaluation::Done(_) => judged.push(pair),
                Evaluation::Needs(facts) => bail!("{} needs {facts:?}", policy.key),
            }
        }
        let n = judged.len() as u64;
        let cost = cost_of(n, || {
            for pair in judged {
                black_box(evaluate(black_box(pair)));
            }
            Ok(())
        })?;
        Ok((n, cost))
    }

    /// A policy whose outcomes are errors measures nothing.
    pub(crate) fn refuse_errors(&self) -> anyhow::Result<()> {
        let is_broken = |policy: &&Arc<CompiledPolicy>| !policy.evaluator.certain_errors().is_empty();
        match self.catalog.policies.iter().find(is_broken) {
            Some(policy) => bail!("{} does not compile", policy.key),
            None => Ok(()),
        }
    }
}

fn manifests(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(manifests(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(files)
}

/// The policy of a file, if it holds one: test files and resources lie beside them.
fn policy(path: &Path) -> anyhow::Result<Option<PolicySource>> {
    let Ok(document) = patrol::folder::parse_yaml(&std::fs::read_to_string(path)?) else { return Ok(None) };
    let field =
        |keys: &[&str]| document.root().path(keys).and_then(Node::as_str).unwrap_or_default().to_owned();
    if field(&["kind"]) != "ClusterPolicy" {
        return Ok(None);
    }
    let name = field(&["metadata", "name"]);
    let key = PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name };
    let origin = path.display().to_string();
    Ok(Some(PolicySource { key, document: Arc::new(document), origin }))
}
