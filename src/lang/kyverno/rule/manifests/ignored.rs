//! Fields that may differ between an object and its signed manifest.
//!
//! The lists are those of `k8s-manifest-sigstore` (`pkg/k8smanifest/resources/default-config.yaml`) and of Kyverno
//! (`pkg/engine/resources/default-config.yaml`); a policy adds its own. A field is an expression without anchors, as there: it also means every key
//! that has it anywhere inside.

use crate::document::Node;
use crate::gostd::regexp::Regexp;
use crate::gostd::wildcard;

/// Fields of some objects.
#[derive(Debug)]
pub(super) struct Ignored {
    objects: Vec<Reference>,
    fields: Vec<Field>,
}

#[derive(Debug, Default)]
struct Reference {
    group: String,
    version: String,
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Debug)]
enum Field {
    Any,
    Expression(Regexp),
    /// What is no expression means itself.
    Exact(String),
}

/// Kinds, and the fields of theirs.
const DEFAULTS: [(&[&str], &[&str]); 10] = [
    (
        &["*"],
        &[
            "metadata.annotations.control-plane.alpha.kubernetes.io/leader",
            "metadata.annotations.deployment.kubernetes.io/revision",
            "metadata.annotations.deprecated.daemonset.template.generation",
            "metadata.annotations.kubectl.kubernetes.io/last-applied-configuration",
            "metadata.annotations.namespace",
            "metadata.creationTimestamp",
            "metadata.finalizers",
            "metadata.generation",
            "metadata.labels.app.kubernetes.io/instance",
            "metadata.managedFields.*",
            "metadata.namespace",
            "metadata.resourceVersion",
            "metadata.selfLink",
            "metadata.uid",
            "spec.containers.*.imagePullPolicy",
            "spec.containers.*.terminationMessagePath",
            "spec.containers.*.terminationMessagePolicy",
            "spec.dnsPolicy",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.terminationGracePeriodSeconds",
            "status",
        ],
    ),
    (&["ServiceAccount"], &["secrets.*.name", "imagePullSecrets.*.name"]),
    (
        &["Service"],
        &[
            "spec.clusterIP",
            "spec.internalTrafficPolicy",
            "spec.ipFamilies.*",
            "spec.ipFamilyPolicy",
            "spec.ports.*.nodePort",
            "spec.sessionAffinity",
            "spec.type",
        ],
    ),
    (
        &["Deployment"],
        &[
            "spec.containers.*.ports.*.protocol",
            "spec.containers.*.resources",
            "spec.progressDeadlineSeconds",
            "spec.revisionHistoryLimit",
            "spec.securityContext",
            "spec.strategy.*",
            "spec.template.metadata.creationTimestamp",
        ],
    ),
    (
        &["Pod"],
        &[
            "spec.containers.*.volumeMounts.*",
            "spec.enableServiceLinks",
            "spec.preemptionPolicy",
            "spec.priority",
            "spec.serviceAccount",
            "spec.tolerations.*",
            "spec.volumes.*.configMap.defaultMode",
            "spec.volumes.*.name",
            "spec.volumes.*.projected.*",
        ],
    ),
    (&["CustomResourceDefinition"], &["spec.conversion.strategy", "spec.names.listKind"]),
    (
        &["ClusterPolicy", "Policy"],
        &[
            "metadata.annotations.pod-policies.kyverno.io/autogen-controllers",
            "spec.background",
            "spec.failurePolicy",
            "spec.validationFailureAction",
        ],
    ),
    (&["Route"], &["spec.host"]),
    (&["DaemonSet"], &["metadata.annotations.deprecated.daemonset.template.generation"]),
    (&["Deployment"], &["metadata.annotations.deployment.kubernetes.io/revision"]),
];

/// The annotations that carry signatures.
const SIGNATURE_ANNOTATIONS: [&str; 5] =
    ["message", "signature", "certificate", "bundle", "resourceBundleRef"];

impl Ignored {
    /// What no policy has to name, with the annotations of a domain.
    pub(super) fn defaults(domain: &str) -> Vec<Self> {
        let annotations = SIGNATURE_ANNOTATIONS.map(|name| format!("metadata.annotations.{domain}/{name}"));
        let reference = |kind: &&str| Reference { kind: (*kind).to_owned(), ..Reference::default() };
        let own = DEFAULTS.iter().map(|(kinds, fields)| Self {
            objects: kinds.iter().map(reference).collect(),
            fields: fields.iter().map(|field| Field::compile(field)).collect(),
        });
        let fields = annotations.iter().map(|field| Field::compile(field)).collect();
        own.chain([Self { objects: Vec::new(), fields }]).collect()
    }

    /// An entry of a policy's `ignoreFields`.
    pub(super) fn compile(node: Node<'_>) -> Self {
        let list = |key: &str| node.get(key).into_iter().flat_map(Node::items);
        Self {
            objects: list("objects").map(Reference::compile).collect(),
            fields: list("fields").filter_map(Node::as_str).map(Field::compile).collect(),
        }
    }

    /// Whether the entry is about an object.
    pub(super) fn is_about(&self, object: Node<'_>) -> bool {
        self.objects.is_empty() || self.objects.iter().any(|reference| reference.means(object))
    }

    /// Whether a field, by its keys with dots between them, is left out.
    pub(super) fn covers(&self, key: &str) -> bool {
        self.fields.iter().any(|field| match field {
            Field::Any => true,
            Field::Expression(expression) => expression.is_match(key),
            Field::Exact(field) => field == key,
        })
    }
}

impl Field {
    fn compile(field: &str) -> Self {
        if field.is_empty() || field == "*" {
            return Self::Any;
        }
        let expression = Regexp::compile(&format!("{}.*", field.replace('*', ".*")));
        expression.map_or_else(|_| Self::Exact(field.to_owned()), Self::Expression)
    }
}

impl Reference {
    fn compile(node: Node<'_>) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
        Self {
            group: text("group"),
            version: text("version"),
            kind: text("kind"),
            name: text("name"),
            namespace: text("namespace"),
        }
    }

    fn means(&self, object: Node<'_>) -> bool {
        let text = |path: &[&str]| object.path(path).and_then(Node::as_str).unwrap_or_default();
        let api_version = text(&["apiVersion"]);
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        is_one_of(&self.group, group)
            && is_one_of(&self.version, version)
            && is_one_of(&self.kind, text(&["kind"]))
            && is_one_of(&self.name, text(&["metadata", "name"]))
            && is_one_of(&self.namespace, text(&["metadata", "namespace"]))
    }
}

/// Whether a value satisfies one of the patterns with commas between them; no pattern means anything.
fn is_one_of(patterns: &str, value: &str) -> bool {
    patterns.split(',').map(str::trim).any(|pattern| pattern.is_empty() || wildcard::matches(pattern, value))
}
