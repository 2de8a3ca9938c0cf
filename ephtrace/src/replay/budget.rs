//! Memory budget for reading a recording (`--max-memory`).
//!
//! A file's claims are not trusted: memory that is reserved because of a claim is charged to an
//! `Account` first, and returned when the charge is dropped.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use thiserror::Error;

/// Memory that ephtrace needs besides, in bytes: itself, assignments that wait to be sorted (9
/// MiB), counts, and freed memory that the allocator keeps. `report` on 1,020,000 rows takes 40
/// MiB, pages included.
const REST_BYTES: u64 = 64 << 20;

/// Maximum memory for a run on a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxMemory {
    bytes: u64,
}

impl Default for MaxMemory {
    /// Pages of files that others wrote have a MiB, dictionaries too: thirty columns of them take
    /// less than a third of this.
    fn default() -> Self {
        Self { bytes: 256 << 20 }
    }
}

impl MaxMemory {
    /// Minimum that works, in bytes: pages of 32 MiB together.
    pub const LEAST_BYTES: u64 = REST_BYTES + (32 << 20);

    /// Creates a limit of `bytes`; `None` if that is too little.
    pub fn new(bytes: u64) -> Option<Self> {
        (bytes >= Self::LEAST_BYTES).then_some(Self { bytes })
    }
}

impl fmt::Display for MaxMemory {
    /// Writes the limit in the form of the option, rounded up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.bytes.div_ceil(1 << 20))
    }
}

/// Account of the memory held for a recording.
#[derive(Clone, Debug)]
pub(super) struct Account(Arc<Held>);

#[derive(Debug)]
struct Held {
    bytes: AtomicU64,
    max: MaxMemory,
}

/// A charge in bytes; returned when it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    account: Account,
    bytes: u64,
}

/// Error for a charge that exceeds the room left.
#[derive(Debug, Error)]
#[error(
    "needs {}, but --max-memory {max} leaves {}: if you trust the file, use --max-memory {}M",
    mib(*.bytes), mib(*.left), enough_mib(*.bytes, *.left, *.max)
)]
pub(super) struct Over {
    bytes: u64,
    left: u64,
    max: MaxMemory,
}

impl Account {
    /// Creates an account without charges.
    pub(super) fn new(max: MaxMemory) -> Self {
        Self(Arc::new(Held { bytes: AtomicU64::new(0), max }))
    }

    /// Charges `bytes`, if there is room for them.
    pub(super) fn take(&self, bytes: u64) -> Result<Charge, Over> {
        let Held { bytes: held, max } = &*self.0;
        let most = max.bytes.saturating_sub(REST_BYTES);
        let add = |held: u64| held.checked_add(bytes).filter(|&sum| sum <= most);
        match held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(Charge { account: self.clone(), bytes }),
            Err(held) => Err(Over { bytes, left: most.saturating_sub(held), max: *max }),
        }
    }
}

impl Charge {
    /// Reduces the charge to `bytes`.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let back = self.bytes.saturating_sub(bytes);
        self.account.0.bytes.fetch_sub(back, Ordering::Relaxed);
        self.bytes -= back;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// Formats as MiB, rounded up.
fn mib(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10).div_ceil(1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// Returns the limit that would have been enough.
fn enough_mib(bytes: u64, left: u64, max: MaxMemory) -> u64 {
    max.bytes.saturating_add(bytes.saturating_sub(left)).div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let account = Account::new(MaxMemory::new(MaxMemory::LEAST_BYTES).unwrap());
        let most = 32 << 20;
        let mut first = account.take(most - 10).unwrap();
        assert!(account.take(11).is_err());
        let second = account.take(10).unwrap();
        first.shrink(5);
        first.shrink(7);
        drop(second);
        assert!(account.take(most - 4).is_err());
        drop(account.take(most - 5).unwrap());
        drop(first);
        drop(account.take(most).unwrap());
        assert!(account.take(u64::MAX).is_err());
    }

    #[test]
    fn an_error_says_what_would_be_enough() {
        let account = Account::new(MaxMemory::default());
        let _held = account.take(100 << 20).unwrap();
        let over = account.take(1 << 30).unwrap_err();
        insta::assert_snapshot!(over, @"needs 1024.0 MiB, but --max-memory 256M leaves 92.0 MiB: if you trust the file, use --max-memory 1188M");
        assert_eq!(MaxMemory::new(MaxMemory::LEAST_BYTES - 1), None);
    }
}
