//! An open file, guarded against changes by others.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
};

use super::{created::Created, place::Place, reserve::Reserve};

/// A file to which writing has begun.
///
/// A new file is removed again unless it is [kept](Self::keep).
#[derive(Debug)]
pub(crate) struct OpenFile {
    // Dropped before the file is closed and unlocked: no other process can begin the file in
    // between.
    created: Created,
    file: File,
    is_watched: bool,
    reserve: Reserve,
}

impl OpenFile {
    pub(super) fn new(created: Created, file: File, is_watched: bool) -> Self {
        Self { created, file, is_watched, reserve: Reserve::default() }
    }

    /// Returns the file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns its place.
    pub(crate) fn place(&self) -> &Place {
        &self.created.place
    }

    /// Returns true if the file is ephtrace's alone while it is open: no device, no pipe, and no
    /// file that the shell has opened (`/dev/stdout`), to which other processes may write as well.
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// Keeps the file in any case.
    pub(crate) fn keep(&mut self) {
        self.created.is_unused = false;
    }

    /// Fails if the disk has no room for `bytes` more.
    pub(crate) fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        if self.is_watched { self.reserve.take(&self.file, bytes) } else { Ok(()) }
    }

    /// Fails if another process has changed the file, whose length must be `len_bytes`: further
    /// writes would be lost.
    pub(crate) fn check(&self, len_bytes: u64) -> io::Result<()> {
        if self.is_watched { check(&self.file, self.place(), len_bytes) } else { Ok(()) }
    }

    /// Creates a file called `name` beside this one, which the same users may read and write, and
    /// which stays.
    pub(crate) fn new_beside(&self, name: &OsStr) -> io::Result<File> {
        let (mut created, file) = Created::like(self.place().beside(name.to_owned()), &self.file)?;
        created.is_unused = false;
        Ok(file)
    }
}

/// Fails if `file` is no longer the file at `place`, or if its length is not `len_bytes`.
pub(super) fn check(file: &File, place: &Place, len_bytes: u64) -> io::Result<()> {
    let own = file.metadata()?;
    let what = match place.stat() {
        Err(error) if error.kind() == ErrorKind::NotFound => "removed or renamed",
        Err(error) => return Err(error),
        Ok(there) if (there.st_dev, there.st_ino) != (own.dev(), own.ino()) => {
            "replaced by another file"
        }
        Ok(_) if own.len() < len_bytes => "truncated",
        Ok(_) if own.len() > len_bytes => "modified by another program",
        Ok(_) => return Ok(()),
    };
    Err(io::Error::other(format!(
        "it was {what} while ephtrace was writing to it: keep other programs such as logrotate \
         away from it and restart ephtrace (`ephtrace record --rotate` starts new files by itself)"
    )))
}
