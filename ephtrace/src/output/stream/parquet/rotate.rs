//! Several files in place of one: when the next one begins, and what it is called.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// When the next file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    /// When the file has so many bytes: it gets a row group longer at most.
    Bytes(u64),
    /// When the file covers so much time.
    Time(Duration),
}

/// `ports.parquet` with number 7 is `ports-000007.parquet`, so that names sort by time.
pub(super) fn path(path: &Path, number: Option<u32>) -> PathBuf {
    let Some(number) = number else { return path.to_owned() };
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!("-{number:06}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The first number from `from` on that no file has: an earlier recording is not overwritten.
pub(super) fn first_free(base: &Path, from: u32) -> u32 {
    (from..u32::MAX).find(|&number| !path(base, Some(number)).exists()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_before_the_extension() {
        let named = |text: &str| path(Path::new(text), Some(7)).display().to_string();
        assert_eq!(named("/var/log/ports.parquet"), "/var/log/ports-000007.parquet");
        assert_eq!(named("ports"), "ports-000007");
        assert_eq!(path(Path::new("ports"), None), Path::new("ports"));
    }
}
