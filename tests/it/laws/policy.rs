//! Policies whose reads are known: what each looks at is part of the policy, and every evaluation is logged with what it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use patrol::catalog::CompiledPolicy;
use patrol::document::{Kind, Node};
use patrol::fingerprint::Hasher;
use patrol::lang::{Evaluation, Evaluator, Inputs, Volatility};
use patrol::matching::{KindPattern, Selection};
use patrol::model::{FactKey, FactValue, Outcome, PolicyKey, PolicyKind, Severity, Status};
use patrol::policy::{Presentation, Standing};

use super::random::Random;

/// Every evaluation since it was last emptied: the pair, and a digest of the policy's version and everything that it saw.
pub(crate) type Log = Arc<Mutex<Vec<(String, String)>>>;

/// What a generated policy looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that a policy may read")]
pub(crate) struct Spec {
    pub(crate) name: String,
    /// Raised by an edit of the meaning.
    pub(crate) version: u64,
    pub(crate) kinds: Vec<String>,
    pub(crate) reads: Vec<&'static str>,
    pub(crate) reads_namespace: bool,
    /// Instead of the labels alone, the namespace as an object of which only the annotations are looked at.
    pub(crate) reads_namespace_object: bool,
    pub(crate) reads_config: bool,
    pub(crate) is_volatile: bool,
    pub(crate) severity: Option<Severity>,
    pub(crate) is_scored: bool,
}

impl Spec {
    pub(crate) fn new(random: &mut Random, name: String) -> Self {
        let kinds = ["Pod", "Deployment", "ConfigMap", "Namespace", "Scaler", "scaling/v1/Scaler"];
        let parts = ["labels", "annotations", "finalizers", "spec", "status", "data"];
        let mut some = |all: &[&'static str]| {
            let mut chosen: Vec<&'static str> = all.iter().copied().filter(|_| random.one_in(2)).collect();
            if chosen.is_empty() {
                chosen.push(all[0]);
            }
            chosen
        };
        let kinds = some(&kinds).into_iter().map(str::to_owned).collect();
        let reads = some(&parts);
        Self {
            name,
            version: 0,
            kinds,
            reads,
            reads_namespace: random.one_in(3),
            reads_namespace_object: random.one_in(2),
            reads_config: random.one_in(4),
            is_volatile: random.one_in(8),
            severity: None,
            is_scored: true,
        }
    }

    pub(crate) fn key(&self) -> PolicyKey {
        PolicyKey { kind: PolicyKind::ClusterPolicy, namespace: String::new(), name: self.name.clone() }
    }

    pub(crate) fn compile(&self, log: &Log) -> Arc<CompiledPolicy> {
        let kinds = self.kinds.iter().map(|kind| KindPattern::parse(kind).kind);
        let mut hasher = Hasher::new("test/policy");
        hasher.str(&self.name).u64(self.version).str(&format!("{:?} {:?}", self.kinds, self.reads));
        Arc::new(CompiledPolicy {
            key: self.key(),
            fingerprint: hasher.finish(),
            presentation: Presentation {
                category: None,
                severity: self.severity,
                is_scored: self.is_scored,
                process: "background scan",
            },
            selection: Selection { kinds: kinds.collect(), namespace: None },
            evaluator: Arc::new(Logged { spec: self.clone(), log: Arc::clone(log) }),
            standing: Standing::Scanned,
            warnings: Vec::new(),
            rules: Vec::new(),
            origin: "test".into(),
        })
    }
}

#[derive(Debug)]
struct Logged {
    spec: Spec,
    log: Log,
}

impl Logged {
    /// Looks at what the policy reads, and nothing else.
    fn look(&self, inputs: &Inputs<'_>) -> BTreeMap<String, String> {
        let object = inputs.object();
        let json = |node: Option<Node<'_>>| node.map_or("absent".into(), Node::to_json);
        let mut seen = BTreeMap::new();
        for part in &self.spec.reads {
            let path: &[&str] = match *part {
                "labels" => &["metadata", "labels"],
                "annotations" => &["metadata", "annotations"],
                "finalizers" => &["metadata", "finalizers"],
                "spec" => &["spec"],
                "status" => &["status"],
                _ => &["data"],
            };
            seen.insert((*part).to_owned(), json(object.path(path)));
        }
        seen
    }
}

impl Evaluator for Logged {
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation {
        let namespace = &inputs.resource.key.namespace;
        let mut seen = self.look(inputs);
        let mut facts = Vec::new();
        if self.spec.reads_namespace && !namespace.is_empty() {
            let own = namespace.clone();
            facts.push(if self.spec.reads_namespace_object {
                (FactKey::Namespace(own), &["metadata", "annotations"][..])
            } else {
                (FactKey::NamespaceLabels(own), &[][..])
            });
        }
        // Some policies look at their ConfigMap only for some objects: what is read depends on what was read.
        if self.spec.reads_config && seen.values().next().is_some_and(|first| first.len() % 2 == 0) {
            facts.push((FactKey::ConfigMap { namespace: "n0".into(), name: "settings".into() }, &["data"]));
        }
        for (key, path) in &facts {
            let Some((value, reads)) = inputs.fact_by_part(key) else {
                return Evaluation::Needs(inputs.needs());
            };
            let text = match value {
                FactValue::Found(document) => {
                    let root = document.tracked(reads);
                    // Which object it is counts as read in any case.
                    let uid = root.path(&["metadata", "uid"]).map(Node::to_json);
                    format!("{uid:?} {:?}", root.path(path).map(Node::to_json))
                }
                other => format!("{other:?}"),
            };
            seen.insert(key.to_string(), text);
        }
        if self.spec.is_volatile {
            inputs.note_volatile(Volatility::MaxAge);
        }
        let mut hasher = Hasher::new("test/seen");
        hasher.u64(self.spec.version);
        for (key, value) in &seen {
            hasher.str(key).str(value);
        }
        let digest = hasher.finish();
        let pair = format!("{} on {}", self.spec.name, inputs.resource.uid);
        self.log.lock().unwrap().push((pair, digest.to_string()));
        assert_eq!(inputs.object().kind(), Kind::Object);
        Evaluation::Done(outcomes(digest.0[0], &seen))
    }
}

/// Outcomes that depend on what was seen, and only on it.
fn outcomes(dice: u8, seen: &BTreeMap<String, String>) -> Vec<Outcome> {
    let message = format!("saw {seen:?}");
    match dice % 6 {
        0 => Vec::new(),
        1 => vec![Outcome::new("a", Status::Fail, message)],
        2 => vec![Outcome::new("a", Status::Pass, "fine"), Outcome::new("b", Status::Fail, message)],
        3 => vec![Outcome::new("a", Status::Error, message)],
        4 => vec![Outcome::new("b", Status::Skip, "skipped")],
        _ => vec![Outcome::new("a", Status::Pass, "fine"), Outcome::new("b", Status::Pass, "fine")],
    }
}
