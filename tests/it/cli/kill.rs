//! A scan that ends early: by kill -9 at random moments, by Ctrl-C, by SIGTERM.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use super::{Guarded, Place, Stats, files, label_policy, pod};

/// A small random generator (splitmix64), the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

const PODS: u64 = 240;
const KILLS: u64 = 20;

/// Writes a world of Pods in several files, some of which come, go and change with the seed, and its policies.
fn write_world(place: &Place, random: &mut Random) {
    for file in 0..8 {
        let mut pods = Vec::new();
        for i in 0..PODS / 8 {
            let (is_there, label) = (random.below(10) > 0, random.below(3));
            let label = ["app", "team", "tier"][usize::try_from(label).unwrap()];
            if is_there {
                pods.push(pod(&format!("pod-{file}-{i}"), &format!("{label}: x")));
            }
        }
        place.write(&format!("m/{file}.yaml"), pods.join("---\n"));
    }
    for label in ["app", "team", "tier"] {
        let asked = if random.below(4) == 0 { "other" } else { label };
        place.write(&format!("p/{label}.yaml"), label_policy(&format!("require-{label}"), asked));
    }
}

/// The reports of a folder without their times.
fn reports(place: &Place, folder: &str) -> BTreeMap<String, String> {
    let root = place.path(folder);
    let timeless = |bytes: &[u8]| {
        let lines = std::str::from_utf8(bytes).unwrap().lines();
        lines
            .filter(|line| !line.contains("seconds:") && !line.contains("nanos:"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    files(&root)
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|(path, bytes)| (path.strip_prefix(&root).unwrap().display().to_string(), timeless(bytes)))
        .collect()
}

/// Starts a scan that writes reports.
fn start(place: &Place) -> Guarded {
    let mut command = place.command(&["scan", "m", "-p", "p", "--reports", "r"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    Guarded(command.spawn().unwrap())
}

/// Waits until that many report files were made or replaced since, or the scan ended; `false` if it ended.
fn wait_for_reports(place: &Place, child: &mut Guarded, n: u64) -> bool {
    let started = std::time::SystemTime::now();
    let is_new = |path: &std::path::PathBuf| {
        std::fs::metadata(path).and_then(|about| about.modified()).is_ok_and(|at| at >= started)
    };
    loop {
        if child.0.try_wait().unwrap().is_some() {
            return false;
        }
        let folder = place.path("r/default");
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        if entries.map(|entry| entry.path()).filter(is_new).count() as u64 >= n {
            return true;
        }
    }
}

#[test]
fn twenty_kills_at_random_moments_lose_nothing() {
    let place = Place::new();
    let mut random = Random(7);
    let mut n_killed = 0;
    for round in 0..KILLS {
        write_world(&place, &mut random);
        let mut child = start(&place);
        if round % 4 == 0 {
            // Early: while the state is being opened or the manifests are read.
            let n_looks = random.below(2_000);
            for _ in 0..n_looks {
                std::hint::black_box(place.path(".patrol/state/PATROL-STATE").exists());
            }
        } else {
            let n_reports = 1 + random.below(90);
            wait_for_reports(&place, &mut child, n_reports);
        }
        n_killed += u64::from(child.0.try_wait().unwrap().is_none());
        child.0.kill().unwrap();
        child.0.wait().unwrap();

        let verified = place.run(&["state", "verify"]);
        assert!(
            matches!(verified.code, Some(0)) || !place.path(".patrol/state").exists(),
            "round {round}: {verified:?}"
        );
        let (ran, stats) = place.scan(&["--reports", "r"]);
        assert!(!ran.stderr.contains("damaged"), "round {round}: {ran:?}");
        let (_, scratch) = place.scan(&["--no-state", "--reports", "scratch"]);
        assert_eq!(stats.of("pairs"), scratch.of("pairs"), "round {round}");
        assert_eq!(reports(&place, "r"), reports(&place, "scratch"), "round {round}");
        std::fs::remove_dir_all(place.path("scratch")).unwrap();
        if round % 5 == 0 {
            let (_, again) = place.scan(&["--reports", "r"]);
            let moved = (again.of("evaluated"), again.reports()[0], again.reports()[2]);
            assert_eq!(moved, (0, 0, 0), "round {round}");
        }
    }
    println!("{n_killed} of {KILLS} scans were killed before they ended");
    assert!(n_killed >= KILLS / 2, "only {n_killed} of {KILLS} were killed in time");
}

#[cfg(unix)]
#[test]
fn signals_end_a_scan_with_what_was_done_kept() {
    for signal in ["INT", "TERM"] {
        let place = Place::new();
        let pods: Vec<String> = (0..4_000).map(|i| pod(&format!("pod-{i}"), "app: x")).collect();
        place.write("m/many.yaml", pods.join("---\n"));
        place.write("p/label.yaml", label_policy("require-app", "app"));
        let mut child = start(&place);
        assert!(wait_for_reports(&place, &mut child, 1), "the scan ended too early");
        let sent = Command::new("kill").args(["-s", signal, &child.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let mut said = String::new();
        std::io::Read::read_to_string(child.0.stderr.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(child.0.wait().unwrap().code(), Some(2), "{signal}: {said}");
        assert!(said.contains("interrupted, what was done is kept"), "{signal}: {said}");
        let (_, stats): (_, Stats) = place.scan(&["--reports", "r"]);
        let [evaluated, reused, forgotten] = stats.pairs();
        assert_eq!((evaluated + reused, forgotten), (4_000, 0), "{signal}");
        assert!(reused > 0, "{signal}: nothing was kept");
        assert_eq!(files(&place.path("r")).len(), 4_000);
    }
}
