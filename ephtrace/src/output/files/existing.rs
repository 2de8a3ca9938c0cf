//! An existing file, which another user may have put there for root to write to.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::geteuid,
};

use super::place::{Place, is_trusted};

/// Opens the existing file at `place`.
pub(super) fn existing(place: &Place) -> io::Result<File> {
    // Opening a FIFO without a reader would block.
    let behind = if place.may_be_link() { OFlag::O_APPEND } else { OFlag::empty() };
    let opened = place.open(OFlag::O_WRONLY | OFlag::O_NONBLOCK | behind, 0);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => {
            refused("it is a symbolic link, which ephtrace does not follow: name the file itself")
        }
        Some(libc::ENXIO) => refused(
            "it is a FIFO without a reader, or a missing device: start the reader first, or name \
             another file",
        ),
        _ => error,
    })?;
    refuse_planted(place, &file)?;
    // From now on, writes wait for a slow reader.
    if !file.metadata()?.is_file() {
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_WRONLY))?;
    }
    Ok(file)
}

/// Refuses a file that another user may have put there for ephtrace to write to.
fn refuse_planted(place: &Place, file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let uid = metadata.uid();
    if metadata.file_type().is_fifo() && !is_trusted(uid) {
        return Err(refused(&format!(
            "it is a FIFO of user {uid}, who could block ephtrace: let the shell open it \
             (ephtrace > FIFO)"
        )));
    }
    if !metadata.is_file() {
        return Ok(());
    }
    if metadata.nlink() > 1 {
        return Err(refused(&format!(
            "it has {} hard links and would change under all of them: remove this one, or name \
             another file",
            metadata.nlink()
        )));
    }
    // Linux does the same if configured (`fs.protected_regular`), but only for opens that may
    // create the file.
    match place.owner_if_for_everybody()? {
        Some(owner) if uid != owner && uid != geteuid().as_raw() => Err(refused(&format!(
            "it belongs to user {uid}, in a directory where everyone may create files: remove it, \
             or name another file"
        ))),
        _ => Ok(()),
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}
