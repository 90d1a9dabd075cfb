//! The structure holds what `src/ARCHITECTURE.md` says: who imports whom, how large files are, what they begin with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms, from the bottom up, each with the rooms that it imports, which stand below it. `lang/…` are rooms of their own; `lang` alone, as
/// their door, names those above it.
///
/// An arrow that is missing here is a change of the architecture: it needs a sentence of reason in `src/ARCHITECTURE.md`.
const ROOMS: [(&str, &[&str]); 31] = [
    ("limits", &[]),
    ("document", &["limits"]),
    ("gostd", &["limits"]),
    ("model", &["document"]),
    ("fingerprint", &["document", "model"]),
    ("matching", &["gostd", "limits", "model"]),
    ("policy", &["document", "gostd", "model"]),
    ("inventory", &["document", "fingerprint", "limits", "matching", "model", "policy"]),
    ("lang/jmespath", &["document", "gostd", "limits"]),
    ("lang/cel", &["document", "gostd", "limits"]),
    ("lang/cel_k8s", &["document", "gostd", "lang/cel", "limits"]),
    ("lang/cosign", &["document", "limits"]),
    ("lang/patch", &[]),
    ("lang", &["document", "matching", "model", "policy"]),
    (
        "lang/cel_policy",
        &[
            "document",
            "gostd",
            "inventory",
            "lang",
            "lang/cel",
            "lang/cel_k8s",
            "lang/cosign",
            "lang/patch",
            "limits",
            "matching",
            "model",
            "policy",
        ],
    ),
    (
        "lang/kyverno",
        &[
            "document",
            "gostd",
            "lang",
            "lang/cel_policy",
            "lang/cosign",
            "lang/jmespath",
            "limits",
            "matching",
            "model",
            "policy",
        ],
    ),
    ("catalog", &["document", "fingerprint", "gostd", "lang", "limits", "matching", "model", "policy"]),
    ("plan", &["catalog", "document", "fingerprint", "model"]),
    ("report", &["fingerprint", "model", "policy"]),
    ("store", &["document", "fingerprint", "limits", "model"]),
    ("schedule", &["limits"]),
    ("config", &["gostd", "limits", "matching", "model", "report", "schedule"]),
    ("output", &["fingerprint", "inventory", "model"]),
    ("outside", &["document", "gostd", "limits", "model"]),
    (
        "folder",
        &[
            "document",
            "fingerprint",
            "inventory",
            "limits",
            "matching",
            "model",
            "outside",
            "output",
            "policy",
            "report",
        ],
    ),
    (
        "cluster",
        &[
            "document",
            "inventory",
            "lang/jmespath",
            "limits",
            "matching",
            "model",
            "outside",
            "policy",
            "report",
        ],
    ),
    (
        "scan",
        &[
            "catalog",
            "document",
            "fingerprint",
            "gostd",
            "inventory",
            "lang",
            "limits",
            "matching",
            "model",
            "plan",
            "policy",
            "report",
            "store",
        ],
    ),
    ("telemetry", &["catalog", "config", "limits", "model", "report", "scan", "schedule", "store"]),
    (
        "casework",
        &[
            "catalog",
            "document",
            "fingerprint",
            "folder",
            "gostd",
            "inventory",
            "lang",
            "lang/jmespath",
            "limits",
            "model",
            "output",
            "policy",
        ],
    ),
    (
        "app",
        &[
            "catalog",
            "cluster",
            "config",
            "document",
            "gostd",
            "inventory",
            "limits",
            "matching",
            "model",
            "outside",
            "plan",
            "policy",
            "report",
            "scan",
            "schedule",
            "store",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "casework",
            "catalog",
            "cluster",
            "config",
            "document",
            "folder",
            "inventory",
            "lang",
            "limits",
            "matching",
            "model",
            "output",
            "outside",
            "plan",
            "policy",
            "report",
            "scan",
            "store",
            "telemetry",
        ],
    ),
];

/// What only some rooms may use: crates and other doors to the world.
const ONLY: [(&str, &[&str]); 8] = [
    ("kube::", &["cluster"]),
    ("hyper_util::", &["outside"]),
    ("sled::", &["store"]),
    ("tokio_cron_scheduler::", &["schedule"]),
    ("metrics::Recorder", &["telemetry"]),
    ("tokio::", &["app", "cli", "cluster", "config", "outside", "scan", "schedule", "telemetry"]),
    ("std::fs", &["casework", "cli", "cluster", "config", "folder", "store"]),
    ("Timestamp::now", &["app", "cli", "schedule"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every Rust file below a folder, with its text.
fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no files below {folder}");
    found
}

/// The room of a file below `src`; `None` for what belongs to no room.
fn room(file: &str) -> Option<String> {
    let mut steps = file.strip_prefix("src/")?.split('/').map(|step| step.trim_end_matches(".rs"));
    let first = steps.next()?;
    if matches!(first, "lib" | "main") {
        return None;
    }
    match steps.next() {
        Some(second) if first == "lang" && is_room(&format!("lang/{second}")) => {
            Some(format!("lang/{second}"))
        }
        _ => Some(first.to_owned()),
    }
}

fn is_room(name: &str) -> bool {
    ROOMS.iter().any(|(room, _)| *room == name)
}

fn is_test(file: &str) -> bool {
    file.contains("/tests/")
        || file.ends_with("tests.rs")
        || file.ends_with("speed.rs")
        || file.ends_with("testing.rs")
}

/// The lines of code, without comments and without the tests at a file's end.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| !line.starts_with("mod tests {"))
        .filter(|line| !line.trim_start().starts_with("//"))
}

/// The rooms that a line names by `crate::…`.
fn imports(line: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for part in line.split("crate::").skip(1) {
        let path: String =
            part.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
        let mut steps = path.split("::");
        let first = steps.next().unwrap_or_default();
        let second = steps.next().unwrap_or_default();
        let is_sub = first == "lang" && is_room(&format!("lang/{second}"));
        rooms.push(if is_sub { format!("lang/{second}") } else { first.to_owned() });
    }
    rooms
}

/// Which room imports which, each with a file that shows it.
fn arrows() -> BTreeMap<(String, String), String> {
    let mut arrows = BTreeMap::new();
    for (file, text) in files("src").iter().filter(|(file, _)| !is_test(file)) {
        let Some(room) = room(file) else { continue };
        for target in code(text).flat_map(imports).filter(|target| is_room(target) && *target != room) {
            arrows.entry((room.clone(), target)).or_insert_with(|| file.clone());
        }
    }
    arrows
}

#[test]
fn rooms_import_exactly_what_the_table_says() {
    let rooms: BTreeSet<String> = files("src").iter().filter_map(|(file, _)| room(file)).collect();
    let table: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, table, "the rooms and the table");
    let arrows = arrows();
    let allowed: BTreeSet<(String, String)> = ROOMS
        .iter()
        .flat_map(|(room, targets)| targets.iter().map(|target| ((*room).to_owned(), (*target).to_owned())))
        .collect();
    let broken: Vec<_> = arrows.iter().filter(|(arrow, _)| !allowed.contains(arrow)).collect();
    assert!(broken.is_empty(), "not allowed: {broken:#?}");
    let unused: Vec<_> = allowed.iter().filter(|arrow| !arrows.contains_key(arrow)).collect();
    assert!(unused.is_empty(), "allowed and not used: {unused:#?}");
}

#[test]
fn no_room_imports_one_that_stands_above_it() {
    let place = |name: &str| ROOMS.iter().position(|(room, _)| *room == name);
    let is_door = |name: &str, target: &str| name == "lang" && target.starts_with("lang/");
    for (room, targets) in ROOMS {
        for target in targets.iter().filter(|target| !is_door(room, target)) {
            assert!(place(target) < place(room), "{room} imports {target}, which the table has above it");
        }
    }
}

#[test]
fn the_doors_to_the_world_are_where_the_table_says() {
    let mut broken = BTreeSet::new();
    for (file, text) in files("src").iter().filter(|(file, _)| !is_test(file)) {
        let Some(room) = room(file) else { continue };
        for line in code(text) {
            for (door, rooms) in ONLY {
                if line.contains(door) && !rooms.contains(&room.as_str()) {
                    broken.insert(format!("{file}: {door}"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn files_are_short_and_say_what_they_own() {
    let mut broken = Vec::new();
    for (file, text) in files("src").into_iter().chain(files("tests")).chain(files("benches")) {
        let n_lines = text.lines().count();
        if n_lines > 900 {
            broken.push(format!("{file}: {n_lines} lines"));
        }
        if !is_test(&file) && !text.starts_with("//!") {
            broken.push(format!("{file}: does not begin with what it owns"));
        }
        for word in ["TODO", "FIXME", "XXX"] {
            let marked = text.lines().any(|line| line.contains("//") && line.contains(word));
            if marked && !file.ends_with("tidy.rs") {
                broken.push(format!("{file}: {word}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_room_is_on_the_map() {
    let map = std::fs::read_to_string(root().join("src/ARCHITECTURE.md")).unwrap();
    let missing: Vec<&str> =
        ROOMS.iter().map(|(room, _)| *room).filter(|room| !map.contains(&format!("`{room}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
