//! The workload W4: namespaces, Deployments with their `ReplicaSets` and Pods, `ConfigMaps` and Services, of
//! which about a third break some rule of the Pod Security policies. What breaks which rule is a function of
//! the index, so two runs make the same objects.
//!
//! The objects are those that `bench/w4.py` of the shared data prints, in its order; `check` of the program
//! proves it. Nothing here writes files or talks to a cluster.

use serde_json::{Map, Value, json};

/// How much of the workload is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Namespaces.
    pub(crate) n_namespaces: usize,
    /// Deployments, and with each a `ReplicaSet`, a `ConfigMap` and, for every third, a Service.
    pub(crate) n_deployments: usize,
    /// Pods of each Deployment.
    pub(crate) n_replicas: usize,
    /// The index of the first Deployment.
    pub(crate) first: usize,
}

impl Size {
    /// The size that the figures are stated for.
    pub(crate) const W4: Self = Self { n_namespaces: 50, n_deployments: 1000, n_replicas: 3, first: 0 };

    /// A size by the same rule: twenty Deployments a namespace, three Pods each.
    pub(crate) fn of(n_deployments: usize) -> Self {
        Self { n_namespaces: n_deployments.div_ceil(20).max(1), n_deployments, ..Self::W4 }
    }

    /// All objects, in the order of their creation.
    pub(crate) fn objects(self) -> impl Iterator<Item = Value> {
        let indices = self.first..self.first + self.n_deployments;
        (0..self.n_namespaces).map(namespace).chain(indices.flat_map(move |i| self.of_deployment(i)))
    }

    /// The Pods and Deployments alone: what the policies say something about.
    pub(crate) fn judged(self) -> impl Iterator<Item = Value> {
        self.objects().filter(|object| matches!(kind(object), "Pod" | "Deployment"))
    }

    /// How many Pods and Deployments there are.
    pub(crate) fn n_judged(self) -> usize {
        self.n_deployments * (1 + self.n_replicas)
    }

    fn of_deployment(self, i: usize) -> Vec<Value> {
        let replicas = self.n_replicas;
        let mut labels = Map::new();
        labels.insert("app".into(), format!("app-{i}").into());
        if !i.is_multiple_of(6) {
            labels.insert("app.kubernetes.io/name".into(), format!("app-{i}").into());
        }
        labels.insert("team".into(), format!("t{}", i % 17).into());
        let metadata = |name: String| {
            json!({
                "name": name, "namespace": format!("team-{}", i % self.n_namespaces), "labels": labels,
                "annotations": {
                    "deployment.kubernetes.io/revision": "1", "checksum/config": format!("{i:064x}"),
                },
            })
        };
        let workload = || {
            json!({
                "replicas": replicas, "selector": {"matchLabels": {"app": format!("app-{i}")}},
                "template": {"metadata": {"labels": labels}, "spec": pod_spec(i)},
            })
        };
        let mut objects = vec![
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": metadata(format!("app-{i}")), "spec": workload(),
            }),
            json!({
                "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": metadata(format!("app-{i}-7d9c")), "spec": workload(),
            }),
        ];
        objects.extend((0..replicas).map(|replica| {
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": metadata(format!("app-{i}-7d9c-{replica}")), "spec": pod_spec(i),
            })
        }));
        let data: Map<String, Value> =
            (0..6).map(|k| (format!("key{k}"), format!("value {i} {k} ").repeat(6).into())).collect();
        objects.push(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(format!("cfg-{i}")), "data": data,
        }));
        if i.is_multiple_of(3) {
            objects.push(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": metadata(format!("app-{i}")),
                "spec": {
                    "selector": {"app": format!("app-{i}")}, "ports": [{"port": 80, "targetPort": 8080}],
                    "type": if i.is_multiple_of(30) { "NodePort" } else { "ClusterIP" },
                },
            }));
        }
        objects
    }
}

/// An object's kind.
pub(crate) fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}

fn namespace(n: usize) -> Value {
    let tier = match n % 3 {
        0 => "dev",
        1 => "stage",
        _ => "prod",
    };
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": format!("team-{n}"), "labels": {"tier": tier}},
    })
}

fn pod_spec(i: usize) -> Value {
    let mut volumes = vec![
        json!({"name": "cfg", "configMap": {"name": format!("cfg-{i}")}}),
        json!({"name": "tmp", "emptyDir": {}}),
    ];
    if i.is_multiple_of(29) {
        volumes.push(json!({"name": "host", "hostPath": {"path": "/var/run"}}));
    }
    json!({
        "containers": [app(i), proxy(i)],
        "volumes": volumes,
        "serviceAccountName": "default",
        "hostNetwork": i.is_multiple_of(31),
        "terminationGracePeriodSeconds": 30,
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 100,
            "podAffinityTerm": {
                "topologyKey": "kubernetes.io/hostname",
                "labelSelector": {"matchLabels": {"app": format!("app-{i}")}},
            },
        }]}},
    })
}

fn app(i: usize) -> Value {
    let tag = if i.is_multiple_of(7) { "latest".to_owned() } else { format!("v1.{}.{}", i % 40, i % 9) };
    let mut env: Vec<Value> =
        (0..8).map(|k| json!({"name": format!("VAR_{k}"), "value": format!("value-{i}-{k}")})).collect();
    env.push(json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}));
    let resources = if i.is_multiple_of(5) {
        json!({})
    } else {
        json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}})
    };
    let mut container = json!({
        "name": "app",
        "image": format!("registry.example.com/team-{}/app-{}:{tag}", i % 17, i % 101),
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": env,
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": i.is_multiple_of(11),
            "capabilities": {"drop": [if i.is_multiple_of(4) { "NET_RAW" } else { "ALL" }]},
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
            "privileged": i.is_multiple_of(23) && i.is_multiple_of(11),
        },
        "volumeMounts": [{"name": "cfg", "mountPath": "/etc/app"}, {"name": "tmp", "mountPath": "/tmp"}],
    });
    if let Some(fields) = container.as_object_mut().filter(|_| !i.is_multiple_of(3)) {
        let probe = |path: &str| json!({"path": path, "port": 8080});
        let liveness = json!({"httpGet": probe("/healthz"), "initialDelaySeconds": 5});
        fields.insert("livenessProbe".into(), liveness);
        fields.insert("readinessProbe".into(), json!({"httpGet": probe("/readyz")}));
    }
    container
}

fn proxy(i: usize) -> Value {
    json!({
        "name": "proxy",
        "image": "docker.io/envoyproxy/envoy:v1.30.1",
        "args": ["-c", "/etc/envoy/envoy.yaml", "--service-node", format!("n{i}")],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
            "runAsUser": 1337,
        },
    })
}
