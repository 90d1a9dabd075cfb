//! `validate.podSecurity`: the Pod Security Standards, with Kyverno's exclusions and words.
//!
//! The checks themselves are in `checks`. The rules are those of Kyverno's `pkg/pss` and
//! `pkg/engine/handlers/validation/validate_pss.go`, which evaluates, for a version that is not the latest, every revision of a check up to it.

mod checks;
mod exclude;
mod finding;
mod pod;
#[cfg(test)]
mod tests;

use crate::document::Node;
use crate::gostd::strconv;
use crate::model::Status;

use super::body::Response;
use super::context::{Context, ImageMap};
use super::exception::{self, Exception};
use checks::Revision;
use finding::Finding;
use pod::PodView;

pub(super) use exclude::Exclude;

/// A compiled `validate.podSecurity`.
#[derive(Debug)]
pub(super) struct PodSecurity {
    level: String,
    version: String,
    revision: Result<Revision, String>,
    excludes: Vec<Exclude>,
}

impl PodSecurity {
    pub(super) fn compile(node: Node<'_>) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        let version = text("version");
        Self {
            level: text("level"),
            revision: Revision::parse(&version),
            version,
            excludes: node.get("exclude").map(Exclude::compile_all).unwrap_or_default(),
        }
    }

    pub(super) fn evaluate<'d>(
        &'d self,
        rule: &str,
        context: &Context<'d>,
        exceptions: &[&'d Exception],
    ) -> Option<Response> {
        if context.is_delete() {
            return None;
        }
        if let Some(whole) = exceptions.iter().find(|exception| exception.pod_security.is_none()) {
            return Some(exception::skipped(&[whole], "rule is skipped due to policy exception "));
        }
        let revision = match &self.revision {
            Ok(revision) => *revision,
            Err(message) => {
                let what = "failed to parse pod security api version";
                return Some(Response::error(format!("{what}: {message}")));
            }
        };
        let Some(pod) = PodView::of(context.inputs().object()) else {
            let message = "Error while getting new resource: could not find correct resource type";
            return Some(Response::error(message));
        };
        if let Some(reason) = pod.unreadable(context.inputs().object()) {
            return Some(Response::error(format!("Error while getting new resource: {reason}")));
        }
        let is_baseline = self.level == "baseline";
        let judge = |pod: &PodView<'_>| checks::evaluate(pod, is_baseline, revision);
        let mut findings = exclude::apply(&self.excludes, judge(&pod), &pod, judge);
        if findings.is_empty() {
            return Some(Response::new(Status::Pass, format!("Validation rule '{rule}' passed.")));
        }
        for exception in exceptions {
            let excludes = exception.pod_security.as_deref().unwrap_or_default();
            findings = exclude::apply(excludes, findings, &pod, judge);
        }
        if findings.is_empty() {
            return Some(exception::skipped(exceptions, "rule is skipped due to policy exceptions "));
        }
        let kind = context.inputs().object().get("kind").and_then(Node::as_str).unwrap_or_default();
        for finding in &mut findings {
            finding.move_to(kind);
        }
        Some(self.failed(rule, &findings, context))
    }

    fn failed(&self, rule: &str, findings: &[Finding], context: &Context<'_>) -> Response {
        let (level, version) = (&self.level, &self.version);
        let texts: String = findings.iter().map(Finding::print).collect();
        let message = format!(
            "Validation rule '{rule}' failed. It violates PodSecurity \"{level}:{version}\": {texts}"
        );
        let mut response = Response::new(Status::Fail, message);
        let images = context.images().ok().flatten();
        let ids: Vec<&str> = findings.iter().map(|finding| finding.id).collect();
        let controls: Vec<String> = findings.iter().map(|finding| control(finding, images)).collect();
        let properties = [
            ("standard", level.clone()),
            ("version", version.clone()),
            ("controls", ids.join(",")),
            ("controlsJSON", format!("[{}]", controls.join(","))),
        ];
        response.properties.extend(properties.map(|(key, value)| (key.to_owned(), value)));
        response
    }
}

/// One control as the property `controlsJSON` lists it.
fn control(finding: &Finding, images: Option<&ImageMap>) -> String {
    let list = finding.container_names().map_or_else(
        || "null".to_owned(),
        |names| {
            let references: Vec<String> = names
                .iter()
                .map(|name| images.map_or_else(|| name.clone(), |images| images.reference_of(name)))
                .map(|reference| strconv::json_string(&reference))
                .collect();
            format!("[{}]", references.join(","))
        },
    );
    format!(
        r#"{{"ID":{},"Name":{},"Images":{list}}}"#,
        strconv::json_string(finding.id),
        strconv::json_string(exclude::control_name(finding.id))
    )
}
