//! Policies about Pods, made to fit the controllers that make Pods.
//!
//! Upstream: Kyverno's `pkg/cel/autogen` (`support.go`, `config.go`, `replacement.go`). What the policy's status says was generated is not read.

use std::collections::BTreeSet;

use crate::document::{Document, DocumentBuilder, Kind, Node};

/// A controller's plural, API group, and whether it keeps its Pod template below a job template.
const CONTROLLERS: [(&str, &str, bool); 6] = [
    ("cronjobs", "batch", true),
    ("daemonsets", "apps", false),
    ("deployments", "apps", false),
    ("jobs", "batch", false),
    ("replicasets", "apps", false),
    ("statefulsets", "apps", false),
];

/// Paths, and what they become for a controller.
type Replacements = [(&'static str, &'static str); 4];

const DIRECT: Replacements = [
    ("object.spec", "object.spec.template.spec"),
    ("oldObject.spec", "oldObject.spec.template.spec"),
    ("object.metadata", "object.spec.template.metadata"),
    ("oldObject.metadata", "oldObject.spec.template.metadata"),
];

const CRON_JOB: Replacements = [
    ("object.spec", "object.spec.jobTemplate.spec.template.spec"),
    ("oldObject.spec", "oldObject.spec.jobTemplate.spec.template.spec"),
    ("object.metadata", "object.spec.jobTemplate.spec.template.metadata"),
    ("oldObject.metadata", "oldObject.spec.jobTemplate.spec.template.metadata"),
];

/// A spec that was derived from a policy's.
pub(super) struct Derived {
    pub(super) spec: Document,
    /// Where the Pod stands in the objects that it is about.
    pub(super) template: &'static [&'static str],
}

/// The specs derived from a policy's spec: one for controllers with a Pod template, one for
/// `CronJob` objects; none if the policy is about more than Pods. `controllers` are the plurals that the policy asks for, `None`: all.
pub(super) fn derive(spec: Node<'_>, controllers: Option<&[&str]>) -> Vec<Derived> {
    if !is_about_pods(spec) {
        return Vec::new();
    }
    let is_wanted = |plural: &str| controllers.is_none_or(|wanted| wanted.contains(&plural));
    let targets = |is_cron_job: bool| -> Vec<(&str, &str)> {
        CONTROLLERS
            .iter()
            .filter(|(plural, _, is_cron)| *is_cron == is_cron_job && is_wanted(plural))
            .map(|(plural, group, _)| (*group, *plural))
            .collect()
    };
    let variants: [(_, _, &[&str]); 2] = [
        (targets(true), &CRON_JOB, &["spec", "jobTemplate", "spec", "template"]),
        (targets(false), &DIRECT, &["spec", "template"]),
    ];
    let variants = variants.into_iter().filter(|(targets, _, _)| !targets.is_empty());
    variants
        .map(|(targets, replacements, template)| Derived {
            spec: derived(spec, &targets, replacements),
            template,
        })
        .collect()
}

/// Whether a spec is about Pods and nothing else, and selects them by nothing that a controller lacks.
fn is_about_pods(spec: Node<'_>) -> bool {
    let Some(constraints) = spec.get("matchConstraints") else { return false };
    let selects = |key: &str| {
        constraints.get(key).is_some_and(|selector| {
            ["matchLabels", "matchExpressions"].iter().any(|k| selector.get(k).is_some_and(|n| !n.is_empty()))
        })
    };
    let is_only = |rule: Node<'_>, key: &str, wanted: &str| {
        let mut items = rule.get(key).into_iter().flat_map(Node::items);
        items.next().and_then(Node::as_str) == Some(wanted) && items.next().is_none()
    };
    let is_empty = |node: Node<'_>, key: &str| node.get(key).is_none_or(Node::is_empty);
    let mut rules = constraints.get("resourceRules").into_iter().flat_map(Node::items);
    let (Some(rule), None) = (rules.next(), rules.next()) else { return false };
    !selects("namespaceSelector")
        && !selects("objectSelector")
        && is_empty(constraints, "excludeResourceRules")
        && is_empty(rule, "resourceNames")
        && is_only(rule, "apiGroups", "")
        && is_only(rule, "apiVersions", "v1")
        && is_only(rule, "resources", "pods")
}

fn derived(spec: Node<'_>, targets: &[(&str, &str)], replacements: &Replacements) -> Document {
    let mut builder = DocumentBuilder::new();
    builder.open_object();
    for (key, value) in spec.entries() {
        builder.key(key);
        if key == "matchConstraints" {
            let rule = value.get("resourceRules").and_then(|rules| rules.at_index(0));
            constraints(&mut builder, targets, rule.and_then(|rule| rule.get("operations")));
        } else {
            copy(&mut builder, value, replacements);
        }
    }
    builder.finish()
}

fn constraints(builder: &mut DocumentBuilder, targets: &[(&str, &str)], operations: Option<Node<'_>>) {
    let list = |builder: &mut DocumentBuilder, key: &str, items: &[&str]| {
        builder.key(key);
        builder.open_array();
        for item in items {
            builder.string(item);
        }
        builder.close();
    };
    builder.open_object();
    builder.key("resourceRules");
    builder.open_array();
    let groups: BTreeSet<&str> = targets.iter().map(|(group, _)| *group).collect();
    for group in groups {
        let plurals: Vec<&str> =
            targets.iter().filter(|(of, _)| *of == group).map(|(_, plural)| *plural).collect();
        builder.open_object();
        list(builder, "apiGroups", &[group]);
        list(builder, "apiVersions", &["v1"]);
        list(builder, "resources", &plurals);
        if let Some(operations) = operations {
            builder.key("operations");
            builder.node(operations);
        }
        builder.close();
    }
    builder.close();
    builder.close();
}

fn copy(builder: &mut DocumentBuilder, node: Node<'_>, replacements: &Replacements) {
    match node.kind() {
        Kind::String => builder.string(&replaced(node.as_str().unwrap_or_default(), replacements)),
        Kind::Array => {
            builder.open_array();
            node.items().for_each(|item| copy(builder, item, replacements));
            builder.close();
        }
        Kind::Object => {
            builder.open_object();
            for (key, value) in node.entries() {
                builder.key(key);
                copy(builder, value, replacements);
            }
            builder.close();
        }
        _ => builder.node(node),
    }
}

fn replaced(text: &str, replacements: &Replacements) -> String {
    replacements.iter().fold(text.to_owned(), |text, (from, to)| replace(&text, from, to))
}

/// Replaces a path where it is not followed by `.namespace` or `.name`: these stay the controller's own.
fn replace(text: &str, from: &str, to: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(from) {
        result.push_str(before);
        result.push_str(if is_kept(after) { from } else { to });
        rest = after;
    }
    result.push_str(rest);
    result
}

fn is_kept(after: &str) -> bool {
    [".namespace", ".name"].iter().any(|suffix| {
        after
            .strip_prefix(suffix)
            .is_some_and(|rest| !rest.starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric()))
    })
}
