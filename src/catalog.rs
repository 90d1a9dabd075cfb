//! The catalog: all policies of one scan, each compiled once a version.
//!
//! A catalog is built from sources as they are now and from the catalog before; a policy whose meaning did not change keeps its compiled form. What
//! may change without changing the meaning (annotations that reports show, where it came from) is read anew each time. A policy that cannot be
//! compiled is still a policy: it gives `error` outcomes where it would have applied, and is named with its reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::Node;
use crate::fingerprint::Hasher;
use crate::gostd::wildcard::Wildcard;
use crate::lang::{self, Companions, Evaluator};
use crate::limits;
use crate::matching::Selection;
use crate::model::{Fingerprint, PolicyKey, PolicyKind};
use crate::policy::{CompanionSource, PolicyRole, PolicySource, Presentation, Standing, Warning};

#[cfg(test)]
mod tests;

/// A policy ready to be evaluated.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    /// Who it is.
    pub key: PolicyKey,
    /// Over the compiled meaning: the spec, the labels and annotations that matter, the exceptions that can apply.
    pub fingerprint: Fingerprint,
    /// What reports show of it.
    pub presentation: Presentation,
    /// Which resources it makes a pair with, decided from their identity alone.
    pub selection: Selection,
    /// Its meaning.
    pub evaluator: Arc<dyn Evaluator>,
    /// Whether scans evaluate it.
    pub standing: Standing,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
    /// The names of its rules as they appear in outcomes (autogen included), for tests and listings; empty for policies without rules.
    pub rules: Vec<String>,
    /// Where it came from.
    pub origin: String,
}

/// Part of every policy's fingerprint: raised when the same policy may give other outcomes than before.
pub const ENGINE_VERSION: u64 = 3;

/// Annotations of a policy that change its outcomes.
const MEANINGFUL_ANNOTATIONS: [&str; 1] = ["pod-policies.kyverno.io/autogen-controllers"];

/// Labels of a policy or companion that change outcomes, or whether there are any.
const MEANINGFUL_LABELS: [&str; 3] =
    ["reports.kyverno.io/disabled", "reports.kyverno.io/enabled", "polex.kyverno.io/priority"];

/// Which exceptions count.
#[derive(Clone, Debug, Default)]
pub enum ExceptionScope {
    /// All of them: in a folder.
    #[default]
    All,
    /// Those in namespaces that match: in a cluster, where an empty list means none.
    Namespaces(Vec<Wildcard>),
}

/// How a catalog is put together.
#[derive(Clone, Debug, Default)]
pub struct CatalogSettings {
    /// Which exceptions count.
    pub exceptions: ExceptionScope,
    /// Whether this is a background scan, in which exceptions with `background: false` do not count.
    pub background_only: bool,
    /// Whether admission policies are scanned only with the label `reports.kyverno.io/enabled: "true"`, as in the reference.
    pub only_labelled: bool,
}

/// Why an admission policy is not scanned where only labelled ones are.
const UNLABELLED: &str =
    "it lacks the label `reports.kyverno.io/enabled: \"true\"` (setting `policies.onlyLabelled`)";

/// Something that the catalog leaves out or overrides, worth saying to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogProblem {
    /// Two sources are the same policy; the later one counts.
    Overridden {
        /// The policy.
        key: PolicyKey,
        /// Where the one came from that does not count.
        ignored: String,
        /// Where the one came from that counts.
        used: String,
    },
    /// An exception does not count because of its namespace.
    ExceptionOutOfScope {
        /// `namespace/name`.
        exception: String,
        /// Where it came from.
        origin: String,
    },
    /// An exception has unknown or mistyped fields.
    OddException {
        /// `namespace/name`.
        exception: String,
        /// Where it came from.
        origin: String,
        /// What is odd.
        warnings: Vec<Warning>,
    },
    /// An exception names a policy that is not there.
    ExceptionWithoutPolicy {
        /// `namespace/name`.
        exception: String,
        /// Where it came from.
        origin: String,
    },
    /// There are more policies than a catalog holds; these are left out.
    TooMany {
        /// How many were left out.
        n_left_out: usize,
    },
}

/// Whether a policy is one that the reference scans only with its label, and lacks it.
fn is_unlabelled(source: &PolicySource) -> bool {
    let label = source.document.root().path(&["metadata", "labels", "reports.kyverno.io/enabled"]);
    let is_admission = matches!(
        source.key.kind,
        PolicyKind::ValidatingAdmissionPolicy | PolicyKind::MutatingAdmissionPolicy
    );
    is_admission && label.and_then(Node::as_str) != Some("true")
}

/// Whether a policy that was compiled before stands as the settings want it.
fn is_as_wanted(standing: &Standing, is_left_out: bool) -> bool {
    match standing {
        Standing::Scanned => !is_left_out,
        Standing::NotScanned { reason } if reason == UNLABELLED => is_left_out,
        _ => true,
    }
}

/// All policies of one scan.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The policies, sorted by key.
    pub policies: Vec<Arc<CompiledPolicy>>,
    /// What was left out or overridden.
    pub problems: Vec<CatalogProblem>,
    /// How many policies were compiled anew.
    pub n_compiled: usize,
}

impl Catalog {
    /// Compiles all policies.
    pub fn build(
        sources: Vec<PolicySource>,
        companions: &[CompanionSource],
        settings: &CatalogSettings,
    ) -> Self {
        Self::rebuild(&Self::default(), sources, companions, settings)
    }

    /// Compiles the policies whose meaning is not the one that they have in `previous`. Of sources with the same key the last one counts.
    pub fn rebuild(
        previous: &Self,
        sources: Vec<PolicySource>,
        companions: &[CompanionSource],
        settings: &CatalogSettings,
    ) -> Self {
        let mut catalog = Self::default();
        let mut by_key: BTreeMap<PolicyKey, PolicySource> = BTreeMap::new();
        for source in sources {
            if let Some(ignored) = by_key.insert(source.key.clone(), source.clone()) {
                catalog.problems.push(CatalogProblem::Overridden {
                    key: source.key,
                    ignored: ignored.origin,
                    used: source.origin,
                });
            }
        }
        if let Some(n_left_out) = by_key.len().checked_sub(limits::POLICIES_MAX).filter(|n| *n > 0) {
            catalog.problems.push(CatalogProblem::TooMany { n_left_out });
        }
        let companions = catalog.in_scope(companions, settings);
        catalog.check_exceptions(&companions, &by_key);
        for source in by_key.into_values().take(limits::POLICIES_MAX) {
            let own: Vec<&CompanionSource> =
                companions.iter().copied().filter(|c| c.is_for(&source.key)).collect();
            let policy = previous.get(&source.key);
            catalog.add(policy, &source, &own, settings);
        }
        catalog
    }

    /// The policy of that key.
    pub fn get(&self, key: &PolicyKey) -> Option<&Arc<CompiledPolicy>> {
        let at = self.policies.binary_search_by(|policy| policy.key.cmp(key)).ok()?;
        self.policies.get(at)
    }

    fn add(
        &mut self,
        known: Option<&Arc<CompiledPolicy>>,
        source: &PolicySource,
        own: &[&CompanionSource],
        settings: &CatalogSettings,
    ) {
        let is_left_out = settings.only_labelled && is_unlabelled(source);
        let fingerprint = fingerprint(source, own);
        let presentation = Presentation::of(source.document.root());
        let policy = match known {
            Some(known) if known.fingerprint == fingerprint && is_as_wanted(&known.standing, is_left_out) => {
                if known.presentation == presentation && known.origin == source.origin {
                    Arc::clone(known)
                } else {
                    let origin = source.origin.clone();
                    Arc::new(CompiledPolicy { presentation, origin, ..CompiledPolicy::clone(known) })
                }
            }
            _ => {
                self.n_compiled += 1;
                let mut compiled = lang::compile(source, &Companions { sources: own });
                if is_left_out && compiled.standing == Standing::Scanned {
                    compiled.standing = Standing::NotScanned { reason: UNLABELLED.to_owned() };
                }
                Arc::new(CompiledPolicy {
                    key: source.key.clone(),
                    fingerprint,
                    presentation,
                    selection: compiled.selection,
                    evaluator: compiled.evaluator,
                    standing: compiled.standing,
                    warnings: compiled.warnings,
                    rules: compiled.rules,
                    origin: source.origin.clone(),
                })
            }
        };
        self.policies.push(policy);
    }

    fn in_scope<'a>(
        &mut self,
        companions: &'a [CompanionSource],
        settings: &CatalogSettings,
    ) -> Vec<&'a CompanionSource> {
        let mut in_scope: BTreeMap<(PolicyRole, &str, &str), &CompanionSource> = BTreeMap::new();
        for companion in companions {
            if companion.role == PolicyRole::Exception {
                if let ExceptionScope::Namespaces(namespaces) = &settings.exceptions
                    && !namespaces.iter().any(|namespace| namespace.is_match(&companion.namespace))
                {
                    self.problems.push(CatalogProblem::ExceptionOutOfScope {
                        exception: companion.key(),
                        origin: companion.origin.clone(),
                    });
                    continue;
                }
                let background =
                    companion.document.root().path(&["spec", "background"]).and_then(Node::as_bool);
                if settings.background_only && background == Some(false) {
                    continue;
                }
            }
            in_scope.insert((companion.role, &companion.namespace, &companion.name), companion);
        }
        in_scope.into_values().collect()
    }

    fn check_exceptions(
        &mut self,
        companions: &[&CompanionSource],
        policies: &BTreeMap<PolicyKey, PolicySource>,
    ) {
        for companion in companions.iter().filter(|c| c.role == PolicyRole::Exception) {
            let warnings = lang::kyverno::exception_oddities(companion.document.root());
            if !warnings.is_empty() {
                let (exception, origin) = (companion.key(), companion.origin.clone());
                self.problems.push(CatalogProblem::OddException { exception, origin, warnings });
            }
            let is_kyverno =
                |key: &&PolicyKey| matches!(key.kind, PolicyKind::ClusterPolicy | PolicyKind::Policy);
            if !policies.keys().filter(is_kyverno).any(|key| companion.is_for(key)) {
                self.problems.push(CatalogProblem::ExceptionWithoutPolicy {
                    exception: companion.key(),
                    origin: companion.origin.clone(),
                });
            }
        }
    }
}

/// Over what a policy means: never its resourceVersion, its status or annotations that only people and reports read.
fn fingerprint(source: &PolicySource, companions: &[&CompanionSource]) -> Fingerprint {
    let mut hasher = Hasher::new("patrol/policy/1");
    hasher.u64(ENGINE_VERSION).str(source.key.kind.as_str()).str(&source.key.namespace).str(&source.key.name);
    let root = source.document.root();
    add_meaning(&mut hasher, root);
    let generated = root.path(&["status", "validatingadmissionpolicy", "generated"]).and_then(Node::as_bool);
    let generated_vap = root.path(&["status", "generated"]).and_then(Node::as_bool);
    hasher.u64((generated == Some(true)).into()).u64((generated_vap == Some(true)).into());
    if matches!(source.key.kind, PolicyKind::ValidatingAdmissionPolicy | PolicyKind::MutatingAdmissionPolicy)
    {
        // Whether it was generated from another policy decides whether it is scanned.
        match root.path(&["metadata", "ownerReferences"]) {
            Some(owners) => hasher.u64(1).node(owners),
            None => hasher.u64(0),
        };
    }
    hasher.u64(companions.len() as u64);
    for companion in companions {
        hasher.str(&format!("{:?}", companion.role)).str(&companion.namespace).str(&companion.name);
        add_meaning(&mut hasher, companion.document.root());
    }
    hasher.finish()
}

fn add_meaning(hasher: &mut Hasher, object: Node<'_>) {
    let mut add_some = |map: &str, keys: &[&str]| {
        let map = object.path(&["metadata", map]);
        for key in keys {
            match map.and_then(|map| map.get(key)).and_then(Node::as_str) {
                Some(value) => hasher.u64(1).str(value),
                None => hasher.u64(0),
            };
        }
    };
    add_some("annotations", &MEANINGFUL_ANNOTATIONS);
    add_some("labels", &MEANINGFUL_LABELS);
    match object.get("spec") {
        Some(spec) => hasher.u64(1).node(spec),
        None => hasher.u64(0),
    };
}
