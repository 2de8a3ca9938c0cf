//! The lock of a file that is written to.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
};

use crate::{host::file_lock::holder, output::escape::escape_for_terminal};

/// Locks the file until it is closed, so that no other process that locks it writes to it.
pub(super) fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let who = match holder(file) {
                Some(holder) => {
                    let comm = holder
                        .comm
                        .map(|comm| format!(" ({})", escape_for_terminal(comm.as_str())));
                    format!("process {}{}", holder.pid, comm.unwrap_or_default())
                }
                // A process of another pid namespace, or one that has just ended.
                None => "another process".to_owned(),
            };
            let why = format!("{who} is writing to it: stop that process, or name another file");
            Err(io::Error::new(ErrorKind::ResourceBusy, why))
        }
        // Some file systems have no locks.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}
