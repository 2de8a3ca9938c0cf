//! Mounts that only one thread and its child processes see.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

const NOTHING: Option<&str> = None;

/// Runs `work` on a thread of its own, so that it may change the thread's state.
pub(crate) fn on_a_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join().map_err(|_| anyhow!("a thread panicked"))?)
}

/// Gives this thread a mount namespace of its own, whose mounts no other thread sees.
pub(crate) fn own_mounts() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("making a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, private, NOTHING).context("making mounts private")
}

/// Mounts an empty folder over another one.
pub(crate) fn hide(folder: &str) -> Result<()> {
    let tmpfs = Some("tmpfs");
    mount(tmpfs, folder, tmpfs, MsFlags::empty(), NOTHING)
        .with_context(|| format!("hiding {folder}"))
}

/// Mounts a disk of two pages at a folder.
pub(crate) fn small_disk(folder: &Path) -> Result<()> {
    let tmpfs = Some("tmpfs");
    mount(tmpfs, folder, tmpfs, MsFlags::empty(), Some("size=8k,mode=700"))
        .with_context(|| format!("mounting a disk at {}", folder.display()))
}

/// Runs `work` with tracefs mounted, where the tracepoints of system calls are found.
pub(crate) fn with_tracefs<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_a_thread(|| {
        if mount_points("tracefs")?.is_empty() {
            own_mounts()?;
            mount(
                Some("tracefs"),
                "/sys/kernel/tracing",
                Some("tracefs"),
                MsFlags::empty(),
                NOTHING,
            )
            .context("mounting tracefs")?;
        }
        work()
    })
}

/// Returns the mount points of all file systems of a kind.
pub(crate) fn mount_points(kind: &str) -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/thread-self/mounts")?;
    let path = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let (path, found) = (fields.next()?, fields.next()?);
        (found == kind).then(|| Path::new(path).to_owned())
    };
    Ok(mounts.lines().filter_map(path).collect())
}

/// Unmounts all file systems of a kind.
pub(crate) fn unmount_all(kind: &str) -> Result<()> {
    mount_points(kind)?.iter().try_for_each(|path| {
        umount2(path, MntFlags::MNT_DETACH)
            .with_context(|| format!("unmounting {}", path.display()))
    })
}
