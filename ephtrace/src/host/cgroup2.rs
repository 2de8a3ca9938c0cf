//! The root of the cgroup v2 hierarchy, even if this process sees no mount of it.
//!
//! `ip netns exec` mounts /sys anew, without the cgroups below it, and `unshare -m` or a container
//! may have none; then a private mount of ephtrace's own takes its place. In a cgroup namespace, a
//! container's default, each mount shows that cgroup alone.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    ptr,
    sync::{Arc, OnceLock},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, open, openat},
    sys::stat::Mode,
};

use super::mounts::cgroup2_mount;
use crate::model::escape::shown;

/// Id of the hierarchy's root, the inode number of its directory; kernfs numbers from there.
pub(crate) const ROOT_ID: u64 = 1;

/// `FSOPEN_CLOEXEC`, `FSCONFIG_CMD_CREATE` and `FSMOUNT_CLOEXEC` of `linux/mount.h`.
const CLOEXEC: libc::c_uint = 1;
const CREATE: libc::c_uint = 6;

/// Path to the file systems that process 1 sees.
const ROOT_OF_PROCESS_1: &str = "/proc/1/root";

/// Maximum depth of a cgroup: each level takes two characters of a path, which has at most 4096.
const MAX_LEVEL: u32 = 2048;

/// An open root of cgroup v2.
#[derive(Clone, Debug)]
pub struct Cgroup2 {
    /// Mount point; `None` if only ephtrace has it.
    pub mount_point: Option<PathBuf>,
    /// True for the root of all cgroups; false for that of a cgroup namespace.
    pub is_whole: bool,
    root: Arc<File>,
}

impl Cgroup2 {
    /// Returns the result of `look_up`, remembered if it is the whole hierarchy: a started run has
    /// no right to another mount.
    pub fn find() -> Option<Self> {
        static FOUND: OnceLock<Cgroup2> = OnceLock::new();
        FOUND.get().cloned().or_else(|| {
            let found = Self::look_up()?;
            Some(if found.is_whole { FOUND.get_or_init(|| found).clone() } else { found })
        })
    }

    /// Returns the best root available: all cgroups from a mount of this process, else from one of
    /// process 1, else from a new mount; else those of this cgroup namespace. `None` if the kernel
    /// has none, or a new mount needs rights that this process lacks.
    fn look_up() -> Option<Self> {
        let mut part = None;
        let places: [fn() -> Option<Self>; 3] = [Self::mounted, Self::of_process_1, Self::detached];
        for place in places {
            match place() {
                Some(found) if found.is_whole => return Some(found),
                found => part = part.or(found),
            }
        }
        part
    }

    /// Path of the root's directory, valid while this value lives.
    pub fn folder(&self) -> PathBuf {
        let open = || format!("/proc/self/fd/{}", self.root.as_raw_fd()).into();
        self.own_mount_point().cloned().unwrap_or_else(open)
    }

    /// Mount point in this process's own view. The path through process 1 needs a right each time,
    /// which a run gives up after its start.
    fn own_mount_point(&self) -> Option<&PathBuf> {
        self.mount_point.as_ref().filter(|path| !path.starts_with(ROOT_OF_PROCESS_1))
    }

    /// Display name of the root.
    pub fn name(&self) -> String {
        self.mount_point.as_ref().map_or("cgroup v2".into(), |path| shown(&path).to_string())
    }

    /// Returns the path of the cgroup that a user calls `path`: as `/proc/PID/cgroup` writes it, or
    /// as it is mounted, here or for process 1.
    pub fn locate(&self, path: &Path) -> PathBuf {
        let folder = self.folder();
        if path.starts_with(&folder) {
            return path.to_owned();
        }
        let below = folder.join(path.strip_prefix("/").unwrap_or(path));
        if below.exists() {
            return below;
        }
        let of_process_1 = mount_point_of_process_1();
        match of_process_1.as_ref().and_then(|mount| path.strip_prefix(mount).ok()) {
            Some(rest) => folder.join(rest),
            None if path.is_absolute() && path.exists() => path.to_owned(),
            None => below,
        }
    }

    /// Display name of the cgroup at `full`.
    pub fn shown(&self, full: &Path) -> String {
        match (self.own_mount_point(), full.strip_prefix(self.folder())) {
            (None, Ok(below)) => format!("cgroup /{}", shown(&below)),
            _ => shown(&full).to_string(),
        }
    }

    /// Returns the id of the cgroup at `full`, and its depth below the root; `None` if it does not
    /// exist.
    pub fn id_and_level(&self, full: &Path) -> io::Result<Option<(u64, u32)>> {
        let root = self.root.metadata()?;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut folder: File = open(full, flags, Mode::empty())?.into();
        let id = folder.metadata()?.ino();
        for level in 0..=MAX_LEVEL {
            let found = folder.metadata()?;
            if found.dev() != root.dev() {
                break;
            }
            if found.ino() == root.ino() {
                return Ok(Some((id, level)));
            }
            folder = openat(&folder, "..", flags, Mode::empty())?.into();
        }
        Ok(None)
    }

    /// The open root directory.
    pub fn root(&self) -> &File {
        &self.root
    }

    fn mounted() -> Option<Self> {
        let mount_point = cgroup2_mount(&fs::read("/proc/self/mounts").ok()?)?;
        Self::open(File::open(&mount_point).ok()?, Some(mount_point))
    }

    /// Opens the mount of process 1, which is the host's if this pid namespace is.
    fn of_process_1() -> Option<Self> {
        let mount_point = mount_point_of_process_1()?;
        let below = mount_point.strip_prefix("/").ok()?;
        let folder = Path::new(ROOT_OF_PROCESS_1).join(below);
        Self::open(File::open(&folder).ok()?, Some(folder))
    }

    fn detached() -> Option<Self> {
        let mount = mount_detached().ok()?;
        let folder = format!("/proc/self/fd/{}", mount.as_raw_fd());
        Self::open(File::open(folder).ok()?, None)
    }

    fn open(root: File, mount_point: Option<PathBuf>) -> Option<Self> {
        let is_whole = root.metadata().ok()?.ino() == ROOT_ID;
        Some(Self { mount_point, is_whole, root: Arc::new(root) })
    }
}

/// The list of mounts of process 1 may be readable even if its root is not.
fn mount_point_of_process_1() -> Option<PathBuf> {
    cgroup2_mount(&fs::read("/proc/1/mounts").ok()?)
}

/// Mounts cgroup v2 without a mount point (Linux 5.2). The mount disappears with its last open
/// file.
fn mount_detached() -> io::Result<OwnedFd> {
    // SAFETY: the call takes a NUL-terminated string and a number.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, c"cgroup2".as_ptr(), CLOEXEC) };
    let context = owned(context)?;
    let no_text: *const libc::c_char = ptr::null();
    // SAFETY: the call takes numbers, and no strings for this command.
    let made = unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), CREATE, no_text, no_text, 0)
    };
    Errno::result(made)?;
    // SAFETY: the call takes numbers.
    let mount = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, 0) };
    owned(mount)
}

/// Returns a descriptor that the kernel has just created, or its error.
fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = libc::c_int::try_from(Errno::result(result)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_our_own_shows_the_same_root() {
        // The test needs root, and a kernel with cgroup v2.
        let Some(detached) = Cgroup2::detached() else { return };
        let procs = detached.folder().join("cgroup.procs");
        assert!(fs::read(&procs).is_ok(), "{}", procs.display());
        if let Some(mounted) = Cgroup2::mounted() {
            let inode = |found: &Cgroup2| found.root().metadata().unwrap().ino();
            assert_eq!(inode(&detached), inode(&mounted));
            assert_eq!(detached.is_whole, mounted.is_whole);
        }
    }
}
