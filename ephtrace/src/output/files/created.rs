//! A new file, which is removed again if it remains unused.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
};

use nix::fcntl::OFlag;

use super::place::Place;

/// Mode of a new file by default: recordings name programs and their peers.
pub(super) const OWN_MODE: u32 = 0o600;

/// Permission bits of a mode, without those that make a program run as another user.
const ACCESS_BITS: u32 = 0o777;

/// Permission bits of the group.
const GROUP_BITS: u32 = 0o070;

/// A place, and true if the file at it is to be removed.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) place: Place,
    pub(super) is_unused: bool,
    /// Device and inode number of the file.
    identity: (u64, u64),
}

impl Created {
    /// Creates a new file at `place`; fails if anything is there.
    pub(super) fn open(place: Place) -> io::Result<(Self, File)> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let file = place.open(flags, OWN_MODE)?;
        let metadata = file.metadata()?;
        Ok((Self { place, is_unused: true, identity: (metadata.dev(), metadata.ino()) }, file))
    }

    /// Returns an existing file at `place`, with its `metadata`: it stays.
    pub(super) fn before(place: Place, metadata: &Metadata) -> Self {
        Self { place, is_unused: false, identity: (metadata.dev(), metadata.ino()) }
    }

    /// Returns true if the file is still there.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        let there = self.place.stat()?;
        Ok((there.st_dev, there.st_ino) == self.identity)
    }

    /// Creates a new file at `place` that the same users may read and write as `model`.
    pub(super) fn like(place: Place, model: &File) -> io::Result<(Self, File)> {
        let (created, file) = Self::open(place)?;
        let (wanted, own) = (model.metadata()?, file.metadata()?);
        let mut mode = wanted.mode() & ACCESS_BITS;
        if (wanted.uid(), wanted.gid()) != (own.uid(), own.gid())
            && fchown(&file, Some(wanted.uid()), Some(wanted.gid())).is_err()
        {
            // Without the right to change its owner, the file belongs to its writer, and may have
            // another group.
            mode &= !GROUP_BITS;
        }
        set_mode(&file, mode)?;
        Ok((created, file))
    }
}

/// Sets the permissions to `mode`, whatever the umask is.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    if permissions.mode() & ACCESS_BITS == mode {
        return Ok(());
    }
    permissions.set_mode(mode);
    file.set_permissions(permissions)
}

impl Drop for Created {
    fn drop(&mut self) {
        // A file that has taken its place since then belongs to another process.
        if self.is_unused && self.is_there().unwrap_or(false) {
            // Nobody asked for an empty file.
            let _ = self.place.remove();
        }
    }
}
