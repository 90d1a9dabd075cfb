//! The program from end to end: the real binary in folders of its own. What it prints, on which stream, how it exits, which files it leaves.
//!
//! Whatever a test is about, no run may show a panic.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

mod bad_input;
mod commands;
mod disk;
mod incremental;
mod kill;
mod output;
mod payloads;
mod state;
mod test_inputs;
mod usage;

/// A folder with manifests in `m`, policies in `p`, and the state and reports of the runs in it.
pub(crate) struct Place {
    root: tempfile::TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    stderr: String,
    pub(crate) code: Option<i32>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { root: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(place.path("m")).unwrap();
        std::fs::create_dir_all(place.path("p")).unwrap();
        place
    }

    /// Two Pods, one of which lacks the label, and the policy that asks for it.
    fn with_pods() -> Self {
        let place = Self::new();
        place.write("m/good.yaml", pod("good", "app: x"));
        place.write("m/bad.yaml", pod("bad", "tier: y"));
        place.write("p/label.yaml", label_policy("require-app", "app"));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patrol"));
        command.args(arguments).current_dir(self.root.path()).stdin(Stdio::null());
        for name in ["PATROL_STATE_DIR", "KUBECONFIG", "RUST_BACKTRACE", "RUST_LOG"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments))
    }

    fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }

    /// `patrol scan m -p p`, with what it counted.
    pub(crate) fn scan(&self, more: &[&str]) -> (Ran, Stats) {
        self.scan_of(&["m", "-p", "p"], more)
    }

    /// `patrol scan` of these paths, with what it counted.
    fn scan_of(&self, what: &[&str], more: &[&str]) -> (Ran, Stats) {
        let arguments = [&["scan"], what, &["--stats", "stats.json"], more].concat();
        let _ = std::fs::remove_file(self.path("stats.json"));
        let ran = self.run(&arguments);
        let text = std::fs::read(self.path("stats.json"))
            .unwrap_or_else(|error| panic!("no statistics: {error}\n{ran:?}"));
        (ran, Stats(serde_json::from_slice(&text).unwrap()))
    }

    /// The reports that a scan prints as JSON, by the resource's name.
    fn reports(&self, more: &[&str]) -> BTreeMap<String, Value> {
        let (ran, _) = self.scan(&[&["-o", "json"], more].concat());
        by_name(&ran.json())
    }
}

impl Ran {
    fn of(output: std::process::Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran =
            Self { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() };
        for sign in
            ["panicked at", "internal error", "RUST_BACKTRACE", "stack backtrace", "overflowed its stack"]
        {
            assert!(!ran.stderr.contains(sign) && !ran.stdout.contains(sign), "{ran:#?}");
        }
        ran
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Asserts the exit code.
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts that standard error says all of this.
    #[track_caller]
    fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is missing in {self:#?}");
        }
        self
    }
}

fn ran(mut command: Command) -> Ran {
    Ran::of(command.output().unwrap())
}

/// What `--stats` wrote.
#[derive(Debug)]
pub(crate) struct Stats(Value);

impl Stats {
    fn of(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_else(|| panic!("no number `{name}` in {}", self.0))
    }

    /// Evaluated, reused, forgotten.
    pub(crate) fn pairs(&self) -> [u64; 3] {
        ["evaluated", "reused", "forgotten"].map(|name| self.of(name))
    }

    /// Reports written, unchanged, deleted.
    fn reports(&self) -> [u64; 3] {
        ["reports_written", "reports_unchanged", "reports_deleted"].map(|name| self.of(name))
    }
}

/// Kills the child when a test ends early.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn by_name(list: &Value) -> BTreeMap<String, Value> {
    assert_eq!((&list["kind"], &list["apiVersion"]), (&"List".into(), &"v1".into()));
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| (item["scope"]["name"].as_str().unwrap().to_owned(), item.clone())).collect()
}

/// The results of a report as `policy/rule: result`.
pub(crate) fn results(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |result: &Value| {
        format!("{}/{}: {}", text(&result["policy"]), text(&result["rule"]), text(&result["result"]))
    };
    report["results"].as_array().unwrap().iter().map(of).collect()
}

/// Every file below a folder with its bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn pod(name: &str, labels: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels: {{{labels}}}\nspec:\n  containers:\n  - {{name: c, image: nginx}}\n"
    )
}

/// A policy that asks Pods for a label.
fn label_policy(name: &str, label: &str) -> String {
    policy(name, "", &format!("pattern: {{metadata: {{labels: {{{label}: \"?*\"}}}}}}"))
}

/// A policy on Pods with one rule named `check`; `annotations` are YAML flow entries, `validate` is one line.
fn policy(name: &str, annotations: &str, validate: &str) -> String {
    format!(
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata:\n  name: {name}\n  annotations: {{{annotations}}}\nspec:\n  rules:\n  - name: check\n    match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}\n    validate:\n      message: it is so\n      {validate}\n"
    )
}
