//! What the API server refuses at the creation of a policy is refused here with the same reason.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cases::{ADMISSION, POLICY};
use super::{Judge, Policy, Subject};

/// A line of the table: the field that holds the expression, and the expression.
fn rows() -> Vec<(&'static str, String)> {
    let lines = include_str!("refused.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows = lines.map(|line| {
        let (field, expression) = line.split_once(" | ").expect("a field and an expression");
        (field.trim(), expression.replace("\\n", "\n"))
    });
    rows.collect()
}

/// Whether the parser refuses the expression with a guess at what was meant, so that only the first place is compared.
fn is_compared_by_place(reason: &str) -> bool {
    reason.contains("Syntax error: ") && !crate::cel::says_plain_things(reason)
}

/// A reason up to its first place.
fn first_place(reason: &str) -> &str {
    let rest = reason.find("<input>:").and_then(|at| reason.get(at..)).unwrap_or_default();
    let n_place = rest.match_indices(':').nth(2).map_or(rest.len(), |(at, _)| at);
    reason.get(..reason.len() - rest.len() + n_place).unwrap_or(reason)
}

/// A policy with the expression in that field.
fn policy(field: &str, expression: &str) -> Value {
    let (field, has_params) = field.strip_suffix("+params").map_or((field, false), |field| (field, true));
    let mut spec = json!({
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"],
        }]},
        "variables": [{"name": "known", "expression": "'text'"}, {"name": "number", "expression": "1"}],
        "validations": [{"expression": "true"}],
    });
    match field {
        "validation" => spec["validations"][0]["expression"] = json!(expression),
        "message" => spec["validations"][0]["messageExpression"] = json!(expression),
        "condition" => spec["matchConditions"] = json!([{"name": "c", "expression": expression}]),
        "variable" => spec["variables"][0]["expression"] = json!(expression),
        "audit" => spec["auditAnnotations"] = json!([{"key": "k", "valueExpression": expression}]),
        other => panic!("no such field: {other}"),
    }
    if has_params {
        spec["paramKind"] = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    }
    json!({"apiVersion": ADMISSION, "kind": POLICY, "metadata": {"name": "refused"}, "spec": spec})
}

/// The API server's reason; `None` if it takes the policy.
async fn refusal(judge: &Judge, policy: &Value) -> Option<String> {
    match judge.dry_run(policy).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => {
            let details = status.details.unwrap_or_else(|| panic!("no details: {}", status.message));
            let cause = details.causes.first().expect("a cause");
            Some(format!("{}: {}", cause.field, cause.message))
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_and_patrol_refuse_the_same_expressions_with_the_same_reason() {
    let Some(judge) = Judge::start().await else { return };
    let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let subjects: Vec<Subject> = judge.subjects(&[config_map]).await;
    let subject = subjects.first().expect("a subject");
    let rows = rows();
    let (mut differing, mut taken, mut n_by_place) = (Vec::new(), Vec::new(), 0);
    let mut by_field: BTreeMap<&str, usize> = BTreeMap::new();
    for (field, expression) in &rows {
        let object = policy(field, expression);
        let theirs = refusal(&judge, &object).await;
        let outcomes = judge.outcomes(&Policy { object, bindings: Vec::new() }, subject).await;
        let ours = outcomes.first().and_then(|o| o.message.strip_prefix("the policy is not valid: "));
        *by_field.entry(field).or_default() += 1;
        if theirs.is_none() {
            taken.push(format!("{field} | {expression}"));
        }
        n_by_place += usize::from(theirs.as_deref().is_some_and(is_compared_by_place));
        let is_equal = match (theirs.as_deref(), ours) {
            (Some(theirs), Some(ours)) if is_compared_by_place(theirs) => {
                first_place(theirs) == first_place(ours)
            }
            (theirs, ours) => theirs == ours,
        };
        if !is_equal {
            differing.push(format!(
                "{field} | {expression}\n  API server: {}\n  Patrol: {}",
                theirs.as_deref().unwrap_or("takes it"),
                ours.unwrap_or("takes it")
            ));
        }
    }
    let told: Vec<String> = by_field.iter().map(|(field, n)| format!("{field} {n}")).collect();
    println!(
        "{} invalid expressions ({}); {n_by_place} compared by their place alone; {} differ",
        rows.len(),
        told.join(", "),
        differing.len()
    );
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(taken.is_empty(), "taken by the API server: {taken:?}");
    assert!(rows.len() >= 60, "only {} rows", rows.len());
}
