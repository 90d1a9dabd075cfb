use super::*;
use crate::inventory::Origin;
use crate::model::{Severity, Status};

fn finding(policy: &str, rule: &str, name: &str, status: Status) -> Finding {
    Finding {
        policy: policy.into(),
        rule: rule.into(),
        kind: "Pod".into(),
        namespace: "default".into(),
        name: name.into(),
        status,
        severity: Some(Severity::Medium),
        category: Some("Pod Security".into()),
        message: "no <root> & \"none\"\nplease".into(),
        source: "kyverno".into(),
        origin: Some(Origin { file: "./my pods.yaml".into(), line: 7 }),
    }
}

fn findings() -> Vec<Finding> {
    vec![
        finding("p", "r", "a", Status::Pass),
        finding("p", "r", "b", Status::Fail),
        finding("q", "", "b", Status::Error),
        finding("q", "", "c", Status::Skip),
        finding("q", "", "d", Status::Warn),
    ]
}

fn text(write: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn tables_are_aligned_and_cannot_steer_a_terminal() {
    let mut table = Table::new(["A", "LONG HEADER", "C"]);
    table.row(["xé", "y", "z\nz\u{1b}[31m"]);
    table.row(["wide cell", "", "pass"]);
    table.row(["last", ""]);
    let expected = "A           LONG HEADER   C\n\
                    xé          y             z z\\u{1b}[31m\n\
                    wide cell                 pass\n\
                    last\n";
    assert_eq!(text(|out| table.write(out, Style::Plain)), expected);
    let coloured = text(|out| table.write(out, Style::Colour));
    assert!(coloured.contains("\u{1b}[32mpass\u{1b}[0m"), "{coloured:?}");
    assert_eq!(Style::of_terminal(true, true), Style::Plain);
}

#[test]
fn the_summary_counts_by_policy_and_rule() {
    let expected = "POLICY   RULE   PASS   FAIL   WARN   ERROR   SKIP\n\
                    p        r      1      1      0      0       0\n\
                    q               0      0      1      1       1\n\
                    total           1      1      1      1       1\n";
    assert_eq!(text(|out| summary_table(&findings()).write(out, Style::Plain)), expected);
    let wide = text(|out| findings_table(&findings(), true).write(out, Style::Plain));
    assert!(
        wide.lines().nth(2).unwrap().ends_with("./my pods.yaml:7   no <root> & \"none\" please"),
        "{wide}"
    );
}

#[test]
fn lists_are_read_back_as_they_were_written() {
    let items = [serde_json::json!({
        "kind": "PolicyReport",
        "data": {
            "yes": "yes", "n": "0777", "e": "1e3", "empty": "", "tilde": "~", "date": "2020-01-01",
            "lines": "a\nb\n", "colon": "a: b", "hash": "a # b", "dash": "- a", "quote": "it's \"q\"",
            "tab": "\t", "num": "12", "true": true, "list": [], "map": {}, "nested": [[1, 2], {"a": null}],
            "star": "*x", "amp": "&x", "octal": "0o17", "under": "1_000", "sexagesimal": "12:30:45",
            "bom": "\u{feff}x", "trail": "x ", "dots": "...",
        },
    })];
    let json = text(|out| write_json_list(out, &items));
    assert!(json.starts_with("{\n  \"apiVersion\": \"v1\",\n  \"items\": ["), "{json}");
    let yaml = text(|out| write_yaml_list(out, &items));
    assert!(yaml.starts_with("apiVersion: v1\nitems:\n- data:\n"), "{yaml}");
    let back = crate::folder::parse_yaml(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    let back: serde_json::Value = serde_json::from_str(&back.root().to_json()).unwrap();
    assert_eq!(back["items"][0], items[0], "{yaml}");
    assert_eq!(
        text(|out| write_yaml_list::<serde_json::Value>(out, &[])),
        "apiVersion: v1\nitems: []\nkind: List\n"
    );
}

#[test]
fn junit_escapes_and_counts() {
    let cases: Vec<JunitCase> = findings().iter().map(junit_of).collect();
    let xml = text(|out| write_junit(out, &cases));
    assert!(
        xml.contains(r#"<testsuites name="patrol" tests="5" failures="1" errors="1" skipped="1">"#),
        "{xml}"
    );
    assert!(xml.contains(r#"<testsuite name="p" tests="2" failures="1" errors="0" skipped="0">"#), "{xml}");
    assert!(
        xml.contains(r#"<failure message="no &lt;root&gt; &amp; &quot;none&quot;&#10;please"/>"#),
        "{xml}"
    );
    assert!(xml.contains(r#"<testcase classname="p.r" name="Pod default/a"/>"#), "{xml}");
}

#[test]
fn sarif_names_rule_level_and_place() {
    let log: serde_json::Value =
        serde_json::from_str(&text(|out| write_sarif(out, "1.2.3", &findings()))).unwrap();
    let run = &log["runs"][0];
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(run["tool"]["driver"]["version"], "1.2.3");
    let ids: Vec<_> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|r| r["id"].clone()).collect();
    assert_eq!(ids, ["p/r", "q"]);
    let results = run["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(|r| (r["ruleIndex"].clone(), r["level"].clone())).collect();
    assert_eq!(
        told,
        [(0.into(), "warning".into()), (1.into(), "error".into()), (1.into(), "warning".into())]
    );
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "my%20pods.yaml");
    assert_eq!(place["region"]["startLine"], 7);
}
