//! The kernel half's maps: their sizes, and the memory that they take.
//!
//! All maps are created when ephtrace starts, and none grows. Sizes that depend on the number of
//! possible processors, which exceeds that of present ones, are bounded.

use aya::util::nr_cpus;
use ephtrace_common::{
    AssignmentRecord, Counter, Settings, bounds,
    totals::{Totals, TotalsKey},
};

use super::{options::TotalsMode, totals};

/// Free entries of an LRU hash that a processor may reserve (`LOCAL_FREE_TARGET`, 128 before
/// mid-2025): on many processors, these lists alone use up a map of a fixed size.
///
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/bpf_lru_list.h>
const LOCAL_FREE: u32 = 128;

/// Number of MPTCP sockets whose process is remembered, on up to 432 possible processors.
const PRINCIPALS: u32 = 2048;

/// Maximum number of entries for them, 7 MiB. On more processors, those that connect no MPTCP
/// sockets leave enough to the others.
const MAX_PRINCIPALS: u32 = 56 << 10;

/// Size of the ring for the kernel half's log messages, in bytes.
const LOG_BYTES: u32 = 128 << 10;

/// Minimum size of a ring, for messages that nobody reads.
const PAGE: u32 = 4096;

/// Needs of a run that determine its maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Size of the ring buffer, in bytes.
    pub(super) ring_bytes: u32,
    /// Assignments that are added up.
    pub(super) totals: TotalsMode,
    /// True if words of `table_perturb` are followed.
    pub(super) has_words: bool,
    /// True if MPTCP sockets are followed.
    pub(super) has_mptcp: bool,
    /// True if messages of the kernel half are read.
    pub(super) has_log: bool,
}

/// Overhead of a map's entry besides its value.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A hash with keys of the given size in bytes.
    Hash(usize),
    /// A hash that evicts.
    LruHash(usize),
    /// No overhead.
    Array,
    /// A value for each possible processor.
    PerCpuArray,
    /// A ring buffer: an entry is a byte.
    Ring,
}

/// A map with its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Map {
    /// Name of the map in the object.
    pub(super) name: &'static str,
    /// Number of entries.
    pub(super) entries: u32,
    kind: Kind,
    value: usize,
}

/// Returns the number of possible processors, for each of which the kernel reserves memory.
pub fn possible_processors() -> u32 {
    nr_cpus().ok().and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1)
}

/// Returns all maps except for the settings and those that exceed their page by a few bytes.
pub(super) fn maps(needs: Needs, processors: u32) -> [Map; 15] {
    use Kind::{Array, Hash, LruHash, PerCpuArray, Ring};
    let map = |name, kind, value, entries| Map { name, entries, kind, value };
    let rows = totals::rows(needs.totals);
    let row = |name| map(name, Hash(size_of::<TotalsKey>()), size_of::<Totals>(), rows);
    let (principals, words) = (
        if needs.has_mptcp { principals(processors) } else { 1 },
        if needs.has_words { bounds::WORDS } else { 1 },
    );
    let log = if needs.has_log { LOG_BYTES } else { PAGE };
    let is_streaming = !matches!(needs.totals, TotalsMode::Only(_));
    let shares = if is_streaming { bounds::SHARES } else { 1 };
    [
        map("EVENTS", Ring, 1, needs.ring_bytes),
        map("AYA_LOGS", Ring, 1, log),
        map("IN_FLIGHT", Hash(8), bounds::TASK_BYTES, bounds::TASKS),
        map("TAKEN", Array, 8, 2),
        map("PRINCIPALS", LruHash(8), bounds::PRINCIPAL_BYTES, principals),
        map("WORDS", Array, bounds::WORD_BYTES, words),
        map("FILLED", Array, 4, 1),
        map("SHARES", Array, 8, shares),
        map("COUNTERS", PerCpuArray, 8, Counter::COUNT),
        map("SELF_TEST", Array, size_of::<AssignmentRecord>(), 1),
        row(totals::MAPS[0]),
        row(totals::MAPS[1]),
        map("TOTALS_OTHER", PerCpuArray, size_of::<Totals>(), 2),
        map("TOTALS_SWITCH", Array, 4, 1),
        map(".rodata", Array, size_of::<Settings>(), 1),
    ]
}

fn principals(processors: u32) -> u32 {
    LOCAL_FREE.saturating_mul(processors).saturating_add(PRINCIPALS).min(MAX_PRINCIPALS)
}

/// Returns the bytes of kernel memory that all maps take on this machine.
pub(super) fn bytes(needs: Needs) -> u64 {
    bytes_on(needs, possible_processors())
}

/// Returns an upper bound on the bytes that all maps of a trace with a ring of `ring_bytes` take on
/// this machine.
pub fn trace_bytes(ring_bytes: u32) -> u64 {
    bytes(Needs::most(ring_bytes, TotalsMode::Fallback))
}

/// Returns an upper bound on the bytes that all maps take if everything is only added up.
pub fn totals_bytes() -> u64 {
    bytes(Needs::most(PAGE, TotalsMode::Only(None)))
}

fn bytes_on(needs: Needs, processors: u32) -> u64 {
    maps(needs, processors).iter().map(|map| map.bytes(processors)).sum()
}

impl Needs {
    /// Returns the needs on a kernel with every feature.
    fn most(ring_bytes: u32, totals: TotalsMode) -> Self {
        Self { ring_bytes, totals, has_words: true, has_mptcp: true, has_log: false }
    }
}

/// Size of `struct htab_elem` up to its key.
const ELEMENT: u64 = 48;

/// Size of `struct bucket`.
const BUCKET: u64 = 16;

/// Memory of a hash for each possible processor: lists of free entries, locks.
const HASH_PROCESSOR: u64 = 64;

/// Size of `struct bpf_array`, `struct bpf_htab` and other data that a map has once.
const ONCE: u64 = 512;

impl Map {
    /// Returns the bytes of kernel memory, as `kernel/bpf/{hashtab,arraymap,ringbuf}.c` allocate
    /// them (Linux 5.10 to 7.2).
    fn bytes(&self, processors: u32) -> u64 {
        let (entries, processors) = (u64::from(self.entries), u64::from(processors));
        let value = words(self.value);
        let hash = |key, elements| {
            entries.next_power_of_two() * BUCKET
                + elements * (ELEMENT + words(key) + value)
                + processors * HASH_PROCESSOR
        };
        let all = match self.kind {
            // One spare element for each processor, to replace others with.
            Kind::Hash(key) => hash(key, entries + processors),
            Kind::LruHash(key) => hash(key, entries),
            Kind::Array => entries * value,
            Kind::PerCpuArray => entries * (8 + value * processors),
            // Both ends have a page, the rest of the ring's description another; each page of data
            // is mapped twice.
            Kind::Ring => entries + 3 * u64::from(PAGE) + entries / u64::from(PAGE) * 16,
        };
        all + ONCE
    }
}

/// Rounds up to whole words.
fn words(bytes: usize) -> u64 {
    bytes.next_multiple_of(8) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: u32 = 8 << 20;
    const MIB: u64 = 1 << 20;

    #[test]
    fn memory_is_bounded_on_any_machine() {
        for processors in 1..=512 {
            let trace = bytes_on(Needs::most(RING, TotalsMode::Fallback), processors);
            assert!(trace <= 24 * MIB, "trace: {trace} on {processors}");
            let totals = bytes_on(Needs::most(PAGE, TotalsMode::Only(None)), processors);
            assert!(totals <= 32 * MIB, "totals: {totals} on {processors}");
        }
    }

    #[test]
    fn the_totals_of_a_trace_are_small() {
        for processors in 1..=512 {
            let maps = maps(Needs::most(RING, TotalsMode::Fallback), processors);
            let totals = maps.iter().filter(|map| map.name.starts_with("TOTALS"));
            let bytes: u64 = totals.map(|map| map.bytes(processors)).sum();
            assert!(bytes <= 4 * MIB, "{bytes} on {processors}");
        }
    }

    #[test]
    fn totals_have_rows_enough_on_any_machine() {
        for processors in [1, 68, 512] {
            let maps = maps(Needs::most(PAGE, TotalsMode::Only(None)), processors);
            let rows = maps.iter().filter(|map| totals::MAPS.contains(&map.name));
            assert!(rows.clone().count() == 2 && rows.clone().all(|map| map.entries >= 8192));
        }
    }

    #[test]
    fn free_lists_leave_room() {
        for processors in [1, 2, 68, 240, 432] {
            assert_eq!(principals(processors) - processors * 128, 2048);
        }
        assert_eq!(principals(512), 56 << 10);
    }

    #[test]
    fn what_is_not_needed_takes_next_to_nothing() {
        let all = Needs::most(RING, TotalsMode::Fallback);
        let few = Needs { has_words: false, has_mptcp: false, ..all };
        assert!(bytes_on(few, 64) + 2 * MIB < bytes_on(all, 64));
    }
}
