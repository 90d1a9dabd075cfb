//! What a check of the Pod Security Standards found, and how Kyverno words it.

use crate::gostd::strconv;

/// A check that does not allow a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The check.
    pub(super) id: &'static str,
    pub(super) reason: String,
    pub(super) detail: String,
    pub(super) errors: Vec<FieldError>,
}

/// A field that a check does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    pub(super) field: String,
    pub(super) problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It must be set.
    Required,
    /// It must not be set.
    Forbidden,
    /// Its value is forbidden.
    Value(BadValue),
}

/// A forbidden value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadValue {
    Text(String),
    Bool(bool),
    Int(i64),
    List(Vec<String>),
}

impl FieldError {
    pub(super) fn required(field: impl Into<String>) -> Self {
        Self { field: field.into(), problem: Problem::Required }
    }

    pub(super) fn forbidden(field: impl Into<String>) -> Self {
        Self { field: field.into(), problem: Problem::Forbidden }
    }

    pub(super) fn text(field: impl Into<String>, value: &str) -> Self {
        Self::value(field, BadValue::Text(value.to_owned()))
    }

    pub(super) fn value(field: impl Into<String>, value: BadValue) -> Self {
        Self { field: field.into(), problem: Problem::Value(value) }
    }

    fn print(&self) -> String {
        let field = &self.field;
        match &self.problem {
            Problem::Required => format!("{field}: Required value"),
            Problem::Value(BadValue::Text(text)) if text.is_empty() => format!("{field}: Forbidden"),
            Problem::Forbidden => format!("{field}: Forbidden"),
            Problem::Value(value) => {
                format!("{field} is forbidden, forbidden values found: {}", value.print())
            }
        }
    }

    /// The values that exclusions are matched with.
    pub(super) fn bad_values(&self) -> Vec<String> {
        match &self.problem {
            Problem::Value(BadValue::List(values)) => values.clone(),
            Problem::Value(BadValue::Text(text)) if text.is_empty() => Vec::new(),
            Problem::Value(value) => vec![value.print()],
            Problem::Required | Problem::Forbidden => Vec::new(),
        }
    }
}

impl BadValue {
    fn print(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::List(values) => {
                let mut out = String::new();
                strconv::write_slice(&mut out, values, |out, value| out.push_str(value));
                out
            }
        }
    }
}

impl Finding {
    /// The finding in a message.
    pub(super) fn print(&self) -> String {
        let errors: Vec<String> = self.errors.iter().map(FieldError::print).collect();
        format!("(Forbidden reason: {}, field error list: [{}])", self.reason, errors.join(", "))
    }

    /// Puts the paths of fields where a resource of that kind has its pod. As in Kyverno, annotations are said to be a template's even
    /// for a Pod.
    pub(super) fn move_to(&mut self, kind: &str) {
        let spec = match kind {
            "DaemonSet" | "Deployment" | "Job" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
                Some("spec.template.spec")
            }
            "CronJob" => Some("spec.jobTemplate.spec.template.spec"),
            _ => None,
        };
        for error in &mut self.errors {
            if let Some(spec) = spec {
                error.field = error.field.replace("spec", spec);
            }
            error.field = error.field.replace("metadata", "spec.template.metadata");
        }
    }

    /// The containers that the detail names: what stands between `container(s)` and `must`.
    pub(super) fn container_names(&self) -> Option<Vec<String>> {
        let at = self.detail.find("container")?;
        let rest = self.detail.get(at + "container".len()..)?;
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        let names = rest.get(..rest.find("must")?)?;
        let names = names.replace(['"', ' '], "");
        Some(names.split(',').map(str::to_owned).collect())
    }
}
