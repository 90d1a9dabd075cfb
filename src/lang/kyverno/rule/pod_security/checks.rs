//! The checks of the Pod Security Standards (`k8s.io/pod-security-admission/policy`), with the fields that break them.

use std::collections::BTreeSet;

use crate::document::Node;
use crate::gostd::strconv;

use super::finding::{BadValue, FieldError, Finding};
use super::pod::{ContainerView, PodView};

/// The minor version of the standards: of Kubernetes 1.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    Latest,
    Minor(u32),
}

impl Revision {
    /// `latest`, nothing, or `v1.x`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if matches!(text, "" | "latest") {
            return Ok(Self::Latest);
        }
        let minor = text.strip_prefix("v1.").filter(|minor| *minor == "0" || !minor.starts_with('0'));
        let minor = minor.filter(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()));
        minor
            .and_then(|minor| minor.parse().ok())
            .map(Self::Minor)
            .ok_or_else(|| "must be \"latest\" or \"v1.x\"".to_owned())
    }
}

type CheckFn = fn(&PodView<'_>) -> Option<Finding>;

struct Check {
    is_baseline: bool,
    /// First minor version and what it checks, ascending.
    revisions: &'static [(u32, CheckFn)],
}

const fn baseline(revisions: &'static [(u32, CheckFn)]) -> Check {
    Check { is_baseline: true, revisions }
}

const fn restricted(revisions: &'static [(u32, CheckFn)]) -> Check {
    Check { is_baseline: false, revisions }
}

/// In the order in which the standards' own library lists them.
static CHECKS: [Check; 18] = [
    restricted(&[(8, privilege_escalation), (25, |pod| unless_windows(pod, privilege_escalation))]),
    baseline(&[(0, app_armor)]),
    baseline(&[(0, capabilities_baseline)]),
    restricted(&[(22, capabilities_restricted), (25, |pod| unless_windows(pod, capabilities_restricted))]),
    baseline(&[(0, host_namespaces)]),
    baseline(&[(0, host_path_volumes)]),
    baseline(&[(0, host_ports)]),
    baseline(&[(34, host_probes)]),
    baseline(&[(0, privileged)]),
    baseline(&[(0, proc_mount)]),
    restricted(&[(0, restricted_volumes)]),
    restricted(&[(0, run_as_non_root)]),
    restricted(&[(23, run_as_user)]),
    baseline(&[(0, |pod| selinux(pod, 3)), (31, |pod| selinux(pod, 4))]),
    baseline(&[(0, seccomp_annotations), (19, seccomp_baseline)]),
    restricted(&[(19, seccomp_restricted), (25, |pod| unless_windows(pod, seccomp_restricted))]),
    baseline(&[
        (0, |pod| sysctls(pod, 5)),
        (27, |pod| sysctls(pod, 6)),
        (29, |pod| sysctls(pod, 10)),
        (32, |pod| sysctls(pod, 12)),
    ]),
    baseline(&[(0, windows_host_process)]),
];

/// What the standards find. As in Kyverno, the baseline checks count in every level, and for a version that is not the latest every revision
/// up to it does.
pub(super) fn evaluate(pod: &PodView<'_>, is_baseline: bool, revision: Revision) -> Vec<Finding> {
    let checks = CHECKS.iter().filter(|check| check.is_baseline || !is_baseline);
    checks
        .flat_map(|check| {
            let wanted = match revision {
                Revision::Latest => check.revisions.last().into_iter().collect::<Vec<_>>(),
                Revision::Minor(minor) => {
                    check.revisions.iter().filter(|(first, _)| *first <= minor).collect()
                }
            };
            wanted.into_iter().filter_map(|(_, check)| check(pod))
        })
        .collect()
}

fn unless_windows(pod: &PodView<'_>, check: CheckFn) -> Option<Finding> {
    if pod.is_windows() { None } else { check(pod) }
}

fn quoted<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("\"{}\"", item.as_ref())).collect();
    items.join(", ")
}

fn plural<'a>(singular: &'a str, plural: &'a str, count: usize) -> &'a str {
    if count == 1 { singular } else { plural }
}

/// `container "a"` or `containers "a", "b"`.
fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

fn finding(id: &'static str, reason: &str, detail: String, errors: Vec<FieldError>) -> Finding {
    Finding { id, reason: reason.to_owned(), detail, errors }
}

/// Containers that break a rule, with the fields.
#[derive(Default)]
struct Bad<'a> {
    names: Vec<&'a str>,
    errors: Vec<FieldError>,
}

fn collect<'a>(pod: &'a PodView<'_>, check: impl Fn(&ContainerView<'_>) -> Vec<FieldError>) -> Bad<'a> {
    let mut bad = Bad::default();
    for container in &pod.containers {
        let errors = check(container);
        if !errors.is_empty() {
            bad.names.push(&container.name);
            bad.errors.extend(errors);
        }
    }
    bad
}

fn is_true(node: Option<Node<'_>>) -> bool {
    node.and_then(Node::as_bool) == Some(true)
}

fn is_false(node: Option<Node<'_>>) -> bool {
    node.and_then(Node::as_bool) == Some(false)
}

fn privilege_escalation(pod: &PodView<'_>) -> Option<Finding> {
    let path = "securityContext.allowPrivilegeEscalation";
    let bad = collect(pod, |container| {
        let field = container.field(path);
        let error = match container.get(&["securityContext"]) {
            None => FieldError::required(field),
            Some(context) => match context.get("allowPrivilegeEscalation").and_then(Node::as_bool) {
                Some(false) => return Vec::new(),
                Some(true) => FieldError::value(field, BadValue::Bool(true)),
                None => FieldError::text(field, "nil"),
            },
        };
        vec![error]
    });
    (!bad.names.is_empty()).then(|| {
        let detail =
            format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&bad.names));
        finding("allowPrivilegeEscalation", "allowPrivilegeEscalation != false", detail, bad.errors)
    })
}

/// Who set something bad: the pod, containers, and the fields.
#[derive(Default)]
struct Setters {
    who: Vec<String>,
    errors: Vec<FieldError>,
    values: BTreeSet<String>,
}

impl Setters {
    fn is_empty(&self) -> bool {
        self.who.is_empty()
    }

    fn add_pod(&mut self, error: FieldError) {
        if self.who.is_empty() {
            self.who.push("pod".to_owned());
        }
        self.add_error(error);
    }

    fn add_error(&mut self, error: FieldError) {
        self.values.extend(error.bad_values());
        self.errors.push(error);
    }

    fn add_containers(&mut self, bad: Bad<'_>) {
        if !bad.names.is_empty() {
            self.who.push(containers(&bad.names));
            bad.errors.into_iter().for_each(|error| self.add_error(error));
        }
    }

    fn who(&self) -> String {
        self.who.join(" and ")
    }
}

/// Pod and containers whose text at a path is set, below an object that is there, and is not one of those allowed.
fn bad_profiles(pod: &PodView<'_>, profile: &str, is_allowed: fn(&str) -> bool) -> Setters {
    let mut setters = Setters::default();
    let path = ["securityContext", profile];
    let type_of =
        |profile: Node<'_>| profile.get("type").and_then(Node::as_str).unwrap_or_default().to_owned();
    if let Some(value) = pod.get(&path).map(type_of).filter(|value| !is_allowed(value)) {
        setters.values.insert(value.clone());
        setters.add_pod(FieldError::text(format!("spec.securityContext.{profile}.type"), &value));
    }
    let bad = collect(pod, |container| {
        let value = container.get(&path).map(type_of).filter(|value| !is_allowed(value));
        let error = |value: String| {
            FieldError::text(container.field(&format!("securityContext.{profile}.type")), &value)
        };
        value.map(error).into_iter().collect()
    });
    setters.add_containers(bad);
    setters
}

fn is_usual_profile(value: &str) -> bool {
    matches!(value, "RuntimeDefault" | "Localhost")
}

fn app_armor(pod: &PodView<'_>) -> Option<Finding> {
    let mut setters = bad_profiles(pod, "appArmorProfile", is_usual_profile);
    let mut values: Vec<String> = setters.values.iter().cloned().collect();
    let annotations = pod.annotations.map(Node::sorted_entries).unwrap_or_default();
    let forbidden: Vec<(&str, &str)> = annotations
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
        .filter(|(key, value)| {
            key.starts_with("container.apparmor.security.beta.kubernetes.io/")
                && !(value.is_empty() || *value == "runtime/default" || value.starts_with("localhost/"))
        })
        .collect();
    if !forbidden.is_empty() {
        setters.who.push(plural("annotation", "annotations", forbidden.len()).to_owned());
    }
    for (key, value) in forbidden {
        values.push(format!("{key}={}", strconv::quote(value)));
        setters.errors.push(FieldError::text(format!("metadata.annotations[{key}]"), value));
    }
    (!setters.is_empty()).then(|| {
        let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
        let detail = format!("{} must not set AppArmor profile type to {}", setters.who(), quoted(&values));
        finding("appArmorProfile", reason, detail, setters.errors)
    })
}

const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The capabilities that a container adds and must not.
fn bad_capabilities(container: &ContainerView<'_>, is_allowed: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let added = container.texts(&["securityContext", "capabilities", "add"]);
    added.into_iter().filter(|capability| !is_allowed(capability)).map(str::to_owned).collect()
}

fn added_capabilities<'a>(pod: &'a PodView<'_>, is_allowed: fn(&str) -> bool) -> (Bad<'a>, BTreeSet<String>) {
    let bad = collect(pod, |container| {
        let values: Vec<String> = bad_capabilities(container, is_allowed).into_iter().collect();
        let field = container.field("securityContext.capabilities.add");
        if values.is_empty() { Vec::new() } else { vec![FieldError::value(field, BadValue::List(values))] }
    });
    let all = pod.containers.iter().flat_map(|container| bad_capabilities(container, is_allowed)).collect();
    (bad, all)
}

fn capabilities_baseline(pod: &PodView<'_>) -> Option<Finding> {
    let (bad, all) = added_capabilities(pod, |capability| DEFAULT_CAPABILITIES.contains(&capability));
    (!bad.names.is_empty()).then(|| {
        let detail = format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&bad.names),
            quoted(all)
        );
        finding("capabilities_baseline", "non-default capabilities", detail, bad.errors)
    })
}

fn capabilities_restricted(pod: &PodView<'_>) -> Option<Finding> {
    let missing = collect(pod, |container| {
        let field = container.field("securityContext.capabilities.drop");
        let dropped: BTreeSet<&str> =
            container.texts(&["securityContext", "capabilities", "drop"]).into_iter().collect();
        if dropped.contains("ALL") {
            return Vec::new();
        }
        if dropped.is_empty() {
            return vec![FieldError::required(field)];
        }
        vec![FieldError::value(field, BadValue::List(dropped.into_iter().map(str::to_owned).collect()))]
    });
    let (adding, all) = added_capabilities(pod, |capability| capability == "NET_BIND_SERVICE");
    let mut details = Vec::new();
    if !missing.names.is_empty() {
        let who = containers(&missing.names);
        details.push(format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    if !adding.names.is_empty() {
        let who = containers(&adding.names);
        details.push(format!("{who} must not include {} in securityContext.capabilities.add", quoted(all)));
    }
    let errors = missing.errors.into_iter().chain(adding.errors).collect();
    (!details.is_empty())
        .then(|| finding("capabilities_restricted", "unrestricted capabilities", details.join("; "), errors))
}

fn host_namespaces(pod: &PodView<'_>) -> Option<Finding> {
    let set: Vec<&str> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| is_true(pod.get(&[field])))
        .collect();
    let error = |field: &&str| FieldError::value(format!("spec.{field}"), BadValue::Bool(true));
    let details: Vec<String> = set.iter().map(|field| format!("{field}=true")).collect();
    (!set.is_empty()).then(|| {
        finding("hostNamespaces", "host namespaces", details.join(", "), set.iter().map(error).collect())
    })
}

fn volumes<'d>(pod: &PodView<'d>) -> impl Iterator<Item = (usize, Node<'d>)> + use<'d> {
    pod.get(&["volumes"]).map(Node::items).into_iter().flatten().enumerate()
}

fn name_of(node: Node<'_>) -> &str {
    node.get("name").and_then(Node::as_str).unwrap_or_default()
}

fn host_path_volumes(pod: &PodView<'_>) -> Option<Finding> {
    let bad: Vec<(usize, Node<'_>, Node<'_>)> = volumes(pod)
        .filter_map(|(index, volume)| {
            Some((index, volume, volume.get("hostPath").filter(|path| !path.is_null())?))
        })
        .collect();
    let errors = bad.iter().map(|(index, _, host_path)| {
        let path = host_path.get("path").and_then(Node::as_str).unwrap_or_default();
        FieldError::text(format!("spec.volumes[{index}].hostPath"), path)
    });
    (!bad.is_empty()).then(|| {
        let names = quoted(bad.iter().map(|(_, volume, _)| name_of(*volume)));
        let detail = format!("{} {names}", plural("volume", "volumes", bad.len()));
        finding("hostPathVolumes", "hostPath volumes", detail, errors.collect())
    })
}

fn host_ports(pod: &PodView<'_>) -> Option<Finding> {
    let ports_of = |container: &ContainerView<'_>| -> Vec<(usize, i64)> {
        let ports = container.get(&["ports"]).map(Node::items).into_iter().flatten();
        ports
            .enumerate()
            .filter_map(|(index, port)| Some((index, port.get("hostPort")?.as_i64()?)))
            .filter(|(_, port)| *port != 0)
            .collect()
    };
    let bad = collect(pod, |container| {
        let error = |(index, port)| {
            FieldError::value(container.field(&format!("ports[{index}].hostPort")), BadValue::Int(port))
        };
        ports_of(container).into_iter().map(error).collect()
    });
    let all: BTreeSet<String> =
        pod.containers.iter().flat_map(ports_of).map(|(_, port)| port.to_string()).collect();
    (!bad.names.is_empty()).then(|| {
        let detail = format!(
            "{} {} {} {}",
            containers(&bad.names),
            plural("uses", "use", bad.names.len()),
            plural("hostPort", "hostPorts", all.len()),
            all.into_iter().collect::<Vec<_>>().join(", ")
        );
        finding("hostPorts", "hostPort", detail, bad.errors)
    })
}

fn host_probes(pod: &PodView<'_>) -> Option<Finding> {
    const HANDLERS: [(&str, &[&str]); 5] = [
        ("livenessProbe", &["livenessProbe"]),
        ("readinessProbe", &["readinessProbe"]),
        ("startupProbe", &["startupProbe"]),
        ("lifecycle.postStart", &["lifecycle", "postStart"]),
        ("lifecycle.preStop", &["lifecycle", "preStop"]),
    ];
    let bad = collect(pod, |container| {
        let mut errors = Vec::new();
        for (name, path) in HANDLERS {
            for action in ["httpGet", "tcpSocket"] {
                let host = container.get(path).and_then(|handler| handler.path(&[action, "host"]));
                if let Some(host) = host.and_then(Node::as_str).filter(|host| !host.is_empty()) {
                    errors.push(FieldError::text(container.field(&format!("{name}.{action}.host")), host));
                }
            }
        }
        errors
    });
    let names: BTreeSet<&str> = bad.names.iter().copied().collect();
    let names: Vec<&str> = names.into_iter().collect();
    let hosts: BTreeSet<String> = bad.errors.iter().flat_map(FieldError::bad_values).collect();
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} {} {} {}",
            containers(&names),
            plural("uses", "use", names.len()),
            plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len()),
            quoted(hosts)
        );
        finding("hostProbesAndHostLifecycle", "probe or lifecycle host", detail, bad.errors)
    })
}

fn privileged(pod: &PodView<'_>) -> Option<Finding> {
    let bad = collect(pod, |container| {
        let field = container.field("securityContext.privileged");
        if is_true(container.get(&["securityContext", "privileged"])) {
            vec![FieldError::value(field, BadValue::Bool(true))]
        } else {
            Vec::new()
        }
    });
    (!bad.names.is_empty()).then(|| {
        let detail = format!("{} must not set securityContext.privileged=true", containers(&bad.names));
        finding("privileged", "privileged", detail, bad.errors)
    })
}

fn proc_mount(pod: &PodView<'_>) -> Option<Finding> {
    let bad = collect(pod, |container| {
        let value = container.get(&["securityContext", "procMount"]).and_then(Node::as_str);
        let error = |value| FieldError::text(container.field("securityContext.procMount"), value);
        value.filter(|value| *value != "Default").map(error).into_iter().collect()
    });
    let values: BTreeSet<String> = bad.errors.iter().flat_map(FieldError::bad_values).collect();
    (!bad.names.is_empty()).then(|| {
        let who = containers(&bad.names);
        let detail = format!("{who} must not set securityContext.procMount to {}", quoted(values));
        finding("procMount", "procMount", detail, bad.errors)
    })
}

fn restricted_volumes(pod: &PodView<'_>) -> Option<Finding> {
    const ALLOWED: [&str; 9] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    const KNOWN: [&str; 21] = [
        "hostPath",
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "gitRepo",
        "nfs",
        "iscsi",
        "glusterfs",
        "rbd",
        "flexVolume",
        "cinder",
        "cephfs",
        "flocker",
        "fc",
        "azureFile",
        "vsphereVolume",
        "quobyte",
        "azureDisk",
        "photonPersistentDisk",
        "portworxVolume",
        "scaleIO",
        "storageos",
    ];
    let has = |volume: Node<'_>, key: &str| volume.get(key).is_some_and(|source| !source.is_null());
    let bad: Vec<(usize, &str, &str)> = volumes(pod)
        .filter(|(_, volume)| !ALLOWED.iter().any(|key| has(*volume, key)))
        .map(|(index, volume)| {
            let kind = KNOWN.into_iter().find(|key| has(volume, key)).unwrap_or("unknown");
            (index, name_of(volume), kind)
        })
        .collect();
    let kinds: BTreeSet<&str> = bad.iter().map(|(_, _, kind)| *kind).collect();
    (!bad.is_empty()).then(|| {
        let detail = format!(
            "{} {} {} {} {}",
            plural("volume", "volumes", bad.len()),
            quoted(bad.iter().map(|(_, name, _)| *name)),
            plural("uses", "use", bad.len()),
            plural("restricted volume type", "restricted volume types", kinds.len()),
            quoted(kinds)
        );
        let error = |(index, _, kind): &(usize, &str, &str)| {
            FieldError::forbidden(format!("spec.volumes[{index}].{kind}"))
        };
        finding("restrictedVolumes", "restricted volume types", detail, bad.iter().map(error).collect())
    })
}

fn run_as_non_root(pod: &PodView<'_>) -> Option<Finding> {
    const PATH: [&str; 2] = ["securityContext", "runAsNonRoot"];
    let mut setters = Setters::default();
    if is_false(pod.get(&PATH)) {
        setters.add_pod(FieldError::value("spec.securityContext.runAsNonRoot", BadValue::Bool(false)));
    }
    let pod_is_set = is_true(pod.get(&PATH));
    setters.add_containers(collect(pod, |container| {
        let field = container.field("securityContext.runAsNonRoot");
        let is_bad = is_false(container.get(&PATH));
        if is_bad { vec![FieldError::value(field, BadValue::Bool(false))] } else { Vec::new() }
    }));
    let implicit = collect(pod, |container| {
        let is_bad = !pod_is_set && container.get(&PATH).is_none();
        let field = container.field("securityContext.runAsNonRoot");
        if is_bad { vec![FieldError::required(field)] } else { Vec::new() }
    });
    let mut details = Vec::new();
    if !setters.is_empty() {
        details.push(format!("{} must not set securityContext.runAsNonRoot=false", setters.who()));
    }
    if !implicit.names.is_empty() {
        let who = containers(&implicit.names);
        details.push(format!("pod or {who} must set securityContext.runAsNonRoot=true"));
    }
    let errors = setters.errors.into_iter().chain(implicit.errors).collect();
    (!details.is_empty()).then(|| finding("runAsNonRoot", "runAsNonRoot != true", details.join("\n"), errors))
}

fn run_as_user(pod: &PodView<'_>) -> Option<Finding> {
    const PATH: [&str; 2] = ["securityContext", "runAsUser"];
    let is_root = |node: Option<Node<'_>>| node.and_then(Node::as_i64) == Some(0);
    let mut setters = Setters::default();
    if is_root(pod.get(&PATH)) {
        setters.add_pod(FieldError::value("spec.securityContext.runAsUser", BadValue::Int(0)));
    }
    setters.add_containers(collect(pod, |container| {
        let error = FieldError::value(container.field("securityContext.runAsUser"), BadValue::Int(0));
        if is_root(container.get(&PATH)) { vec![error] } else { Vec::new() }
    }));
    (!setters.is_empty()).then(|| {
        let detail = format!("{} must not set runAsUser=0", setters.who());
        finding("runAsUser", "runAsUser=0", detail, setters.errors)
    })
}

/// The first `n_types` are allowed; the last came with 1.31.
const SELINUX_TYPES: [&str; 4] = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

fn selinux(pod: &PodView<'_>, n_types: usize) -> Option<Finding> {
    let allowed: Vec<&str> = SELINUX_TYPES.into_iter().take(n_types).collect();
    let errors_of = |options: Option<Node<'_>>, field: &dyn Fn(&str) -> String| -> Vec<FieldError> {
        let Some(options) = options else { return Vec::new() };
        let text = |key: &str| options.get(key).and_then(Node::as_str).unwrap_or_default();
        let mut errors = Vec::new();
        if !text("type").is_empty() && !allowed.contains(&text("type")) {
            errors.push(FieldError::text(field("type"), text("type")));
        }
        for key in ["user", "role"] {
            if !text(key).is_empty() {
                errors.push(FieldError::text(field(key), text(key)));
            }
        }
        errors
    };
    let mut setters = Setters::default();
    let path = ["securityContext", "seLinuxOptions"];
    for error in errors_of(pod.get(&path), &|key| format!("spec.securityContext.seLinuxOptions.{key}")) {
        setters.add_pod(error);
    }
    setters.add_containers(collect(pod, |container| {
        let field = |key: &str| container.field(&format!("securityContext.seLinuxOptions.{key}"));
        errors_of(container.get(&path), &field)
    }));
    let of =
        |key: &str| setters.errors.iter().filter(move |error| error.field.ends_with(key)).collect::<Vec<_>>();
    let types: BTreeSet<String> = of(".type").into_iter().flat_map(FieldError::bad_values).collect();
    let mut data = Vec::new();
    if !types.is_empty() {
        data.push(format!("{} {}", plural("type", "types", types.len()), quoted(&types)));
    }
    for (key, text) in [(".user", "user may not be set"), (".role", "role may not be set")] {
        if !of(key).is_empty() {
            data.push(text.to_owned());
        }
    }
    (!setters.is_empty()).then(|| {
        let who = setters.who();
        let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", data.join("; "));
        finding("seLinuxOptions", "seLinuxOptions", detail, setters.errors)
    })
}

fn seccomp_annotations(pod: &PodView<'_>) -> Option<Finding> {
    let is_allowed = |value: &str| {
        matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/")
    };
    let keys = std::iter::once("seccomp.security.alpha.kubernetes.io/pod".to_owned()).chain(
        pod.containers.iter().map(|c| format!("container.seccomp.security.alpha.kubernetes.io/{}", c.name)),
    );
    let bad: BTreeSet<(String, &str)> = keys
        .filter_map(|key| {
            let value = pod.annotations?.get(&key)?.as_str()?;
            (!is_allowed(value)).then_some((key, value))
        })
        .collect();
    let texts: Vec<String> =
        bad.iter().map(|(key, value)| format!("{key}={}", strconv::quote(value))).collect();
    (!bad.is_empty()).then(|| {
        let detail =
            format!("forbidden {} {}", plural("annotation", "annotations", texts.len()), texts.join(", "));
        let error =
            |(key, value): &(String, &str)| FieldError::text(format!("metadata.annotations[{key}]"), value);
        finding("seccompProfile_baseline", "seccompProfile", detail, bad.iter().map(error).collect())
    })
}

fn bad_seccomp(id: &'static str, setters: Setters) -> Option<Finding> {
    (!setters.is_empty()).then(|| {
        let (who, values) = (setters.who(), quoted(&setters.values));
        let detail = format!("{who} must not set securityContext.seccompProfile.type to {values}");
        finding(id, "seccompProfile", detail, setters.errors)
    })
}

fn seccomp_baseline(pod: &PodView<'_>) -> Option<Finding> {
    bad_seccomp("seccompProfile_baseline", bad_profiles(pod, "seccompProfile", is_usual_profile))
}

fn seccomp_restricted(pod: &PodView<'_>) -> Option<Finding> {
    const ID: &str = "seccompProfile_restricted";
    let explicit = bad_seccomp(ID, bad_profiles(pod, "seccompProfile", is_usual_profile));
    if explicit.is_some() {
        return explicit;
    }
    let path = ["securityContext", "seccompProfile"];
    if pod.get(&path).is_some() {
        return None;
    }
    let implicit = collect(pod, |container| {
        let error = FieldError::required(container.field("securityContext.seccompProfile.type"));
        if container.get(&path).is_none() { vec![error] } else { Vec::new() }
    });
    (!implicit.names.is_empty()).then(|| {
        let who = containers(&implicit.names);
        let wanted = "must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"";
        finding(ID, "seccompProfile", format!("pod or {who} {wanted}"), implicit.errors)
    })
}

/// The first `n_allowed` are: the sixth came with 1.27, the next four with 1.29, the last two with 1.32.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

fn sysctls(pod: &PodView<'_>, n_allowed: usize) -> Option<Finding> {
    let list = pod.get(&["securityContext", "sysctls"]).map(Node::items).into_iter().flatten();
    let bad: Vec<(usize, &str)> = list
        .enumerate()
        .map(|(index, sysctl)| (index, name_of(sysctl)))
        .filter(|(_, name)| !SYSCTLS.iter().take(n_allowed).any(|allowed| allowed == name))
        .collect();
    let error = |(index, name): &(usize, &str)| {
        FieldError::text(format!("spec.securityContext.sysctls[{index}].name"), name)
    };
    (!bad.is_empty()).then(|| {
        let names: Vec<&str> = bad.iter().map(|(_, name)| *name).collect();
        finding("sysctls", "forbidden sysctls", names.join(", "), bad.iter().map(error).collect())
    })
}

fn windows_host_process(pod: &PodView<'_>) -> Option<Finding> {
    const PATH: [&str; 3] = ["securityContext", "windowsOptions", "hostProcess"];
    let mut setters = Setters::default();
    if is_true(pod.get(&PATH)) {
        let field = "spec.securityContext.windowsOptions.hostProcess";
        setters.add_pod(FieldError::value(field, BadValue::Bool(true)));
    }
    setters.add_containers(collect(pod, |container| {
        let field = container.field("securityContext.windowsOptions.hostProcess");
        if is_true(container.get(&PATH)) {
            vec![FieldError::value(field, BadValue::Bool(true))]
        } else {
            Vec::new()
        }
    }));
    (!setters.is_empty()).then(|| {
        let who = setters.who();
        let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
        finding("windowsHostProcess", "hostProcess", detail, setters.errors)
    })
}
