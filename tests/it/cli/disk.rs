//! Disks that refuse: the scan goes on, says so, and its results and exit code are those of a scan without state.

use std::path::PathBuf;
use std::process::Command;

use super::{Place, by_name, files, pod, results};

/// A small memory disk, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, loudly, where this process may not mount.
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at)),
            other => {
                println!("NOT RUN: cannot mount a tmpfs here: {other:?}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let remount = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &remount]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

/// So many objects that their state is some megabytes.
fn many(place: &Place) {
    let pods: Vec<String> = (0..1_500).map(|i| pod(&format!("pod-{i}"), "app: x")).collect();
    place.write("m/many.yaml", pods.join("---\n"));
}

#[test]
fn no_space_left_for_the_state_is_said_and_costs_only_the_state() {
    let place = Place::with_pods();
    many(&place);
    for size in ["size=64k", "size=700k"] {
        let Some(disk) = SmallDisk::mount(place.path("full"), size) else { return };
        let (ran, stats) = place.scan(&["--state", "full/state", "-o", "json"]);
        let ran = ran.exits(1).says(&["full/state", "No space left", "state"]);
        assert_eq!(stats.pairs(), [1_502, 0, 0]);
        assert_eq!(results(&by_name(&ran.json())["bad"]), ["require-app/check: fail"]);
        disk.remount("size=64m");
        place.scan(&["--state", "full/state"]).0.exits(1);
        assert_eq!(place.scan(&["--state", "full/state"]).1.pairs(), [0, 1_502, 0]);
    }
}

#[test]
fn a_limit_on_file_sizes_is_said_and_costs_only_the_state() {
    let place = Place::with_pods();
    many(&place);
    let script = r#"trap "" XFSZ; ulimit -f 100; exec "$0" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_patrol"), "scan", "m", "-p", "p"]);
    command.current_dir(place.root.path());
    let ran = super::ran(command).exits(1).says(&[".patrol/state", "state"]);
    assert!(ran.stdout.contains("require-app   1501   1"), "{ran:?}");
    place.scan(&[]).0.exits(1);
    assert_eq!(place.scan(&[]).1.pairs(), [0, 1_502, 0]);
}

#[test]
fn a_read_only_disk_is_a_scan_without_state_that_says_so() {
    let place = Place::with_pods();
    let Some(disk) = SmallDisk::mount(place.path("ro"), "size=8m") else { return };
    place.scan(&["--state", "ro/state"]);
    disk.remount("ro");
    for state in ["ro/state", "ro/other"] {
        let (ran, stats) = place.scan(&["--state", state]);
        ran.exits(1).says(&[state, "Read-only", "without state"]);
        assert_eq!(stats.pairs(), [2, 0, 0]);
    }
    assert_eq!(place.scan(&["--state", "ro/state", "--dry-run"]).1.pairs(), [0, 2, 0]);
}

#[test]
fn a_reports_folder_that_cannot_be_written_is_told_by_report_and_the_results_are_printed() {
    let place = Place::with_pods();
    let Some(disk) = SmallDisk::mount(place.path("r"), "size=8m,ro") else { return };
    for pairs in [[2, 0, 0], [0, 2, 0]] {
        let (ran, stats) = place.scan(&["--reports", "r", "-o", "json"]);
        let ran = ran.exits(2).says(&["Pod default/bad", "Pod default/good", "Read-only", "2 failed"]);
        assert_eq!(by_name(&ran.json()).len(), 2);
        assert_eq!((stats.pairs(), stats.reports()), (pairs, [0, 0, 0]));
    }
    disk.remount("rw");
    let (ran, stats) = place.scan(&["--reports", "r"]);
    ran.exits(1);
    assert_eq!((stats.pairs(), stats.reports()), ([0, 2, 0], [2, 0, 0]));
    assert_eq!(files(&place.path("r")).len(), 2);
}

#[test]
fn a_file_in_the_place_of_the_reports_folder_is_told() {
    let place = Place::with_pods();
    place.write("r", "x");
    place.run(&["scan", "m", "-p", "p", "--reports", "r"]).exits(2).says(&["`r` is not a folder"]);
    assert_eq!(std::fs::read(place.path("r")).unwrap(), b"x");
}
