//! The wire forms of what is stored, and nothing else: conversions to and from the engine's own types.
//!
//! A row is a format byte and a postcard body. A row of another format, or one that does not decode, reads as missing: it costs an evaluation.
//! Formats are frozen once released; a changed one gets a new number and a new struct.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::document::Parts;
use crate::model::{
    DatedOutcome, FactKey, FactRead, Fingerprint, IndexRecord, Outcome, PolicyKey, PolicyKind, ResourceId,
    ResourceKey, Status, Verdict, WrittenReport,
};

/// The format byte of index records.
const RECORD_V2: u8 = 2;
/// The format byte of verdict rows.
const VERDICTS_V2: u8 = 2;

type Print = [u8; 16];

#[derive(Serialize, Deserialize)]
struct StoredRecordV2 {
    group: String,
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    uid: String,
    version: String,
    prints: [Print; 7],
    applicable: Print,
    is_settled: bool,
    due_at_s: Option<i64>,
    facts: Vec<StoredFactReadV1>,
    tallies: Vec<[u16; 5]>,
    report: Option<(Print, String)>,
}

#[derive(Serialize, Deserialize)]
struct StoredVerdictV2 {
    kind: u8,
    namespace: String,
    policy: String,
    policy_print: Print,
    parts: u8,
    input_print: Print,
    facts: Vec<StoredFactReadV1>,
    valid_until_s: Option<i64>,
    outcomes: Vec<StoredOutcomeV1>,
    changed_at_s: i64,
    evaluated_at_s: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredOutcomeV1 {
    rule: String,
    status: u8,
    message: String,
    properties: BTreeMap<String, String>,
    since_s: i64,
}

/// What was read of a fact: its key, the bits of the parts, and the fingerprint over them.
#[derive(Serialize, Deserialize)]
struct StoredFactReadV1(StoredFactKeyV1, u8, Print);

/// A fact key as its number and its fields in order.
#[derive(Serialize, Deserialize)]
struct StoredFactKeyV1(u8, Vec<String>);

/// The bytes of an index record.
pub(crate) fn encode_record(record: &IndexRecord) -> Vec<u8> {
    let ResourceId { key, version: api_version, uid } = &record.id;
    let stored = StoredRecordV2 {
        group: key.group.clone(),
        api_version: api_version.clone(),
        kind: key.kind.clone(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: uid.clone(),
        version: record.version.clone(),
        prints: record.prints.map(|print| print.0),
        applicable: record.applicable.0,
        is_settled: record.is_settled,
        due_at_s: record.due_at_s,
        facts: facts_out(&record.facts),
        tallies: record.tallies.clone(),
        report: record.report.as_ref().map(|report| (report.digest.0, report.resource_version.clone())),
    };
    encode(RECORD_V2, &stored)
}

/// The index record of a row; `None` if it cannot be read.
pub(crate) fn decode_record(bytes: &[u8]) -> Option<IndexRecord> {
    let stored: StoredRecordV2 = decode(RECORD_V2, bytes)?;
    let key = ResourceKey {
        group: stored.group,
        kind: stored.kind,
        namespace: stored.namespace,
        name: stored.name,
    };
    Some(IndexRecord {
        id: ResourceId { key, version: stored.api_version, uid: stored.uid },
        version: stored.version,
        prints: stored.prints.map(Fingerprint),
        applicable: Fingerprint(stored.applicable),
        is_settled: stored.is_settled,
        due_at_s: stored.due_at_s,
        facts: facts_in(stored.facts)?,
        tallies: stored.tallies,
        report: stored.report.map(|(digest, resource_version)| WrittenReport {
            digest: Fingerprint(digest),
            resource_version,
        }),
    })
}

/// The bytes of a resource's verdicts.
pub(crate) fn encode_verdicts(verdicts: &[Verdict]) -> Vec<u8> {
    let stored: Vec<StoredVerdictV2> = verdicts.iter().map(verdict_out).collect();
    encode(VERDICTS_V2, &stored)
}

/// The verdicts of a row; `None` if it cannot be read.
pub(crate) fn decode_verdicts(bytes: &[u8]) -> Option<Vec<Verdict>> {
    let stored: Vec<StoredVerdictV2> = decode(VERDICTS_V2, bytes)?;
    stored.into_iter().map(verdict_in).collect()
}

fn encode<T: Serialize>(format: u8, value: &T) -> Vec<u8> {
    // Serializing plain data into memory cannot fail; if it ever did, the row would read as missing.
    postcard::to_extend(value, vec![format]).unwrap_or_default()
}

fn decode<'a, T: Deserialize<'a>>(format: u8, bytes: &'a [u8]) -> Option<T> {
    let (first, body) = bytes.split_first()?;
    (*first == format).then(|| postcard::from_bytes(body).ok()).flatten()
}

fn verdict_out(verdict: &Verdict) -> StoredVerdictV2 {
    StoredVerdictV2 {
        kind: kind_code(verdict.policy.kind),
        namespace: verdict.policy.namespace.clone(),
        policy: verdict.policy.name.clone(),
        policy_print: verdict.policy_print.0,
        parts: verdict.parts.bits(),
        input_print: verdict.input_print.0,
        facts: facts_out(&verdict.facts),
        valid_until_s: verdict.valid_until_s,
        outcomes: verdict.outcomes.iter().map(outcome_out).collect(),
        changed_at_s: verdict.changed_at_s,
        evaluated_at_s: verdict.evaluated_at_s,
    }
}

fn verdict_in(stored: StoredVerdictV2) -> Option<Verdict> {
    let kind = PolicyKind::ALL.into_iter().find(|kind| kind_code(*kind) == stored.kind)?;
    Some(Verdict {
        policy: PolicyKey { kind, namespace: stored.namespace, name: stored.policy },
        policy_print: Fingerprint(stored.policy_print),
        parts: Parts::from_bits(stored.parts),
        input_print: Fingerprint(stored.input_print),
        facts: facts_in(stored.facts)?,
        valid_until_s: stored.valid_until_s,
        outcomes: stored.outcomes.into_iter().map(outcome_in).collect::<Option<_>>()?,
        changed_at_s: stored.changed_at_s,
        evaluated_at_s: stored.evaluated_at_s,
    })
}

fn outcome_out(dated: &DatedOutcome) -> StoredOutcomeV1 {
    StoredOutcomeV1 {
        rule: dated.outcome.rule.clone(),
        status: status_code(dated.outcome.status),
        message: dated.outcome.message.clone(),
        properties: dated.outcome.properties.clone(),
        since_s: dated.since_s,
    }
}

fn outcome_in(stored: StoredOutcomeV1) -> Option<DatedOutcome> {
    let status = Status::ALL.into_iter().find(|status| status_code(*status) == stored.status)?;
    let outcome =
        Outcome { rule: stored.rule, status, message: stored.message, properties: stored.properties };
    Some(DatedOutcome { outcome, since_s: stored.since_s })
}

fn facts_out(facts: &[FactRead]) -> Vec<StoredFactReadV1> {
    let read = |read: &FactRead| StoredFactReadV1(fact_key_out(&read.key), read.parts.bits(), read.print.0);
    facts.iter().map(read).collect()
}

fn facts_in(facts: Vec<StoredFactReadV1>) -> Option<Vec<FactRead>> {
    let read = |StoredFactReadV1(key, parts, print)| {
        let (parts, print) = (Parts::from_bits(parts), Fingerprint(print));
        Some(FactRead { key: fact_key_in(key)?, parts, print })
    };
    facts.into_iter().map(read).collect()
}

fn fact_key_out(key: &FactKey) -> StoredFactKeyV1 {
    let (code, fields): (u8, Vec<&str>) = match key {
        FactKey::NamespaceLabels(namespace) => (1, vec![namespace]),
        FactKey::Namespace(namespace) => (2, vec![namespace]),
        FactKey::ConfigMap { namespace, name } => (3, vec![namespace, name]),
        FactKey::ApiCall { method, path, body } => (4, vec![method, path, body]),
        FactKey::ServiceCall { method, url, body, options } => (5, vec![method, url, body, options]),
        FactKey::GlobalContext { name, projection } => (6, vec![name, projection]),
        FactKey::Image(reference) => (7, vec![reference]),
        FactKey::ImageDigest(reference) => (10, vec![reference]),
        FactKey::Attached { repository, digest, suffix } => (11, vec![repository, digest, suffix]),
        FactKey::Objects { group, version, kind, namespace, name, selector } => {
            (8, vec![group, version, kind, namespace, name, selector])
        }
        FactKey::Kind { group, version, kind } => (9, vec![group, version, kind]),
    };
    StoredFactKeyV1(code, fields.into_iter().map(str::to_owned).collect())
}

fn fact_key_in(StoredFactKeyV1(code, fields): StoredFactKeyV1) -> Option<FactKey> {
    let mut fields = fields.into_iter();
    let mut next = || fields.next();
    Some(match code {
        1 => FactKey::NamespaceLabels(next()?),
        2 => FactKey::Namespace(next()?),
        3 => FactKey::ConfigMap { namespace: next()?, name: next()? },
        4 => FactKey::ApiCall { method: next()?, path: next()?, body: next()? },
        5 => FactKey::ServiceCall { method: next()?, url: next()?, body: next()?, options: next()? },
        6 => FactKey::GlobalContext { name: next()?, projection: next()? },
        7 => FactKey::Image(next()?),
        10 => FactKey::ImageDigest(next()?),
        11 => FactKey::Attached { repository: next()?, digest: next()?, suffix: next()? },
        8 => FactKey::Objects {
            group: next()?,
            version: next()?,
            kind: next()?,
            namespace: next()?,
            name: next()?,
            selector: next()?,
        },
        9 => FactKey::Kind { group: next()?, version: next()?, kind: next()? },
        _ => return None,
    })
}

/// The stored number of a policy kind. Numbers are never reused.
fn kind_code(kind: PolicyKind) -> u8 {
    match kind {
        PolicyKind::ClusterPolicy => 1,
        PolicyKind::Policy => 2,
        PolicyKind::ValidatingPolicy => 3,
        PolicyKind::NamespacedValidatingPolicy => 4,
        PolicyKind::MutatingPolicy => 5,
        PolicyKind::NamespacedMutatingPolicy => 6,
        PolicyKind::ImageValidatingPolicy => 7,
        PolicyKind::NamespacedImageValidatingPolicy => 8,
        PolicyKind::GeneratingPolicy => 9,
        PolicyKind::NamespacedGeneratingPolicy => 10,
        PolicyKind::DeletingPolicy => 11,
        PolicyKind::NamespacedDeletingPolicy => 12,
        PolicyKind::ValidatingAdmissionPolicy => 13,
        PolicyKind::MutatingAdmissionPolicy => 14,
    }
}

/// The stored number of a status. Numbers are never reused.
fn status_code(status: Status) -> u8 {
    match status {
        Status::Pass => 1,
        Status::Fail => 2,
        Status::Warn => 3,
        Status::Error => 4,
        Status::Skip => 5,
    }
}
