//! What the API server serves: aggregated discovery in two requests, or one request a group version from
//! servers that do not have it.
//!
//! Replies: KEP-3352 (`apidiscovery.k8s.io/v2`) and the older `APIGroupList`, `APIResourceList`. A group
//! whose server does not answer is marked: its kinds are not known to be gone.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::client::{Ask, ClusterClient, read_json};
use super::failure::{ApiFailure, FailureClass};
use super::path::{ResourcePath, escape};
use crate::inventory::{Discovered, Problem, ScanKind};
use crate::limits;
use crate::matching::{KindSelector, forms_taken};
use crate::model::Gvk;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                          application/json";

/// Kinds of two groups that are one and the same objects: the second, and the first, by which they are known
/// (`k8s.io/kubernetes/pkg/registry/core/rest` and `…/registry/events/rest` share one storage).
const SAME_OBJECTS: [(GroupKind, GroupKind); 1] = [(("events.k8s.io", "Event"), ("", "Event"))];

/// A kind by its group and name.
type GroupKind = (&'static str, &'static str);

/// A form that a kind is served in.
type Form<'d> = (Gvk, &'d Served);

/// A kind in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) is_namespaced: bool,
    pub(super) verbs: BTreeSet<String>,
}

impl Served {
    fn can(&self, verb: &str) -> bool {
        self.verbs.contains(verb)
    }
}

/// What a server serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Discovery {
    /// By group; versions in the group's order of preference.
    groups: BTreeMap<String, Vec<Served>>,
    /// Groups of which not everything could be found out.
    pub(super) unknown_groups: BTreeSet<String>,
    problems: Vec<Problem>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct GroupDiscoveryList {
    #[serde(default)]
    items: Vec<GroupDiscovery>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GroupDiscovery {
    metadata: Named,
    versions: Vec<VersionDiscovery>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VersionDiscovery {
    version: String,
    freshness: String,
    resources: Vec<ResourceDiscovery>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResourceDiscovery {
    resource: String,
    response_kind: ResponseKind,
    scope: String,
    verbs: BTreeSet<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseKind {
    kind: String,
}

#[derive(Deserialize)]
struct CoreVersions {
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    #[serde(default)]
    versions: Vec<GroupVersion>,
    preferred_version: Option<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    #[serde(default)]
    namespaced: bool,
    kind: String,
    #[serde(default)]
    verbs: BTreeSet<String>,
}

/// Asks the server what it serves.
pub(super) async fn discover(client: &ClusterClient) -> Result<Discovery, ApiFailure> {
    let ask = |path: &str| Ask::get("discover", String::new(), path.to_owned()).accepting(AGGREGATED);
    let (core, groups) = (ask("/api"), ask("/apis"));
    let (core, groups) = tokio::try_join!(client.ask(&core), client.ask(&groups))?;
    let mut discovery = Discovery::default();
    let mut to_ask = Vec::new();
    for reply in [&core, &groups] {
        let envelope: Envelope = read_json(reply)?;
        match envelope.kind.as_str() {
            "APIGroupDiscoveryList" => discovery.add_aggregated(read_json(reply)?),
            "APIVersions" => {
                let CoreVersions { versions } = read_json(reply)?;
                to_ask.extend(versions.into_iter().map(|version| (String::new(), version)));
            }
            "APIGroupList" => {
                let GroupList { groups } = read_json(reply)?;
                to_ask.extend(groups.into_iter().flat_map(Group::in_order));
            }
            other => {
                let message = format!("the API server answers discovery with a `{other}`");
                return Err(ApiFailure::new(FailureClass::Unreadable, message));
            }
        }
    }
    discovery.add_group_versions(client, to_ask).await?;
    Ok(discovery)
}

impl Group {
    /// Its versions, the preferred one first.
    fn in_order(self) -> Vec<(String, String)> {
        let Self { name, versions, preferred_version } = self;
        let preferred = preferred_version.map(|preferred| preferred.version).unwrap_or_default();
        let mut versions: Vec<String> = versions.into_iter().map(|version| version.version).collect();
        versions.sort_by_key(|version| *version != preferred);
        versions.into_iter().map(|version| (name.clone(), version)).collect()
    }
}

impl Discovery {
    fn add_aggregated(&mut self, list: GroupDiscoveryList) {
        for GroupDiscovery { metadata, versions } in list.items {
            for VersionDiscovery { version, freshness, resources } in versions {
                if freshness == "Stale" {
                    self.note_unknown(&metadata.name, &version, "its API service does not answer");
                }
                let served = resources.into_iter().filter(|resource| !resource.response_kind.kind.is_empty());
                let served = served.map(|resource| Served {
                    version: version.clone(),
                    kind: resource.response_kind.kind,
                    plural: resource.resource,
                    is_namespaced: resource.scope == "Namespaced",
                    verbs: resource.verbs,
                });
                self.groups.entry(metadata.name.clone()).or_default().extend(served);
            }
        }
    }

    async fn add_group_versions(
        &mut self,
        client: &ClusterClient,
        to_ask: Vec<(String, String)>,
    ) -> Result<(), ApiFailure> {
        let asked = to_ask.into_iter().map(|(group, version)| async move {
            let path = if group.is_empty() {
                format!("/api/{}", escape(&version))
            } else {
                format!("/apis/{}/{}", escape(&group), escape(&version))
            };
            let reply = client.ask(&Ask::get("discover", String::new(), path)).await;
            let list = reply.and_then(|reply| read_json::<ResourceList>(&reply));
            match list {
                // Without the core group, or against a wall, there is nothing to scan with.
                Err(failure) if group.is_empty() || failure.class == FailureClass::Unauthorized => {
                    Err(failure)
                }
                list => Ok((group, version, list)),
            }
        });
        let answers: Vec<_> =
            futures_util::stream::iter(asked).buffered(limits::KINDS_LISTED_AT_ONCE).try_collect().await?;
        for (group, version, list) in answers {
            match list {
                Err(failure) => self.note_unknown(&group, &version, &failure.message),
                Ok(ResourceList { resources }) => {
                    let own = resources.into_iter().filter(|resource| !resource.name.contains('/'));
                    let served = own.map(|resource| Served {
                        version: version.clone(),
                        kind: resource.kind,
                        plural: resource.name,
                        is_namespaced: resource.namespaced,
                        verbs: resource.verbs,
                    });
                    self.groups.entry(group).or_default().extend(served);
                }
            }
        }
        Ok(())
    }

    fn note_unknown(&mut self, group: &str, version: &str, why: &str) {
        self.unknown_groups.insert(group.to_owned());
        self.problems.push(Problem {
            subject: format!("{group}/{version}"),
            message: format!("what this API group serves could not be found out: {why}"),
            is_input: false,
        });
    }

    /// The kind in the version that the server prefers; `None` if it is not served.
    pub(super) fn preferred(&self, group: &str, kind: &str) -> Option<&Served> {
        self.groups.get(group)?.iter().find(|served| served.kind == kind)
    }

    /// The kind of a version, by its name or its plural; an empty version is the preferred one.
    pub(super) fn find(&self, group: &str, version: &str, kind_or_plural: &str) -> Option<&Served> {
        let is_it = |served: &&Served| {
            (served.kind == kind_or_plural || served.plural == kind_or_plural)
                && (version.is_empty() || version == "*" || served.version == version)
        };
        self.groups.get(group)?.iter().find(is_it)
    }

    /// The kinds that any selector selects, each once: known by the first form that is taken, with the others beside
    /// it. Kinds that cannot be listed and watched are no stored objects; that is told where a selector names
    /// one.
    pub(super) fn select(&self, wanted: &[KindSelector]) -> Discovered {
        let mut discovered = Discovered {
            unknown_groups: self.unknown_groups.clone(),
            problems: self.problems.clone(),
            ..Discovered::default()
        };
        let mut told = BTreeSet::new();
        let mut is_served = vec![false; wanted.len()];
        for kind in self.kinds() {
            let (stored, passing): (Vec<_>, Vec<_>) =
                kind.into_iter().partition(|(_, served)| served.can("list") && served.can("watch"));
            for (selector, is_served) in wanted.iter().zip(&mut is_served) {
                let selects = |form: &&Form<'_>| selector.selects_form(&form.0);
                let (is_stored, passing) =
                    (stored.iter().any(|form| selects(&form)), passing.iter().find(selects));
                *is_served |= is_stored || passing.is_some();
                if let Some((gvk, _)) = passing.filter(|_| !is_stored && selector.kind.as_literal().is_some())
                {
                    let message = "objects of this kind cannot be listed and are not scanned".to_owned();
                    told.insert((gvk.to_string(), message));
                }
            }
            discovered.kinds.extend(scan_kind(wanted, &stored));
        }
        for (selector, _) in wanted.iter().zip(is_served).filter(|(_, is_served)| !is_served) {
            if let Some(kind) = selector.kind.as_literal() {
                let subject = format!("{}/{}/{kind}", selector.group.as_str(), selector.version.as_str());
                told.insert((
                    subject,
                    "a policy is about this kind, which the API server does not serve".to_owned(),
                ));
            }
        }
        discovered.kinds.sort();
        discovered.problems.extend(told.into_iter().map(|(subject, message)| Problem {
            subject,
            message,
            is_input: false,
        }));
        discovered
    }

    /// Each kind with the forms that it is served in, the preferred one first.
    fn kinds(&self) -> Vec<Vec<Form<'_>>> {
        let mut kinds = BTreeMap::<(&str, &str), Vec<Form<'_>>>::new();
        for (group, versions) in &self.groups {
            for served in versions {
                let same = SAME_OBJECTS.iter().find(|(second, _)| *second == (group, &served.kind));
                let same = same.map(|(_, first)| *first).filter(|first| kinds.contains_key(first));
                let gvk =
                    Gvk { group: group.clone(), version: served.version.clone(), kind: served.kind.clone() };
                kinds.entry(same.unwrap_or((group, &served.kind))).or_default().push((gvk, served));
            }
        }
        kinds.into_values().collect()
    }

    /// Where the objects of a kind are.
    pub(super) fn path_of(group: &str, served: &Served) -> ResourcePath {
        ResourcePath::new(group, &served.version, &served.plural)
    }
}

/// The kind with these forms as it is to be listed; `None` if no selector takes any of them. Objects that two groups
/// serve are always known by the first: what is known of them is filed by group and kind.
fn scan_kind(wanted: &[KindSelector], stored: &[Form<'_>]) -> Option<ScanKind> {
    let forms: Vec<Gvk> = stored.iter().map(|(gvk, _)| gvk.clone()).collect();
    let mut taken = forms_taken(wanted, &forms);
    let has_two_groups = forms.windows(2).any(|pair| matches!(pair, [a, b] if a.group != b.group));
    if has_two_groups && taken.first().is_some_and(|first| *first > 0) {
        taken.insert(0, 0);
    }
    let mut taken = taken.into_iter();
    let (gvk, served) = stored.get(taken.next()?)?;
    let others = taken.filter_map(|at| forms.get(at).cloned()).collect();
    let (plural, is_namespaced) = (served.plural.clone(), served.is_namespaced);
    Some(ScanKind { gvk: gvk.clone(), plural, is_namespaced, others })
}

#[cfg(test)]
impl Discovery {
    /// What an aggregated reply says, for tests.
    pub(super) fn of_aggregated(reply: &[u8]) -> Self {
        let mut discovery = Self::default();
        discovery.add_aggregated(serde_json::from_slice(reply).unwrap());
        discovery
    }
}
