//! Which resources a scan is about at all, and which pairs one schedule covers.

use std::collections::BTreeSet;

use crate::document::Document;
use crate::fingerprint::Hasher;
use crate::gostd::wildcard::Wildcard;
use crate::matching::ResourceFilters;
use crate::model::{Fingerprint, PolicyKey, ResourceId, ResourceKey};

/// Which resources are scanned.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Resources that are left out, in Kyverno's `[kind,namespace,name]` form.
    pub filters: ResourceFilters,
    /// Namespaces that are left out, with wildcards.
    pub excluded_namespaces: Vec<String>,
    /// Labels (`key` or `key=value`) whose bearers are left out.
    pub excluded_labels: Vec<(String, Option<String>)>,
    /// Whether what another scanned resource controls is left out.
    pub skips_controlled: bool,
}

impl Coverage {
    /// Whether the resource is scanned, as far as its identity and its controllers tell. `scanned` are the groups and
    /// kinds of which resources are scanned: what only something else controls is not left out.
    pub fn covers(&self, id: &ResourceId, controllers: &[(String, String)], scanned: &KindSet) -> bool {
        let namespace = if id.key.kind == "Namespace" && id.key.group.is_empty() {
            &id.key.name
        } else {
            &id.key.namespace
        };
        (!self.skips_controlled || !controllers.iter().any(|kind| scanned.contains(kind)))
            && !self.excluded_namespaces.iter().any(|pattern| Wildcard::new(pattern).is_match(namespace))
            && !self.filters.excludes(id)
    }

    /// Whether the resource is left out for a label.
    pub fn excludes_by_label(&self, object: &Document) -> bool {
        let labels = || object.root().path(&["metadata", "labels"]);
        self.excluded_labels.iter().any(|(key, value)| {
            let found = labels().and_then(|labels| labels.get(key)).and_then(crate::document::Node::as_str);
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        })
    }

    /// What of it decides about a resource that did not move.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Hasher::new("patrol/coverage/1");
        for (key, value) in &self.excluded_labels {
            hasher.str(key).str(value.as_deref().unwrap_or("\0"));
        }
        hasher.finish()
    }
}

/// One resource, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Only {
    /// Its kind, in any case.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; `None` for any.
    pub namespace: Option<String>,
}

impl Only {
    /// Whether it is of that kind.
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// Whether the resource is meant.
    pub fn is(&self, key: &ResourceKey) -> bool {
        self.is_kind(&key.kind)
            && self.name == key.name
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
    }
}

/// Which pairs one schedule covers; empty sets cover everything. What it does not cover is reused as it is, however stale; a pair without a
/// verdict is always due.
#[derive(Clone, Debug, Default)]
pub struct Focus {
    /// Policy names, with wildcards; namespaced policies as `namespace/name`.
    pub policies: Vec<String>,
    /// Kinds, with wildcards.
    pub kinds: Vec<String>,
    /// Namespaces, with wildcards.
    pub namespaces: Vec<String>,
}

impl Focus {
    /// Whether the schedule covers everything.
    pub fn is_everything(&self) -> bool {
        self.policies.is_empty() && self.kinds.is_empty() && self.namespaces.is_empty()
    }

    /// Whether the schedule covers the pair.
    pub fn covers(&self, policy: &PolicyKey, id: &ResourceId) -> bool {
        any(&self.policies, &policy.report_name())
            && any(&self.kinds, &id.key.kind)
            && any(&self.namespaces, &id.key.namespace)
    }
}

fn any(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| Wildcard::new(pattern).is_match(text))
}

/// Kinds by group and name, as the state files them.
pub type KindSet = BTreeSet<(String, String)>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    fn id(group: &str, kind: &str, namespace: &str, name: &str) -> ResourceId {
        let [group, kind, namespace, name] = [group, kind, namespace, name].map(str::to_owned);
        let key = ResourceKey { group, kind, namespace, name };
        ResourceId { key, version: "v1".into(), uid: String::new() }
    }

    fn kinds(kinds: &[(&str, &str)]) -> Vec<(String, String)> {
        kinds.iter().map(|(group, kind)| ((*group).to_owned(), (*kind).to_owned())).collect()
    }

    #[test]
    fn only_what_another_scanned_resource_controls_is_left_out() {
        let pod = id("", "Pod", "n", "p");
        let skip = Coverage { skips_controlled: true, ..Coverage::default() };
        let replicas = kinds(&[("apps", "ReplicaSet"), ("apps", "Deployment")]);
        let covers = |coverage: &Coverage, controllers: &[(String, String)], scanned: &[(&str, &str)]| {
            coverage.covers(&pod, controllers, &kinds(scanned).into_iter().collect())
        };
        assert!(!covers(&skip, &replicas, &[("", "Pod"), ("apps", "Deployment")]));
        assert!(covers(&skip, &replicas[..1], &[("", "Pod"), ("apps", "Deployment")]), "a bare ReplicaSet's");
        assert!(!covers(&skip, &replicas[..1], &[("apps", "ReplicaSet")]));
        assert!(covers(&skip, &kinds(&[("example.com", "Rollout")]), &[("apps", "Deployment")]));
        assert!(covers(&skip, &[], &[("", "Pod")]));
        assert!(covers(&Coverage::default(), &replicas, &[("apps", "Deployment")]), "unless it is asked for");
    }

    #[test]
    fn an_excluded_namespace_goes_with_what_is_in_it() {
        let excluded_namespaces = vec!["kube-*".to_owned()];
        let coverage = Coverage { excluded_namespaces, ..Coverage::default() };
        for (resource, is_covered) in [
            (id("", "Pod", "kube-system", "p"), false),
            (id("", "Namespace", "", "kube-system"), false),
            (id("", "Pod", "prod", "kube-system"), true),
            (id("", "Node", "", "kube-node"), true),
            (id("example.com", "Namespace", "", "kube-system"), true),
        ] {
            assert_eq!(coverage.covers(&resource, &[], &KindSet::new()), is_covered, "{}", resource.key);
        }
    }

    #[test]
    fn a_label_excludes_with_or_without_its_value() {
        let excluded_labels = vec![("skip".to_owned(), None), ("tier".to_owned(), Some("system".to_owned()))];
        let coverage = Coverage { excluded_labels, ..Coverage::default() };
        for (labels, is_excluded) in [
            (r#"{"skip":""}"#, true),
            (r#"{"tier":"system"}"#, true),
            (r#"{"tier":"web"}"#, false),
            ("{}", false),
            ("null", false),
        ] {
            let json = format!(r#"{{"metadata":{{"labels":{labels}}}}}"#);
            let object = Document::from_json(json.as_bytes()).unwrap();
            assert_eq!(coverage.excludes_by_label(&object), is_excluded, "{labels}");
        }
        assert_ne!(coverage.fingerprint(), Coverage::default().fingerprint());
    }
}
