//! Waiting for events: the end of a process, the change of a file.

use std::{
    io,
    os::fd::{AsFd as _, FromRawFd as _, OwnedFd},
    path::Path,
    process::{Child, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::inotify::{AddWatchFlags, InitFlags, Inotify},
};

/// Maximum time for any wait. Emulated guests parse BTF and load programs slowly.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Time between two looks at a state that gives no sign of its changes.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Polls `look` until it finds something. For states that give no sign of their changes, such as
/// the kernel's.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::sleep(LOOK_EVERY);
    }
}

/// Waits for a program's end, for at most [`PATIENCE`].
pub(crate) fn exit(child: &mut Child) -> Result<ExitStatus> {
    let pid = child.id();
    // SAFETY: the call takes two numbers, and returns a descriptor or an error (Linux 5.3).
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(Errno::result(fd).context("pidfd_open")?)?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(fd) };
    if !is_ready(&pidfd, PATIENCE)? {
        child.kill()?;
        child.wait()?;
        bail!("process {pid} did not end within {PATIENCE:?}");
    }
    Ok(child.wait()?)
}

/// Returns true if a descriptor becomes readable within `patience`.
fn is_ready(fd: &OwnedFd, patience: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    Ok(poll(&mut fds, timeout)? > 0)
}

/// Changes in a folder from now on.
pub(crate) struct Changes {
    inotify: Inotify,
    fd: OwnedFd,
}

impl Changes {
    /// Begins to watch a folder.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let flags = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE;
        inotify.add_watch(folder, flags).with_context(|| folder.display().to_string())?;
        let fd = inotify.as_fd().try_clone_to_owned()?;
        Ok(Self { inotify, fd })
    }

    /// Waits up to `patience` for a change, and returns true if there was one.
    pub(crate) fn within(&self, patience: Duration) -> Result<bool> {
        let is_changed = is_ready(&self.fd, patience)?;
        if is_changed {
            // All pending events are read: one look covers them all.
            self.inotify.read_events()?;
        }
        Ok(is_changed)
    }

    /// Calls `look` after each change until it finds something.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            ensure!(self.within(left)?, "{what}: not within {PATIENCE:?}");
        }
    }
}
