//! Files that represent a namespace, opened without trusting their creator.
//!
//! Another user's mount namespace may have a FIFO, a device or a file system of that user's at a
//! namespace's mount point. Opening a FIFO may block forever, and opening a device has effects.
//! Therefore such a path is looked up without opening it (`O_PATH`), within that root and through
//! no link, and opened only once it has proved to be the namespace. A file system that does not
//! answer is given up.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    sys::statfs::{NSFS_MAGIC, fstatfs},
};

use crate::model::escape::shown;

/// Timeout of looking up a path. One on a local disk takes microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// A file that represents a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NsFile {
    /// Root of the mount namespace that has it (`/proc/PID/root`); this process's own if `None`.
    root: Option<PathBuf>,
    path: PathBuf,
}

impl NsFile {
    /// Creates a path as this process sees it.
    pub fn new(path: PathBuf) -> Self {
        Self { root: None, path }
    }

    /// Creates `path` as seen by a process whose root is `root` (`/proc/PID/root`).
    pub fn below(root: PathBuf, path: PathBuf) -> Self {
        Self { root: Some(root), path }
    }

    /// Returns the path as seen from here.
    pub fn path(&self) -> PathBuf {
        let Some(root) = &self.root else { return self.path.clone() };
        let mut path = root.as_os_str().to_owned();
        path.push(self.path.as_os_str());
        path.into()
    }

    /// Opens the file if it is namespace `inode`; `NotFound` if it is something else by now.
    pub fn open(&self, inode: u32) -> io::Result<File> {
        let (tell, told) = mpsc::channel();
        let file = self.clone();
        // The thread stays behind if a file system hangs; the process can end all the same.
        thread::Builder::new().name("namespace".into()).spawn(move || {
            // Sending fails only if the caller has stopped waiting.
            let _ = tell.send(file.open_now(inode));
        })?;
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{} has not answered for {seconds} s", shown(&self.path())),
            ))
        })
    }

    fn open_now(&self, inode: u32) -> io::Result<File> {
        let found = self.find()?;
        let is_namespace = fstatfs(&found)?.filesystem_type() == NSFS_MAGIC;
        let found = File::from(found);
        if !is_namespace || found.metadata()?.ino() != u64::from(inode) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // Reopen the file itself: its path may lead elsewhere by now.
        File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
    }

    /// Looks up the file without opening it.
    fn find(&self) -> io::Result<OwnedFd> {
        let Some(root) = &self.root else { return look_at(&self.path) };
        let root = look_at(root)?;
        let below = ResolveFlag::RESOLVE_IN_ROOT
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(below);
        Ok(retried(|| openat2(root.as_fd(), &self.path, how))?)
    }
}

/// `NS_GET_NSTYPE` of `linux/nsfs.h`.
const NS_GET_NSTYPE: libc::Ioctl = 0xb703;

/// Returns whether `file`, which represents a namespace, is a network namespace.
pub fn is_network(file: &File) -> bool {
    // SAFETY: the descriptor is open, and this request takes no argument.
    let kind = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) };
    kind == libc::CLONE_NEWNET
}

fn look_at(path: &Path) -> io::Result<OwnedFd> {
    let mut options = File::options();
    Ok(options.read(true).custom_flags(OFlag::O_PATH.bits()).open(path)?.into())
}

/// Retries `openat2`, which fails within a root with EAGAIN while anything is renamed anywhere.
fn retried<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    const TIMES: usize = 100;
    for _ in 1..TIMES {
        match call() {
            Err(Errno::EAGAIN) => {}
            done => return done,
        }
    }
    call()
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    fn own() -> (PathBuf, u32) {
        let path = PathBuf::from("/proc/self/ns/net");
        let inode = fs::metadata(&path).unwrap().ino();
        (path, u32::try_from(inode).unwrap())
    }

    /// Returns an unused path in a shared directory.
    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("ephtrace-ns-{name}-{}", std::process::id()))
    }

    #[test]
    fn only_the_namespace_itself_is_opened() {
        let (path, inode) = own();
        assert!(NsFile::new(path.clone()).open(inode).is_ok());
        let other = NsFile::new(path).open(inode + 1).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::NotFound);
        let file = NsFile::new("/proc/self/status".into()).open(inode).unwrap_err();
        assert_eq!(file.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_fifo_in_its_place_does_not_hang() {
        let fifo = scratch("fifo");
        mkfifo(&fifo, Mode::S_IRUSR).unwrap();
        let start = Instant::now();
        for file in
            [NsFile::new(fifo.clone()), NsFile::below("/proc/self/root".into(), fifo.clone())]
        {
            assert_eq!(file.open(own().1).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        fs::remove_file(fifo).unwrap();
    }

    #[test]
    fn links_in_the_roots_of_others_are_not_followed() {
        let link = scratch("link");
        let (path, inode) = own();
        std::os::unix::fs::symlink(path, &link).unwrap();
        assert!(NsFile::new(link.clone()).open(inode).is_ok());
        assert!(NsFile::below("/proc/self/root".into(), link.clone()).open(inode).is_err());
        fs::remove_file(link).unwrap();
    }
}
