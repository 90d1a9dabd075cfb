//! `podSecurity.exclude`, of rules and of exceptions: controls that are taken away, whole, for images, for fields or for values.
//!
//! The algorithm is Kyverno's (`pkg/pss/evaluate.go`, `exemptExclusions`), one removal for each thing that the excluded part breaks.

use crate::document::Node;
use crate::gostd::wildcard::Wildcard;

use super::finding::{FieldError, Finding};
use super::pod::PodView;

/// One exclusion.
#[derive(Clone, Debug)]
pub(in super::super) struct Exclude {
    control: String,
    images: Vec<Wildcard>,
    field: String,
    values: Vec<Wildcard>,
}

/// The controls, with the checks that each stands for.
const CONTROLS: [(&str, &[&str]); 16] = [
    ("Capabilities", &["capabilities_baseline", "capabilities_restricted"]),
    ("Seccomp", &["seccompProfile_baseline", "seccompProfile_restricted"]),
    ("Privileged Containers", &["privileged"]),
    ("Host Ports", &["hostPorts"]),
    ("/proc Mount Type", &["procMount"]),
    ("Host Probes / Lifecycle Hooks", &["hostProbesAndHostLifecycle"]),
    ("HostProcess", &["windowsHostProcess"]),
    ("SELinux", &["seLinuxOptions"]),
    ("Host Namespaces", &["hostNamespaces"]),
    ("HostPath Volumes", &["hostPathVolumes"]),
    ("Sysctls", &["sysctls"]),
    ("AppArmor", &["appArmorProfile"]),
    ("Privilege Escalation", &["allowPrivilegeEscalation"]),
    ("Running as Non-root", &["runAsNonRoot"]),
    ("Running as Non-root user", &["runAsUser"]),
    ("Volume Types", &["restrictedVolumes"]),
];

/// The control that a check belongs to.
pub(super) fn control_name(id: &str) -> &'static str {
    CONTROLS.iter().find(|(_, ids)| ids.contains(&id)).map_or("", |(name, _)| name)
}

impl Exclude {
    /// Compiles a list of exclusions.
    pub(in super::super) fn compile_all(list: Node<'_>) -> Vec<Self> {
        let texts = |node: Node<'_>, key: &str| {
            let items = node.get(key).map(Node::items).into_iter().flatten();
            items.filter_map(Node::as_str).map(Wildcard::new).collect()
        };
        let text =
            |node: Node<'_>, key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        list.items()
            .map(|node| Self {
                control: text(node, "controlName"),
                images: texts(node, "images"),
                field: text(node, "restrictedField"),
                values: texts(node, "values"),
            })
            .collect()
    }

    fn covers(&self, id: &str) -> bool {
        CONTROLS.iter().any(|(name, ids)| *name == self.control && ids.contains(&id))
    }

    fn allows_values(&self, error: &FieldError) -> bool {
        self.values.is_empty()
            || error.bad_values().iter().all(|bad| self.values.iter().any(|value| value.is_match(bad)))
    }
}

/// What is left of findings after exclusions; `judge` evaluates a part of the pod.
pub(super) fn apply(
    excludes: &[Exclude],
    mut findings: Vec<Finding>,
    pod: &PodView<'_>,
    judge: impl Fn(&PodView<'_>) -> Vec<Finding>,
) -> Vec<Finding> {
    for exclude in excludes {
        let is_about_images = !exclude.images.is_empty();
        let part = if is_about_images {
            pod.only_images(|image| exclude.images.iter().any(|pattern| pattern.is_match(image)))
        } else {
            pod.without_containers()
        };
        findings = last_of_each_check(findings);
        for excluded in judge(&part).iter().filter(|finding| exclude.covers(finding.id)) {
            for error in &excluded.errors {
                take_away(exclude, excluded.id, error, is_about_images.then_some(&part), pod, &mut findings);
            }
        }
    }
    findings
}

fn last_of_each_check(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        match kept.iter_mut().find(|known| known.id == finding.id) {
            Some(known) => *known = finding,
            None => kept.push(finding),
        }
    }
    kept
}

/// Removes the first error that is about the same field, and for exclusions of images about the same container.
fn take_away(
    exclude: &Exclude,
    id: &str,
    error: &FieldError,
    part: Option<&PodView<'_>>,
    pod: &PodView<'_>,
    findings: &mut Vec<Finding>,
) {
    let field = starred(&error.field);
    if !exclude.field.is_empty() && exclude.field != field || !exclude.allows_values(error) {
        return;
    }
    let Some(at) = findings.iter().position(|finding| finding.id == id) else { return };
    let Some(finding) = findings.get_mut(at) else { return };
    let is_same = |other: &FieldError| {
        if starred(&other.field) != field {
            return false;
        }
        match (part, container_of(&error.field), container_of(&other.field)) {
            (Some(part), Some((group, index)), Some((other_group, other_index))) => {
                part.container_name(group, index) == pod.container_name(other_group, other_index)
            }
            _ => true,
        }
    };
    if let Some(error) = finding.errors.iter().position(is_same) {
        finding.errors.swap_remove(error);
    }
    if finding.errors.is_empty() {
        findings.remove(at);
    }
}

/// The field with every number replaced by `*`.
fn starred(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut is_in_number = false;
    for character in field.chars() {
        if character.is_ascii_digit() {
            if !is_in_number {
                out.push('*');
            }
            is_in_number = true;
        } else {
            is_in_number = false;
            out.push(character);
        }
    }
    out
}

/// The group and index of the container that a field is in.
fn container_of(field: &str) -> Option<(&str, usize)> {
    let (group, rest) = field.strip_prefix("spec.")?.split_once('[')?;
    let index = rest.split_once(']')?.0.parse().ok()?;
    matches!(group, "containers" | "initContainers" | "ephemeralContainers").then_some((group, index))
}
