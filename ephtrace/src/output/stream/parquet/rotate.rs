//! Several files in place of one: the start and the name of the next one.

use std::{
    ffi::{OsStr, OsString},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::output::files::{PendingFile, Place};

/// Limit at which the next file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    /// Size of a file in bytes: it gets at most one row group longer.
    Bytes(u64),
    /// Time span of a file.
    Time(Duration),
}

/// Returns the name with a number: `ports.parquet` with number 7 is `ports-000007.parquet`, so that
/// names sort by time.
fn numbered(name: &OsStr, number: u32) -> OsString {
    let name = Path::new(name);
    let mut numbered = OsString::from(name.file_stem().unwrap_or_default());
    numbered.push(format!("-{number:06}"));
    if let Some(extension) = name.extension() {
        numbered.push(".");
        numbered.push(extension);
    }
    numbered
}

/// Returns the path of file `number` of a recording to `path`.
pub(super) fn numbered_path(path: &Path, number: u32) -> PathBuf {
    path.with_file_name(numbered(path.file_name().unwrap_or_default(), number))
}

/// Creates a file beside `base`, with the first unused number from `from` on: an earlier recording
/// is not overwritten.
pub(super) fn create(base: &Place, from: u32, mode: Option<u32>) -> io::Result<(u32, PendingFile)> {
    for number in from..u32::MAX {
        match PendingFile::create(base.beside(numbered(base.name(), number)), mode) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (number, file)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_before_the_extension() {
        let named = |text: &str| numbered(OsStr::new(text), 7).into_string().unwrap();
        assert_eq!(named("ports.parquet"), "ports-000007.parquet");
        assert_eq!(named("ports"), "ports-000007");
        assert_eq!(named("a.b.parquet"), "a.b-000007.parquet");
    }
}
