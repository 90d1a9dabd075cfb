//! Why a state folder cannot be used, and which calls are mistakes of the caller.
//! Trouble of the disk after a successful open is not here: it shows in `Health` and `Faults`.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What the store refuses.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process (or another store in this one) uses the folder. It is left as it is.
    #[error("state folder `{}` is in use by {}", path.display(), holder(*pid))]
    Locked {
        /// The state folder.
        path: PathBuf,
        /// The process that holds it, if it could be read.
        pid: Option<u32>,
    },
    /// The folder holds something that Patrol did not write. It is left as it is.
    #[error(
        "folder `{}` is not a state folder of patrol, it holds `{found}`; name another folder or an empty one",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// One entry that is not Patrol's.
        found: String,
    },
    /// The path names something else than a folder.
    #[error("state folder `{}` is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The open took too long.
    #[error("opening state folder `{}` took longer than {seconds} s; going on without state", path.display())]
    OpenTimeout {
        /// The state folder.
        path: PathBuf,
        /// The limit.
        seconds: u64,
    },
    /// The disk refused: no space, read-only, no permission, a bad device.
    #[error("cannot {action} in state folder `{}`: {source}", path.display())]
    Io {
        /// The state folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Even an empty database could not be opened.
    #[error("cannot build a database in state folder `{}`: {reason}", path.display())]
    Unbuildable {
        /// The state folder.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// A key over [`STATE_KEY_BYTES_MAX`](crate::limits::STATE_KEY_BYTES_MAX).
    #[error("a key of {bytes} bytes is over the limit of {limit}")]
    KeyTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A value over [`STATE_VALUE_BYTES_MAX`](crate::limits::STATE_VALUE_BYTES_MAX).
    #[error("a value of {bytes} bytes is over the limit of {limit}")]
    ValueTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The store was closed.
    #[error("the state is closed")]
    Closed,
}

impl StoreError {
    /// Whether a later try may work without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::OpenTimeout { .. } | Self::Io { .. })
    }

    /// Whether a scan should go on without state and say so. Not where the operator named a wrong folder
    /// or one in use: those are mistakes to show.
    pub fn allows_scan_without_state(&self) -> bool {
        matches!(self, Self::OpenTimeout { .. } | Self::Io { .. } | Self::Unbuildable { .. })
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
