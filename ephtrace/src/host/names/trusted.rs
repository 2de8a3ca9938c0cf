//! Files of root's that are read without trusting whoever else is on the machine.
//!
//! A directory counts if it belongs to root (or to the user of this process) and nobody else may
//! write to it. Below the first one, no link is followed; a file is opened without waiting, and is
//! read if it is a regular one, up to a bound.

use std::{
    ffi::OsStr,
    fs::{File, Metadata},
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2},
    sys::stat::Mode,
};

/// Write permissions of a group and of all users.
const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;

/// A directory below which runtimes keep their files: `/`, or that of another mount namespace.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

impl Root {
    /// Opens a root. It needs rights where it is another process's.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self(nix::fcntl::open(path, flags, Mode::empty())?))
    }

    /// Returns the nearest directory on the way to `base` that is there, to be watched, and the
    /// length of its path.
    pub(super) fn nearest(&self, base: &str) -> io::Result<(Way, usize)> {
        let lengths = base.match_indices('/').map(|(at, _)| at).chain([base.len()]);
        let mut nearest = (Way(self.0.try_clone()?), 0);
        for length in lengths {
            let path = base.get(..length).unwrap_or_default();
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            match self.look_up(path, flags) {
                Ok(found) => nearest = (Way(found), length),
                Err(_) => break,
            }
        }
        Ok(nearest)
    }

    fn look_up(&self, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        let within = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags).resolve(within);
        // Within a root, the call fails while anything is renamed anywhere.
        let mut tries = (0..TRIES).map(|_| openat2(self.0.as_fd(), path, how));
        let opened = tries.find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
        opened.unwrap_or(Err(Errno::EAGAIN))
    }

    /// Opens the directory `base`, links within the root followed.
    pub(super) fn folder(&self, base: &str) -> io::Result<Folder> {
        Folder::checked(self.look_up(base, FOLDER)?)
    }
}

/// Number of times that a directory is looked up.
const TRIES: usize = 100;

const FOLDER: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_NONBLOCK).union(OFlag::O_CLOEXEC);

const FILE: OFlag =
    OFlag::O_NOFOLLOW.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// A directory on the way to one that is not there yet.
#[derive(Debug)]
pub(super) struct Way(OwnedFd);

impl Way {
    /// Path of it, valid while this value lives.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// An open directory that nobody but root (or this user) can write to.
#[derive(Debug)]
pub(super) struct Folder(File);

impl Folder {
    fn checked(folder: OwnedFd) -> io::Result<Self> {
        let folder = File::from(folder);
        let own = nix::unistd::geteuid().as_raw();
        if is_safe(&folder.metadata()?, own) {
            Ok(Self(folder))
        } else {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may write to it"))
        }
    }

    /// Opens a directory in it; a link is none.
    pub(super) fn folder(&self, name: &OsStr) -> io::Result<Self> {
        let flags = FOLDER | OFlag::O_NOFOLLOW;
        Self::checked(openat(&self.0, name, flags, Mode::empty())?)
    }

    /// Path of it, valid while this value lives.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// Reads a regular file in it of at most `max` bytes.
    pub(super) fn read(&self, name: &OsStr, max: u64) -> io::Result<Vec<u8>> {
        let file = File::from(openat(&self.0, name, FILE, Mode::empty())?);
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > max {
            return Err(io::Error::other("no regular file, or too long"));
        }
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Returns whether nobody but root and user `own` can put files into a directory.
fn is_safe(folder: &Metadata, own: u32) -> bool {
    let is_ours = |id: u32| id == 0 || id == own;
    let group_is_ours = folder.mode() & GROUP_WRITES == 0 || is_ours(folder.gid());
    is_ours(folder.uid()) && group_is_ours && folder.mode() & ALL_WRITE == 0
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, chown, symlink},
    };

    use nix::unistd::mkfifo;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir()
                .join(format!("ephtrace-trusted-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("run/a")).unwrap();
            fs::write(path.join("run/a/config.json"), "{}").unwrap();
            Self(path)
        }

        fn root(&self) -> Root {
            Root::open(&self.0).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn a() -> &'static OsStr {
        OsStr::new("a")
    }

    fn config() -> &'static OsStr {
        OsStr::new("config.json")
    }

    #[test]
    fn regular_files_are_read_up_to_a_bound() {
        let scratch = Scratch::new("bound");
        let folder = scratch.root().folder("run").unwrap().folder(a()).unwrap();
        assert_eq!(folder.read(config(), 2).unwrap(), b"{}");
        assert!(folder.read(config(), 1).is_err());
        assert!(scratch.root().folder("/run").is_ok(), "below the root");
        assert!(scratch.root().folder("../../../etc").is_err());
    }

    #[test]
    fn links_pipes_and_devices_are_no_files() {
        let scratch = Scratch::new("links");
        let a_path = scratch.0.join("run/a");
        symlink("config.json", a_path.join("link")).unwrap();
        mkfifo(&a_path.join("fifo"), Mode::S_IRUSR).unwrap();
        symlink("a", scratch.0.join("run/b")).unwrap();
        let run = scratch.root().folder("run").unwrap();
        assert!(run.folder(OsStr::new("b")).is_err());
        let folder = run.folder(a()).unwrap();
        for name in ["link", "fifo", ".", "no"] {
            assert!(folder.read(OsStr::new(name), 100).is_err(), "{name}");
        }
        // A disk of one's own for a runtime is often a link.
        symlink("/run", scratch.0.join("linked")).unwrap();
        assert!(scratch.root().folder("linked").is_ok());
    }

    #[test]
    fn folders_that_others_may_write_to_are_none() {
        let scratch = Scratch::new("others");
        let (run, path) = (scratch.root().folder("run").unwrap(), scratch.0.join("run/a"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o757)).unwrap();
        assert!(run.folder(a()).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(run.folder(a()).is_ok());
        if nix::unistd::geteuid().is_root() {
            chown(&path, Some(65_534), Some(65_534)).unwrap();
            assert!(run.folder(a()).is_err());
            chown(&path, Some(0), Some(65_534)).unwrap();
            assert!(run.folder(a()).is_ok());
            fs::set_permissions(&path, fs::Permissions::from_mode(0o775)).unwrap();
            assert!(run.folder(a()).is_err());
        }
    }
}
