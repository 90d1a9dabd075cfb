use crate::lang::kyverno::rule::tests::World;
use crate::model::Status;

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: n}
spec:
  hostNetwork: true
  containers: [{name: c, image: 'docker.io/nginx:1', securityContext: {privileged: true}}]
";

fn world(pod_security: &str) -> World {
    World::new(&format!("{{name: r, validate: {{podSecurity: {pod_security}}}}}"))
}

#[test]
fn what_a_level_forbids_fails() {
    world("{level: baseline, version: latest}").expect(
        POD,
        Status::Fail,
        "Validation rule 'r' failed. It violates PodSecurity \"baseline:latest\": (Forbidden reason: host namespaces, field error list: \
         [spec.hostNetwork is forbidden, forbidden values found: true])(Forbidden reason: privileged, field error list: \
         [spec.containers[0].securityContext.privileged is forbidden, forbidden values found: true])",
    );
}

#[test]
fn failures_tell_controls_and_images() {
    let outcome = world("{level: baseline, version: v1.24}").outcome(POD);
    let property = |key: &str| outcome.properties.get(key).map(String::as_str);
    assert_eq!(property("standard"), Some("baseline"));
    assert_eq!(property("version"), Some("v1.24"));
    assert_eq!(property("controls"), Some("hostNamespaces,privileged"));
}

#[test]
fn excluded_controls_do_not_count() {
    let network = "{controlName: Host Namespaces}";
    let privileged = "{controlName: Privileged Containers, images: ['docker.io/nginx*']}";
    let other = "{controlName: Privileged Containers, images: ['ghcr.io/*']}";
    let status = |excludes: &str| {
        world(&format!("{{level: baseline, version: latest, exclude: [{excludes}]}}")).outcome(POD).status
    };
    assert_eq!(status(&format!("{network}, {privileged}")), Status::Pass);
    assert_eq!(status(&format!("{network}, {other}")), Status::Fail);
    assert_eq!(status(privileged), Status::Fail);
}

#[test]
fn a_resource_without_a_pod_is_an_error() {
    world("{level: baseline, version: latest}").expect(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}",
        Status::Error,
        "Error while getting new resource: could not find correct resource type",
    );
}
