//! Wrong usage, and input in which there is nothing to find: each says what is wrong and what to do.

use super::{Place, label_policy, pod};

#[test]
fn wrong_flags_and_missing_arguments_are_told() {
    let place = Place::with_pods();
    for (arguments, said) in [
        (&["scan"][..], "<PATH>"),
        (&["scan", "m", "--nonsense"], "--nonsense"),
        (&["scan", "m", "-o", "xml"], "possible values: table, wide, json, yaml, sarif, junit"),
        (&["scan", "m", "--workers", "many"], "--workers"),
        (&["scam"], "scan"),
        (&["state", "shrink"], "shrink"),
        (&["explain"], "<KIND/NAME>"),
        (&["explain", "pod"], "`pod` is not of the form KIND/NAME"),
        (&["test"], "<PATH>"),
        (&["lint"], "<POLICY>"),
        (&["test", "m", "-t", "name=x"], "`name=x` is not `policy=…`"),
        (&["completions", "tcsh"], "bash"),
    ] {
        let ran = place.run(arguments).exits(2).says(&[said]);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
    assert!(!place.path(".patrol").exists(), "wrong usage leaves nothing behind");
}

#[test]
fn a_path_that_does_not_exist_is_bad_input_and_the_others_are_scanned() {
    let place = Place::with_pods();
    let (ran, stats) = place.scan_of(&["m", "nowhere", "-p", "p"], &[]);
    ran.exits(2).says(&["nowhere: ", "No such file or directory"]);
    assert_eq!(stats.pairs(), [2, 0, 0]);
    let (ran, _) = place.scan_of(&["m", "-p", "nowhere.yaml"], &[]);
    ran.exits(2).says(&["nowhere.yaml: "]);
}

#[test]
fn an_empty_folder_and_one_without_policies_say_so() {
    let place = Place::new();
    let (ran, _) = place.scan_of(&["m"], &[]);
    ran.exits(0).says(&["no manifests in `m`", "no policies"]);
    place.write("m/pod.yaml", pod("one", "a: b"));
    let (ran, _) = place.scan_of(&["m"], &[]);
    let ran = ran.exits(0).says(&["no policies: there are none among the manifests"]);
    assert!(!ran.stderr.contains("no manifests"), "{ran:?}");
    place.scan(&[]).0.exits(0).says(&["no policies in `p`"]);
}

#[test]
fn policies_that_select_nothing_say_so() {
    let place = Place::with_pods();
    place.write("p/label.yaml", label_policy("nodes", "a").replace("kinds: [Pod]", "kinds: [Node]"));
    place.scan(&[]).0.exits(0).says(&["no policy selects any of the 2 objects"]);
}

#[test]
fn manifests_given_as_policies_are_told() {
    let place = Place::with_pods();
    let (ran, _) = place.scan_of(&["m", "-p", "p", "m/good.yaml"], &[]);
    ran.exits(2).says(&["m/good.yaml:1: v1/Pod is not a policy"]);
}

#[test]
fn a_statistics_file_that_cannot_be_written_is_told() {
    let place = Place::with_pods();
    place
        .run(&["scan", "m", "-p", "p", "--stats", "no/such/stats.json"])
        .exits(2)
        .says(&["no/such/stats.json"]);
}

#[test]
fn a_service_without_a_cluster_or_with_mistakes_in_its_configuration_says_so() {
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let mut command = place.command(&[&["run"], arguments].concat());
        command.env("HOME", place.path("home"));
        super::ran(command).exits(2)
    };
    run(&[]).says(&[
        "no cluster is named: there is neither a kubeconfig",
        "home/.kube/config",
        "service account",
    ]);
    run(&["--config", "nowhere.yaml"]).says(&["`nowhere.yaml` cannot be read"]);
    run(&["--set", "scan.maxAge"]).says(&["`scan.maxAge` is not of the form KEY=VALUE"]);
    run(&["--set", "scan.maxAgee=1h", "--set", "leaderElection.renewDeadline=20s"]).says(&[
        "did you mean `maxAge`?",
        "`leaderElection.renewDeadline` must be shorter than `leaseDuration`",
    ]);
    place.run(&["run", "--check"]).exits(0).says(&["the configuration is sound"]);
}
