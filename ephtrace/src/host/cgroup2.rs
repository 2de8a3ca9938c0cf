//! The root of the cgroup v2 hierarchy, whether or not it is mounted where this process sees it.
//!
//! `ip netns exec` mounts /sys anew, without the cgroups below it, and `unshare -m` or a container
//! may have none; then a mount of ephtrace's own, which nobody else sees, takes its place. In a
//! cgroup namespace, a container's default, each mount shows that cgroup alone.

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

/// Id of the hierarchy's root, the inode number of its folder; kernfs numbers from there.
pub(crate) const ROOT_ID: u64 = 1;

/// `FSOPEN_CLOEXEC`, `FSCONFIG_CMD_CREATE` and `FSMOUNT_CLOEXEC` of `linux/mount.h`.
const CLOEXEC: libc::c_uint = 1;
const CREATE: libc::c_uint = 6;

/// Leads to the file systems that process 1 sees.
const ROOT_OF_PROCESS_1: &str = "/proc/1/root";

/// No folder is deeper: each takes two characters of a path, which has at most 4096.
const MAX_LEVEL: u32 = 2048;

/// An open root of cgroup v2.
#[derive(Clone, Debug)]
pub struct Cgroup2 {
    /// Where it is mounted; none if only ephtrace has it.
    pub mount_point: Option<PathBuf>,
    /// It is the root of all cgroups, and not that of a cgroup namespace.
    pub is_whole: bool,
    root: Arc<File>,
}

impl Cgroup2 {
    /// What `look_up` finds, looked up once if that is the whole hierarchy: a run that
    /// has begun has no right to another mount.
    pub fn find() -> Option<Self> {
        static FOUND: OnceLock<Cgroup2> = OnceLock::new();
        FOUND.get().cloned().or_else(|| {
            let found = Self::look_up()?;
            Some(if found.is_whole { FOUND.get_or_init(|| found).clone() } else { found })
        })
    }

    /// The best there is: all cgroups from a mount of this process, else from one of process 1's,
    /// else from a new one; else those of this cgroup namespace. `None` if the kernel has none, or
    /// a new mount takes rights that this process lacks.
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

    /// Its folder, for as long as this value lives.
    pub fn folder(&self) -> PathBuf {
        let open = || format!("/proc/self/fd/{}", self.root.as_raw_fd()).into();
        self.own_mount_point().cloned().unwrap_or_else(open)
    }

    /// Where this process has it mounted. The way through process 1 takes a right each time, which
    /// a run has given up once it has begun.
    fn own_mount_point(&self) -> Option<&PathBuf> {
        self.mount_point.as_ref().filter(|path| !path.starts_with(ROOT_OF_PROCESS_1))
    }

    /// What it is called where one is told of it.
    pub fn name(&self) -> String {
        self.mount_point.as_ref().map_or("cgroup v2".into(), |path| shown(&path).to_string())
    }

    /// Where the cgroup is that somebody calls `path`: as `/proc/PID/cgroup` writes it, or as it is
    /// mounted, here or for process 1.
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

    /// What to call the place `full` of a cgroup where one is told of it.
    pub fn shown(&self, full: &Path) -> String {
        match (self.own_mount_point(), full.strip_prefix(self.folder())) {
            (None, Ok(below)) => format!("cgroup /{}", shown(&below)),
            _ => shown(&full).to_string(),
        }
    }

    /// Id of the cgroup at `full`, and how deep it is below the root; `None` if it is not there.
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

    /// The root itself.
    pub fn root(&self) -> &File {
        &self.root
    }

    fn mounted() -> Option<Self> {
        let mount_point = cgroup2_mount(&fs::read("/proc/self/mounts").ok()?)?;
        Self::open(File::open(&mount_point).ok()?, Some(mount_point))
    }

    /// As process 1 sees it, which is the host's where the process ids are.
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

/// Its list of mounts may be read where its root may not be looked at.
fn mount_point_of_process_1() -> Option<PathBuf> {
    cgroup2_mount(&fs::read("/proc/1/mounts").ok()?)
}

/// Mounts cgroup v2 nowhere (Linux 5.2). The mount is gone once nothing has it open.
fn mount_detached() -> io::Result<OwnedFd> {
    // SAFETY: takes a text that ends in 0, and a number.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, c"cgroup2".as_ptr(), CLOEXEC) };
    let context = owned(context)?;
    let no_text: *const libc::c_char = ptr::null();
    // SAFETY: takes numbers, and no texts for this command.
    let made = unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), CREATE, no_text, no_text, 0)
    };
    Errno::result(made)?;
    // SAFETY: takes numbers.
    let mount = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOEXEC, 0) };
    owned(mount)
}

/// A descriptor that the kernel has just returned, or its error.
fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    let fd = libc::c_int::try_from(Errno::result(result)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_our_own_shows_the_same_root() {
        // It takes root, and a kernel with cgroup v2.
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
