//! Totals in place of records: one entry for each process, destination and origin.
//!
//! There are two pairs of maps, of which the user half names one: it reads the other at leisure, so
//! that no addition is lost between reading and clearing. An assignment that finds no room goes to
//! a row for all others.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    helpers::generated::{bpf_get_smp_processor_id, bpf_map_update_elem},
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
};
use ephtrace_common::{
    AssignmentRecord, known,
    totals::{
        ERRNO_SLOTS, LANES, LATENCY_SLOTS, TRIED_SLOTS, Totals, TotalsKey, Walked, latency_slot,
        tried, tried_slot,
    },
};

use crate::{
    atomic,
    globals::setting,
    task::{self, Owner},
};

/// Totals by key. The loader sets the number of entries.
#[map]
static TOTALS_A: HashMap<TotalsKey, Totals> = HashMap::with_max_entries(1, 0);

/// See [`TOTALS_A`].
#[map]
static TOTALS_B: HashMap<TotalsKey, Totals> = HashMap::with_max_entries(1, 0);

/// Assignments that found no room in [`TOTALS_A`] and in [`TOTALS_B`].
#[map]
static TOTALS_OTHER: PerCpuArray<Totals> = PerCpuArray::with_max_entries(2, 0);

/// 0 if [`TOTALS_A`] is in use, 1 if [`TOTALS_B`] is.
#[map]
static TOTALS_SWITCH: Array<u32> = Array::with_max_entries(1, 0);

/// Initial value of an entry.
static EMPTY: Totals = empty();

const fn empty() -> Totals {
    // SAFETY: integers and arrays of integers only, for which all-zero bytes are a value.
    unsafe { core::mem::zeroed() }
}

/// Adds `record` to the row of its key.
#[inline(always)]
pub(crate) fn add(record: *const AssignmentRecord) {
    // SAFETY: the caller's record is a live map value that only this task writes to.
    let record = unsafe { &*record };
    let is_b = TOTALS_SWITCH.get(0).copied().unwrap_or(0) != 0;
    let key = TotalsKey {
        pid: record.pid,
        netns: if record.known & known::NETNS != 0 { record.netns } else { 0 },
        saddr: record.saddr,
        daddr: record.daddr,
        dport: record.dport,
        protocol: record.protocol,
        family: record.family,
        origin: record.origin,
        reserved: [0; 2],
    };
    let row = if is_b { entry(&TOTALS_B, &key) } else { entry(&TOTALS_A, &key) };
    let row = row.or_else(|| TOTALS_OTHER.get_ptr_mut(u32::from(is_b)));
    let Some(row) = row else { return };
    // SAFETY: a live map value; integers that other CPUs write to as well.
    unsafe {
        if (*row).assignments == 0 {
            introduce(row, record);
        }
        add_outcome(row, record);
        add_search(row, record);
    }
}

#[inline(always)]
fn entry(map: &'static HashMap<TotalsKey, Totals>, key: &TotalsKey) -> Option<*mut Totals> {
    if let Some(row) = map.get_ptr_mut(key) {
        return Some(row);
    }
    // SAFETY: map, key and value are live and of the sizes that the map was declared with. The raw
    // helper is used, since the wrapper would copy the value to the stack first.
    unsafe {
        bpf_map_update_elem(
            core::ptr::from_ref(map).cast_mut().cast(),
            core::ptr::from_ref(key).cast_mut().cast(),
            (&raw const EMPTY).cast_mut().cast(),
            // Do not overwrite a row that another CPU has created meanwhile.
            u64::from(BPF_NOEXIST),
        )
    };
    map.get_ptr_mut(key)
}

/// Sets the fields that all assignments of a row share.
///
/// # Safety
///
/// `row` must be a live map value.
#[inline(always)]
unsafe fn introduce(row: *mut Totals, record: &AssignmentRecord) {
    let name = if record.known & known::COMM != 0 {
        // SAFETY: the name is 16 bytes at an offset that is a multiple of 8.
        unsafe { (&raw const record.comm).cast::<[u64; 2]>().read() }
    } else {
        let AssignmentRecord { pid, tid, uid, host_pid, .. } = *record;
        let owner = Owner { pid, tid, uid, host_pid };
        task::process_name::<false>(task::current(), &owner).unwrap_or([0; 2])
    };
    // SAFETY: as above.
    unsafe {
        (&raw mut (*row).comm).cast::<[u64; 2]>().write(name);
        (*row).cgroup_id = record.cgroup_id;
        (*row).uid = record.uid;
    }
}

/// # Safety
///
/// `row` must be a live map value.
#[inline(always)]
unsafe fn add_outcome(row: *mut Totals, record: &AssignmentRecord) {
    let latency_ns = record.latency_ns;
    // SAFETY: fields of a live map value, and slots inside its arrays.
    unsafe {
        bump(&raw mut (*row).assignments, 1);
        if record.known & known::DEFERRED == 0 {
            bump(&raw mut (*row).search_ns, latency_ns);
            let longest = (&raw mut (*row).max_latency_ns).cast::<u64>().add(lane());
            if latency_ns > longest.read() {
                longest.write(latency_ns);
            }
            let slot = latency_slot(latency_ns) & (LATENCY_SLOTS - 1);
            bump_small((&raw mut (*row).latency).cast::<u32>().add(slot));
        }
        if record.sport == record.dport && record.dport != 0 && is_to_itself(record) {
            bump(&raw mut (*row).self_connects, 1);
        }
        if record.errno != 0 {
            let slot = errno_slot(u32::from(record.errno));
            bump((&raw mut (*row).failures).cast::<u64>().add(slot), 1);
            if record.named_port != 0 {
                let before = (*row).refused_port;
                if before != 0 && before != record.named_port {
                    (*row).refused_ports_differ = 1;
                }
                (*row).refused_port = record.named_port;
            }
        }
    }
}

/// Returns whether source and destination address are the same.
#[inline(always)]
fn is_to_itself(record: &AssignmentRecord) -> bool {
    // SAFETY: both addresses are 16 bytes at offsets that are multiples of 8.
    let [from, to] = unsafe {
        [
            (&raw const record.saddr).cast::<[u64; 2]>().read(),
            (&raw const record.daddr).cast::<[u64; 2]>().read(),
        ]
    };
    from[0] == to[0] && from[1] == to[1]
}

/// Returns the index of this CPU's maximum in a row.
#[inline(always)]
fn lane() -> usize {
    // SAFETY: takes no argument and cannot fail.
    unsafe { bpf_get_smp_processor_id() as usize & (LANES - 1) }
}

/// Returns the slot of an errno, see `ERRNOS`.
#[inline(always)]
fn errno_slot(errno: u32) -> usize {
    match errno {
        99 => 0,
        98 => 1,
        11 => 2,
        12 => 3,
        _ => ERRNO_SLOTS - 1,
    }
}

/// Bits of [`known`] without which a search can't be reconstructed.
const NEEDED: u32 = known::HASH_OFFSET | known::WORD_BEFORE | known::WORD_AFTER;

/// Adds the number of candidates, if it is known.
///
/// # Safety
///
/// `row` must be a live map value.
#[inline(always)]
unsafe fn add_search(row: *mut Totals, record: &AssignmentRecord) {
    if record.known & known::RANGE == 0 {
        return;
    }
    let (mut low, mut high) = (record.netns_low, record.netns_high);
    let (own_low, own_high) = (record.socket_low, record.socket_high);
    // `inet_sk_get_local_port_range`: each end counts only if it is inside the namespace's range.
    if low <= own_low && own_low <= high {
        low = own_low;
    }
    if low <= own_high && own_high <= high {
        high = own_high;
    }
    // SAFETY: a live map value. One write, so that both ends are those of the same assignment.
    unsafe {
        let range = u32::from(low) | u32::from(high) << 16;
        (&raw mut (*row).range).cast::<u32>().write_volatile(range);
    }
    if record.known & (NEEDED | known::RACED) != NEEDED || record.step_width != 0 {
        return;
    }
    let is_own = own_low != 0 || own_high != 0;
    let walked = Walked {
        low: u32::from(low),
        high: u32::from(high),
        by_one: is_own && setting!(features.own_range_by_one) != 0,
        hash_high: (record.hash_offset >> 32) as u32,
        before: record.word_before,
        after: record.word_after,
        sport: u32::from(record.sport),
    };
    let Some((tried, is_second)) = tried(&walked) else { return };
    // SAFETY: fields of a live map value, and a slot inside its array.
    unsafe {
        bump(&raw mut (*row).candidates, u64::from(tried));
        if is_second {
            bump(&raw mut (*row).second_pass, 1);
        }
        let most = (&raw mut (*row).max_tried).cast::<u32>().add(lane());
        if tried > most.read() {
            most.write(tried);
        }
        let slot = tried_slot(tried);
        if slot < TRIED_SLOTS {
            bump_small((&raw mut (*row).tried).cast::<u32>().add(slot));
        }
    }
}

/// Adds `value` to a sum.
///
/// # Safety
///
/// `to` must be a live and aligned map value.
#[inline(always)]
unsafe fn bump(to: *mut u64, value: u64) {
    // SAFETY: the caller vouches for `to`. Atomic: other CPUs add to it, too.
    unsafe { atomic::add(to, value) };
}

/// Adds one to a slot of a histogram.
///
/// # Safety
///
/// `to` must be a live and aligned map value.
#[inline(always)]
unsafe fn bump_small(to: *mut u32) {
    // SAFETY: as in `bump`.
    unsafe { atomic::increment(to) };
}
