//! Compaction by rewriting: whole records are copied to a new database, which then takes the old one's
//! place. Until the marker is replaced the old database is the live one; after that the new one is.
//! Whatever a crash leaves is deleted by the next open.

use std::fs;

use super::super::rows::{self, Page, PageFrom};
use super::super::{CompactReport, Compaction, StoreError};
use super::{Database, Engine, Trouble, guarded, open_database};
use crate::limits::{STATE_COMPACT_BYTES_MIN, STATE_COMPACT_RATIO};

pub(super) fn run(engine: &mut Engine, when: Compaction) -> CompactReport {
    let bytes_before = engine.size_on_disk();
    let unchanged = |failure: Option<&str>| CompactReport {
        is_rewritten: false,
        failure: failure.map(str::to_owned),
        bytes_before,
        bytes_after: bytes_before,
        n_rows: 0,
    };
    if when == Compaction::WhenOversized {
        if bytes_before <= STATE_COMPACT_BYTES_MIN {
            return unchanged(None);
        }
        let Some(live_bytes) = live_bytes(engine) else {
            return unchanged(Some("the database was lost"));
        };
        if bytes_before <= live_bytes.saturating_mul(STATE_COMPACT_RATIO) {
            return unchanged(None);
        }
    }
    match rewrite(engine) {
        Ok(n_rows) => CompactReport {
            is_rewritten: true,
            failure: None,
            bytes_before,
            bytes_after: engine.size_on_disk(),
            n_rows,
        },
        Err(reason) => unchanged(Some(&reason)),
    }
}

fn live_bytes(engine: &mut Engine) -> Option<u64> {
    let mut bytes = 0;
    let mut from = PageFrom::Start;
    loop {
        let page = engine.page(&[], &from)?;
        bytes += page.rows.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
        match page.next {
            Some(key) => from = PageFrom::After(key),
            None => return Some(bytes),
        }
    }
}

fn rewrite(engine: &mut Engine) -> Result<u64, String> {
    let in_words = |error: StoreError| error.to_string();
    let name = engine.folder.unused_name(Some(&engine.live)).map_err(in_words)?;
    let path = engine.folder.make_database_folder(&name).map_err(in_words)?;
    let copied = copy(engine, &path).and_then(|(db, n_rows)| {
        engine.folder.set_live(&name).map_err(in_words)?;
        Ok((db, n_rows))
    });
    match copied {
        Ok((db, n_rows)) => {
            engine.db = Some(db);
            engine.live.clone_from(&name);
            engine.folder.remove_leftovers(&name);
            Ok(n_rows)
        }
        Err(reason) => {
            // A marker that was replaced, but whose replacement could not be made durable, counts as
            // replaced: the folder that it names stays, and the next open takes it, complete as it is.
            let is_named = matches!(engine.folder.marker(), Ok(super::Marker::Live(live)) if live == name);
            if is_named {
                engine.db = None;
                engine.shared.degrade(reason.clone());
            } else {
                drop(fs::remove_dir_all(&path));
            }
            Err(reason)
        }
    }
}

fn copy(engine: &mut Engine, path: &std::path::Path) -> Result<(Database, u64), String> {
    let shared = engine.shared.clone();
    let database = open_database(path, engine.settings, &shared).map_err(describe)?;
    let Some(new) = database.0.as_ref() else {
        return Err("the new database is gone".to_owned());
    };
    let mut n_rows = 0;
    let mut from = PageFrom::Start;
    loop {
        let Some(Page { rows, next, .. }) = engine.page(&[], &from) else {
            return Err("the database was lost".to_owned());
        };
        n_rows += rows.len() as u64;
        let last = rows.into_iter().map(|(key, value)| (key, Some(value))).collect();
        guarded(&shared, || rows::apply(new, &shared, &last)).map_err(describe)?;
        match next {
            Some(key) => from = PageFrom::After(key),
            None => break,
        }
    }
    guarded(&shared, || {
        new.flush()?;
        fs::File::open(path.join("db"))?.sync_all()?;
        super::super::layout::sync_folder(path)?;
        Ok(())
    })
    .map_err(describe)?;
    Ok((database, n_rows))
}

fn describe(trouble: Trouble) -> String {
    match trouble {
        Trouble::Damaged(text) | Trouble::Panicked(text) => text,
        Trouble::Refused(error) => error.to_string(),
        Trouble::Locked => "the new database is locked".to_owned(),
    }
}
