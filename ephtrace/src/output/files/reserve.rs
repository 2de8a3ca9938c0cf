//! Part of a disk that is left to other programs.
//!
//! Root may fill a disk to its last block, including the blocks that the file system reserves for
//! root; then nobody can log in, write logs or mails. Therefore the available room is that of other
//! users (`f_bavail`), less a reserve of a hundredth of the disk, which suits a small disk, and of
//! at most 64 MiB, because a hundredth of a large disk would deny ephtrace gigabytes for nothing.

use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    time::{Duration, Instant},
};

use nix::sys::statvfs::fstatvfs;

use crate::output::human_bytes::HumanBytes;

/// Divisor of the disk's size that gives the reserve.
const SHARE: u64 = 100;

/// Maximum reserve in bytes.
const MAX_RESERVE_BYTES: u64 = 64 << 20;

/// Time for which a look at the disk is valid: other programs write to it, too.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Maximum number of bytes written after a look: some hundred writes of a storm.
const BYTES_PER_LOOK: u64 = 8 << 20;

/// Size of a block in `st_blocks` in bytes, whatever the file system's block size is.
const STAT_BLOCK_BYTES: u64 = 512;

/// Number of bytes that may be written to a disk before the next look at it.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    left_bytes: u64,
    looked: Option<Instant>,
}

impl Reserve {
    /// Fails if the disk of `file` has no room for `bytes` more.
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

/// Fails if there is no room even after `file` is emptied.
pub(super) fn check_once_emptied(file: &File) -> io::Result<()> {
    let mut disk = Disk::of(file);
    let own_bytes = file.metadata()?.blocks().saturating_mul(STAT_BLOCK_BYTES);
    disk.available_bytes = disk.available_bytes.saturating_add(own_bytes);
    disk.check(1)
}

/// Figures of a file system.
#[derive(Clone, Copy, Debug)]
struct Disk {
    available_bytes: u64,
    reserve_bytes: u64,
}

impl Disk {
    /// Returns the figures. A file system without any (FUSE, some network file systems) has room
    /// until a write fails.
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
