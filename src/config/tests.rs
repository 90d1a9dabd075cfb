//! The configuration against its file, and what is said about every kind of mistake.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::schedule::{Concurrency, Timing};

fn check(text: &str) -> Result<Checked, Vec<Mistake>> {
    Config::parse(text).check()
}

fn told(text: &str) -> Vec<String> {
    match check(text) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

fn with_env(text: &str, env: &[(&str, &str)]) -> Result<Checked, Vec<Mistake>> {
    let mut config = Config::parse(text);
    config.set_from_environment(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config.check()
}

fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/patrol.yaml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_shipped_file_equals_the_defaults_of_the_code() {
    let shipped = check(&shipped()).unwrap();
    let standard = Checked::standard().unwrap();
    assert_eq!(shipped.effective, standard.effective);
    assert_eq!(shipped, standard);
}

/// The keys of the file by indentation, with the number of the line; keys in comments (`# cron: …`) count too.
fn keys_of_file(text: &str) -> Vec<(String, usize, bool)> {
    let mut stack: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let body = line.trim_start();
        let (indent, body) = match body.strip_prefix("- ") {
            Some(rest) => (indent + 2, rest),
            None => (indent, body),
        };
        let is_comment = body.starts_with("# ");
        let body = body.strip_prefix("# ").unwrap_or(body);
        let Some((key, _)) = body.split_once(':') else { continue };
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric()) {
            continue;
        }
        if is_comment && !matches!(key, "cron" | "timeZone") {
            continue;
        }
        while stack.last().is_some_and(|(depth, _)| *depth >= indent) {
            stack.pop();
        }
        let mut path: Vec<&str> = stack.iter().map(|(_, name)| name.as_str()).collect();
        path.push(key);
        let path = path.join(".").replace("schedules.", "schedules[].");
        let is_documented = at > 0 && {
            let before = text.lines().nth(at - 1).unwrap().trim_start();
            let before = before.strip_prefix("- ").unwrap_or(before);
            before.starts_with("# ")
        };
        found.push((path, at + 1, is_documented));
        if !is_comment {
            stack.push((indent, key.to_owned()));
        }
    }
    found
}

#[test]
fn every_key_stands_in_the_shipped_file_with_a_comment_above_it() {
    let text = shipped();
    let found = keys_of_file(&text);
    for key in Config::keys() {
        let Some((_, line, is_documented)) = found.iter().find(|(path, _, _)| *path == key) else {
            panic!("`{key}` is not in config/patrol.yaml; found {found:?}");
        };
        assert!(is_documented, "`{key}` in line {line} has no comment above it");
    }
    let sections: BTreeSet<String> = Config::keys()
        .iter()
        .flat_map(|key| {
            let parts: Vec<&str> = key.split('.').collect();
            (1..parts.len()).map(|n| parts[..n].join(".").replace("[]", "")).collect::<Vec<_>>()
        })
        .collect();
    for (path, line, _) in &found {
        let is_key = Config::keys().contains(path) || sections.contains(path);
        assert!(is_key, "line {line}: `{path}` is no key of the code");
    }
    assert!(Config::keys().len() > 40, "{}", Config::keys().len());
}

#[test]
fn an_empty_file_a_comment_and_nulls_give_the_defaults() {
    let standard = Checked::standard().unwrap();
    for text in ["", "# nothing\n", "---\n", "{}", "scan:\n", "scan:\n  maxAge: null\n", "~\n"] {
        assert_eq!(check(text).unwrap(), standard, "{text:?}");
    }
}

#[test]
fn defaults_are_what_the_documentation_promises() {
    let checked = Checked::standard().unwrap();
    let [only] = checked.scan.schedules.as_slice() else { panic!("one schedule") };
    assert_eq!(only.schedule.timing, Timing::every(Duration::from_mins(15)).unwrap());
    assert_eq!(only.schedule.concurrency, Concurrency::Skip);
    assert_eq!(checked.scan.max_age, Duration::from_hours(1));
    assert_eq!(checked.cluster.page_size, 500);
    assert_eq!(checked.cluster.page_bytes_max, 64 << 20);
    assert_eq!(checked.cluster.rate_limit_qps, None);
    assert_eq!(checked.reports.api, None);
    assert_eq!(checked.reports.allowed_results.len(), 5);
    assert!(!checked.images.is_registry_enabled);
    assert!(checked.debug.listen.unwrap().ip().is_loopback());
    assert!(checked.policies.exception_namespaces.is_empty());
    assert!(!checked.policies.only_labelled);
    assert_eq!(checked.policies.kinds.len(), 9);
    assert_eq!(checked.resources.filters, Filters::Here(ResourceFilters::standard()));
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines_and_paths() {
    let text = "\
scan:
  schedules:
    - name: default
      evry: 15m
      every: 15 minutes
    - name: Nightly Run
      cron: '61 3 * * *'
    - cron: '0 3 * * *'
      timeZone: Europe/Berln
      concurrency: drop
      kinds: ['Po d']
  maxAge: 90
  workers: many
resources:
  resourceFilters: '[Pod,*,*] Secret'
  excludeLabels: ['=x']
  owned: [skip]
policies:
  kinds: [ClusterPolicies, GeneratingPolicy]
reports:
  allowedResults: [pass, failed]
cluster:
  pageSize: 5000
metric:
  listen: ':8000'
";
    let told = told(text);
    let expected = [
        "line 2: `scan.schedules` has no valid entry; without a schedule nothing is ever scanned",
        "line 4: `scan.schedules[0].evry` unknown key; did you mean `every`?",
        "line 5: `scan.schedules[0].every` `15 minutes` is not a duration such as `90s`, `15m` or `1h30m`",
        "line 6: `scan.schedules[1].name` must be 1 to 63 lowercase letters, digits or `-`, not `Nightly Run`",
        "line 7: `scan.schedules[1].cron` `61 3 * * *` is not a cron expression of five fields: ",
        "line 8: `scan.schedules[2].name` must be given: it tells schedules apart in the state and in metrics",
        "line 9: `scan.schedules[2].timeZone` `Europe/Berln` is not a time zone; ",
        "line 10: `scan.schedules[2].concurrency` must be one of `skip`, `queue`, not `drop`",
        "line 11: `scan.schedules[2].kinds[0]` must be a name, in which `*` and `?` are wildcards, not `Po d`",
        "line 12: `scan.maxAge` must be a duration such as `90s`, `15m` or `1h30m`, not `90`",
        "line 13: `scan.workers` must be a whole number, not `many`",
        "line 15: `resources.resourceFilters` `Secret` is not a filter of the form `[kind,namespace,name]`",
        "line 16: `resources.excludeLabels[0]` must be a label as `key` or `key=value`, not `=x`",
        "line 17: `resources.owned` must be one of `scan`, `skip`, not a list",
        "line 19: `policies.kinds[0]` `ClusterPolicies` is not a kind of policy; did you mean `ClusterPolicy`?",
        "line 19: `policies.kinds[1]` `GeneratingPolicy` policies say nothing about existing resources and are not scanned",
        "line 19: `policies.kinds` must name at least one kind; without policies there is nothing to scan",
        "line 21: `reports.allowedResults[1]` must be one of pass, fail, warn, error, skip, not `failed`",
        "line 23: `cluster.pageSize` must be between 1 and 500, not `5000`",
        "line 24: `metric` unknown key; did you mean `metrics`?",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
}

#[test]
fn contradictions_are_mistakes() {
    let cases = [
        (
            "scan: {schedules: [{name: a, every: 1m, cron: '@daily'}]}",
            "`scan.schedules[0].cron` cannot stand beside `every`",
        ),
        (
            "scan: {schedules: [{name: a}]}",
            "`scan.schedules[0].every` must be given, or `cron` instead of it",
        ),
        (
            "scan: {schedules: [{name: a, every: 1m, timeZone: UTC}]}",
            "`scan.schedules[0].timeZone` has no meaning beside `every`",
        ),
        (
            "scan: {schedules: [{name: a, every: 1m, jitter: 1m}]}",
            "`scan.schedules[0].jitter` must be shorter than the 60s between two runs",
        ),
        (
            "scan: {schedules: [{name: a, every: 1m}, {name: a, every: 2m}]}",
            "`scan.schedules` has two entries with the name `a`",
        ),
        (
            "scan: {schedules: [{name: a, every: 2s}]}",
            "`scan.schedules[0].every` an interval must be at least 10s",
        ),
        (
            "scan: {schedules: [{name: a, cron: '0 0 30 2 *'}]}",
            "`scan.schedules[0].cron` `0 0 30 2 *` never comes",
        ),
        ("scan: {schedules: []}", "`scan.schedules` has no valid entry"),
        (
            "resources: {resourceFilters: '[Pod,*,*]', resourceFiltersFrom: {configMap: {namespace: a, name: b}}}",
            "`resources.resourceFilters` cannot stand beside `resourceFiltersFrom`",
        ),
        (
            "resources: {resourceFiltersFrom: {configMap: {name: b}}}",
            "`resources.resourceFiltersFrom.configMap.namespace` must be given together with `name`",
        ),
        ("reports: {adoptManagedBy: [patrol]}", "`reports.adoptManagedBy[0]` `patrol` is Patrol's own"),
        ("reports: {allowedResults: []}", "`reports.allowedResults` must name at least one result"),
        (
            "cluster: {clientRateLimitBurst: 5}",
            "`cluster.clientRateLimitBurst` has no meaning without `clientRateLimitQPS`",
        ),
        (
            "{metrics: {listen: '127.0.0.1:80'}, debug: {listen: '127.0.0.1:80'}}",
            "`debug.listen` must differ from `metrics.listen`",
        ),
    ];
    for (text, expected) in cases {
        let told = told(text);
        assert!(
            told.iter().any(|told| told.trim_start_matches("line 1: ").starts_with(expected)),
            "{text}\n{told:#?}"
        );
    }
}

#[test]
fn values_of_wrong_types_and_out_of_range_are_named() {
    let cases = [
        ("log: {level: loud}", "`log.level` must be a level such as `info`"),
        ("log: {level: 3}", "`log.level` must be a text, not `3`"),
        ("log: {format: yaml}", "`log.format` must be one of `text`, `json`, not `yaml`"),
        ("state: {enabled: sometimes}", "`state.enabled` must be `true` or `false`, not `sometimes`"),
        ("state: {dir: ''}", "`state.dir` must not be empty"),
        ("scan: 5", "`scan` must be a mapping, not `5`"),
        ("scan: {schedules: {every: 5m}}", "`scan.schedules` must be a list of mappings, not a mapping"),
        ("scan: {schedules: [daily]}", "`scan.schedules[0]` must be a mapping, not `daily`"),
        ("scan: {maxAge: -5m}", "`scan.maxAge` `-5m` must not be negative"),
        ("scan: {maxAge: 0s}", "`scan.maxAge` `0s` is not between 1s and 720h0m0s"),
        (
            "cluster: {pageBytes: 12q}",
            "`cluster.pageBytes` must be a number of bytes such as `16Mi`, not `12q`",
        ),
        (
            "cluster: {pageBytes: 1Ki}",
            "`cluster.pageBytes` must be between 4194304 and 1073741824 bytes, not `1Ki`",
        ),
        ("metrics: {listen: everywhere}", "`metrics.listen` must be an address such as `0.0.0.0:8000`"),
        ("apiCall: {services: ['*']}", "`apiCall.services[0]` must be a URL with a host"),
        ("apiCall: {services: ['https://*']}", "`apiCall.services[0]` must be a URL with a host"),
        ("images: {pullSecrets: [pull]}", "`images.pullSecrets[0]` must be `namespace/name`, not `pull`"),
        ("images: {registry: 'on'}", "`images.registry` must be"),
        ("resources: {excludeNamespaces: ['^kube-.*$']}", "`resources.excludeNamespaces[0]` must be a name"),
        (
            "resources: {excludeNamespaces: kube-system}",
            "`resources.excludeNamespaces` must be a list of texts",
        ),
        ("resources: {excludeNamespaces: [1]}", "`resources.excludeNamespaces[0]` must be a text, not `1`"),
        ("[a, b]", "must be a mapping, not a list"),
    ];
    for (text, expected) in cases {
        let told = told(text);
        assert!(
            told.iter().any(|told| told.trim_start_matches("line 1: ").starts_with(expected)),
            "{text}\n{told:#?}"
        );
    }
}

#[test]
fn a_broken_file_is_one_mistake_with_its_line() {
    let mistakes = check("scan:\n  maxAge: [1\nstate: {}\n").unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].line.is_some(), "{mistakes:?}");
    assert!(mistakes[0].message.starts_with("the file is not YAML"), "{mistakes:?}");
    let mistakes = check("scan: {maxAge: 1h}\nscan: {maxAge: 2h}\n").unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0].line, Some(2));
}

#[test]
fn a_flood_of_mistakes_is_counted_beyond_a_bound() {
    let lines: Vec<String> = (0..500).map(|n| format!("nonsense{n}: 1")).collect();
    let text = lines.join("\n");
    let mistakes = check(&text).unwrap_err();
    assert_eq!(mistakes.len(), limits::CONFIG_MISTAKES_MAX + 1);
    assert_eq!(mistakes.last().unwrap().message, "there are 400 more mistakes");
}

#[test]
fn missing_unreadable_and_too_large_files_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let none = Config::load(Some(&folder.path().join("none.yaml")), std::iter::empty()).unwrap_err();
    assert!(none[0].message.contains("cannot be read"), "{none:?}");
    let binary = folder.path().join("binary.yaml");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    assert!(Config::load(Some(&binary), std::iter::empty()).unwrap_err()[0].message.contains("not UTF-8"));
    let large = folder.path().join("large.yaml");
    std::fs::write(&large, vec![b'#'; usize::try_from(limits::CONFIG_BYTES_MAX).unwrap() + 1]).unwrap();
    assert!(Config::load(Some(&large), std::iter::empty()).unwrap_err()[0].message.contains("more than"));
}

#[test]
fn the_environment_overrides_the_file() {
    let checked = with_env(
        "scan: {maxAge: 2h}\nlog: {level: warn}\n",
        &[
            ("PATROL_SCAN_MAX_AGE", "3h"),
            ("PATROL_SCAN_WORKERS", "3"),
            ("PATROL_STATE_ENABLED", "false"),
            ("PATROL_REPORTS_ALLOWED_RESULTS", "fail, error"),
            ("PATROL_RESOURCES_EXCLUDE_NAMESPACES", "[kube-*, monitoring]"),
            ("PATROL_RESOURCES_RESOURCE_FILTERS", "[Event,*,*][Secret,kube-system,*]"),
            ("PATROL_SCAN_SCHEDULES", "[{name: a, every: 5m}, {name: b, cron: '@daily'}]"),
            ("PATROL_CLUSTER_CLIENT_RATE_LIMIT_QPS", "50"),
            ("PATROL_POLICIES_EXCEPTIONS_NAMESPACES", "platform"),
            ("PATROL_LOG", "debug"),
        ],
    )
    .unwrap();
    assert_eq!(checked.scan.max_age, Duration::from_hours(3));
    assert_eq!(checked.scan.n_workers, 3);
    assert!(!checked.state.is_enabled);
    assert_eq!(checked.reports.allowed_results, BTreeSet::from([Status::Fail, Status::Error]));
    assert_eq!(checked.resources.exclude_namespaces, ["kube-*", "monitoring"]);
    assert!(matches!(&checked.resources.filters, Filters::Here(filters) if filters.len() == 2));
    let names: Vec<&str> = checked.scan.schedules.iter().map(|one| one.schedule.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!((checked.cluster.rate_limit_qps, checked.cluster.rate_limit_burst), (Some(50), 50));
    assert_eq!(checked.policies.exception_namespaces, ["platform"]);
    assert_eq!(checked.log.level, "debug");
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let mistakes = with_env("", &[("PATROL_SCAN_MAXAGE", "3h"), ("PATROL_SCAN_WORKERS", "x")]).unwrap_err();
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "environment variable `PATROL_SCAN_MAXAGE`: overrides no key; did you mean `PATROL_SCAN_MAX_AGE`?",
            "environment variable `PATROL_SCAN_WORKERS`: `scan.workers` must be a whole number, not `x`",
        ]
    );
}

#[test]
fn variables_of_others_are_left_alone() {
    let env = [
        ("PATROL_SERVICE_HOST", "10.0.0.1"),
        ("PATROL_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("PATROL_SHARED", "../shared"),
        ("HOME", "/"),
    ];
    assert_eq!(with_env("", &env).unwrap(), Checked::standard().unwrap());
}

#[test]
fn every_key_has_its_own_variable() {
    let names: BTreeSet<String> = Config::keys().iter().map(|key| environment_name(key)).collect();
    assert_eq!(names.len(), Config::keys().len());
    assert_eq!(environment_name("scan.maxAge"), "PATROL_SCAN_MAX_AGE");
    assert_eq!(environment_name("cluster.clientRateLimitQPS"), "PATROL_CLUSTER_CLIENT_RATE_LIMIT_QPS");
    assert_eq!(environment_name("apiCall.maxResponseLength"), "PATROL_API_CALL_MAX_RESPONSE_LENGTH");
}

#[test]
fn a_flag_overrides_everything_and_names_itself() {
    let mut config = Config::parse("scan: {maxAge: 2h}");
    config.set("scan.maxAge", "5h", "--max-age");
    config.set("reports.api", "openreports.io", "--report-api");
    let checked = config.check().unwrap();
    assert_eq!(checked.scan.max_age, Duration::from_hours(5));
    assert_eq!(checked.reports.api, Some(ReportApi::OpenReports));
    let mut config = Config::parse("");
    config.set("scan.maxAgee", "5h", "--max-age");
    let told = config.check().unwrap_err()[0].to_string();
    assert_eq!(told, "--max-age: `scan.maxAgee` unknown key; did you mean `maxAge`?");
}

#[test]
fn schedules_name_what_they_cover() {
    let text = "
scan:
  schedules:
    - name: critical
      every: 1m
      concurrency: queue
      policies: ['disallow-*', 'team/*']
      namespaces: ['prod-?']
    - name: nightly
      cron: 30 2 * * *
      timeZone: Europe/Berlin
      jitter: 10m
      kinds: [Deployment]
";
    let checked = check(text).unwrap();
    let [critical, nightly] = checked.scan.schedules.as_slice() else { panic!("two schedules") };
    assert_eq!(critical.schedule.concurrency, Concurrency::Queue);
    assert_eq!(critical.policies, ["disallow-*", "team/*"]);
    assert_eq!(critical.namespaces, ["prod-?"]);
    assert_eq!(nightly.schedule.timing, Timing::cron("30 2 * * *", "Europe/Berlin").unwrap());
    assert_eq!(nightly.kinds, ["Deployment"]);
}

#[test]
fn labels_and_addresses_have_several_forms() {
    let checked = check(
        "resources: {excludeLabels: [skip, 'team=ops', 'a.b/c=']}\nmetrics: {listen: ':9090'}\ndebug: {listen: ''}",
    )
    .unwrap();
    let label = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
    assert_eq!(
        checked.resources.exclude_labels,
        [label("skip", None), label("team", Some("ops")), label("a.b/c", Some(""))]
    );
    assert_eq!(checked.metrics.listen, Some(SocketAddr::from(([0, 0, 0, 0], 9090))));
    assert_eq!(checked.debug.listen, None);
    let zero = check("scan: {verifyEvery: 0s}\nstate: {compactEvery: 0}").unwrap();
    assert_eq!((zero.scan.verify_every, zero.state.compact_every), (None, None));
}

#[test]
fn near_words_are_found_and_far_ones_are_not() {
    let known = ["schedules", "maxAge", "workers", "verifyEvery"];
    for (word, near) in [
        ("schedule", Some("schedules")),
        ("maxage", Some("maxAge")),
        ("wrokers", Some("workers")),
        ("verify", None),
        ("everyVerify", None),
        ("x", None),
    ] {
        assert_eq!(nearest(word, known.into_iter()), near, "{word}");
    }
}

mod watched {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_swapped_config_map_gives_the_new_configuration_and_what_needs_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let dir = folder.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join("patrol.yaml"), text).unwrap();
        };
        let point = |name: &str| {
            let link = folder.path().join("..tmp");
            std::os::unix::fs::symlink(name, &link).unwrap();
            std::fs::rename(&link, folder.path().join("..data")).unwrap();
        };
        write("1", "scan: {maxAge: 1h}\n");
        point("1");
        std::os::unix::fs::symlink("..data/patrol.yaml", folder.path().join("patrol.yaml")).unwrap();
        let path = folder.path().join("patrol.yaml");

        let env = vec![("PATROL_SCAN_WORKERS".to_owned(), "3".to_owned())];
        let flags = vec![("reports.writers".to_owned(), "4".to_owned(), "--writers".to_owned())];
        let mut config = Config::read_file(Some(&path));
        config.set_from_environment(env.iter().cloned());
        config.set("reports.writers", "4", "--writers");
        let first = config.check().unwrap();
        let mut watched = Watched::new(path, env, flags, first, Duration::from_secs(10));

        write("2", "scan: {maxAge: 2h}\nstate: {dir: /elsewhere}\ncluster: {pageSize: 100}\n");
        point("2");
        let Change::New { checked, changed, needs_restart } = watched.changed().await else {
            panic!("the file is good")
        };
        assert_eq!(checked.scan.max_age, Duration::from_hours(2));
        assert_eq!((checked.scan.n_workers, checked.reports.n_writers), (3, 4));
        assert_eq!(
            changed,
            BTreeSet::from(["cluster.pageSize", "scan.maxAge", "state.dir"].map(str::to_owned))
        );
        assert_eq!(needs_restart, BTreeSet::from(["cluster.pageSize", "state.dir"].map(str::to_owned)));
        assert_eq!(watched.current(), &*checked);

        write("3", "scan: {maxAge: tomorrow}\n");
        point("3");
        let Change::Broken(mistakes) = watched.changed().await else { panic!("the file is bad") };
        assert_eq!(mistakes[0].path, "scan.maxAge");
        assert_eq!(watched.current(), &*checked);

        write(
            "4",
            "# the same with a comment\nscan: {maxAge: 2h}\nstate: {dir: /elsewhere}\ncluster: {pageSize: 100}\n",
        );
        point("4");
        let waited = tokio::time::timeout(Duration::from_mins(1), watched.changed()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}
