//! The state folder from outside: statistics, verification, compaction, and folders that are not as they should be.

use std::process::Stdio;

use super::{Guarded, Place, files, pod};

#[test]
fn statistics_verification_and_compaction() {
    let place = Place::with_pods();
    place.run(&["state", "stats"]).exits(2).says(&["there is no state in `.patrol/state`"]);
    place.scan(&[]);
    let ran = place.run(&["state", "stats"]).exits(0);
    for part in ["records", "live bytes", "bytes on disk", "/m ", "last used"] {
        assert!(ran.stdout.contains(part), "`{part}` is missing in\n{}", ran.stdout);
    }
    let ran = place.run(&["state", "verify"]).exits(0);
    assert!(ran.stdout.contains("0 failed their checksum") && ran.stdout.contains("sound"), "{}", ran.stdout);
    let ran = place.run(&["state", "compact"]).exits(0);
    assert!(ran.stdout.contains("bytes before"), "{}", ran.stdout);
    assert_eq!(place.scan(&[]).1.pairs(), [0, 2, 0]);
}

#[test]
fn the_state_folder_can_be_named_by_flag_and_environment() {
    let place = Place::with_pods();
    place.scan(&["--state", "here/state"]);
    assert!(place.path("here/state").is_dir() && !place.path(".patrol").exists());
    let mut command = place.command(&["scan", "m", "-p", "p"]);
    command.env("PATROL_STATE_DIR", "here/state");
    super::ran(command).exits(1).says(&["2 reused"]);
}

#[cfg(unix)]
#[test]
fn the_state_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::with_pods();
    place.scan(&[]);
    let mode = std::fs::metadata(place.path(".patrol/state")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// The files of the database in the state folder.
fn database(place: &Place) -> Vec<std::path::PathBuf> {
    let all = files(&place.path(".patrol/state")).into_keys();
    all.filter(|path| path.parent().unwrap().file_name().unwrap().to_str().unwrap().starts_with("db-"))
        .collect()
}

#[test]
fn a_damaged_state_is_moved_aside_and_built_anew_in_the_same_start() {
    for size in [100, 10_000] {
        let place = Place::with_pods();
        place.scan(&[]);
        for file in database(&place) {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes.truncate(size);
            let bytes: Vec<u8> = bytes.iter().map(|byte| byte ^ 0x5a).collect();
            std::fs::write(&file, bytes).unwrap();
        }
        let (ran, stats) = place.scan(&[]);
        ran.exits(1).says(&[".patrol/state", "the state was damaged", "built anew"]);
        assert_eq!(stats.pairs(), [2, 0, 0]);
        let (ran, stats) = place.scan(&[]);
        assert_eq!(stats.pairs(), [0, 2, 0]);
        assert!(!ran.stderr.contains("damaged"), "{ran:?}");
    }
}

#[test]
fn a_truncated_database_file_costs_evaluations_and_nothing_else() {
    let place = Place::with_pods();
    place.scan(&[]);
    let db = database(&place).into_iter().find(|path| path.ends_with("db")).unwrap();
    let file = std::fs::File::options().write(true).open(db).unwrap();
    file.set_len(file.metadata().unwrap().len() / 3).unwrap();
    let (ran, stats) = place.scan(&[]);
    ran.exits(1);
    assert_eq!(stats.of("evaluated") + stats.of("reused"), 2);
    assert_eq!(place.scan(&[]).1.pairs(), [0, 2, 0]);
}

#[test]
fn a_state_of_another_format_is_moved_aside_and_built_anew() {
    let place = Place::with_pods();
    place.scan(&[]);
    let marker = place.path(".patrol/state/PATROL-STATE");
    let text = std::fs::read_to_string(&marker).unwrap();
    std::fs::write(&marker, text.replace("format 1", "format 999")).unwrap();
    let (ran, stats) = place.scan(&[]);
    ran.exits(1).says(&["the state was written by format version `999`", "quarantine-", "built anew"]);
    assert_eq!(stats.pairs(), [2, 0, 0]);
    assert_eq!(place.scan(&[]).1.pairs(), [0, 2, 0]);
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_left_alone() {
    let place = Place::with_pods();
    place.write("mine/holiday.jpg", "x");
    place.write("file", "x");
    for (state, said) in [("mine", "`holiday.jpg`"), ("file", "is not a folder")] {
        for command in [&["scan", "m", "-p", "p"][..], &["scan", "m", "-p", "p", "--dry-run"]] {
            place.run(&[command, &["--state", state]].concat()).exits(2).says(&[state, said]);
        }
    }
    assert_eq!(files(&place.path("mine")).len(), 1);
    assert_eq!(std::fs::read(place.path("file")).unwrap(), b"x");
}

#[test]
fn the_second_of_two_on_one_state_folder_is_told_who_holds_it() {
    let place = Place::with_pods();
    // The first waits for its standard input with the state open.
    let mut command = place.command(&["scan", "-", "-p", "p"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = Guarded(command.spawn().unwrap());
    let marker = place.path(".patrol/state/PATROL-STATE");
    while !marker.exists() {
        std::thread::yield_now();
    }
    let said = format!("state folder `.patrol/state` is in use by process {}", first.0.id());
    for command in [
        &["scan", "m", "-p", "p"][..],
        &["scan", "m", "-p", "p", "--dry-run"],
        &["state", "verify"],
        &["explain", "Pod/x"],
    ] {
        place.run(command).exits(2).says(&[&said]);
    }
    place.run(&["scan", "m", "-p", "p", "--no-state"]).exits(1);
    let mut stdin = first.0.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, pod("late", "app: x").as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(first.0.wait().unwrap().code(), Some(0));
    place.run(&["explain", "Pod/late"]).exits(0);
}
