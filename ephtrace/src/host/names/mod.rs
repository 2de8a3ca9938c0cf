//! Names of containers and pods from the files that runtimes and the kubelet leave on disk: no
//! socket of a runtime, no daemon.
//!
//! ```text
//! sources (which files) → watch (a thread, inotify) → one parser a format → index
//! ```
//!
//! A name belongs to a container's whole id (64 digits) or a pod's UID, which never come back.
//! Whatever is unknown stays unknown. Only files in root's directories are read (`trusted`).

mod bundle;
mod docker;
pub mod id;
pub mod index;
mod kubelet;
mod podman;
mod sources;
mod trusted;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, OnceLock},
};

pub use self::index::NameIndex;
use self::trusted::Root;
use super::rights::{self, Rights};

/// Roots below which runtimes keep their files: this process's, and the host's where ephtrace runs
/// in a container.
const ROOTS: [&str; 2] = ["/", "/proc/1/root"];

/// Returns the names of this host, which are kept up to date from the first call on. Call it before
/// rights are dropped: the thread that watches keeps those that it needs.
pub fn of_host() -> Arc<NameIndex> {
    static INDEX: OnceLock<Arc<NameIndex>> = OnceLock::new();
    Arc::clone(INDEX.get_or_init(|| {
        let index = Arc::default();
        if let Err(error) = watch::start(&index, roots(), keep_reading) {
            log::warn!("no names of containers: {error}");
        }
        index
    }))
}

/// Opens the roots, each once.
fn roots() -> Vec<Root> {
    let mounts = |path: &str| fs::metadata(path).ok().map(|namespace| namespace.ino());
    let is_host = mounts("/proc/self/ns/mnt") == mounts("/proc/1/ns/mnt");
    let paths = ROOTS.iter().take(if is_host { 1 } else { ROOTS.len() });
    paths.filter_map(|path| Root::open(Path::new(path)).ok()).collect()
}

/// Drops the rights of the calling thread. Files of root's need none of its user, and one of any
/// other user.
fn keep_reading() {
    let is_root = nix::unistd::geteuid().is_root();
    let needed = if is_root { Rights::empty() } else { Rights::DAC_READ_SEARCH };
    if let Err(error) = rights::keep(needed) {
        log::warn!("can't drop rights: {error}");
    }
}
