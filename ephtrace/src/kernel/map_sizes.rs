//! Sizes of the kernel half's maps, by the number of possible processors.
//!
//! An LRU hash keeps free entries on a list for each possible processor (`LOCAL_FREE_TARGET`, 128
//! before mid-2025): on many processors, these lists alone use up a map of a fixed size.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/bpf_lru_list.h>

use aya::util::nr_cpus;

/// Free entries that a processor may keep to itself.
const LOCAL_FREE: u32 = 128;

/// MPTCP sockets whose process is remembered, on up to 496 processors.
const PRINCIPALS: u32 = 2048;

/// Most entries for them: 8 MiB. On more processors, those that connect no MPTCP sockets leave the
/// others enough.
const MAX_PRINCIPALS: u32 = 1 << 16;

/// Maps by name, with their numbers of entries on this machine.
pub(super) fn map_sizes() -> [(&'static str, u32); 1] {
    let cpus = nr_cpus().ok().and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1);
    [("PRINCIPALS", principals(cpus))]
}

fn principals(cpus: u32) -> u32 {
    LOCAL_FREE.saturating_mul(cpus).saturating_add(PRINCIPALS).min(MAX_PRINCIPALS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_lists_leave_room() {
        for cpus in [1, 2, 68, 240, 496] {
            assert_eq!(principals(cpus) - cpus * 128, 2048);
        }
    }
}
