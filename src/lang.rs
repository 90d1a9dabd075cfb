//! The policy languages behind one door: a policy of any kind compiles to an [`Evaluator`].
//!
//! Evaluators are synchronous and pure. What they need and do not have they name, and the wiring fetches it and calls again; what they
//! read is noted in the [`Inputs`]. A policy's own failure is an outcome with status `error`, never an `Err` and never a panic.

pub mod cel;
pub mod cel_k8s;
mod cel_policy;
mod contain;
mod cosign;
pub mod jmespath;
pub mod kyverno;
pub mod patch;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::sync::Arc;

use elsa::FrozenVec;
use jiff::Timestamp;

pub use contain::{contained, is_contained};

use crate::document::{Document, Node, Parts, Reads};
use crate::matching::Selection;
use crate::model::{Fact, FactKey, FactValue, Outcome, PolicyKind, ResourceId};
use crate::policy::{CompanionSource, PolicySource, Standing, Warning};

/// What a policy is compiled with: the exceptions and bindings that name it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Companions<'a> {
    /// Sorted by role, namespace and name.
    pub sources: &'a [&'a CompanionSource],
}

/// What a language makes of a policy.
#[derive(Debug)]
pub struct Compiled {
    /// Which resources it makes a pair with.
    pub selection: Selection,
    /// Its meaning.
    pub evaluator: Arc<dyn Evaluator>,
    /// Whether scans evaluate it.
    pub standing: Standing,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
    /// The names of its rules as they appear in outcomes; empty for policies without rules.
    pub rules: Vec<String>,
}

/// Compiles a policy of any kind. It never fails: a policy that cannot be compiled gives `error` outcomes where it would have applied.
pub fn compile(source: &PolicySource, companions: &Companions<'_>) -> Compiled {
    match source.key.kind {
        PolicyKind::ClusterPolicy | PolicyKind::Policy => kyverno::compile(source, companions),
        _ => cel_policy::compile(source, companions),
    }
}

/// What a linter finds in a policy beyond what its compilation warns of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lint {
    /// What makes an `error` outcome certain wherever it is evaluated.
    pub errors: Vec<Warning>,
    /// What says nothing, or not what it seems to say.
    pub warnings: Vec<Warning>,
}

/// Looks at a policy of any kind as a linter does, without any resource.
pub fn lint(source: &PolicySource) -> Lint {
    match source.key.kind {
        PolicyKind::ClusterPolicy | PolicyKind::Policy => kyverno::lint(source),
        _ => cel_policy::lint(source),
    }
}

/// The evaluator of policies that say nothing in a scan.
#[derive(Debug)]
struct Silent;

impl Evaluator for Silent {
    fn evaluate(&self, _inputs: &Inputs<'_>) -> Evaluation {
        Evaluation::Done(Vec::new())
    }
}

/// The result of one run of one pair.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluation {
    /// The outcomes; none if the policy does not apply to the resource.
    Done(Vec<Outcome>),
    /// These facts are needed first.
    Needs(Vec<FactKey>),
}

/// A compiled policy's meaning.
pub trait Evaluator: Debug + Send + Sync {
    /// Judges one resource. Called again with more facts after [`Evaluation::Needs`].
    fn evaluate(&self, inputs: &Inputs<'_>) -> Evaluation;

    /// The resource as the policy would leave it, after an evaluation that was done: `None` if the policy does not mutate it, or cannot.
    fn patched(&self, inputs: &Inputs<'_>) -> Option<serde_json::Value> {
        let _ = inputs;
        None
    }

    /// What is known to be an `error` outcome wherever a rule applies: the field that makes it one, and the message.
    fn certain_errors(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// What is asked of the API server, as policies see it. A scan is a CREATE by nobody.
#[derive(Clone, Debug)]
pub struct Request {
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: Operation,
    /// `request.userInfo`, `request.roles`, `request.clusterRoles` as one object with these keys; `None` in a scan.
    pub user: Option<Arc<Document>>,
    /// `request.oldObject`; `None` in a scan.
    pub old_object: Option<Arc<Document>>,
    /// The subresource, empty for none.
    pub subresource: String,
    /// Values that a test gives for variables, by their dotted name (`request.mode`, `serviceAccountName`, a context entry's name); they
    /// win over what the request or the policy says; a name that ends with `[]` holds one value for each element of a `foreach`.
    /// Empty in a scan.
    pub given: BTreeMap<String, Arc<Document>>,
}

/// An admission operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `CREATE`
    #[default]
    Create,
    /// `UPDATE`
    Update,
    /// `DELETE`
    Delete,
    /// `CONNECT`
    Connect,
}

impl Operation {
    /// The word in policies and requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }

    /// The operation of that word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Delete, Self::Connect].into_iter().find(|o| o.as_str() == word)
    }
}

impl Request {
    /// The request that a scan stands for: a CREATE without a user.
    pub fn scan() -> Self {
        Self {
            operation: Operation::Create,
            user: None,
            old_object: None,
            subresource: String::new(),
            given: BTreeMap::new(),
        }
    }
}

/// Why a verdict does not hold for ever even if nothing that it read changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// It asked for the time or a random value, or read what cannot be watched: it is due again after the configured maximum age.
    MaxAge,
    /// It changes at this instant, in Unix seconds.
    Until(i64),
    /// Both: it is due again at whichever comes first.
    MaxAgeOrUntil(i64),
}

impl Volatility {
    /// What holds where both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::MaxAge, Self::MaxAge) => Self::MaxAge,
            (Self::Until(a), Self::Until(b)) => Self::Until(a.min(b)),
            (Self::MaxAge, Self::Until(at) | Self::MaxAgeOrUntil(at))
            | (Self::Until(at) | Self::MaxAgeOrUntil(at), Self::MaxAge) => Self::MaxAgeOrUntil(at),
            (Self::Until(a) | Self::MaxAgeOrUntil(a), Self::Until(b) | Self::MaxAgeOrUntil(b)) => {
                Self::MaxAgeOrUntil(a.min(b))
            }
        }
    }

    /// The end of what was found out at `now_s`, in Unix seconds.
    pub fn end(self, now_s: i64, max_age_s: i64) -> i64 {
        let aged = now_s.saturating_add(max_age_s);
        match self {
            Self::MaxAge => aged,
            Self::Until(at) => at,
            Self::MaxAgeOrUntil(at) => at.min(aged),
        }
    }
}

/// All that one evaluation may read, and the record of what it did read.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// Who the resource is.
    pub resource: &'a ResourceId,
    /// What is asked.
    pub request: &'a Request,
    /// The time of the scan.
    pub now: Timestamp,
    object: &'a Document,
    reads: Reads,
    facts: &'a BTreeMap<FactKey, Arc<Fact>>,
    facts_read: FactReads,
    facts_missing: RefCell<BTreeSet<FactKey>>,
    volatility: Cell<Option<Volatility>>,
}

/// The facts that one evaluation has read so far; their records stay where they are while it goes on.
#[derive(Default)]
struct FactReads(FrozenVec<Box<ReadFact>>);

struct ReadFact {
    key: FactKey,
    fact: Arc<Fact>,
    reads: Reads,
}

impl FactReads {
    /// The record of a fact.
    fn of(&self, key: &FactKey, fact: &Arc<Fact>) -> &Reads {
        let known = self.0.iter().find(|read| Arc::ptr_eq(&read.fact, fact) && read.key == *key);
        let new = || ReadFact { key: key.clone(), fact: Arc::clone(fact), reads: Reads::new() };
        &known.unwrap_or_else(|| self.0.push_get(Box::new(new()))).reads
    }
}

impl fmt::Debug for FactReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|read| (&read.key, &read.reads))).finish()
    }
}

impl<'a> Inputs<'a> {
    /// The inputs of one run. `facts` holds what has been fetched so far.
    pub fn new(
        resource: &'a ResourceId,
        object: &'a Document,
        request: &'a Request,
        facts: &'a BTreeMap<FactKey, Arc<Fact>>,
        now: Timestamp,
    ) -> Self {
        Self {
            resource,
            request,
            now,
            object,
            reads: Reads::new(),
            facts,
            facts_read: FactReads::default(),
            facts_missing: RefCell::default(),
            volatility: Cell::new(None),
        }
    }

    /// The resource; what is looked at is noted.
    pub fn object(&self) -> Node<'_> {
        self.object.tracked(&self.reads)
    }

    /// The resource as a dry patch changes it. Nothing is noted: whoever changes a part, or tells what is in it, looks at that part
    /// of [`Inputs::object`] or of [`Inputs::changed`].
    pub(crate) fn copy(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.object.root()).ok()
    }

    /// A changed copy of the resource; what is looked at is noted as if it were the resource.
    pub(crate) fn changed<'d>(&'d self, copy: &'d Document) -> Node<'d> {
        copy.tracked(&self.reads)
    }

    /// A fact, all of which is noted as read; `None` if it has not been fetched yet, which is noted as well:
    /// the evaluator then ends with [`Inputs::needs`].
    pub fn fact(&self, key: &FactKey) -> Option<&'a FactValue> {
        let (value, reads) = self.fact_by_part(key)?;
        reads.note(Parts::ALL);
        Some(value)
    }

    /// A fact of which is noted only that it was asked for: what is looked at of the document that it may be is noted where
    /// the document is [tracked](Document::tracked) with these reads.
    pub fn fact_by_part(&self, key: &FactKey) -> Option<(&'a FactValue, &Reads)> {
        if let Some(fact) = self.facts.get(key) {
            Some((&fact.value, self.facts_read.of(key, fact)))
        } else {
            self.facts_missing.borrow_mut().insert(key.clone());
            None
        }
    }

    /// Notes that the outcomes will not hold for ever.
    pub fn note_volatile(&self, volatility: Volatility) {
        let known = self.volatility.get();
        self.volatility.set(Some(known.map_or(volatility, |known| known.and(volatility))));
    }

    /// Which facts were asked for and are not there.
    pub fn needs(&self) -> Vec<FactKey> {
        self.facts_missing.borrow().iter().cloned().collect()
    }

    /// Which parts of the resource were read.
    pub fn parts_read(&self) -> Parts {
        self.reads.parts()
    }

    /// Which facts were read, what they were, and which parts of them were looked at.
    pub fn facts_read(&self) -> impl Iterator<Item = (&FactKey, &Fact, Parts)> {
        self.facts_read.0.iter().map(|read| (&read.key, &*read.fact, read.reads.parts()))
    }

    /// Whether and why the outcomes will not hold for ever.
    pub fn volatility(&self) -> Option<Volatility> {
        self.volatility.get()
    }
}
