//! Where events go: a file, or standard output.

use std::{fs::File, io, os::fd::AsFd as _, path::Path};

use super::files::PendingFile;

/// Where events go as text, NDJSON or CSV.
#[derive(Debug)]
pub enum Output {
    /// Into a file.
    File(PendingFile),
    /// To standard output, from where it is.
    Stdout(File),
}

impl Output {
    /// Opens the file at `path`, or takes standard output.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        match path {
            Some(path) => PendingFile::open(path).map(Self::File),
            None => Ok(Self::Stdout(File::from(io::stdout().as_fd().try_clone_to_owned()?))),
        }
    }

    /// What to write to: a file is emptied.
    pub fn begin(self) -> io::Result<File> {
        match self {
            Self::File(prepared) => prepared.begin(),
            Self::Stdout(file) => Ok(file),
        }
    }
}
