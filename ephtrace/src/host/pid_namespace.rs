//! The pid namespace whose process ids `/proc` shows.
//!
//! A process has an id in its own pid namespace and in each one around that. The kernel half
//! reports those of the namespace that `/proc` shows, so that they match `ps` and `-p`.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Inode number of the initial pid namespace (`PROC_PID_INIT_INO`).
const INITIAL: u64 = 0xEFFF_FFFC;

/// Returns the inode number of the pid namespace that `proc` shows.
///
/// Fails if ephtrace's own can't be read.
fn shown(proc: &Path) -> io::Result<u64> {
    let of = |process: &str| fs::metadata(proc.join(process).join("ns/pid")).map(|file| file.ino());
    let own = of("self")?;
    if own_pid(proc) == std::process::id() {
        return Ok(own);
    }
    // `proc` is mounted for a namespace around this one: that of its process 1. If that may not be
    // read, most likely it is the initial one; if it is not, tests of the hooks find no search of
    // ours.
    Ok(of("1").unwrap_or(INITIAL))
}

/// Returns whether `proc` shows the ids of the initial pid namespace.
///
/// Fails if that can't be read.
pub fn is_initial(proc: &Path) -> io::Result<bool> {
    Ok(shown(proc)? == INITIAL)
}

/// Returns the inode number of the pid namespace whose ids the kernel half is to report; 0 for the
/// initial one.
pub fn told(proc: &Path) -> u32 {
    let inode = shown(proc).ok().filter(|inode| *inode != INITIAL);
    inode.and_then(|inode| u32::try_from(inode).ok()).unwrap_or(0)
}

/// Returns ephtrace's own process id, as `proc` shows it; 0 if it does not.
pub fn own_pid(proc: &Path) -> u32 {
    let id = fs::read_link(proc.join("self")).ok();
    id.and_then(|id| id.to_str()?.parse().ok()).unwrap_or(0)
}

/// Returns the notice for a pid namespace other than the initial one.
pub fn notice(proc: &Path) -> Option<&'static str> {
    matches!(is_initial(proc), Ok(false)).then_some(
        "process ids are those of this PID namespace; processes outside it have none here, and \
         their containers are unknown (`host_pid` has the ids on the host)",
    )
}

/// Returns the directory to look up processes that the kernel half reports; `None` if it is not
/// known whose ids it shows.
pub(super) fn proc_of_traced() -> Option<PathBuf> {
    let proc = Path::new("/proc");
    shown(proc).ok().map(|_| proc.to_owned())
}
