//! A folder as a [`Source`]: its manifests are the cluster, and nothing else is.
//!
//! A document whose bytes the state knows is not parsed: its digest says who it is. Everything else is parsed
//! once, on all cores. Facts (namespace labels, `ConfigMaps`, what API calls return) come from the manifests
//! too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::snapshot::served_as;
use super::{Claims, Folder, Manifest, ManifestError, Places, Snapshot, Unproven};
use crate::document::Document;
use crate::inventory::{
    Content, Discovered, ListError, Listed, Origin, Page, PolicyListing, Problem, ScanKind, Scopes, Source,
    SourceError, derived_uid, identify, placed,
};
use crate::matching::KindSelector;
use crate::model::{FactKey, FactValue, Fingerprint, Gvk, ResourceId, ResourceKey};
use crate::outside::Outside;
use crate::policy::{CompanionSource, PolicyRole, PolicySource, role_of};

/// Who a document is, by the digest of its bytes, as far as the state knows.
pub type Known<'a> = &'a dyn Fn(&Fingerprint) -> Option<ResourceId>;

#[derive(Debug)]
struct Entry {
    id: ResourceId,
    manifest: Manifest,
    document: OnceLock<Arc<Document>>,
}

/// The document of an entry: an object where it is placed, a payload with its numbers as Go decodes them.
fn document_of(manifest: &Manifest, id: &ResourceId) -> Result<Document, ManifestError> {
    let document = manifest.parse()?;
    Ok(if id.key.kind.is_empty() { document.with_integers_as_floats() } else { placed(document, id) })
}

impl Entry {
    fn document(&self) -> Result<Arc<Document>, ManifestError> {
        if let Some(document) = self.document.get() {
            return Ok(Arc::clone(document));
        }
        let document = Arc::new(document_of(&self.manifest, &self.id)?);
        Ok(Arc::clone(self.document.get_or_init(|| document)))
    }
}

/// The manifests of some folders and files, with the policies given beside them.
#[derive(Debug)]
pub struct FolderSource {
    label: String,
    entries: BTreeMap<ResourceKey, Arc<Entry>>,
    scopes: Scopes,
    policies: Vec<PolicySource>,
    companions: Vec<CompanionSource>,
    problems: Vec<Problem>,
    snapshot: OnceLock<Snapshot>,
    custom_kinds: Fingerprint,
    places: Places,
    /// Files and folders that could not be read, or not wholly.
    broken: BTreeSet<String>,
    unproven: Unproven,
    /// The way to image registries, where policies may ask them.
    registries: Option<Outside>,
}

impl FolderSource {
    /// Reads who everybody is. `extra` are the policies given beside the manifests; they win over the
    /// manifests' own. `known` saves parsing.
    pub fn open(label: String, folder: &Folder, extra: &Folder, known: Known<'_>) -> Self {
        let mut problems: Vec<Problem> = folder.problems.iter().chain(&extra.problems).map(told).collect();
        let ids: Vec<Option<ResourceId>> =
            folder.manifests.iter().map(|manifest| known_object(known, manifest)).collect();
        let wanted: Vec<&Manifest> = folder
            .manifests
            .iter()
            .zip(&ids)
            .filter(|(_, id)| must_parse(id.as_ref()))
            .map(|(m, _)| m)
            .collect();
        let mut parsed = parse_all(&wanted).into_iter();
        let documents: Vec<Option<Result<Document, ManifestError>>> =
            ids.iter().map(|id| if must_parse(id.as_ref()) { parsed.next() } else { None }).collect();
        let mut scopes = Scopes::builtin();
        let mut custom = crate::fingerprint::Hasher::new("patrol/custom-kinds/1");
        for (manifest, document) in folder.manifests.iter().zip(&documents) {
            if let Some(Ok(document)) = document
                && scopes.add_crd(document)
            {
                custom.print(manifest.digest);
            }
        }
        let mut source = Self {
            label,
            entries: BTreeMap::new(),
            scopes,
            policies: Vec::new(),
            companions: Vec::new(),
            problems: Vec::new(),
            snapshot: OnceLock::new(),
            custom_kinds: custom.finish(),
            places: Places::default(),
            broken: folder
                .problems
                .iter()
                .chain(&extra.problems)
                .map(|p| p.origin.file.to_string())
                .collect(),
            unproven: Unproven::default(),
            registries: None,
        };
        let mut claims = Claims::default();
        for ((manifest, id), document) in folder.manifests.iter().zip(ids).zip(documents) {
            if let Err(problem) = source.add(manifest, id, document, &mut claims) {
                problems.push(told(&problem));
            }
        }
        source.problems = problems;
        source.add_extra(extra);
        source
    }

    /// Lets policies ask image registries.
    #[must_use]
    pub fn with_registries(self, registries: Outside) -> Self {
        Self { registries: Some(registries), ..self }
    }

    /// With JSON payloads, which have no kind: the path of their file is their name, with the line of the second and later ones of a file.
    #[must_use]
    pub fn with_payloads(mut self, payloads: &Folder) -> Self {
        self.problems.extend(payloads.problems.iter().map(told));
        self.broken.extend(payloads.problems.iter().map(|problem| problem.origin.file.to_string()));
        for manifest in &payloads.manifests {
            let origin = &manifest.origin;
            let named = |name: String| ResourceKey { name, ..ResourceKey::default() };
            let key = Some(named(origin.file.to_string())).filter(|key| !self.entries.contains_key(key));
            let key = key.unwrap_or_else(|| named(origin.to_string()));
            let id = ResourceId { uid: derived_uid(&key), key: key.clone(), version: String::new() };
            self.places.object(&origin.file, &id.uid);
            let (manifest, document) = (manifest.clone(), OnceLock::new());
            self.entries.insert(key, Arc::new(Entry { id, manifest, document }));
        }
        self
    }

    /// Over the definitions of custom resources among the manifests: when it moves, what the state knows of
    /// identities is not to be used.
    pub fn custom_kinds(&self) -> Fingerprint {
        self.custom_kinds
    }

    /// The policies and what belongs to them.
    pub fn into_policies(self) -> PolicyListing {
        PolicyListing {
            policies: self.policies,
            companions: self.companions,
            unknown: std::collections::BTreeSet::new(),
            problems: self.problems,
        }
    }

    /// The kinds of the manifests, in the versions that they are written in.
    pub fn kinds_written(&self) -> BTreeSet<Gvk> {
        let ids: Vec<&ResourceId> = self.entries.values().map(|entry| &entry.id).collect();
        let is_same = |a: &&ResourceId, b: &&ResourceId| {
            (&a.key.group, &a.key.kind, &a.version) == (&b.key.group, &b.key.kind, &b.version)
        };
        ids.chunk_by(is_same).filter_map(|same| Some(same.first()?.gvk())).collect()
    }

    /// Where an object was read.
    pub fn origin(&self, key: &ResourceKey) -> Option<&Origin> {
        self.entries.get(key).map(|entry| &entry.manifest.origin)
    }

    fn add(
        &mut self,
        manifest: &Manifest,
        known: Option<ResourceId>,
        document: Option<Result<Document, ManifestError>>,
        claims: &mut Claims,
    ) -> Result<(), super::Problem> {
        let origin = &manifest.origin;
        let document = document.transpose().map_err(|error| self.broken(origin, error))?;
        let mut id = match (&document, known) {
            (Some(document), _) => identify(document, &self.scopes)
                .map_err(|error| super::Problem { origin: origin.clone(), message: error.to_string() })?,
            (None, Some(known)) => known,
            (None, None) => return Ok(()),
        };
        claims.claim(&id.key, origin)?;
        claims.settle_uid(&mut id);
        let document = document.map(|document| Arc::new(placed(document, &id)));
        if let Some(document) = &document {
            self.add_policy(document, &id, origin);
        }
        self.places.object(&origin.file, &id.uid);
        let cell = document.map_or_else(OnceLock::new, OnceLock::from);
        let entry = Entry { id: id.clone(), manifest: manifest.clone(), document: cell };
        self.entries.insert(id.key, Arc::new(entry));
        Ok(())
    }

    /// Notes that a file is not wholly known.
    fn broken(&mut self, origin: &Origin, error: ManifestError) -> super::Problem {
        self.broken.insert(origin.file.to_string());
        error.into()
    }

    /// Learns from what files held before which objects and policies may still be there although they cannot be read. Gives what to remember.
    pub fn compare_places(&mut self, before: &Places) -> &Places {
        self.unproven = self.places.take_over(before, &self.broken);
        &self.places
    }

    fn add_policy(&mut self, document: &Arc<Document>, id: &ResourceId, place: &Origin) -> bool {
        let Some(role) = role_of(&id.gvk()) else { return false };
        let origin = place.to_string();
        let document = Arc::clone(document);
        let (namespace, name) = (id.key.namespace.clone(), id.key.name.clone());
        match role {
            PolicyRole::Policy(kind) => {
                let key = crate::model::PolicyKey { kind, namespace, name };
                self.places.policy(&place.file, &key);
                self.policies.push(PolicySource { key, document, origin });
            }
            role => self.companions.push(CompanionSource { role, namespace, name, document, origin }),
        }
        true
    }

    fn add_extra(&mut self, extra: &Folder) {
        let manifests: Vec<&Manifest> = extra.manifests.iter().collect();
        for (manifest, document) in manifests.iter().zip(parse_all(&manifests)) {
            let origin = &manifest.origin;
            let document = document.map_err(|error| told(&self.broken(origin, error)));
            let added = document.and_then(|document| {
                let id =
                    identify(&document, &self.scopes).map_err(|error| input(origin, error.to_string()))?;
                let is_policy = self.add_policy(&Arc::new(placed(document, &id)), &id, origin);
                if is_policy { Ok(()) } else { Err(input(origin, format!("{} is not a policy", id.gvk()))) }
            });
            self.problems.extend(added.err());
        }
    }

    fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<FactValue> {
        let key = ResourceKey {
            group: String::new(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let mut one = Snapshot::new(self.scopes.clone());
        if let Some(document) = self.entries.get(&key).and_then(|entry| entry.document().ok()) {
            one.insert(key, document);
        }
        let fact = match kind {
            "Namespace" => FactKey::Namespace(name.to_owned()),
            _ => FactKey::ConfigMap { namespace: namespace.to_owned(), name: name.to_owned() },
        };
        one.answer(&fact)
    }

    /// Everything at once, for look-ups by path.
    fn snapshot(&self) -> &Snapshot {
        self.snapshot.get_or_init(|| {
            let mut snapshot = Snapshot::new(self.scopes.clone());
            for (key, entry) in &self.entries {
                if let Ok(document) = entry.document() {
                    snapshot.insert(key.clone(), document);
                }
            }
            snapshot
        })
    }

    fn answer(&self, key: &FactKey) -> FactValue {
        let told = |what: &str| format!("{what} is not available in a folder scan");
        let missing = |what: &str| FactValue::Failed { message: told(what), is_transient: false };
        match key {
            FactKey::NamespaceLabels(name) => match self.find("Namespace", "", name) {
                Some(FactValue::Found(namespace)) => {
                    let labels = namespace.root().path(&["metadata", "labels"]);
                    FactValue::Found(labels.map_or_else(
                        || crate::document::Value::map(crate::document::Map::new()).to_document(),
                        |labels| crate::document::Value::from(labels).to_document(),
                    ))
                }
                other => other.unwrap_or(FactValue::Missing),
            },
            FactKey::Namespace(name) => self.find("Namespace", "", name).unwrap_or(FactValue::Missing),
            FactKey::ConfigMap { namespace, name } => {
                self.find("ConfigMap", namespace, name).unwrap_or(FactValue::Missing)
            }
            FactKey::Kind { group, version, kind } => match self.scopes.get(group, kind) {
                Some(info) => FactValue::Found(served_as(info, version)),
                None => FactValue::Missing,
            },
            FactKey::ServiceCall { url, .. } => FactValue::Refused(told(&format!("the service `{url}`"))),
            FactKey::Image(_) | FactKey::ImageDigest(_) | FactKey::Attached { .. } => {
                FactValue::Refused("registries are asked only with `--registry`".to_owned())
            }
            _ => self.snapshot().answer(key).unwrap_or_else(|| missing("this data")),
        }
    }
}

impl Source for FolderSource {
    fn label(&self) -> String {
        self.label.clone()
    }

    fn policies(&self) -> BoxFuture<'_, Result<PolicyListing, SourceError>> {
        let listing = PolicyListing {
            policies: self.policies.clone(),
            companions: self.companions.clone(),
            unknown: self.unproven.kinds.clone(),
            problems: self.problems.clone(),
        };
        async { Ok(listing) }.boxed()
    }

    fn kinds(&self, wanted: Vec<KindSelector>) -> BoxFuture<'_, Result<Discovered, SourceError>> {
        let mut kinds: BTreeMap<(&str, &str), ScanKind> = BTreeMap::new();
        for entry in self.entries.values() {
            let key = &entry.id.key;
            let slot = (key.group.as_str(), key.kind.as_str());
            if !kinds.contains_key(&slot) && wanted.iter().any(|selector| selector.selects(&entry.id)) {
                let gvk: Gvk = entry.id.gvk();
                let plural = self.scopes.plural_of(&gvk);
                let is_namespaced = self.scopes.is_namespaced(&key.group, &key.kind);
                kinds.insert(slot, ScanKind { gvk, plural, is_namespaced, others: Vec::new() });
            }
        }
        let kinds = kinds.into_values().collect();
        async { Ok(Discovered { kinds, ..Discovered::default() }) }.boxed()
    }

    fn list<'a>(&'a self, kind: &'a ScanKind, _: Option<String>) -> BoxFuture<'a, Result<Page, ListError>> {
        let of_kind =
            |entry: &&Arc<Entry>| entry.id.key.group == kind.gvk.group && entry.id.key.kind == kind.gvk.kind;
        let items = self.entries.values().filter(of_kind).map(|entry| Listed {
            id: entry.id.clone(),
            version: entry.manifest.digest.to_string(),
            controllers: Vec::new(),
            content: content(entry),
            others: Vec::new(),
        });
        let page = Page { items: items.collect(), next: None };
        async { Ok(page) }.boxed()
    }

    fn is_proven_gone(&self, uid: &str) -> bool {
        !self.unproven.contains(uid)
    }

    fn fact<'a>(&'a self, key: &'a FactKey) -> BoxFuture<'a, FactValue> {
        let is_in_registry =
            matches!(key, FactKey::Image(_) | FactKey::ImageDigest(_) | FactKey::Attached { .. });
        match &self.registries {
            Some(registries) if is_in_registry => registries.fact(key).boxed(),
            _ => async { self.answer(key) }.boxed(),
        }
    }
}

fn content(entry: &Arc<Entry>) -> Content {
    if let Some(document) = entry.document.get() {
        return Content::Ready(Arc::clone(document));
    }
    let entry = Arc::clone(entry);
    Content::Lazy(Arc::new(move || {
        document_of(&entry.manifest, &entry.id).map_err(|error| error.to_string())
    }))
}

/// Who a manifest is as far as the state knows; the same bytes as a payload say nothing.
fn known_object(known: Known<'_>, manifest: &Manifest) -> Option<ResourceId> {
    known(&manifest.digest).filter(|id| !id.key.kind.is_empty())
}

/// Whether a document has to be parsed although its digest is known: what policies and identities depend on.
fn must_parse(known: Option<&ResourceId>) -> bool {
    known.is_none_or(|id| {
        role_of(&id.gvk()).is_some()
            || (id.key.kind == "CustomResourceDefinition" && id.key.group == "apiextensions.k8s.io")
    })
}

/// Parses on all cores, keeping the order.
fn parse_all(manifests: &[&Manifest]) -> Vec<Result<Document, ManifestError>> {
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let per_thread = manifests.len().div_ceil(n_threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = manifests
            .chunks(per_thread)
            .map(|part| scope.spawn(move || part.iter().map(|m| m.parse()).collect::<Vec<_>>()))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn told(problem: &super::Problem) -> Problem {
    input(&problem.origin, problem.message.clone())
}

fn input(origin: &Origin, message: String) -> Problem {
    Problem { subject: origin.to_string(), message, is_input: true }
}
