//! A file that is there already, which somebody else may have put there for root to write to.

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

/// The file at `place`, which is there.
pub(super) fn existing(place: &Place) -> io::Result<File> {
    // A FIFO that nobody reads would be waited for.
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
    // From now on, a reader that is slow is waited for.
    if !file.metadata()?.is_file() {
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_WRONLY))?;
    }
    Ok(file)
}

/// Refuses what somebody else may have put there for ephtrace to write to.
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
    // Linux does the same where it is told to (`fs.protected_regular`), but only if the file may
    // be created.
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
