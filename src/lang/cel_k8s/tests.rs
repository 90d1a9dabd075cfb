use super::*;
use crate::lang::cel::Program;

fn compiles(minor: u32, source: &str) -> bool {
    let env = admission_environment(
        KubernetesVersion::new(1, minor),
        AdmissionVariables { has_params: true, has_authorizer: true, has_patch_types: false },
    );
    Program::compile(&env, source).is_ok()
}

#[test]
fn libraries_come_with_their_versions() {
    for (minor, source) in [
        (28, "quantity('1') == quantity('1')"),
        (28, "object.?a.hasValue()"),
        (29, "sets.contains([1], [1])"),
        (29, "'%s'.format(['a']) == 'a'"),
        (30, "ip('1.2.3.4').family() == 4"),
        (30, "isCIDR('10.0.0.0/8')"),
        (31, "format.dns1123Label().validate('a').hasValue()"),
        (32, "[1].all(i, v, i < v)"),
        (33, "semver('1.2.3').major() == 1"),
        (34, "[1, 2].reverse() == [2, 1]"),
    ] {
        assert!(compiles(minor, source), "1.{minor}: {source}");
        assert!(!compiles(minor - 1, source), "1.{}: {source}", minor - 1);
    }
}

#[test]
fn the_request_and_the_namespace_are_typed() {
    for source in [
        "request.userInfo.groups.exists(g, g == 'a')",
        "request.kind.group == 'apps'",
        "namespaceObject.metadata.labels['a'] == 'b'",
        "params.x == 1",
        "authorizer.requestResource.check('get').allowed()",
        "authorizer.group('').resource('pods').check('get').allowed()",
    ] {
        assert!(compiles(36, source), "{source}");
    }
    for source in ["request.nothing", "request.kind.group == 1", "namespaceObject.metadata.nothing == ''"] {
        assert!(!compiles(36, source), "{source}");
    }
}

#[test]
fn params_are_unknown_where_there_are_none() {
    let env = admission_environment(KubernetesVersion::new(1, 36), AdmissionVariables::default());
    assert!(Program::compile(&env, "params.x").is_err());
    assert!(Program::compile(&env, "Object{}").is_err());
}

#[test]
fn mutating_policies_write_objects_and_patches() {
    let variables = AdmissionVariables { has_patch_types: true, ..AdmissionVariables::default() };
    let env = admission_environment(KubernetesVersion::new(1, 36), variables);
    for source in [
        "Object{metadata: Object.metadata{labels: {'a': 'b'}}}",
        "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'c'}]",
        "JSONPatch{op: 'test', path: '/a', value: object.a}",
    ] {
        assert!(Program::compile(&env, source).is_ok(), "{source}");
    }
    assert!(Program::compile(&env, "JSONPatch{op: 1}").is_err());
    assert!(Program::compile(&env, "JSONPatch{nothing: 'a'}").is_err());
}
