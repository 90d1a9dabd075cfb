//! Bad input: a clear message with file, line, object or field, which costs only itself.

use std::time::{Duration, Instant};

use super::{Place, Ran, by_name, label_policy, pod, policy, results};

/// Scans the good Pods together with something bad: the good ones have their results, the exit code is 2.
#[track_caller]
fn beside(name: &str, bytes: impl AsRef<[u8]>, said: &[&str]) -> Ran {
    let place = Place::with_pods();
    place.write(name, bytes);
    let mut last = None;
    for pairs in [[2, 0, 0], [0, 2, 0]] {
        let (ran, stats) = place.scan(&["-o", "json"]);
        assert_eq!(stats.pairs(), pairs, "{ran:?}");
        let ran = ran.exits(2).says(said);
        let reports = by_name(&ran.json());
        assert_eq!(results(&reports["good"]), ["require-app/check: pass"]);
        assert_eq!(results(&reports["bad"]), ["require-app/check: fail"]);
        last = Some(ran);
    }
    last.unwrap()
}

#[test]
fn broken_yaml_is_told_with_file_and_line() {
    beside("m/x.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: [x\n", &["m/x.yaml:", "is not YAML"]);
    beside("m/x.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n", &["m/x.yaml:4: is not YAML"]);
    beside(
        "m/x.json",
        "{\"kind\": \"Pod\",\n \"metadata\": {\"name\": \"x\" \"y\"}}",
        &["m/x.json:2: is not JSON"],
    );
    beside("m/x.json", "{\"kind\": \"Pod\",\n", &["m/x.json:"]);
    beside("m/x.yaml", "just text\n", &["m/x.yaml:1: is not an object"]);
    beside("m/x.yaml", "- a\n- b\n", &["m/x.yaml:1: is not an object"]);
}

#[test]
fn good_documents_of_a_file_with_a_broken_one_are_scanned() {
    let place = Place::with_pods();
    place.write(
        "m/mixed.yaml",
        format!("{}---\na: [\n---\n{}", pod("before", "app: x"), pod("behind", "a: b")),
    );
    let (ran, stats) = place.scan(&["-o", "json"]);
    let ran = ran.exits(2).says(&["m/mixed.yaml:1", "is not YAML"]);
    assert_eq!(stats.pairs(), [4, 0, 0]);
    assert_eq!(results(&by_name(&ran.json())["behind"]), ["require-app/check: fail"]);
}

#[test]
fn what_is_not_utf8_is_told_with_its_line() {
    beside(
        "m/x.yaml",
        b"apiVersion: v1\nkind: Pod\nmetadata: {name: \xff\xfe}\n",
        &["m/x.yaml:3: is not UTF-8"],
    );
    beside(
        "m/x.json",
        b"{\"kind\": \"Pod\",\n\"metadata\": {\"name\": \"\xc3\x28\"}}",
        &["m/x.json:2: is not UTF-8"],
    );
    beside("m/x.yaml", b"\xff\xfek\0i\0n\0d\0", &["m/x.yaml: is not UTF-8 but UTF-16"]);
    beside("m/x.yaml", b"\0\x01\x02\x03", &["m/x.yaml:"]);
}

#[test]
fn a_manifest_without_kind_or_name_is_told() {
    beside("m/x.yaml", "apiVersion: v1\nmetadata: {name: x}\n", &["m/x.yaml:1:", "`kind`"]);
    beside("m/x.yaml", "# a\n\nkind: Pod\nmetadata: {name: x}\n", &["m/x.yaml:", "`apiVersion`"]);
    beside("m/x.yaml", "apiVersion: v1\nkind: Pod\nspec: {}\n", &["m/x.yaml:1:", "`metadata.name`"]);
    beside("m/x.yaml", "apiVersion: v1\nkind: 7\nmetadata: {name: x}\n", &["m/x.yaml:1:", "`kind`"]);
    beside(
        "m/x.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: 7}\n",
        &["m/x.yaml:1:", "`metadata.name`"],
    );
    beside("m/x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: nothing\n", &["m/x.yaml:1:", "`metadata.name`"]);
}

#[test]
fn an_object_that_is_given_twice_is_told_with_both_places() {
    let ran = beside(
        "m/x.yaml",
        pod("good", "other: z"),
        &[
            "m/x.yaml:1: Pod default/good is given twice: the one at m/good.yaml:1 is kept, this one is left out",
        ],
    );
    assert_eq!(by_name(&ran.json()).len(), 2);
}

#[test]
fn an_object_of_three_megabytes_is_scanned() {
    let place = Place::with_pods();
    let data = "x".repeat(3 << 20);
    place.write(
        "m/map.yaml",
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata:\n  blob: {data}\n"),
    );
    place.write("m/map.json", format!("{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"large-json\"}},\"data\":{{\"blob\":\"{data}\"}}}}"));
    let on_maps =
        policy("maps", "", "pattern: {data: {blob: \"*y\"}}").replace("kinds: [Pod]", "kinds: [ConfigMap]");
    place.write("p/maps.yaml", on_maps);
    let (ran, stats) = place.scan(&["-o", "json"]);
    let reports = by_name(&ran.exits(1).json());
    for name in ["large", "large-json"] {
        assert_eq!(results(&reports[name]), ["maps/check: fail"]);
    }
    assert_eq!(stats.pairs(), [4, 0, 0]);
    assert_eq!(place.scan(&[]).1.pairs(), [0, 4, 0]);
}

#[test]
fn a_document_beyond_all_bounds_is_told() {
    let mut text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: huge}\ndata:\n  blob: ".to_owned();
    text.push_str(&"x".repeat(17 << 20));
    beside("m/x.yaml", text, &["m/x.yaml:1:", "larger than"]);
}

#[test]
fn deep_nesting_is_told_and_breaks_nothing() {
    let depth = 10_000;
    let json = |open: &str, close: &str| {
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"x\"}},\"spec\":{}1{}}}",
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    beside("m/x.json", json("[", "]"), &["m/x.json:1:", "nested deeper than"]);
    beside("m/x.json", json("{\"a\":", "}"), &["m/x.json:1:", "nested deeper than"]);
    beside("m/x.json", "[".repeat(depth), &["m/x.json:1:"]);
    beside(
        "m/x.yaml",
        format!("apiVersion: v1\nkind: Pod\nspec: {}{}\n", "[".repeat(depth), "]".repeat(depth)),
        &["m/x.yaml:"],
    );
    let block: Vec<String> = (0..2_000).map(|i| format!("{}a:", " ".repeat(i))).collect();
    beside("m/x.yaml", block.join("\n"), &["m/x.yaml:"]);
    beside("m/x.yaml", "- ".repeat(depth), &["m/x.yaml:"]);
    beside("m/x.yaml", format!("a: {}", "- ".repeat(depth)), &["m/x.yaml:"]);
}

#[test]
fn a_bomb_of_aliases_is_told() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let alias = format!("*a{},", i - 1).repeat(10);
        bomb = format!("{bomb}a{i}: &a{i} [{alias}]\n");
    }
    let start = Instant::now();
    beside("m/x.yaml", bomb, &["m/x.yaml:"]);
    assert!(start.elapsed() < Duration::from_mins(2), "{:?}", start.elapsed());
}

#[test]
fn files_and_folders_that_cannot_be_opened_are_told() {
    let place = Place::with_pods();
    let broken = |name: &str, target: &str| {
        #[cfg(unix)]
        std::os::unix::fs::symlink(target, place.path(name)).unwrap();
    };
    broken("m/dangling.yaml", "nowhere");
    // A folder that contains itself ends.
    broken("m/loop", ".");
    let (ran, stats) = place.scan(&[]);
    ran.exits(2).says(&["m/dangling.yaml: cannot be read"]);
    assert_eq!(stats.pairs(), [2, 0, 0]);
}

#[test]
fn an_unknown_field_of_a_policy_is_a_warning_with_its_path() {
    let place = Place::with_pods();
    place.write(
        "p/label.yaml",
        label_policy("require-app", "app").replace("message:", "mesage: x\n      message:"),
    );
    let (ran, stats) = place.scan(&[]);
    ran.exits(1).says(&["p/label.yaml:1: ClusterPolicy require-app: spec.rules[0].validate.mesage: "]);
    assert_eq!(stats.pairs(), [2, 0, 0]);
}

/// Scans with one good policy and one of a bad kind; its outcome on the Pod `bad` is an error with this message.
#[track_caller]
fn bad_policy(bad: &str, said: &str) {
    let place = Place::with_pods();
    place.write("p/bad.yaml", bad);
    for pairs in [[4, 0, 0], [0, 4, 0]] {
        let (ran, stats) = place.scan(&["-o", "json"]);
        assert_eq!(stats.pairs(), pairs, "{ran:?}");
        let report = &by_name(&ran.exits(1).json())["bad"];
        let all = results(report);
        assert_eq!(all, ["bad/check: error", "require-app/check: fail"]);
        let message = report["results"][0]["message"].as_str().unwrap();
        assert!(message.contains(said), "`{said}` is missing in `{message}`");
    }
}

#[test]
fn bad_expressions_and_unknown_parts_are_errors_that_name_them() {
    let deny = |key: &str| {
        policy(
            "bad",
            "",
            &format!("deny: {{conditions: {{any: [{{key: \"{key}\", operator: Equals, value: x}}]}}}}"),
        )
    };
    bad_policy(&deny("{{ regex_match('[a-', 'b') }}"), "missing closing ]");
    bad_policy(&deny("{{ request.object.[ }}"), "SyntaxError");
    bad_policy(&deny("{{ no_such_function('x') }}"), "no_such_function");
    bad_policy(&deny("{{ nobody }}"), "nobody");
    bad_policy(&policy("bad", "", "deny: {conditions: {some: []}}"), "unknown field 'some'");
    bad_policy(
        &policy("bad", "", "pattern: 7").replace("it is so", "[1, 2]"),
        "spec.rules[0].validate.message",
    );
}

#[test]
fn deep_and_long_expressions_are_errors() {
    let deny = |key: &str| {
        policy(
            "bad",
            "",
            &format!(
                "deny: {{conditions: {{any: [{{key: '{{{{ {key} }}}}', operator: Equals, value: x}}]}}}}"
            ),
        )
    };
    bad_policy(&deny(&format!("{}a{}", "(".repeat(20_000), ")".repeat(20_000))), "");
    bad_policy(&deny(&format!("{}a", "!".repeat(20_000))), "");
    bad_policy(&deny(&format!("a{}", "[0]".repeat(60_000))), "");
    bad_policy(&deny(&format!("a{}", ".a".repeat(60_000))), "");
}

#[test]
fn an_endless_wildcard_against_a_long_text_ends_soon() {
    let place = Place::new();
    let long = "a".repeat(200_000);
    place.write(
        "m/map.yaml",
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: long}}\ndata: {{text: {long}}}\n"),
    );
    let wild = policy("wild", "", "pattern: {data: {text: \"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b\"}}");
    place.write("p/wild.yaml", wild.replace("kinds: [Pod]", "kinds: [ConfigMap]"));
    let regex = "deny: {conditions: {any: [{key: \"{{ regex_match('^(a+)+b$', request.object.data.text) }}\", operator: Equals, value: true}]}}";
    place.write("p/regex.yaml", policy("regex", "", regex).replace("kinds: [Pod]", "kinds: [ConfigMap]"));
    let start = Instant::now();
    let (ran, _) = place.scan(&["-o", "json"]);
    assert_eq!(results(&by_name(&ran.exits(1).json())["long"]), ["regex/check: pass", "wild/check: fail"]);
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
}

#[test]
fn a_policy_with_a_name_of_two_hundred_characters_is_like_any_other() {
    let place = Place::with_pods();
    let name = "n".repeat(200);
    place.write("p/label.yaml", label_policy(&name, "app"));
    for pairs in [[2, 0, 0], [0, 2, 0]] {
        let (ran, stats) = place.scan(&["-o", "json", "--reports", "r"]);
        assert_eq!(stats.pairs(), pairs);
        assert_eq!(results(&by_name(&ran.exits(1).json())["bad"]), [format!("{name}/check: fail")]);
    }
    assert!(place.run(&["explain", "Pod/bad"]).exits(0).stdout.contains(&name));
}

#[test]
fn a_broken_policy_file_costs_only_itself() {
    let ran = beside("p/broken.yaml", "kind: [\n", &["p/broken.yaml:"]);
    assert!(ran.stderr.contains("is not YAML"), "{ran:?}");
    beside(
        "p/nameless.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec: {}\n",
        &["p/nameless.yaml:1:", "`metadata.name`"],
    );
}

#[test]
fn a_misspelt_path_of_policies_forgets_nothing() {
    let place = Place::with_pods();
    let reports = ["--reports", "r"];
    assert_eq!(place.scan(&reports).1.reports(), [2, 0, 0]);
    let (ran, stats) = place.scan_of(&["m", "-p", "q"], &reports);
    ran.exits(2).says(&["q: cannot be read"]);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 0, 0], [0, 0, 0]));
    let (ran, stats) = place.scan(&reports);
    ran.exits(1);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 2, 0], [0, 2, 0]));
}

#[test]
fn policies_without_sense_are_told() {
    let place = Place::with_pods();
    place.write(
        "p/odd.yaml",
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: odd}\nspec: 7\n",
    );
    place.write("p/empty.yaml", "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: empty}\n");
    place.write("p/rules.yaml", "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: rules}\nspec: {rules: [7, null, {name: x}]}\n");
    let (ran, stats) = place.scan(&[]);
    ran.exits(1).says(&["ClusterPolicy odd", "ClusterPolicy empty", "ClusterPolicy rules"]);
    assert_eq!(stats.pairs(), [2, 0, 0]);
}

#[test]
fn names_and_uids_that_could_lead_out_of_the_reports_folder_do_not() {
    let pod = |name: &str, namespace: &str, uid: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, uid: {uid}}}\n")
    };
    beside("m/x.yaml", pod("../x", "a", "1"), &["m/x.yaml:1: `metadata.name` is `.` or `..`, or holds `/`"]);
    beside("m/x.yaml", pod("x", "..", "1"), &["m/x.yaml:1: `metadata.namespace` is"]);
    let place = Place::with_pods();
    place.write("m/x.yaml", pod("x", "a", "../../uid"));
    place.write("m/z.yaml", pod("z", "a", &"a".repeat(5_000)));
    let before: Vec<_> = super::files(place.root.path()).into_keys().collect();
    let (_, stats) = place.scan(&["--reports", "a/b/c/r"]);
    assert_eq!((stats.pairs(), stats.reports()), ([4, 0, 0], [4, 0, 0]));
    let is_outside = |path: &std::path::PathBuf| {
        let inside = ["a/b/c/r", ".patrol", "stats.json"];
        !before.contains(path) && !inside.iter().any(|name| path.starts_with(place.path(name)))
    };
    let written: Vec<_> = super::files(place.root.path()).into_keys().filter(is_outside).collect();
    assert_eq!(written, Vec::<std::path::PathBuf>::new());
}

#[test]
fn two_objects_with_one_uid_are_told_apart() {
    let place = Place::with_pods();
    for (name, label) in [("one", "app"), ("two", "tier")] {
        let text = pod(name, &format!("{label}: x")).replace("metadata:\n", "metadata:\n  uid: 11-22\n");
        place.write(&format!("m/{name}.yaml"), text);
    }
    for pairs in [[4, 0, 0], [0, 4, 0]] {
        let (ran, stats) = place.scan(&["-o", "json", "--reports", "r"]);
        assert_eq!(stats.pairs(), pairs);
        let reports = by_name(&ran.exits(1).json());
        assert_eq!(results(&reports["one"]), ["require-app/check: pass"]);
        assert_eq!(results(&reports["two"]), ["require-app/check: fail"]);
        assert_eq!(super::files(&place.path("r")).len(), 4);
    }
}
