//! Totals that the kernel half keeps instead of emitting records: key and value of the maps
//! `TOTALS_A` and `TOTALS_B`, one entry for each process, destination and origin.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Values of [`crate::Settings::totals`].
pub mod mode {
    /// No totals: each assignment becomes a record, or is counted as lost.
    pub const OFF: u32 = 0;
    /// Assignments that find no room in the ring buffer are kept in the totals.
    pub const FALLBACK: u32 = 1;
    /// Totals only: no record leaves the kernel.
    pub const ONLY: u32 = 2;
    /// Totals of all assignments, and a record of each for which the ring buffer has room: one
    /// that has none is not lost.
    pub const BOTH: u32 = 3;
}

/// Slots of [`Totals::latency`]: below 512 ns, then four for each power of two, the last one open.
pub const LATENCY_SLOTS: usize = 64;

/// Power of two at which the second slot of [`Totals::latency`] begins.
const FIRST_POWER: u32 = 9;

/// Slots of [`Totals::tried`]: powers of two from 1 to 65,536.
pub const TRIED_SLOTS: usize = 17;

/// Sets of CPUs that keep separate maxima: with more CPUs than sets, two that raise one at the same
/// moment may leave the lower value.
pub const LANES: usize = 8;

/// Slots of [`Totals::failures`].
pub const ERRNO_SLOTS: usize = 5;

/// Errno of each slot of [`Totals::failures`]: EADDRNOTAVAIL, EADDRINUSE, EAGAIN, ENOMEM, and 0 for
/// any other.
pub const ERRNOS: [u32; ERRNO_SLOTS] = [99, 98, 11, 12, 0];

/// Key of assignments that are added up together: process, destination and origin.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct TotalsKey {
    /// Process id (`tgid`) in the pid namespace of the loader, see [`crate::OUTSIDE`].
    pub pid: u32,
    /// Inode number of the network namespace, 0 if not known.
    pub netns: u32,
    /// Source address, network order; IPv4 as `::ffff:a.b.c.d`.
    pub saddr: [u8; 16],
    /// Destination address, as `saddr`.
    pub daddr: [u8; 16],
    /// Destination port in host order.
    pub dport: u16,
    /// [`crate::Protocol`].
    pub protocol: u16,
    /// Address family: 4 or 6.
    pub family: u8,
    /// [`crate::Origin`].
    pub origin: u8,
    /// Always zero: keeps the size a multiple of four.
    pub reserved: [u8; 2],
}

/// Totals of the assignments of one key; sums unless said otherwise. All CPUs add to one row,
/// atomically: a row for each possible CPU would take a hundred times as much memory.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C)]
pub struct Totals {
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed assignments by errno, see [`ERRNOS`].
    pub failures: [u64; ERRNO_SLOTS],
    /// Sum of port search latencies, in nanoseconds.
    pub search_ns: u64,
    /// Maximum port search latency, for each of [`LANES`] sets of CPUs: there is no atomic maximum
    /// before Linux 5.12.
    pub max_latency_ns: [u64; LANES],
    /// Sum of candidates tried, as far as known.
    pub candidates: u64,
    /// Searches that went on to the other parity, failed ones included, as far as known.
    pub second_pass: u64,
    /// Sockets that were connected to themselves: source and destination are the same.
    pub self_connects: u64,
    /// cgroup v2 id of the task that came first.
    pub cgroup_id: u64,
    /// Name of the process at its first assignment; NUL-terminated unless 16 bytes long.
    pub comm: [u8; 16],
    /// Real user id of the task that came first.
    pub uid: u32,
    /// Maximum number of candidates tried by one search, 0 if not known; kept like
    /// `max_latency_ns`.
    pub max_tried: [u32; LANES],
    /// Range in force for the latest assignment: low end, high end; both 0 if not known.
    pub range: [u16; 2],
    /// Searches by their number of candidates, see [`tried_slot`]; only as far as known.
    pub tried: [u32; TRIED_SLOTS],
    /// Searches by latency, see [`latency_slot`].
    pub latency: [u32; LATENCY_SLOTS],
    /// Port that the program named, or that its socket had, in the latest failure; 0 for none.
    pub refused_port: u16,
    /// 1 if another failure concerned another such port.
    pub refused_ports_differ: u16,
}

impl Totals {
    /// Number of failed assignments, whatever the errno.
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// Maximum port search latency, in nanoseconds.
    pub fn longest_ns(&self) -> u64 {
        self.max_latency_ns.iter().copied().fold(0, u64::max)
    }

    /// Maximum number of candidates tried by one search, 0 if not known.
    pub fn most_tried(&self) -> u32 {
        self.max_tried.iter().copied().fold(0, u32::max)
    }

    /// Number of assignments whose search is known.
    pub fn walked(&self) -> u64 {
        self.tried.iter().map(|&count| u64::from(count)).sum()
    }

    /// Adds the totals of another CPU, or of another row; names and ids stay those of the first
    /// one.
    pub fn merge(&mut self, other: &Self) {
        if other.assignments == 0 {
            return;
        }
        if self.assignments == 0 {
            *self = *other;
            return;
        }
        self.assignments += other.assignments;
        self.search_ns += other.search_ns;
        self.candidates += other.candidates;
        self.second_pass += other.second_pass;
        self.self_connects += other.self_connects;
        for (mine, other) in self.max_latency_ns.iter_mut().zip(other.max_latency_ns) {
            *mine = (*mine).max(other);
        }
        for (mine, other) in self.max_tried.iter_mut().zip(other.max_tried) {
            *mine = (*mine).max(other);
        }
        if self.range == [0, 0] {
            self.range = other.range;
        }
        let both = [self.refused_port, other.refused_port];
        let differ = both[0] != both[1] && !both.contains(&0);
        self.refused_ports_differ |= other.refused_ports_differ | u16::from(differ);
        if other.refused_port != 0 {
            self.refused_port = other.refused_port;
        }
        for (mine, more) in self.failures.iter_mut().zip(other.failures) {
            *mine += more;
        }
        for (mine, more) in self.tried.iter_mut().zip(other.tried) {
            *mine = mine.saturating_add(more);
        }
        for (mine, more) in self.latency.iter_mut().zip(other.latency) {
            *mine = mine.saturating_add(more);
        }
    }
}

/// Returns the slot of a latency.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the eBPF half makes one function of each program")]
#[expect(clippy::cast_possible_truncation, reason = "less than 64")]
pub const fn latency_slot(latency_ns: u64) -> usize {
    if latency_ns < 1 << FIRST_POWER {
        return 0;
    }
    let power = latency_ns.ilog2();
    let quarter = (latency_ns >> (power - 2)) as u32 & 3;
    let slot = ((power - FIRST_POWER) * 4 + quarter + 1) as usize;
    if slot < LATENCY_SLOTS { slot } else { LATENCY_SLOTS - 1 }
}

/// Returns the lowest latency that is too long for `slot`, in nanoseconds; `None` for the last one.
pub const fn latency_end_ns(slot: usize) -> Option<u64> {
    if slot + 1 >= LATENCY_SLOTS {
        return None;
    }
    let (power, quarter) = (slot / 4, slot % 4);
    Some((4 + quarter as u64) << (FIRST_POWER as usize + power - 2))
}

/// Returns the slot of a number of candidates, which is at least one.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
pub const fn tried_slot(tried: u32) -> usize {
    let slot = (tried | 1).ilog2() as usize;
    if slot < TRIED_SLOTS { slot } else { TRIED_SLOTS - 1 }
}

/// Everything that determines how many candidates a search tried.
#[derive(Clone, Copy, Debug)]
pub struct Walked {
    /// Lowest port of the range.
    pub low: u32,
    /// Highest port of the range, inclusive.
    pub high: u32,
    /// True if the search walks every port of the range, not one parity after the other.
    pub by_one: bool,
    /// Upper half of the hash offset.
    pub hash_high: u32,
    /// Word of `table_perturb` at the start.
    pub before: u32,
    /// Word of `table_perturb` at the end.
    pub after: u32,
    /// Assigned port, 0 for none.
    pub sport: u32,
}

/// Returns the number of candidates that a search tried, and whether it went on to the other
/// parity.
///
/// `analyse::selection` in the user half has the same rule with names and reasons; its tests
/// compare both. `None` if the word moved by an amount that no search can add.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
pub const fn tried(walked: &Walked) -> Option<(u32, bool)> {
    let Walked { low, high, by_one, hash_high, before, after, sport } = *walked;
    if high < low || before == 0 {
        return None;
    }
    let mut remaining = high + 1 - low;
    let has_parity = !by_one && remaining > 1;
    if has_parity {
        remaining &= !1;
    }
    // Never zero, which the compiler can't know: the verifier rejects a division that may panic.
    let Some(mut offset) = before.wrapping_add(hash_high).checked_rem(remaining) else {
        return None;
    };
    if !by_one {
        offset &= !1;
    }
    let shift = !by_one as u32;
    let per_pass = (remaining + shift) >> shift;
    let moved = after.wrapping_sub(before);
    if sport == 0 {
        let all = if has_parity { 2 * per_pass } else { per_pass };
        return if moved == 0 { Some((all, has_parity)) } else { None };
    }
    if sport < low || sport > high {
        return None;
    }
    let is_other = (sport ^ low) & shift;
    let start = low + offset + is_other;
    let distance = if sport >= start { sport - start } else { sport + remaining - start };
    let refused = distance >> shift;
    let steps = moved >> shift;
    if (distance | moved) & shift != 0 || steps == 0 {
        return None;
    }
    let added = steps - 1;
    let is_possible = if added > MAX_RANDOM { added == refused } else { refused <= added };
    if !is_possible {
        return None;
    }
    Some((is_other * per_pass + refused + 1, is_other != 0))
}

/// Maximum that a search adds to its word at random, in steps.
const MAX_RANDOM: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_is_in_the_slot_that_ends_behind_it() {
        for latency_ns in (0..200_000).chain((1..60).map(|power| (1 << power) + 1)) {
            let slot = latency_slot(latency_ns);
            assert!(latency_end_ns(slot).is_none_or(|end| latency_ns < end), "{latency_ns}");
            let begin = slot.checked_sub(1).and_then(latency_end_ns).unwrap_or(0);
            assert!(latency_ns >= begin, "{latency_ns}");
        }
        assert_eq!(latency_slot(u64::MAX), LATENCY_SLOTS - 1);
    }

    #[test]
    fn candidates_are_in_powers_of_two() {
        assert_eq!(
            [1, 2, 3, 4, 65_535, 65_536, u32::MAX].map(tried_slot),
            [0, 1, 1, 2, 15, 16, 16]
        );
    }
}
