//! Resource filters in Kyverno's syntax: `[kind,namespace,name]`, any number of them in one text.
//!
//! What a filter means is upstream's `pkg/config/filter.go` and `pkg/config/config.go` (`ToFilter`). A filter on a namespace hides the Namespace
//! object of that name as well; one on every namespace does not hide every Namespace object, which upstream's does.

use super::KindPattern;
use crate::gostd::wildcard::Wildcard;
use crate::limits;
use crate::model::ResourceId;

/// What is never scanned unless the configuration says otherwise: events, leases, endpoints, what Deployments make anew at each rollout, the
/// reviews and bindings that are requests rather than objects, and reports themselves.
pub const DEFAULT_RESOURCE_FILTERS: &str = "\
[Event,*,*] [Lease,*,*] [Endpoints,*,*] [EndpointSlice,*,*] [ReplicaSet,*,*] \
[TokenReview,*,*] [SubjectAccessReview,*,*] [SelfSubjectAccessReview,*,*] [LocalSubjectAccessReview,*,*] \
[SelfSubjectRulesReview,*,*] [SelfSubjectReview,*,*] [Binding,*,*] [Pod/binding,*,*] \
[wgpolicyk8s.io/*/PolicyReport,*,*] [wgpolicyk8s.io/*/ClusterPolicyReport,*,*] \
[openreports.io/*/Report,*,*] [openreports.io/*/ClusterReport,*,*] \
[EphemeralReport,*,*] [ClusterEphemeralReport,*,*] [AdmissionReport,*,*] [ClusterAdmissionReport,*,*] \
[BackgroundScanReport,*,*] [ClusterBackgroundScanReport,*,*]";

/// Why a text holds no resource filters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A part of the text stands outside of brackets.
    #[error("`{0}` is not a filter of the form `[kind,namespace,name]`")]
    NotAFilter(String),
    /// More than kind, namespace and name between the brackets.
    #[error("`[{0}]` has more than kind, namespace and name")]
    TooManyParts(String),
    /// More filters than are accepted.
    #[error("more than {} resource filters", limits::RESOURCE_FILTERS_MAX)]
    TooMany,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ResourceFilter {
    kind: KindPattern,
    namespace: Wildcard,
    name: Wildcard,
}

/// Which resources are left out of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceFilters(Vec<ResourceFilter>);

impl ResourceFilters {
    /// Reads the text of `resourceFilters` in Kyverno's `ConfigMap`; a part that is left out or empty stands for everything.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut filters = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let end = rest.find(']');
            let (Some(inner), Some(after)) = (
                end.and_then(|end| rest.get(..end)).and_then(|filter| filter.strip_prefix('[')),
                end.and_then(|end| rest.get(end + 1..)),
            ) else {
                let word = rest.split_whitespace().next().unwrap_or(rest);
                return Err(FilterError::NotAFilter(word.into()));
            };
            if filters.len() == limits::RESOURCE_FILTERS_MAX {
                return Err(FilterError::TooMany);
            }
            filters.push(ResourceFilter::parse(inner)?);
            rest = after.trim_start_matches([',', ';']).trim_start();
        }
        Ok(Self(filters))
    }

    /// The filters in force without a configuration.
    pub fn standard() -> Self {
        Self::parse(DEFAULT_RESOURCE_FILTERS).unwrap_or_default()
    }

    /// Whether the resource is left out.
    pub fn excludes(&self, resource: &ResourceId) -> bool {
        self.0.iter().any(|filter| filter.excludes(resource))
    }

    /// Whether every resource of a kind is left out, so that the kind need not even be listed.
    pub fn excludes_kind(&self, gvk: &crate::model::Gvk) -> bool {
        self.0.iter().any(|f| f.kind.is_kind(gvk) && f.namespace.is_any() && f.name.is_any())
    }

    /// The number of filters.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ResourceFilter {
    fn parse(inner: &str) -> Result<Self, FilterError> {
        let mut parts = inner.split(',').map(str::trim);
        let mut next = || parts.next().filter(|part| !part.is_empty()).unwrap_or("*");
        let (kind, namespace, name) = (next(), next(), next());
        if inner.split(',').count() > 3 {
            return Err(FilterError::TooManyParts(inner.into()));
        }
        Ok(Self {
            kind: KindPattern::parse(kind),
            namespace: Wildcard::new(namespace),
            name: Wildcard::new(name),
        })
    }

    fn excludes(&self, resource: &ResourceId) -> bool {
        let key = &resource.key;
        if !self.kind.can_match_objects() || !self.kind.kind.selects(resource) {
            return false;
        }
        let is_namespace = key.group.is_empty() && key.kind == "Namespace";
        (self.namespace.is_match(&key.namespace) && self.name.is_match(&key.name))
            || (is_namespace && !self.namespace.is_any() && self.namespace.is_match(&key.name))
    }
}
