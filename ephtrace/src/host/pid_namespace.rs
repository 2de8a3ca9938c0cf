//! Whether process ids mean the same here as in the kernel.
//!
//! In a pid namespace other than the first, the kernel half sees the host's ids, and `/proc` shows
//! other processes by the same numbers.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Inode number of the initial pid namespace (`PROC_PID_INIT_INO`).
const INITIAL: u64 = 0xEFFF_FFFC;

/// Whether the process that `proc` calls `self` is in the initial pid namespace.
///
/// An error if that can't be read.
pub fn is_initial(proc: &Path) -> io::Result<bool> {
    Ok(fs::metadata(proc.join("self/ns/pid"))?.ino() == INITIAL)
}

/// What one is told where the kernel's process ids are others than those that are seen here;
/// `None` where they are the same.
pub fn notice(proc: &Path) -> Option<&'static str> {
    matches!(is_initial(proc), Ok(false)).then_some(
        "process ids are the host's, not those of this pid namespace, and containers are not known",
    )
}

/// Where processes that the kernel half names are looked up; nowhere if their ids mean others
/// there.
pub(super) fn proc_of_traced() -> Option<PathBuf> {
    let proc = Path::new("/proc");
    notice(proc).is_none().then(|| proc.to_owned())
}
