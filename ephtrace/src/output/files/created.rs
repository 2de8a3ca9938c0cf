//! A file that was not there before, and goes again if nothing comes of it.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
};

use nix::fcntl::OFlag;

use super::place::Place;

/// Mode of a new file, unless another was asked for: recordings name programs and whom they talk
/// to.
pub(super) const OWN_MODE: u32 = 0o600;

/// Bits of a mode that say who may do what: none that make a program another user's.
const ACCESS_BITS: u32 = 0o777;

/// Of these, those of the group.
const GROUP_BITS: u32 = 0o070;

/// A place, and whether the file that is there is to be removed.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) place: Place,
    pub(super) is_unused: bool,
    /// Device and inode number of that file.
    identity: (u64, u64),
}

impl Created {
    /// A new file at `place`; an error if anything is there.
    pub(super) fn open(place: Place) -> io::Result<(Self, File)> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let file = place.open(flags, OWN_MODE)?;
        let metadata = file.metadata()?;
        Ok((Self { place, is_unused: true, identity: (metadata.dev(), metadata.ino()) }, file))
    }

    /// The file that was at `place` before, as `metadata` says: it stays.
    pub(super) fn before(place: Place, metadata: &Metadata) -> Self {
        Self { place, is_unused: false, identity: (metadata.dev(), metadata.ino()) }
    }

    /// Whether the file is still there.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        let there = self.place.stat()?;
        Ok((there.st_dev, there.st_ino) == self.identity)
    }

    /// A new file at `place` that the same users may read and write as `model`.
    pub(super) fn like(place: Place, model: &File) -> io::Result<(Self, File)> {
        let (created, file) = Self::open(place)?;
        let (wanted, own) = (model.metadata()?, file.metadata()?);
        let mut mode = wanted.mode() & ACCESS_BITS;
        if (wanted.uid(), wanted.gid()) != (own.uid(), own.gid())
            && fchown(&file, Some(wanted.uid()), Some(wanted.gid())).is_err()
        {
            // Without the right to, it is of whoever writes it, and its group is another.
            mode &= !GROUP_BITS;
        }
        set_mode(&file, mode)?;
        Ok((created, file))
    }
}

/// Lets those read and write the file whom `mode` names, whatever the umask is.
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
        // What has taken its place since then is somebody else's.
        if self.is_unused && self.is_there().unwrap_or(false) {
            // Nobody asked for an empty file.
            let _ = self.place.remove();
        }
    }
}
