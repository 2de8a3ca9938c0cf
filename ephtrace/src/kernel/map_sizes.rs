//! Sizes of the kernel half's maps, by the number of possible processors.
//!
//! An LRU hash keeps free entries on a list for each possible processor (`LOCAL_FREE_TARGET`, 128
//! before mid-2025): on many processors, these lists alone use up a map of a fixed size, and a
//! search in flight is evicted although hardly any others are.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/bpf_lru_list.h>

use aya::util::nr_cpus;

/// Free entries that a processor may keep to itself.
const LOCAL_FREE: u32 = 128;

/// Tasks that may be in the middle of a search.
const IN_FLIGHT: u32 = 8192;

/// MPTCP sockets whose process is remembered.
const PRINCIPALS: u32 = 4096;

/// Maps by name, with their numbers of entries on this machine.
pub(super) fn map_sizes() -> [(&'static str, u32); 2] {
    let cpus = nr_cpus().ok().and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1);
    sizes_for(cpus)
}

fn sizes_for(cpus: u32) -> [(&'static str, u32); 2] {
    let kept = LOCAL_FREE.saturating_mul(cpus);
    [("IN_FLIGHT", IN_FLIGHT.saturating_add(kept)), ("PRINCIPALS", PRINCIPALS.saturating_add(kept))]
}

#[cfg(test)]
mod tests {
    use ephtrace_common::AssignmentRecord;

    use super::*;

    #[test]
    fn free_lists_leave_room_for_all_searches() {
        for cpus in [1, 2, 68, 240, 512] {
            let [(_, in_flight), (_, principals)] = sizes_for(cpus);
            assert_eq!(in_flight - cpus * 128, 8192);
            assert_eq!(principals - cpus * 128, 4096);
        }
    }

    #[test]
    fn memory_is_bounded_on_any_machine() {
        // A search in flight is the record and a dozen words, a principal nine; an element of the
        // kernel's hash has some 64 bytes of its own.
        let (search, principal) = (size_of::<AssignmentRecord>() as u64 + 12 * 8 + 72, 136);
        let [(_, in_flight), (_, principals)] = sizes_for(512);
        let bytes = u64::from(in_flight) * search + u64::from(principals) * principal;
        assert!(bytes < 34 << 20, "{} MiB", bytes >> 20);
    }
}
