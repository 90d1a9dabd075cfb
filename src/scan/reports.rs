//! The reports there are, and what has to happen to each: nothing, a write, a delete, or nothing because it is somebody else's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fingerprint::{self, Hasher};
use crate::model::{Fingerprint, ResourceId, WrittenReport};
use crate::report::{self, ActualReport, Ownership, Report, ReportSettings, ReportWrite};

/// A line of what a metadata list told.
#[derive(Debug)]
struct Entry {
    report: ActualReport,
    is_visited: AtomicBool,
}

/// All reports there are when the scan begins.
#[derive(Debug, Default)]
pub(super) struct Actual {
    entries: HashMap<Fingerprint, Entry>,
}

impl Actual {
    /// Adds a report.
    pub(super) fn add(&mut self, report: ActualReport) {
        let key = key(&report.namespace, &report.name);
        self.entries.insert(key, Entry { report, is_visited: AtomicBool::new(false) });
    }

    /// The report of a resource, if there is one; it then counts as visited.
    pub(super) fn of(&self, id: &ResourceId) -> Option<&ActualReport> {
        let entry = self.entries.get(&key(&id.key.namespace, &id.uid))?;
        entry.is_visited.store(true, Ordering::Relaxed);
        Some(&entry.report)
    }

    /// Reports of ours that no resource asked for, in order.
    pub(super) fn unvisited(&self) -> Vec<&ActualReport> {
        let ours = |entry: &&Entry| {
            !entry.is_visited.load(Ordering::Relaxed) && entry.report.ownership == Ownership::Ours
        };
        let mut left: Vec<&ActualReport> =
            self.entries.values().filter(ours).map(|entry| &entry.report).collect();
        left.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        left
    }
}

fn key(namespace: &str, name: &str) -> Fingerprint {
    Hasher::new("patrol/report-key/1").str(namespace).str(name).finish()
}

/// Where reports stand, as far as it could be found out.
#[derive(Debug)]
pub(super) enum Standing {
    /// No reports are written: a folder without a report folder, a plan that is told.
    Unwritten,
    /// These are there.
    Known(Actual),
    /// They could not be listed: what was written is believed.
    Unknown,
}

/// Reads a report whole, as JSON; for when a metadata list is not enough.
pub(super) type ReadReport<'a> = &'a dyn Fn(&ResourceId) -> Option<Vec<u8>>;

/// What has to happen to the report of one resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is as it should be; this is what is remembered of it.
    Unchanged(Option<WrittenReport>),
    /// It is as it should be, and was not remembered.
    Adopted(WrittenReport),
    /// It has to be written or deleted; until that is acknowledged, this is remembered.
    Write(ReportWrite),
    /// It is somebody else's.
    LeftAlone,
}

/// Whether what was remembered of a resource's report is what is there, so that nothing has to be looked at.
pub(super) fn is_as_remembered(
    standing: &Standing,
    id: &ResourceId,
    written: Option<&WrittenReport>,
) -> bool {
    let Standing::Known(actual) = standing else { return true };
    match (written, actual.of(id)) {
        (Some(written), Some(there)) => {
            there.ownership == Ownership::Ours && there.resource_version == written.resource_version
        }
        (None, Some(there)) => there.ownership == Ownership::Foreign,
        (None, None) => true,
        (Some(_), None) => false,
    }
}

/// Notes that a resource's report stays as it is, whatever it is: it is no orphan.
pub(super) fn leave(standing: &Standing, id: &ResourceId) {
    if let Standing::Known(actual) = standing {
        actual.of(id);
    }
}

/// Finds the step from what is remembered and there to what should be. `desired` may take over times from the report that is there:
/// of all results when nothing is remembered of it, else of those that are new in this scan.
pub(super) fn step(
    standing: &Standing,
    id: &ResourceId,
    mut desired: Option<&mut Report>,
    written: Option<&WrittenReport>,
    settings: &ReportSettings,
    now_s: i64,
    read: ReadReport<'_>,
) -> Step {
    let actual = match standing {
        Standing::Unwritten => return Step::Unchanged(None),
        Standing::Unknown => return step_blindly(id, desired.as_deref(), written, settings),
        Standing::Known(actual) => actual.of(id),
    };
    let Some(there) = actual else {
        return match desired {
            Some(report) => put(id, report, settings, None),
            None => Step::Unchanged(None),
        };
    };
    if there.ownership == Ownership::Foreign {
        return Step::LeftAlone;
    }
    let Some(report) = desired.as_mut() else { return delete(there) };
    let is_remembered = written.is_some_and(|written| written.resource_version == there.resource_version);
    if !is_remembered
        && there.ownership == Ownership::Ours
        && let Some(existing) = read(id).and_then(|json| report::parse(&json))
    {
        // Another replica may have said before what this scan just found. What was known for longer is not for others to date.
        report.adopt_times(&existing, |since_s| written.is_none() || since_s == now_s);
        if **report == existing {
            let (_, digest) = content(report, settings);
            return Step::Adopted(WrittenReport { digest, resource_version: there.resource_version.clone() });
        }
    }
    let (json, digest) = content(report, settings);
    if is_remembered
        && there.ownership == Ownership::Ours
        && written.is_some_and(|written| written.digest == digest)
    {
        return Step::Unchanged(written.cloned());
    }
    let replaces = Some(there.resource_version.clone());
    Step::Write(ReportWrite::Put { scope: id.clone(), json, digest, replaces })
}

/// The step when reports could not be listed: what is remembered counts.
fn step_blindly(
    id: &ResourceId,
    desired: Option<&Report>,
    written: Option<&WrittenReport>,
    settings: &ReportSettings,
) -> Step {
    match (desired, written) {
        (None, None) => Step::Unchanged(None),
        (None, Some(written)) => Step::Write(ReportWrite::Delete {
            namespace: id.key.namespace.clone(),
            name: id.uid.clone(),
            uid: String::new(),
            resource_version: written.resource_version.clone(),
        }),
        (Some(report), written) => {
            let (json, digest) = content(report, settings);
            match written {
                Some(written) if written.digest == digest => Step::Unchanged(Some(written.clone())),
                _ => {
                    let replaces = written.map(|written| written.resource_version.clone());
                    Step::Write(ReportWrite::Put { scope: id.clone(), json, digest, replaces })
                }
            }
        }
    }
}

fn put(id: &ResourceId, report: &Report, settings: &ReportSettings, replaces: Option<String>) -> Step {
    let (json, digest) = content(report, settings);
    Step::Write(ReportWrite::Put { scope: id.clone(), json, digest, replaces })
}

/// The deletion of exactly the report that is there.
pub(super) fn delete(there: &ActualReport) -> Step {
    Step::Write(ReportWrite::Delete {
        namespace: there.namespace.clone(),
        name: there.name.clone(),
        uid: there.uid.clone(),
        resource_version: there.resource_version.clone(),
    })
}

fn content(report: &Report, settings: &ReportSettings) -> (Vec<u8>, Fingerprint) {
    let json = report::to_json(report, settings.api, None);
    let digest = fingerprint::of_bytes(&json);
    (json, digest)
}
