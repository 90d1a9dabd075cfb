//! The table of built-in kinds: Kubernetes' own API groups (v1.36 discovery), Kyverno's and the report kinds.
//!
//! One row a name: its preferred version, then `Kind plural` with `!` behind cluster-wide kinds. Kinds whose
//! preferred version is not the group's say it behind `@`.

pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) kinds: &'static [&'static str],
}

pub(super) const GROUPS: &[Group] = &[
    Group {
        name: "",
        version: "v1",
        kinds: &[
            "Binding bindings",
            "ComponentStatus componentstatuses !",
            "ConfigMap configmaps",
            "Endpoints endpoints",
            "Event events",
            "LimitRange limitranges",
            "Namespace namespaces !",
            "Node nodes !",
            "PersistentVolume persistentvolumes !",
            "PersistentVolumeClaim persistentvolumeclaims",
            "Pod pods",
            "PodTemplate podtemplates",
            "ReplicationController replicationcontrollers",
            "ResourceQuota resourcequotas",
            "Secret secrets",
            "Service services",
            "ServiceAccount serviceaccounts",
        ],
    },
    Group {
        name: "admissionregistration.k8s.io",
        version: "v1",
        kinds: &[
            "MutatingAdmissionPolicy mutatingadmissionpolicies !",
            "MutatingAdmissionPolicyBinding mutatingadmissionpolicybindings !",
            "MutatingWebhookConfiguration mutatingwebhookconfigurations !",
            "ValidatingAdmissionPolicy validatingadmissionpolicies !",
            "ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings !",
            "ValidatingWebhookConfiguration validatingwebhookconfigurations !",
        ],
    },
    Group {
        name: "apiextensions.k8s.io",
        version: "v1",
        kinds: &["CustomResourceDefinition customresourcedefinitions !"],
    },
    Group { name: "apiregistration.k8s.io", version: "v1", kinds: &["APIService apiservices !"] },
    Group {
        name: "apps",
        version: "v1",
        kinds: &[
            "ControllerRevision controllerrevisions",
            "DaemonSet daemonsets",
            "Deployment deployments",
            "ReplicaSet replicasets",
            "StatefulSet statefulsets",
        ],
    },
    Group {
        name: "authentication.k8s.io",
        version: "v1",
        kinds: &["SelfSubjectReview selfsubjectreviews !", "TokenReview tokenreviews !"],
    },
    Group {
        name: "authorization.k8s.io",
        version: "v1",
        kinds: &[
            "LocalSubjectAccessReview localsubjectaccessreviews",
            "SelfSubjectAccessReview selfsubjectaccessreviews !",
            "SelfSubjectRulesReview selfsubjectrulesreviews !",
            "SubjectAccessReview subjectaccessreviews !",
        ],
    },
    Group {
        name: "autoscaling",
        version: "v2",
        kinds: &["HorizontalPodAutoscaler horizontalpodautoscalers", "Scale scales"],
    },
    Group { name: "batch", version: "v1", kinds: &["CronJob cronjobs", "Job jobs"] },
    Group {
        name: "certificates.k8s.io",
        version: "v1",
        kinds: &[
            "CertificateSigningRequest certificatesigningrequests !",
            "ClusterTrustBundle clustertrustbundles ! @v1beta1",
            "PodCertificateRequest podcertificaterequests @v1beta1",
        ],
    },
    Group {
        name: "coordination.k8s.io",
        version: "v1",
        kinds: &["Lease leases", "LeaseCandidate leasecandidates @v1beta1"],
    },
    Group { name: "discovery.k8s.io", version: "v1", kinds: &["EndpointSlice endpointslices"] },
    Group { name: "events.k8s.io", version: "v1", kinds: &["Event events"] },
    Group {
        name: "flowcontrol.apiserver.k8s.io",
        version: "v1",
        kinds: &["FlowSchema flowschemas !", "PriorityLevelConfiguration prioritylevelconfigurations !"],
    },
    Group {
        name: "internal.apiserver.k8s.io",
        version: "v1alpha1",
        kinds: &["StorageVersion storageversions !"],
    },
    Group { name: "metrics.k8s.io", version: "v1beta1", kinds: &["NodeMetrics nodes !", "PodMetrics pods"] },
    Group {
        name: "networking.k8s.io",
        version: "v1",
        kinds: &[
            "IPAddress ipaddresses !",
            "Ingress ingresses",
            "IngressClass ingressclasses !",
            "NetworkPolicy networkpolicies",
            "ServiceCIDR servicecidrs !",
        ],
    },
    Group { name: "node.k8s.io", version: "v1", kinds: &["RuntimeClass runtimeclasses !"] },
    Group {
        name: "policy",
        version: "v1",
        kinds: &[
            "Eviction evictions",
            "PodDisruptionBudget poddisruptionbudgets",
            "PodSecurityPolicy podsecuritypolicies ! @v1beta1",
        ],
    },
    Group {
        name: "rbac.authorization.k8s.io",
        version: "v1",
        kinds: &[
            "ClusterRole clusterroles !",
            "ClusterRoleBinding clusterrolebindings !",
            "Role roles",
            "RoleBinding rolebindings",
        ],
    },
    Group {
        name: "resource.k8s.io",
        version: "v1",
        kinds: &[
            "DeviceClass deviceclasses !",
            "DeviceTaintRule devicetaintrules ! @v1beta2",
            "ResourceClaim resourceclaims",
            "ResourceClaimTemplate resourceclaimtemplates",
            "ResourceSlice resourceslices !",
        ],
    },
    Group { name: "scheduling.k8s.io", version: "v1", kinds: &["PriorityClass priorityclasses !"] },
    Group {
        name: "storage.k8s.io",
        version: "v1",
        kinds: &[
            "CSIDriver csidrivers !",
            "CSINode csinodes !",
            "CSIStorageCapacity csistoragecapacities",
            "StorageClass storageclasses !",
            "VolumeAttachment volumeattachments !",
            "VolumeAttributesClass volumeattributesclasses !",
        ],
    },
    Group {
        name: "storagemigration.k8s.io",
        version: "v1beta1",
        kinds: &["StorageVersionMigration storageversionmigrations !"],
    },
    Group {
        name: "kyverno.io",
        version: "v2",
        kinds: &[
            "CleanupPolicy cleanuppolicies",
            "ClusterCleanupPolicy clustercleanuppolicies !",
            "ClusterPolicy clusterpolicies ! @v1",
            "GlobalContextEntry globalcontextentries !",
            "Policy policies @v1",
            "PolicyException policyexceptions",
            "UpdateRequest updaterequests",
        ],
    },
    Group {
        name: "policies.kyverno.io",
        version: "v1",
        kinds: &[
            "DeletingPolicy deletingpolicies !",
            "GeneratingPolicy generatingpolicies !",
            "ImageValidatingPolicy imagevalidatingpolicies !",
            "MutatingPolicy mutatingpolicies !",
            "NamespacedDeletingPolicy namespaceddeletingpolicies",
            "NamespacedGeneratingPolicy namespacedgeneratingpolicies",
            "NamespacedImageValidatingPolicy namespacedimagevalidatingpolicies",
            "NamespacedMutatingPolicy namespacedmutatingpolicies",
            "NamespacedValidatingPolicy namespacedvalidatingpolicies",
            "PolicyException policyexceptions",
            "ValidatingPolicy validatingpolicies !",
        ],
    },
    Group {
        name: "reports.kyverno.io",
        version: "v1",
        kinds: &["ClusterEphemeralReport clusterephemeralreports !", "EphemeralReport ephemeralreports"],
    },
    Group {
        name: "wgpolicyk8s.io",
        version: "v1alpha2",
        kinds: &["ClusterPolicyReport clusterpolicyreports !", "PolicyReport policyreports"],
    },
    Group {
        name: "openreports.io",
        version: "v1alpha1",
        kinds: &["ClusterReport clusterreports !", "Report reports"],
    },
];
