use super::super::Health;
use super::*;

const SETTINGS: Settings = Settings { cache_bytes: 1 << 20, flush_every_ms: 500 };

fn open(path: &Path) -> (Engine, Arc<Shared>) {
    let shared = Arc::new(Shared::default());
    (Engine::open(path, SETTINGS, shared.clone()).unwrap(), shared)
}

fn put(engine: &mut Engine, key: &str) {
    engine.put_batch(vec![Write::Put(key.into(), b"value".to_vec())]);
}

fn has(engine: &mut Engine, key: &str) -> bool {
    engine.get_many(&[key.into()]) == [Some(b"value".to_vec())]
}

fn io_error(kind: io::ErrorKind) -> sled::Error {
    sled::Error::Io(io::Error::new(kind, "on purpose"))
}

#[test]
fn a_panic_moves_the_database_aside_and_the_next_write_is_stored() {
    let root = tempfile::tempdir().unwrap();
    let (mut engine, shared) = open(root.path());
    put(&mut engine, "a");
    engine.flush();
    assert_eq!(engine.with_db(|_, _| -> sled::Result<()> { panic!("on purpose") }), None);
    assert!(!has(&mut engine, "a"));
    put(&mut engine, "b");
    assert!(has(&mut engine, "b"));
    let rebuilt = shared.rebuilt().unwrap();
    let detail = "the database panicked: on purpose".to_owned();
    assert_eq!(rebuilt.why, RebuiltWhy::Damaged { detail });
    assert!(rebuilt.moved_to.unwrap().join("conf").exists());
    assert_eq!((shared.faults().panics, shared.faults().quarantined), (1, 1));
    assert_eq!(shared.health(), Health::Ok);
    drop(engine);
    let (mut engine, shared) = open(root.path());
    assert!(has(&mut engine, "b") && !has(&mut engine, "a"));
    assert_eq!(shared.rebuilt(), None);
}

#[test]
fn a_full_disk_ends_the_use_of_the_database_and_keeps_it_in_its_place() {
    let root = tempfile::tempdir().unwrap();
    let (mut engine, shared) = open(root.path());
    put(&mut engine, "a");
    assert_eq!(
        engine.with_db(|_, _| -> sled::Result<()> { Err(io_error(io::ErrorKind::StorageFull)) }),
        None
    );
    assert!(matches!(shared.health(), Health::Degraded { reason } if reason.contains("on purpose")));
    assert!(!has(&mut engine, "a"));
    put(&mut engine, "b");
    let faults = shared.faults();
    assert_eq!((faults.io_errors, faults.quarantined, faults.writes_dropped), (1, 0, 1));
    drop(engine);
    let (mut engine, shared) = open(root.path());
    assert!(has(&mut engine, "a") && !has(&mut engine, "b"));
    assert_eq!((shared.health(), shared.rebuilt()), (Health::Ok, None));
}

#[test]
fn a_database_that_breaks_again_and_again_is_left_off() {
    let root = tempfile::tempdir().unwrap();
    let (mut engine, shared) = open(root.path());
    for n in 1..=STATE_REBUILDS_MAX {
        engine
            .with_db(|_, _| -> sled::Result<()> { Err(sled::Error::ReportableBug("on purpose".to_owned())) });
        assert_eq!((shared.health(), shared.faults().quarantined), (Health::Ok, u64::from(n)));
        put(&mut engine, "a");
        assert!(has(&mut engine, "a"));
    }
    engine.with_db(|_, _| -> sled::Result<()> { panic!("on purpose") });
    assert!(matches!(shared.health(), Health::Degraded { reason } if reason.contains("not rebuilt again")));
    assert!(!has(&mut engine, "a"));
    assert_eq!(shared.faults().quarantined, u64::from(STATE_REBUILDS_MAX));
}

#[test]
fn errors_are_told_apart() {
    let refused = [
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::FileTooLarge,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::PermissionDenied,
    ];
    for kind in refused {
        assert!(matches!(sort_error(io_error(kind)), Trouble::Refused(_)), "{kind:?}");
    }
    for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::NotFound, io::ErrorKind::Other] {
        assert!(matches!(sort_error(io_error(kind)), Trouble::Damaged(_)), "{kind:?}");
    }
    let too_many_files = sled::Error::Io(io::Error::from_raw_os_error(24));
    assert!(matches!(sort_error(too_many_files), Trouble::Refused(_)));
    let bad_device = sled::Error::Io(io::Error::from_raw_os_error(5));
    assert!(matches!(sort_error(bad_device), Trouble::Damaged(_)));
    let other = sled::Error::Unsupported("x".to_owned());
    assert!(matches!(sort_error(other), Trouble::Damaged(_)));
}

#[test]
fn a_database_that_cannot_be_rebuilt_degrades_the_store() {
    let root = tempfile::tempdir().unwrap();
    let (mut engine, shared) = open(root.path());
    // A folder in the place of the marker's successor: the marker cannot be replaced.
    std::fs::create_dir_all(root.path().join("PATROL-STATE.new/x")).unwrap();
    engine.with_db(|_, _| -> sled::Result<()> { panic!("on purpose") });
    assert!(matches!(shared.health(), Health::Degraded { reason } if reason.contains("write the marker")));
    assert!(!has(&mut engine, "a"));
    drop(engine);
    let shared = Arc::new(Shared::default());
    let mut engine = Engine::open(root.path(), SETTINGS, shared.clone()).unwrap();
    put(&mut engine, "a");
    assert!(has(&mut engine, "a"), "the next open clears the way");
}
