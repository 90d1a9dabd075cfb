//! `patrol test`: runs `kyverno-test.yaml` files (`cli.kyverno.io/v1alpha1` Test) and judges what they
//! expect.
//!
//! A test file is found ([`find`]), read ([`case`]), put into a small world of policies, resources and
//! look-ups ([`world`]), evaluated with the same evaluators as a scan ([`evaluate`]), judged line by line as
//! `kyverno test` judges ([`judge`]), what policies make of resources included ([`patched`]), and printed
//! ([`print`]). What a background scan has no part in (mutating rules, generation, deletion, other payloads)
//! is counted as not scanned.

mod case;
mod evaluate;
mod facts;
mod find;
mod judge;
mod patched;
mod print;
mod selector;
#[cfg(test)]
mod tests;
mod values;
mod world;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::folder::Problem;
use crate::model::{FactKey, FactValue};

pub use print::{TableOptions, junit_cases, write_json, write_table};
pub use selector::{CaseSelector, SelectorError};

/// The name that test files have unless the user says otherwise.
pub const TEST_FILE: &str = "kyverno-test.yaml";

/// What is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Files and folders; in a folder every file called `file_name` is a test file.
    pub paths: Vec<PathBuf>,
    /// The name of test files.
    pub file_name: String,
    /// Which lines are judged.
    pub selector: CaseSelector,
    /// What policies take for the time.
    pub now: Timestamp,
    /// Who asks image registries, if they are asked at all.
    pub registries: Option<Registries>,
}

/// Who asks image registries: a function that blocks until it has the answer.
#[derive(Clone)]
pub struct Registries(Arc<dyn Fn(&FactKey) -> FactValue + Send + Sync>);

impl Registries {
    /// Asked by this function.
    pub fn new(ask: impl Fn(&FactKey) -> FactValue + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    fn ask(&self, key: &FactKey) -> FactValue {
        (self.0)(key)
    }
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registries")
    }
}

/// One line of a test file applied to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The policy as the line names it.
    pub policy: String,
    /// The rule as the line names it; empty for policies without rules.
    pub rule: String,
    /// Kind of the resource.
    pub kind: String,
    /// Its namespace, empty for cluster scope.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What the line expects.
    pub expected: String,
    /// What came out: a status, `excluded` or `not found`.
    pub actual: String,
    /// What the policy said.
    pub message: String,
    /// Whether the check passes.
    pub is_ok: bool,
}

/// What came of one test file, or of one document of it.
#[derive(Clone, Debug, Default)]
pub struct CaseRun {
    /// The test file's folder relative to the given path; `.` for the path itself.
    pub case: String,
    /// What was checked.
    pub checks: Vec<Check>,
    /// How many checks a scan has no part in.
    pub n_not_scanned: usize,
    /// Input that could not be used.
    pub problems: Vec<Problem>,
}

/// What came of all test files.
#[derive(Clone, Debug, Default)]
pub struct TestRun {
    /// The cases, in the order of the paths, folders sorted by name.
    pub cases: Vec<CaseRun>,
    /// What was wrong with the paths themselves.
    pub problems: Vec<Problem>,
}

/// The counts of the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Test cases.
    pub cases: usize,
    /// Checks that were judged.
    pub checks: usize,
    /// Those that pass.
    pub passed: usize,
    /// Those that fail.
    pub failed: usize,
    /// Checks that a scan has no part in.
    pub not_scanned: usize,
    /// Input that could not be used.
    pub errors: usize,
}

impl TestRun {
    /// Counts.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { errors: self.problems.len(), ..Tally::default() };
        for case in &self.cases {
            let n_passed = case.checks.iter().filter(|check| check.is_ok).count();
            tally.cases += 1;
            tally.checks += case.checks.len();
            tally.passed += n_passed;
            tally.failed += case.checks.len() - n_passed;
            tally.not_scanned += case.n_not_scanned;
            tally.errors += case.problems.len();
        }
        tally
    }

    /// Everything that was wrong with the input, in order.
    pub fn all_problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(self.cases.iter().flat_map(|case| &case.problems))
    }

    /// 1 if a check fails, else 2 if input could not be used, else 0.
    pub fn exit_code(&self) -> u8 {
        let tally = self.tally();
        match (tally.failed, tally.errors) {
            (0, 0) => 0,
            (0, _) => 2,
            _ => 1,
        }
    }
}

/// Finds and runs all tests, several at a time. The result does not depend on how many run at once.
pub fn run(settings: &Settings) -> TestRun {
    let mut found = find::find(&settings.paths, &settings.file_name);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Vec<CaseRun>)>> = Mutex::new(Vec::new());
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from).min(found.files.len());
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                while let Some((at, file)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    found.files.get(at).map(|file| (at, file))
                } {
                    let runs = run_file(file, settings);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, runs));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let cases = done.into_iter().flat_map(|(_, runs)| runs).collect();
    TestRun { cases, problems: std::mem::take(&mut found.problems) }
}

/// Runs the tests of one file; the lines that the selector leaves out are not there, and a case without lines
/// is none.
fn run_file(file: &find::TestFile, settings: &Settings) -> Vec<CaseRun> {
    let mut problems = Vec::new();
    let cases = case::read(file, &mut problems);
    let mut runs: Vec<CaseRun> = Vec::new();
    for mut case in cases {
        case.lines.retain(|line| settings.selector.selects(line));
        if case.lines.is_empty() {
            continue;
        }
        let world = world::World::load(&case, settings.now, settings.registries.clone());
        let mut run = judge::judge(&case, &world);
        run.problems.extend(world.problems);
        runs.push(run);
    }
    if !problems.is_empty() {
        let case = file.case.clone();
        runs.insert(0, CaseRun { case, problems, ..CaseRun::default() });
    }
    runs
}
