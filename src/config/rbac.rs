//! What Patrol may do in a cluster, for chosen kinds: no more than it uses.
//!
//! A pure function of the kinds that are scanned. Kinds that policies name and this leaves out are reported as forbidden, by name, and nothing of
//! theirs is deleted. What policies call themselves (`apiCall`) needs rules of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::model::PolicyKind;
use crate::report::ReportApi;

/// A kind that is scanned, as RBAC names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScannedKind {
    /// API group, empty for the core group.
    pub group: String,
    /// The plural, such as `deployments`.
    pub plural: String,
}

impl ScannedKind {
    /// Reads `pods` or `deployments.apps`, as kubectl writes them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (plural, group) = text.split_once('.').unwrap_or((text, ""));
        let is_word = |word: &str| {
            word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
        };
        if plural.is_empty() || !is_word(plural) || !is_word(group) {
            return Err(format!("must be a plural such as `pods` or `deployments.apps`, not `{text}`"));
        }
        Ok(Self { group: group.to_owned(), plural: plural.to_owned() })
    }
}

/// The name of the Lease unless the configuration names another.
pub(super) const DEFAULT_LEASE: &str = "patrol";

/// One rule: these verbs on these resources of one group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccessRule {
    /// API group, empty for the core group.
    pub group: String,
    /// Plurals.
    pub resources: BTreeSet<String>,
    /// Verbs.
    pub verbs: BTreeSet<&'static str>,
    /// Why, for people.
    pub why: &'static str,
}

const WHY_SCAN: &str = "what is scanned";
const WHY_FACTS: &str =
    "what policies look up: namespaces and their labels, ConfigMaps, Kyverno's resource filters";
const WHY_POLICIES: &str = "policies, exceptions, bindings and global context entries";
const WHY_REPORTS: &str = "reports: the one kind of object that is written";

/// The kinds of the shipped manifests: what policies of the usual libraries are about, without Secrets.
const STANDARD_KINDS: [&str; 27] = [
    "configmaps",
    "limitranges",
    "namespaces",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "serviceaccounts",
    "services",
    "daemonsets.apps",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "horizontalpodautoscalers.autoscaling",
    "cronjobs.batch",
    "jobs.batch",
    "ingressclasses.networking.k8s.io",
    "ingresses.networking.k8s.io",
    "networkpolicies.networking.k8s.io",
    "poddisruptionbudgets.policy",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io",
    "storageclasses.storage.k8s.io",
];

/// The kinds of the shipped manifests.
pub fn standard_kinds() -> Vec<ScannedKind> {
    STANDARD_KINDS.into_iter().filter_map(|kind| ScannedKind::parse(kind).ok()).collect()
}

/// The rules for scanning those kinds, sorted. `api` is the one that reports are written in; `None` for either.
pub fn access_rules(kinds: &[ScannedKind], api: Option<ReportApi>) -> Vec<AccessRule> {
    let mut rules: BTreeMap<(u8, String), AccessRule> = BTreeMap::new();
    let mut allow = |at: u8, group: &str, resource: &str, verbs: &[&'static str], why: &'static str| {
        let rule = rules.entry((at, group.to_owned())).or_insert_with(|| AccessRule {
            group: group.to_owned(),
            resources: BTreeSet::new(),
            verbs: BTreeSet::new(),
            why,
        });
        rule.resources.insert(resource.to_owned());
        rule.verbs.extend(verbs);
    };
    for kind in kinds {
        allow(0, &kind.group, &kind.plural, &["list"], WHY_SCAN);
    }
    for plural in ["configmaps", "namespaces"] {
        allow(1, "", plural, &["get", "list"], WHY_FACTS);
    }
    for kind in PolicyKind::ALL {
        allow(2, kind.group(), &kind.plural(), &["list"], WHY_POLICIES);
    }
    for (group, plural) in [
        ("kyverno.io", "policyexceptions"),
        ("policies.kyverno.io", "policyexceptions"),
        ("kyverno.io", "globalcontextentries"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
    ] {
        allow(2, group, plural, &["list"], WHY_POLICIES);
    }
    for written in [ReportApi::PolicyReport, ReportApi::OpenReports] {
        if api.is_none_or(|api| api == written) {
            for is_namespaced in [true, false] {
                let verbs = ["get", "list", "create", "update", "delete"];
                allow(3, written.group(), written.plural(is_namespaced), &verbs, WHY_REPORTS);
            }
        }
    }
    rules.into_values().collect()
}

/// The `ClusterRole` with those rules, the `Role` for the Lease by which replicas elect a leader, and their bindings to a service account, as YAML.
pub fn roles(rules: &[AccessRule], name: &str, namespace: &str, service_account: &str) -> String {
    let mut text = cluster_role(rules, name, namespace, service_account);
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  \
         labels:\n    app.kubernetes.io/name: patrol\nrules:\n  # the Lease that the leader holds; `create` cannot be bound to a name\n  \
         - apiGroups: [coordination.k8s.io]\n    resources:\n      - leases\n    verbs: [create]\n  \
         - apiGroups: [coordination.k8s.io]\n    resources:\n      - leases\n    resourceNames: [{DEFAULT_LEASE}]\n    verbs: [get, update]\n"
    );
    let subject = format!(
        "subjects:\n  - kind: ServiceAccount\n    name: {service_account}\n    namespace: {namespace}\n"
    );
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  \
         labels:\n    app.kubernetes.io/name: patrol\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: {name}\n{subject}"
    );
    text
}

fn cluster_role(rules: &[AccessRule], name: &str, namespace: &str, service_account: &str) -> String {
    let mut text = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: {name}\n  labels:\n    \
         app.kubernetes.io/name: patrol\nrules:\n"
    );
    let mut last_why = "";
    for rule in rules {
        if rule.why != last_why {
            let _ = writeln!(text, "  # {}", rule.why);
            last_why = rule.why;
        }
        let group = if rule.group.is_empty() { "\"\"" } else { &rule.group };
        let verbs: Vec<&str> = rule.verbs.iter().copied().collect();
        let _ = writeln!(text, "  - apiGroups: [{group}]\n    resources:");
        for resource in &rule.resources {
            let _ = writeln!(text, "      - {resource}");
        }
        let _ = writeln!(text, "    verbs: [{}]", verbs.join(", "));
    }
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: {name}\n  labels:\n    \
         app.kubernetes.io/name: patrol\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  \
         name: {name}\nsubjects:\n  - kind: ServiceAccount\n    name: {service_account}\n    namespace: {namespace}\n"
    );
    text
}
