//! How many bytes of recordings were read so far, counted with each block that is read.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::fd::AsFd as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The count, shared by who reads and who shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// So many more were read.
    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All that were read. What is read again counts again.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// An input whose bytes are counted.
pub(super) struct Metered<R> {
    pub(super) input: R,
    pub(super) meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.meter.add(read as u64);
        Ok(read)
    }
}

/// Bytes of the files at `paths`; `None` if one of them is no file, so that nobody knows.
pub(crate) fn size_of(paths: &[PathBuf]) -> Option<u64> {
    let size = |path: &PathBuf| {
        let metadata = if path.as_os_str() == "-" { stdin_metadata() } else { fs::metadata(path) };
        metadata.ok().filter(Metadata::is_file).map(|metadata| metadata.len())
    };
    paths.iter().map(size).sum()
}

/// Of standard input.
pub(super) fn stdin_metadata() -> io::Result<Metadata> {
    io::stdin().as_fd().try_clone_to_owned().and_then(|stdin| File::from(stdin).metadata())
}
