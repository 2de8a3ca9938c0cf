//! Place of a file: its directory, looked up once and held open, and its name in it.
//!
//! A user who may rename a directory in the path, or put a link there, can lead the next look-up
//! elsewhere. Links made by root or by the caller are followed; another user's links only if they
//! lead to a directory of the same user, who may do anything there anyway. Linux itself does
//! something similar in directories for everybody, but only if configured
//! (`fs.protected_symlinks`).

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, ErrorKind},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat, renameat},
    sys::{
        stat::{FileStat, Mode, SFlag, fstat, fstatat},
        statfs::{PROC_SUPER_MAGIC, fstatfs},
    },
    unistd::{UnlinkatFlags, linkat, unlinkat},
};

use crate::model::escape::shown;

/// Maximum number of links on the way to a directory: Linux's own limit.
const MAX_LINKS: u32 = 40;

const DIRECTORY: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// Mode bits that allow the group or others to write.
const WRITABLE_BY_OTHERS: libc::mode_t = 0o022;

/// Place of a file that exists or will exist.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    folder: Arc<OwnedFd>,
    name: OsString,
    /// The path as given.
    path: PathBuf,
    /// True for `/dev/stdout` and `/proc/self/fd/1`, which are links in directories where no other
    /// user can create one.
    may_be_link: bool,
}

impl Place {
    /// Looks up the directory of `path`.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        let end_of_folder = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        let (folder, name) = bytes.split_at(end_of_folder);
        if matches!(name, b"." | b"..") || (name.is_empty() && !folder.is_empty()) {
            return Err(ErrorKind::IsADirectory.into());
        }
        if name.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        let mut links_left = MAX_LINKS;
        let folder = walk(AT_FDCWD, Path::new(OsStr::from_bytes(folder)), &mut links_left)?;
        let is_of_system = ["/dev", "/proc"].iter().any(|of_system| path.starts_with(of_system));
        Ok(Self {
            may_be_link: is_of_system && is_written_to_by_nobody_else(&folder)?,
            folder: Arc::new(folder),
            name: OsStr::from_bytes(name).to_owned(),
            path: path.to_owned(),
        })
    }

    /// Returns the place called `name` in the same directory.
    pub(crate) fn beside(&self, name: OsString) -> Self {
        let path = self.path.with_file_name(&name);
        Self { folder: Arc::clone(&self.folder), name, path, may_be_link: false }
    }

    /// Returns true if it may be a system's link to a file that is already open.
    pub(crate) fn may_be_link(&self) -> bool {
        self.may_be_link
    }

    /// Returns the path as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the name of the file.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Opens the file itself, and never the target of a link.
    pub(crate) fn open(&self, flags: OFlag, mode: u32) -> io::Result<File> {
        let never = if self.may_be_link { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let flags = flags | never | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
        let mode = Mode::from_bits_truncate(mode);
        Ok(openat(&*self.folder, &*self.name, flags, mode)?.into())
    }

    /// Returns the status of the file that is there now.
    pub(crate) fn stat(&self) -> io::Result<FileStat> {
        let follow = if self.may_be_link { AtFlags::empty() } else { AtFlags::AT_SYMLINK_NOFOLLOW };
        Ok(fstatat(&*self.folder, &*self.name, follow)?)
    }

    /// Moves the file here to `there`, and replaces a file there.
    pub(crate) fn rename_to(&self, there: &Self) -> io::Result<()> {
        Ok(renameat(&*self.folder, &*self.name, &*there.folder, &*there.name)?)
    }

    /// Gives the file here the name `there`, where nothing may exist; it may keep its name here.
    pub(crate) fn link_to(&self, there: &Self) -> io::Result<()> {
        let names = (&*self.name, &*there.name);
        match linkat(&*self.folder, names.0, &*there.folder, names.1, AtFlags::empty()) {
            // The file system has no hard links, such as that of memory cards.
            Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS) => self.rename_to(there),
            done => Ok(done?),
        }
    }

    /// Removes the name, if it exists.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match unlinkat(&*self.folder, &*self.name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) => Ok(()),
            done => Ok(done?),
        }
    }

    /// Returns the owner of the directory if everybody may create files in it and remove only their
    /// own, as in `/tmp`.
    pub(crate) fn owner_if_for_everybody(&self) -> io::Result<Option<u32>> {
        let folder = fstat(&*self.folder)?;
        let sticky_for_all = libc::S_ISVTX | libc::S_IWOTH;
        Ok((folder.st_mode & sticky_for_all == sticky_for_all).then_some(folder.st_uid))
    }
}

/// Returns true if only root and the caller can create files in the directory.
fn is_written_to_by_nobody_else(folder: &OwnedFd) -> io::Result<bool> {
    let folder = fstat(folder)?;
    Ok(is_trusted(folder.st_uid) && folder.st_mode & WRITABLE_BY_OTHERS == 0)
}

/// Returns true if a link of this user may lead anywhere.
pub(super) fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

/// Opens the directory at `path`, relative to the directory `at`.
fn walk(at: impl AsFd, path: &Path, links: &mut u32) -> io::Result<OwnedFd> {
    let begin = if path.is_absolute() { "/" } else { "." };
    let mut at = openat(at, begin, DIRECTORY, Mode::empty())?;
    for component in path.components() {
        at = match component {
            Component::Normal(name) => step(&at, name, links)?,
            Component::ParentDir => openat(&at, "..", DIRECTORY, Mode::empty())?,
            Component::RootDir | Component::CurDir | Component::Prefix(_) => at,
        };
    }
    Ok(at)
}

/// Opens the directory called `name` in `at`, or the one that a link there leads to.
fn step(at: &OwnedFd, name: &OsStr, links: &mut u32) -> io::Result<OwnedFd> {
    match openat(at, name, DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty()) {
        // Kernels differ in the error for a link.
        Err(Errno::ENOTDIR | Errno::ELOOP) => {}
        opened => return Ok(opened?),
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let link = openat(at, name, flags, Mode::empty())?;
    let owner = fstat(&link)?;
    if owner.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFLNK.bits() {
        return Err(Errno::ENOTDIR.into());
    }
    // The text of a link such as `/proc/1/root` is not its target.
    if fstatfs(&link)?.filesystem_type() == PROC_SUPER_MAGIC {
        return Ok(openat(at, name, DIRECTORY, Mode::empty())?);
    }
    *links = links.checked_sub(1).ok_or(Errno::ELOOP)?;
    let reached = walk(at, Path::new(&readlinkat(&link, "")?), links)?;
    if is_trusted(owner.st_uid) || fstat(&reached)?.st_uid == owner.st_uid {
        return Ok(reached);
    }
    let why = format!(
        "the directory '{}' in its path is a symbolic link of user {} to a directory of another \
         user: use the path without the link",
        shown(&name),
        owner.st_uid
    );
    Err(io::Error::new(ErrorKind::PermissionDenied, why))
}
