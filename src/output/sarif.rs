//! SARIF 2.1.0 (OASIS standard), for code scanning services: what fails, with the place in the manifests.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::Finding;
use crate::fingerprint::Hasher;
use crate::model::{Severity, Status};

/// Writes the findings that fail, warn or err. `version` is the tool's.
pub fn write_sarif(out: &mut dyn Write, version: &str, findings: &[Finding]) -> io::Result<()> {
    let shown: Vec<&Finding> =
        findings.iter().filter(|f| !matches!(f.status, Status::Pass | Status::Skip)).collect();
    let mut rules: BTreeMap<String, &Finding> = BTreeMap::new();
    for finding in &shown {
        rules.entry(rule_id(finding)).or_insert(finding);
    }
    let index: BTreeMap<&String, usize> = rules.keys().zip(0..).collect();
    let results: Vec<Value> = shown.iter().map(|finding| result(finding, &index)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "patrol",
                "version": version,
                "rules": rules.iter().map(|(id, finding)| rule(id, finding)).collect::<Vec<_>>(),
            }},
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn rule_id(finding: &Finding) -> String {
    if finding.rule.is_empty() {
        finding.policy.clone()
    } else {
        format!("{}/{}", finding.policy, finding.rule)
    }
}

fn rule(id: &str, finding: &Finding) -> Value {
    let mut properties = json!({"tags": ["kubernetes", finding.source]});
    if let (Some(severity), Some(map)) = (finding.severity, properties.as_object_mut()) {
        map.insert("security-severity".into(), security_severity(severity).into());
    }
    if let (Some(category), Some(map)) = (&finding.category, properties.as_object_mut()) {
        map.insert("category".into(), category.as_str().into());
    }
    json!({"id": id, "name": id, "shortDescription": {"text": id}, "properties": properties})
}

/// The number that code scanning services sort by, in the middle of the CVSS range of that word.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Info => "0.0",
    }
}

fn level(finding: &Finding) -> &'static str {
    match (finding.status, finding.severity) {
        (Status::Warn, _) | (Status::Fail, Some(Severity::Medium)) => "warning",
        (Status::Fail, Some(Severity::Low | Severity::Info)) => "note",
        _ => "error",
    }
}

fn result(finding: &Finding, index: &BTreeMap<&String, usize>) -> Value {
    let id = rule_id(finding);
    let resource = finding.resource();
    let print = Hasher::new("patrol/sarif/1").str(&id).str(&resource).finish().to_string();
    let mut location = json!({"logicalLocations": [{
        "name": finding.name, "fullyQualifiedName": resource, "kind": "resource",
    }]});
    if let (Some(origin), Some(map)) = (&finding.origin, location.as_object_mut()) {
        let mut physical = json!({"artifactLocation": {"uri": uri(&origin.file)}});
        if let Some(map) = physical.as_object_mut().filter(|_| origin.line > 0) {
            map.insert("region".into(), json!({"startLine": origin.line}));
        }
        map.insert("physicalLocation".into(), physical);
    }
    json!({
        "ruleIndex": index.get(&id),
        "ruleId": id,
        "level": level(finding),
        "message": {"text": format!("{resource}: {}", finding.message)},
        "locations": [location],
        "partialFingerprints": {"patrol/v1": print},
        "properties": {"result": finding.status.as_str()},
    })
}

/// A path as a relative or absolute URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.extend([format!("%{byte:02X}")]);
        }
    }
    uri
}
