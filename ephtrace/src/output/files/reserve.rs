//! The part of a disk that is left to other programs.
//!
//! Root may fill a disk to its last block, those included that the file system keeps for root, and
//! then nobody can log in, log or write a mail. So room is what others have (`f_bavail`), less a
//! reserve: a hundredth of the disk, which fits a small one, and 64 MiB at most, as a hundredth of
//! a large one would be gigabytes that ephtrace is refused for nothing.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    time::{Duration, Instant},
};

use nix::sys::statvfs::fstatvfs;

use crate::output::human_bytes::HumanBytes;

/// Part of a disk that is left to others.
const SHARE: u64 = 100;

/// Most bytes that are left to others.
const MAX_RESERVE_BYTES: u64 = 64 << 20;

/// How long a look at the disk is good for: other programs write to it, too.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Bytes that are written after a look at most: some hundred writes of a storm.
const BYTES_PER_LOOK: u64 = 8 << 20;

/// Bytes of a block in `st_blocks`, whatever the file system has.
const STAT_BLOCK_BYTES: u64 = 512;

/// What may be written to a disk until it is looked at again.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    left_bytes: u64,
    looked: Option<Instant>,
}

impl Reserve {
    /// Fails if the disk of `file` has no room for so many bytes more.
    pub(super) fn take(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        let is_recent = self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY);
        if !is_recent || bytes > self.left_bytes {
            let disk = Disk::of(file);
            disk.check(bytes)?;
            self.left_bytes = disk.room_bytes().min(BYTES_PER_LOOK.max(bytes));
            self.looked = Some(Instant::now());
        }
        self.left_bytes = self.left_bytes.saturating_sub(bytes);
        Ok(())
    }
}

/// Fails if there is no room even once `file` is empty.
pub(super) fn check_once_emptied(file: &File) -> io::Result<()> {
    let mut disk = Disk::of(file);
    let own_bytes = file.metadata()?.blocks().saturating_mul(STAT_BLOCK_BYTES);
    disk.available_bytes = disk.available_bytes.saturating_add(own_bytes);
    disk.check(1)
}

/// What a file system says of itself.
#[derive(Clone, Copy, Debug)]
struct Disk {
    available_bytes: u64,
    reserve_bytes: u64,
}

impl Disk {
    /// One that says nothing (FUSE, some network file systems) has room until a write fails.
    fn of(file: &File) -> Self {
        let unknown = Self { available_bytes: u64::MAX, reserve_bytes: 0 };
        let Ok(said) = fstatvfs(file) else { return unknown };
        match Self::of_size(said.blocks(), said.blocks_available(), said.fragment_size()) {
            Some(disk) => disk,
            None => unknown,
        }
    }

    fn of_size(blocks: u64, available: u64, block_bytes: u64) -> Option<Self> {
        let disk_bytes = blocks.saturating_mul(block_bytes);
        (disk_bytes > 0).then(|| Self {
            available_bytes: available.saturating_mul(block_bytes),
            reserve_bytes: (disk_bytes / SHARE).min(MAX_RESERVE_BYTES),
        })
    }

    fn room_bytes(self) -> u64 {
        self.available_bytes.saturating_sub(self.reserve_bytes)
    }

    fn check(self, bytes: u64) -> io::Result<()> {
        if bytes <= self.room_bytes() {
            return Ok(());
        }
        let why = format!(
            "its disk is full except for the last {}, which ephtrace leaves to other programs: \
             make room, or name a file on another disk",
            HumanBytes(self.reserve_bytes)
        );
        Err(io::Error::new(ErrorKind::StorageFull, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundredth_of_a_small_disk_and_little_of_a_large_one() {
        let reserve = |blocks| Disk::of_size(blocks, 0, 4096).map(|disk| disk.reserve_bytes);
        assert_eq!(reserve(0), None);
        assert_eq!(reserve(256), Some(256 * 4096 / 100));
        assert_eq!(reserve(1 << 32), Some(64 << 20));
        assert_eq!(reserve(u64::MAX), Some(64 << 20));
    }

    #[test]
    fn what_is_left_to_others_is_no_room() {
        let disk = Disk { available_bytes: 100, reserve_bytes: 60 };
        assert!(disk.check(40).is_ok());
        let error = disk.check(41).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(error.to_string().contains("leaves to other programs"), "{error}");
        let full = Disk { available_bytes: 59, reserve_bytes: 60 };
        assert!(full.check(0).is_ok() && full.check(1).is_err());
    }
}
