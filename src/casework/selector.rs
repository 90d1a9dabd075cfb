//! The option `--test-case-selector`: `policy=…,rule=…,resource=…`, each with wildcards.

use crate::gostd::wildcard::Wildcard;

use super::case::Line;

/// Which lines of test files are judged.
#[derive(Clone, Debug, Default)]
pub struct CaseSelector {
    policy: Option<Wildcard>,
    rule: Option<Wildcard>,
    resource: Option<Wildcard>,
}

/// Why text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A part is not `key=value`.
    #[error("`{0}` is not `policy=…`, `rule=…` or `resource=…`")]
    Part(String),
}

impl CaseSelector {
    /// Reads a selector; nothing selects everything.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut selector = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || SelectorError::Part(part.to_owned());
            let (key, value) = part.split_once('=').ok_or_else(wrong)?;
            let place = match key.trim() {
                "policy" => &mut selector.policy,
                "rule" => &mut selector.rule,
                "resource" => &mut selector.resource,
                _ => return Err(wrong()),
            };
            *place = Some(Wildcard::new(value.trim()));
        }
        Ok(selector)
    }

    /// Whether a line is judged: its policy, its rule and one of its resources match.
    pub(super) fn selects(&self, line: &Line) -> bool {
        let is_met =
            |wildcard: &Option<Wildcard>, text: &str| wildcard.as_ref().is_none_or(|w| w.is_match(text));
        is_met(&self.policy, &line.policy)
            && is_met(&self.rule, &line.rule)
            && (line.resources.iter().any(|resource| is_met(&self.resource, resource))
                || (line.resources.is_empty() && is_met(&self.resource, "")))
    }
}
