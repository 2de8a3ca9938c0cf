//! The bytes of a recording: a file, with the end from its journal if its own was being replaced
//! when the writer was killed; or memory.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
    sync::Arc,
};

use bytes::Bytes;
use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

use crate::output::stream::parquet::Journal;

/// Bytes by position, shared by all readers of columns.
#[derive(Clone)]
pub(super) struct Source(Arc<Parts>);

struct Parts {
    front: Front,
    /// Number of valid bytes of the front.
    front_len: u64,
    /// Bytes behind the front.
    tail: Vec<u8>,
}

enum Front {
    File(File),
    Memory(Vec<u8>),
}

impl Source {
    pub(super) fn file(file: File) -> io::Result<Self> {
        let front_len = file.metadata()?.len();
        Ok(Self(Arc::new(Parts { front: Front::File(file), front_len, tail: Vec::new() })))
    }

    pub(super) fn memory(bytes: Vec<u8>) -> Self {
        let front_len = bytes.len() as u64;
        Self(Arc::new(Parts { front: Front::Memory(bytes), front_len, tail: Vec::new() }))
    }

    /// Returns the file with the end from its journal; `None` if that does not fit.
    pub(super) fn restored(file: File, journal: Journal) -> io::Result<Option<Self>> {
        let Journal { at, tail } = journal;
        let is_long_enough = file.metadata()?.len() >= at;
        let parts = Parts { front: Front::File(file), front_len: at, tail };
        Ok(is_long_enough.then(|| Self(Arc::new(parts))))
    }

    /// Reads at most as many bytes as fit, from `at` on; 0 at the end.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let Parts { front, front_len, tail } = &*self.0;
        let Some(left) = front_len.checked_sub(at).filter(|&left| left > 0) else {
            let start = usize::try_from(at - front_len).unwrap_or(usize::MAX);
            return tail.get(start..).unwrap_or_default().read(bytes);
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        match front {
            Front::File(file) => file.read_at(&mut bytes[..most], at),
            Front::Memory(memory) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                memory.get(start..).unwrap_or_default().read(&mut bytes[..most])
            }
        }
    }

    /// Returns the last four bytes.
    pub(super) fn ending(&self) -> io::Result<[u8; 4]> {
        let mut ending = [0; 4];
        let start = self.len().saturating_sub(4);
        Cursor { source: self.clone(), at: start }.read_exact(&mut ending)?;
        Ok(ending)
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.0.front_len + self.0.tail.len() as u64
    }
}

impl ChunkReader for Source {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(Cursor { source: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // Lengths come from the file: never reserve more than it has.
        let end = start.checked_add(length as u64).filter(|&end| end <= self.len());
        if end.is_none() {
            return Err(ParquetError::EOF(
                "it ends before the data that its footer describes".to_owned(),
            ));
        }
        let mut bytes = vec![0; length];
        Cursor { source: self.clone(), at: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Reader that continues from a position.
pub(super) struct Cursor {
    source: Source,
    at: u64,
}

impl Read for Cursor {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read_at(bytes, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
