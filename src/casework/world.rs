//! The small world of one test: its policies, compiled, its resources, and what look-ups find.
//! Upstream: `cmd/cli/kubectl-kyverno/commands/test/test.go`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::catalog::{Catalog, CatalogSettings, CompiledPolicy};
use crate::document::{Document, Node};
use crate::folder::{self, Folder, Loaded, Manifest, Problem};
use crate::inventory::{Origin, Scopes, identify, placed};
use crate::model::{Gvk, PolicyKey, PolicyKind, ResourceId, ResourceKey};
use crate::policy::{CompanionSource, PolicyRole, PolicySource, role_of};

use super::Registries;
use super::case::{Case, strings, text};
use super::facts::Lookups;
use super::values::{Values, copy};

/// A policy with the object that it was compiled from.
#[derive(Debug)]
pub(super) struct Ruling {
    /// The compiled policy.
    pub(super) policy: Arc<CompiledPolicy>,
    /// The object.
    pub(super) document: Arc<Document>,
    /// Whether it is written in CEL.
    pub(super) is_cel: bool,
}

/// A resource of the test.
#[derive(Debug)]
pub(super) struct Subject {
    /// Who it is.
    pub(super) id: ResourceId,
    /// Who it is to policies: the parent's kind if it is a subresource.
    pub(super) matched_as: ResourceId,
    /// The subresource's name, empty for none.
    pub(super) subresource: String,
    /// The object, its numbers as the reference's JSON context has them.
    pub(super) document: Arc<Document>,
    /// The object, its numbers as the file has them, for CEL.
    pub(super) plain: Arc<Document>,
    /// Whether it is there only to be mutated.
    pub(super) is_target: bool,
}

/// Everything that a test needs.
#[derive(Debug)]
pub(super) struct World {
    /// The policies.
    pub(super) rulings: Vec<Ruling>,
    /// The resources, without duplicates.
    pub(super) subjects: Vec<Subject>,
    /// What the values files say.
    pub(super) values: Values,
    /// What look-ups find.
    pub(super) lookups: Lookups,
    /// The user of the request.
    pub(super) user: Option<Arc<Document>>,
    /// What policies take for the time.
    pub(super) now: Timestamp,
    /// Input that could not be used.
    pub(super) problems: Vec<Problem>,
}

impl World {
    /// Loads everything that a test names.
    pub(super) fn load(case: &Case, now: Timestamp, registries: Option<Registries>) -> Self {
        let mut loader = Loader {
            test: case.document.root(),
            folder: &case.folder,
            origin: &case.origin,
            problems: Vec::new(),
        };
        let mut scopes = Scopes::builtin();
        let mut lookups = Lookups::asking(registries);
        let cluster = loader.cluster_resources(&mut scopes, &mut lookups);
        let context = loader.context(&scopes, &mut lookups);
        let values = loader.values();
        let policies = loader.parsed("policies");
        let exceptions = loader.parsed("exceptions");
        let rulings = loader.rulings(policies, exceptions, &scopes);
        let mut subjects = loader.subjects("resources", &values, &mut scopes);
        subjects.extend(loader.payloads());
        for target in loader.subjects("targetResources", &values, &mut scopes) {
            if !subjects.iter().any(|subject| subject.id.key == target.id.key) {
                subjects.push(Subject { is_target: true, ..target });
            }
        }
        let parameters = loader.objects("paramResources", &mut scopes);
        lookups.snapshot = folder::Snapshot::new(scopes);
        for subject in subjects.iter().filter(|subject| !subject.id.key.kind.is_empty()) {
            lookups.snapshot.insert(subject.id.key.clone(), Arc::clone(&subject.document));
        }
        for object in parameters.into_iter().chain(context).chain(cluster) {
            lookups.snapshot.insert(object.id.key, object.document);
        }
        lookups.add_mocks(loader.test, loader.folder, &mut loader.problems);
        let user = loader.user();
        Self { rulings, subjects, values, lookups, user, now, problems: loader.problems }
    }
}

/// Whether a policy, or one of its rules, is written in CEL.
fn is_cel(kind: PolicyKind, policy: Node<'_>) -> bool {
    let mut rules = policy.path(&["spec", "rules"]).into_iter().flat_map(Node::items);
    !matches!(kind, PolicyKind::ClusterPolicy | PolicyKind::Policy)
        || rules.any(|rule| rule.path(&["validate", "cel"]).is_some())
}

struct Loader<'c> {
    test: Node<'c>,
    folder: &'c Path,
    origin: &'c Origin,
    problems: Vec<Problem>,
}

impl Loader<'_> {
    fn paths(&mut self, key: &str) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for path in strings(self.test, key) {
            if path.starts_with("http://") || path.starts_with("https://") {
                let message = format!("{key}: `{path}` is not fetched, only files are read");
                self.problems.push(Problem { origin: self.origin.clone(), message });
            } else {
                paths.push(self.folder.join(path));
            }
        }
        paths
    }

    /// The manifests of the files that a field names, folders included; a file that is named twice is read
    /// twice.
    fn read(&mut self, key: &str) -> Folder {
        let mut all = Folder::default();
        for path in self.paths(key) {
            let folder = folder::read(&[path]);
            all.manifests.extend(folder.manifests);
            all.problems.extend(folder.problems);
        }
        all
    }

    fn parsed(&mut self, key: &str) -> Vec<(Document, Origin)> {
        let folder = self.read(key);
        self.problems.extend(folder.problems);
        self.parse(&folder.manifests)
    }

    fn parse(&mut self, manifests: &[Manifest]) -> Vec<(Document, Origin)> {
        let mut parsed = Vec::new();
        for manifest in manifests {
            match manifest.parse() {
                Ok(document) => parsed.push((document, manifest.origin.clone())),
                Err(error) => self.problems.push(error.into()),
            }
        }
        parsed
    }

    fn rulings(
        &mut self,
        policies: Vec<(Document, Origin)>,
        exceptions: Vec<(Document, Origin)>,
        scopes: &Scopes,
    ) -> Vec<Ruling> {
        let mut sources: Vec<PolicySource> = Vec::new();
        let mut companions: Vec<CompanionSource> = Vec::new();
        for (document, origin) in policies.into_iter().chain(exceptions) {
            let root = document.root();
            let role = role_of(&Gvk::new(text(root, "apiVersion"), text(root, "kind")));
            let key = match (identify(&document, scopes), role) {
                (Ok(id), Some(role)) => (id.key, role),
                (Err(error), Some(_)) => {
                    self.problems.push(Problem { origin, message: error.to_string() });
                    continue;
                }
                (_, None) => continue,
            };
            let (key, role) = key;
            let document = Arc::new(document);
            let origin = origin.to_string();
            if let PolicyRole::Policy(kind) = role {
                let namespace = if kind.is_namespaced() { key.namespace } else { String::new() };
                let key = PolicyKey { kind, namespace, name: key.name };
                sources.push(PolicySource { key, document, origin });
            } else {
                companions.push(CompanionSource {
                    role,
                    namespace: key.namespace,
                    name: key.name,
                    document,
                    origin,
                });
            }
        }
        let documents: Vec<(PolicyKey, Arc<Document>)> =
            sources.iter().map(|source| (source.key.clone(), Arc::clone(&source.document))).collect();
        let catalog = Catalog::build(sources, &companions, &CatalogSettings::default());
        let with_document = |policy: &Arc<CompiledPolicy>| {
            let (_, document) = documents.iter().rev().find(|(key, _)| *key == policy.key)?;
            let is_cel = is_cel(policy.key.kind, document.root());
            Some(Ruling { policy: Arc::clone(policy), document: Arc::clone(document), is_cel })
        };
        catalog.policies.iter().filter_map(with_document).collect()
    }

    fn subjects(&mut self, field: &str, values: &Values, scopes: &mut Scopes) -> Vec<Subject> {
        let objects = self.objects(field, scopes);
        let subject = |object: Loaded| {
            let sub = values.subresource(&object.id.gvk());
            let mut matched_as = object.id.clone();
            if let Some(sub) = sub {
                matched_as.key.group.clone_from(&sub.parent.group);
                matched_as.key.kind.clone_from(&sub.parent.kind);
                matched_as.version.clone_from(&sub.parent.version);
            }
            Subject {
                id: object.id,
                matched_as,
                subresource: sub.map_or_else(String::new, |sub| sub.name.clone()),
                document: Arc::new(Document::clone(&object.document).with_integers_as_floats()),
                plain: object.document,
                is_target: false,
            }
        };
        objects.into_iter().map(subject).collect()
    }

    /// JSON payloads, which are no objects of Kubernetes: they have no kind, and the path of their file for a name.
    fn payloads(&mut self) -> Vec<Subject> {
        let mut payloads = Vec::new();
        let test = self.test;
        for path in ["jsonPayload", "jsonPayloads"].into_iter().flat_map(|key| strings(test, key)) {
            let manifests = folder::read_file(&self.folder.join(path), &mut self.problems);
            for (document, _) in self.parse(&manifests) {
                let key = ResourceKey { name: path.to_owned(), ..ResourceKey::default() };
                let id = ResourceId { key, ..ResourceId::default() };
                payloads.push(Subject {
                    matched_as: id.clone(),
                    id,
                    subresource: String::new(),
                    document: Arc::new(document.clone().with_integers_as_floats()),
                    plain: Arc::new(document),
                    is_target: false,
                });
            }
        }
        payloads
    }

    /// The objects of the files that a field names, each once, with the namespace filled in.
    fn objects(&mut self, key: &str, scopes: &mut Scopes) -> Vec<Loaded> {
        let folder = self.read(key);
        self.problems.extend(folder.problems);
        let parsed = self.parse(&folder.manifests);
        self.identified(parsed, scopes)
    }

    /// Of objects with the same identity the first is taken.
    fn identified(&mut self, parsed: Vec<(Document, Origin)>, scopes: &mut Scopes) -> Vec<Loaded> {
        for (document, _) in &parsed {
            scopes.add_crd(document);
        }
        let mut seen = BTreeSet::new();
        let mut objects = Vec::new();
        for (document, origin) in parsed {
            match identify(&document, scopes) {
                Ok(id) if seen.insert(id.key.clone()) => {
                    let document = Arc::new(placed(document, &id));
                    objects.push(Loaded { id, document, origin });
                }
                Ok(_) => {}
                Err(error) => self.problems.push(Problem { origin, message: error.to_string() }),
            }
        }
        objects
    }

    /// The objects of `ClusterResource` files, with the definitions of custom resources that they name.
    fn cluster_resources(&mut self, scopes: &mut Scopes, lookups: &mut Lookups) -> Vec<Loaded> {
        let files = self.parsed("clusterResources");
        lookups.has_cluster = !files.is_empty();
        let mut objects = Vec::new();
        for (file, origin) in &files {
            let Some(spec) = file.root().get("spec") else { continue };
            for crd in strings(spec, "crds") {
                let manifests = folder::read_file(&self.folder.join(crd), &mut self.problems);
                objects.extend(self.parse(&manifests));
            }
            let inline = spec.get("resources").into_iter().flat_map(Node::items);
            objects.extend(inline.map(|object| (copy(object), origin.clone())));
        }
        self.identified(objects, scopes)
    }

    /// The objects and images of the context file.
    fn context(&mut self, scopes: &Scopes, lookups: &mut Lookups) -> Vec<Loaded> {
        let mut objects = Vec::new();
        for (context, origin) in self.parsed("context") {
            lookups.add_images(context.root());
            let inline = context.root().path(&["spec", "resources"]).into_iter().flat_map(Node::items);
            objects.extend(inline.map(|object| (copy(object), origin.clone())));
        }
        self.identified(objects, &mut scopes.clone())
    }

    fn values(&mut self) -> Values {
        let mut values = Values::default();
        for (file, _) in self.parsed("variables") {
            values.add(file.root());
        }
        if let Some(inline) = self.test.get("values") {
            values.add(inline);
        }
        values
    }

    /// The user of a `UserInfo` file, in the shape that policies see: `userInfo`, `roles`, `clusterRoles`.
    fn user(&mut self) -> Option<Arc<Document>> {
        self.parsed("userinfo").into_iter().next().map(|(file, _)| Arc::new(file))
    }
}
