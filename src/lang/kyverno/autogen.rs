//! Autogen: the rules that Kyverno derives for pod controllers from rules for Pods.
//!
//! Upstream: `pkg/autogen/v1`. A rule is derived as a document of its own, so that everything behind this file sees only rules. Derived are the
//! name, the kinds, where a pattern stands, and every mention of `request.object.spec` and the like in any string of the rule.

use std::collections::BTreeSet;

use crate::document::{Document, DocumentBuilder, Kind, Node};
use crate::matching::KindPattern;

#[cfg(test)]
mod tests;

/// The annotation that chooses the controllers: `none`, or kinds separated by commas.
pub(super) const CONTROLLERS_ANNOTATION: &str = "pod-policies.kyverno.io/autogen-controllers";

const NAME_LENGTH_MAX: usize = 63;

/// The controllers whose Pod template is `spec.template`, with their full kinds.
const TEMPLATE_CONTROLLERS: [(&str, &str); 6] = [
    ("DaemonSet", "apps/v1/DaemonSet"),
    ("Deployment", "apps/v1/Deployment"),
    ("Job", "batch/v1/Job"),
    ("ReplicaSet", "apps/v1/ReplicaSet"),
    ("ReplicationController", "v1/ReplicationController"),
    ("StatefulSet", "apps/v1/StatefulSet"),
];

const CRON_JOB: (&str, &str) = ("CronJob", "batch/v1/CronJob");

/// Where a controller keeps the template of its Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Template {
    /// `spec.template`
    Direct,
    /// `spec.jobTemplate.spec.template`
    CronJob,
}

/// What autogen makes of a policy.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// The derived rules in the order in which they are asked, behind the policy's own; each with the position of its origin.
    pub(super) rules: Vec<(usize, Document)>,
    /// The kinds that derived rules were made for: the policy's own rules named `autogen-…` do not apply to them.
    pub(super) kinds: BTreeSet<String>,
}

/// Derives the rules of a policy. `annotation` is the value of [`CONTROLLERS_ANNOTATION`].
pub(super) fn derive(rules: &[Node<'_>], annotation: Option<&str>) -> Derived {
    let mut derived = Derived::default();
    if !is_applicable(rules) {
        return derived;
    }
    let requested = Controllers::requested(annotation);
    for (index, rule) in rules.iter().enumerate() {
        if !is_for_pods(*rule) {
            continue;
        }
        if !requested.template.is_empty()
            && let Some(document) = derive_rule(*rule, Template::Direct, &requested.template)
        {
            derived.kinds.extend(requested.template.iter().cloned());
            derived.rules.push((index, document));
        }
        if requested.has_cron_job
            && let Some(document) = derive_rule(*rule, Template::CronJob, &[CRON_JOB.0.to_owned()])
        {
            derived.kinds.insert(CRON_JOB.0.to_owned());
            derived.rules.push((index, document));
        }
    }
    derived
}

/// The kinds that a policy's annotation asks for.
struct Controllers {
    template: Vec<String>,
    has_cron_job: bool,
}

impl Controllers {
    fn requested(annotation: Option<&str>) -> Self {
        let Some(annotation) = annotation else {
            let template = TEMPLATE_CONTROLLERS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
            return Self { template, has_cron_job: true };
        };
        let asked: BTreeSet<&str> = annotation.split(',').collect();
        if asked.len() == 1 && asked.contains("none") {
            return Self { template: Vec::new(), has_cron_job: false };
        }
        let others: Vec<&str> =
            asked.into_iter().filter(|kind| *kind != CRON_JOB.0 && !kind.is_empty()).collect();
        let is_known = |kind: &&&str| TEMPLATE_CONTROLLERS.iter().any(|(known, _)| known == *kind);
        let known: Vec<String> = others.iter().filter(is_known).map(|kind| (*kind).to_owned()).collect();
        let template = if others == ["all"] {
            TEMPLATE_CONTROLLERS.iter().map(|(kind, _)| (*kind).to_owned()).collect()
        } else if known.is_empty() {
            others.iter().map(|kind| (*kind).to_owned()).collect()
        } else {
            known
        };
        Self { template, has_cron_job: annotation.contains(CRON_JOB.0) || annotation.contains("all") }
    }
}

/// Whether a policy's rules can be meant for controllers too: one rule that names objects, or generates, switches autogen off for all.
fn is_applicable(rules: &[Node<'_>]) -> bool {
    let mut is_needed = false;
    for rule in rules {
        let mutate = rule.get("mutate");
        let has_json_patch =
            |node: Node<'_>| node.get("patchesJson6902").is_some_and(|p| p.as_str() != Some(""));
        if rule.get("generate").is_some_and(|generate| !generate.is_empty())
            || mutate.is_some_and(has_json_patch)
            || mutate.and_then(|m| m.get("foreach")).into_iter().flat_map(Node::items).any(has_json_patch)
        {
            return false;
        }
        for block in ["match", "exclude"].into_iter().filter_map(|key| rule.get(key)) {
            for filter in filters(block) {
                let Some(is_pods) = is_supported(filter) else { return false };
                is_needed |= is_pods;
            }
        }
    }
    is_needed
}

/// The block itself and all entries of `any` and `all`.
fn filters(block: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let lists = ["any", "all"].into_iter().filter_map(move |key| block.get(key));
    std::iter::once(block).chain(lists.flat_map(Node::items))
}

/// Whether a filter is about Pods or controllers; `None` if it rules autogen out.
fn is_supported(filter: Node<'_>) -> Option<bool> {
    let Some(resources) = filter.get("resources") else { return Some(false) };
    let is_set = |key: &str| resources.get(key).is_some_and(|value| !value.is_null());
    let kinds: Vec<&str> = kinds_of(filter).collect();
    let names_objects =
        resources.get("name").is_some_and(|name| name.as_str() != Some("") && !name.is_null())
            || resources.get("names").is_some_and(|names| !names.is_empty())
            || is_set("selector")
            || is_set("annotations");
    if names_objects || (kinds.len() > 1 && contains_pod(&kinds)) {
        return None;
    }
    let is_pod_kind = |kind: &&str| {
        *kind == "Pod" || *kind == CRON_JOB.0 || TEMPLATE_CONTROLLERS.iter().any(|(known, _)| known == kind)
    };
    Some(kinds.iter().any(is_pod_kind))
}

fn kinds_of(filter: Node<'_>) -> impl Iterator<Item = &str> {
    filter.path(&["resources", "kinds"]).into_iter().flat_map(Node::items).filter_map(Node::as_str)
}

fn contains_pod(kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| KindPattern::parse(kind).kind.kind.as_str() == "Pod")
}

/// Whether a rule is about Pods and is not itself named like a derived one.
fn is_for_pods(rule: Node<'_>) -> bool {
    let kinds =
        |key: &str| -> Vec<&str> { rule.get(key).into_iter().flat_map(filters).flat_map(kinds_of).collect() };
    let excluded = kinds("exclude");
    !is_derived_name(rule.get("name").and_then(Node::as_str).unwrap_or_default())
        && contains_pod(&kinds("match"))
        && (excluded.is_empty() || contains_pod(&excluded))
}

/// Whether a rule's name is one that autogen gives.
pub(super) fn is_derived_name(name: &str) -> bool {
    name.starts_with("autogen-")
}

fn derive_rule(rule: Node<'_>, template: Template, kinds: &[String]) -> Option<Document> {
    let validate = rule.get("validate").filter(|validate| !validate.is_empty());
    let verify = rule.get("verifyImages");
    let body = validate.and_then(|validate| Body::of(validate, template));
    if body.is_none() && verify.is_none() {
        return None;
    }
    let is_cel = validate.is_some_and(|validate| validate.get("cel").is_some());
    let mut writer = Writer { builder: DocumentBuilder::new(), replacements: replacements(template, is_cel) };
    writer.builder.open_object();
    let prefix = if template == Template::Direct { "autogen" } else { "autogen-cronjob" };
    let name = format!("{prefix}-{}", rule.get("name").and_then(Node::as_str).unwrap_or_default());
    let cut = name.floor_char_boundary(NAME_LENGTH_MAX);
    writer.field("name", |w| w.text(name.get(..cut).unwrap_or_default()));
    for block in ["match", "exclude"] {
        if let Some(node) = rule.get(block) {
            writer.field(block, |w| w.block(node, block, template, kinds));
        }
    }
    for key in ["celPreconditions", "context", "preconditions", "skipBackgroundRequests", "reportProperties"]
    {
        if let Some(node) = rule.get(key) {
            writer.field(key, |w| w.node(node));
        }
    }
    match (&body, validate) {
        (Some(body), Some(validate)) => writer.field("validate", |w| w.body(body, validate, template)),
        (None, Some(validate)) => writer.field("validate", |w| w.node(validate)),
        _ => {}
    }
    if let Some(verify) = verify {
        writer.field("verifyImages", |w| w.node(verify));
    }
    Some(writer.builder.finish())
}

/// Which part of `validate` a derived rule keeps: the first that is there.
struct Body {
    field: &'static str,
    /// The word that `$(…)` references in the message start with; `None` where the message stays.
    pivot: Option<&'static str>,
    /// Whether the part describes an object and moves below the template.
    is_nested: bool,
}

impl Body {
    fn of(validate: Node<'_>, _template: Template) -> Option<Self> {
        let body = |field, pivot, is_nested| Some(Self { field, pivot, is_nested });
        let has = |field: &str| validate.get(field).is_some_and(|value| !value.is_null());
        if has("pattern") {
            body("pattern", Some("pattern"), true)
        } else if has("deny") {
            body("deny", Some("deny"), false)
        } else if has("podSecurity") {
            body("podSecurity", Some("podSecurity"), false)
        } else if has("anyPattern") {
            body("anyPattern", Some("anyPattern"), true)
        } else if validate.get("foreach").is_some_and(|list| !list.is_empty()) {
            body("foreach", Some("pattern"), false)
        } else if has("cel") {
            body("cel", None, false)
        } else if has("assert") {
            body("assert", None, false)
        } else {
            None
        }
    }
}

/// What is replaced in every string of a derived rule, in this order.
fn replacements(template: Template, is_cel: bool) -> [(&'static str, &'static str); 4] {
    match (template, is_cel) {
        (Template::Direct, false) => [
            ("request.object.spec", "request.object.spec.template.spec"),
            ("request.oldObject.spec", "request.oldObject.spec.template.spec"),
            ("request.object.metadata", "request.object.spec.template.metadata"),
            ("request.oldObject.metadata", "request.oldObject.spec.template.metadata"),
        ],
        (Template::Direct, true) => [
            ("object.spec", "object.spec.template.spec"),
            ("oldObject.spec", "oldObject.spec.template.spec"),
            ("object.metadata", "object.spec.template.metadata"),
            ("oldObject.metadata", "oldObject.spec.template.metadata"),
        ],
        (Template::CronJob, false) => [
            ("request.object.spec", "request.object.spec.jobTemplate.spec.template.spec"),
            ("request.oldObject.spec", "request.oldObject.spec.jobTemplate.spec.template.spec"),
            ("request.object.metadata", "request.object.spec.jobTemplate.spec.template.metadata"),
            ("request.oldObject.metadata", "request.oldObject.spec.jobTemplate.spec.template.metadata"),
        ],
        (Template::CronJob, true) => [
            ("object.spec", "object.spec.jobTemplate.spec.template.spec"),
            ("oldObject.spec", "oldObject.spec.jobTemplate.spec.template.spec"),
            ("object.metadata", "object.spec.jobTemplate.spec.template.metadata"),
            ("oldObject.metadata", "oldObject.spec.jobTemplate.spec.template.metadata"),
        ],
    }
}

struct Writer {
    builder: DocumentBuilder,
    replacements: [(&'static str, &'static str); 4],
}

impl Writer {
    fn field(&mut self, key: &str, write: impl FnOnce(&mut Self)) {
        self.builder.key(key);
        write(self);
    }

    fn replaced(&self, text: &str) -> String {
        self.replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn text(&mut self, text: &str) {
        let replaced = self.replaced(text);
        self.builder.string(&replaced);
    }

    /// A copy with replaced strings, keys included.
    fn node(&mut self, node: Node<'_>) {
        match node.kind() {
            Kind::String => self.text(node.as_str().unwrap_or_default()),
            Kind::Array => {
                self.builder.open_array();
                node.items().for_each(|item| self.node(item));
                self.builder.close();
            }
            Kind::Object => {
                self.builder.open_object();
                for (key, value) in node.entries() {
                    let key = self.replaced(key);
                    self.builder.key(&key);
                    self.node(value);
                }
                self.builder.close();
            }
            _ => self.builder.node(node),
        }
    }

    /// `match` or `exclude` with the kinds replaced.
    fn block(&mut self, block: Node<'_>, name: &str, template: Template, kinds: &[String]) {
        let list = |key: &str| block.get(key).filter(|list| !list.is_empty());
        let chosen = list("any").map(|any| ("any", any)).or_else(|| list("all").map(|all| ("all", all)));
        let has_kinds = kinds_of(block).next().is_some();
        self.builder.open_object();
        for (key, value) in block.entries().filter(|(key, _)| *key != "resources") {
            self.builder.key(key);
            match chosen {
                Some((chosen, list)) if chosen == key => {
                    self.builder.open_array();
                    for filter in list.items() {
                        let of_pods = contains_pod(&kinds_of(filter).collect::<Vec<_>>());
                        self.filter(filter, (template == Template::CronJob || of_pods).then_some(kinds));
                    }
                    self.builder.close();
                }
                _ => self.node(value),
            }
        }
        let is_replaced = chosen.is_none() && (name == "match" || has_kinds);
        self.resources(block.get("resources"), is_replaced.then_some(kinds));
        self.builder.close();
    }

    fn filter(&mut self, filter: Node<'_>, kinds: Option<&[String]>) {
        self.builder.open_object();
        for (key, value) in filter.entries().filter(|(key, _)| *key != "resources") {
            self.builder.key(key);
            self.node(value);
        }
        self.resources(filter.get("resources"), kinds);
        self.builder.close();
    }

    fn resources(&mut self, resources: Option<Node<'_>>, kinds: Option<&[String]>) {
        if resources.is_none() && kinds.is_none() {
            return;
        }
        self.builder.key("resources");
        self.builder.open_object();
        for (key, value) in resources.into_iter().flat_map(Node::entries) {
            if key != "kinds" || kinds.is_none() {
                self.builder.key(key);
                self.node(value);
            }
        }
        if let Some(kinds) = kinds {
            self.builder.key("kinds");
            self.builder.open_array();
            for kind in kinds {
                let full = TEMPLATE_CONTROLLERS.iter().chain([&CRON_JOB]).find(|(short, _)| short == kind);
                self.builder.string(full.map_or(kind, |(_, full)| full));
            }
            self.builder.close();
        }
        self.builder.close();
    }

    fn body(&mut self, body: &Body, validate: Node<'_>, template: Template) {
        let kept: &[&str] = if body.pivot.is_some() {
            &["failureAction", "failureActionOverrides", "allowExistingViolations"]
        } else {
            &["failureAction", "failureActionOverrides", "allowExistingViolations", "message"]
        };
        self.builder.open_object();
        for key in kept {
            if let Some(value) = validate.get(key) {
                self.field(key, |w| w.node(value));
            }
        }
        if let (Some(pivot), Some(message)) = (body.pivot, validate.get("message").and_then(Node::as_str)) {
            let mut shifted = shift_references(message, "spec/template", pivot);
            if template == Template::CronJob {
                shifted = shift_references(&shifted, "spec/jobTemplate/spec/template", pivot);
            }
            self.field("message", |w| w.text(&shifted));
        }
        if let Some(value) = validate.get(body.field) {
            self.field(body.field, |w| match body.field {
                "anyPattern" => {
                    w.builder.open_array();
                    value.items().for_each(|pattern| w.nested(pattern, template));
                    w.builder.close();
                }
                "assert" => w.assertion(value, template),
                _ if body.is_nested => w.nested(value, template),
                _ => w.node(value),
            });
        }
        self.builder.close();
    }

    /// The value below the place where the controller keeps its Pod template.
    fn nested(&mut self, value: Node<'_>, template: Template) {
        let path: &[&str] = match template {
            Template::Direct => &["spec", "template"],
            Template::CronJob => &["spec", "jobTemplate", "spec", "template"],
        };
        for key in path {
            self.builder.open_object();
            self.builder.key(key);
        }
        self.node(value);
        for _ in path {
            self.builder.close();
        }
    }

    fn assertion(&mut self, tree: Node<'_>, template: Template) {
        if tree.kind() != Kind::Object {
            self.node(tree);
            return;
        }
        self.builder.open_object();
        for (key, value) in tree.entries() {
            self.field(key, |w| {
                if matches!(key, "object" | "oldObject") && value.kind() == Kind::Object {
                    w.nested(value, template);
                } else {
                    w.node(value);
                }
            });
        }
        self.builder.close();
    }
}

/// Moves the `$(…)` references of a message below the template: `pivot` is followed by `shift` in each.
fn shift_references(message: &str, shift: &str, pivot: &str) -> String {
    let mut shifted = String::with_capacity(message.len());
    let mut rest = message;
    let mut pivot = pivot.to_owned();
    while let Some(start) = rest.find("$(") {
        let Some(end) = rest.get(start..).and_then(|tail| tail.find(')')).map(|end| start + end + 1) else {
            break;
        };
        let is_escaped = rest.get(..start).is_some_and(|before| before.ends_with('\\'));
        shifted.push_str(rest.get(..start).unwrap_or_default());
        let reference = rest.get(start..end).unwrap_or_default();
        if is_escaped {
            shifted.push_str(reference);
        } else {
            if pivot == "anyPattern"
                && let Some((_, behind)) = reference.split_once("anyPattern/")
            {
                pivot = format!("anyPattern/{}", behind.split('/').next().unwrap_or_default());
            }
            shifted.push_str(&reference.replace(&pivot, &format!("{pivot}/{shift}")));
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    shifted.push_str(rest);
    shifted
}
