//! Kyverno's grammar of kinds: `Pod`, `v1/Pod`, `apps/v1/Deployment`, `*/*`, `Pod/exec`, `Pod.status`, with wildcards.
//!
//! The rule for what a part means is upstream's `ParseKindSelector` (`pkg/utils/kube/kind.go`). Policies and resource filters share it.

use super::KindSelector;
use crate::gostd::wildcard::Wildcard;
use crate::model::Gvk;

/// One entry of a `kinds` list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindPattern {
    /// Group, version and kind.
    pub kind: KindSelector,
    /// The subresource that the entry names, if it names one; `*` also stands for none.
    pub subresource: Option<Wildcard>,
}

impl KindPattern {
    /// Reads one entry. An entry with too many parts matches nothing.
    pub fn parse(text: &str) -> Self {
        let mut parts: Vec<&str> = text.split('/').collect();
        if let Some(last) = parts.pop() {
            parts.extend(last.split('.'));
        }
        let (group, version, kind, subresource) = match parts.as_slice() {
            [kind] => ("*", "*", *kind, ""),
            ["*", "*"] => ("*", "*", "*", "*"),
            ["*", subresource] if subresource.to_lowercase() == *subresource => ("*", "*", "*", *subresource),
            [version, kind] if is_version(version) => ("*", *version, *kind, ""),
            [kind, subresource] => ("*", "*", *kind, *subresource),
            [version, kind, subresource] if is_version(version) => ("*", *version, *kind, *subresource),
            [group, version, kind] => (*group, *version, *kind, ""),
            [group, version, kind, subresource] => (*group, *version, *kind, *subresource),
            // No kind is called so.
            _ => ("", "", "/", ""),
        };
        Self {
            kind: KindSelector {
                group: Wildcard::new(group),
                version: Wildcard::new(version),
                kind: Wildcard::new(kind),
            },
            subresource: (!subresource.is_empty()).then(|| Wildcard::new(subresource)),
        }
    }

    /// Whether an object of that kind, or its subresource if one is given, is meant. An entry without a subresource means all of them
    /// (`pkg/utils/match/kind.go`).
    pub fn is_match(&self, group: &str, version: &str, kind: &str, subresource: &str) -> bool {
        self.kind.selects_kind(group, version, kind)
            && self.subresource.as_ref().is_none_or(|wanted| {
                wanted.is_match(subresource)
                    || (subresource == "ephemeralcontainers" && (group, version, kind) == ("", "v1", "Pod"))
            })
    }

    /// Whether the entry can match an object itself; one for a subresource such as `Pod/exec` never does.
    pub fn can_match_objects(&self) -> bool {
        self.subresource.as_ref().is_none_or(|wanted| wanted.is_match(""))
    }

    /// Whether the entry stands for every kind.
    pub fn is_any_kind(&self) -> bool {
        self.kind.kind.is_any()
    }

    /// Whether objects of that kind are meant.
    pub fn is_kind(&self, gvk: &Gvk) -> bool {
        self.is_match(&gvk.group, &gvk.version, &gvk.kind, "")
    }
}

/// `v1`, `v2beta1`, or `*`.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| -> Option<usize> {
        let n = text.bytes().take_while(u8::is_ascii_digit).count();
        (n > 0).then_some(n)
    };
    if text == "*" {
        return true;
    }
    let Some(rest) = text.strip_prefix('v') else { return false };
    let Some(rest) = digits(rest).and_then(|n| rest.get(n..)) else { return false };
    if rest.is_empty() {
        return true;
    }
    let Some(rest) = rest.strip_prefix("alpha").or_else(|| rest.strip_prefix("beta")) else { return false };
    digits(rest) == Some(rest.len())
}
