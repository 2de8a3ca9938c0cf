//! `struct sock` → what a record says of a socket.

use ephtrace_common::{AssignmentRecord, Offsets, known};

use crate::{globals::setting, read};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// What decides whether a search is wanted, and where it goes.
pub(crate) struct Endpoints {
    /// Source address as two words in memory order, IPv4 as `::ffff:a.b.c.d`.
    pub(crate) saddr: [u64; 2],
    /// Destination address likewise.
    pub(crate) daddr: [u64; 2],
    /// Destination port, host order.
    pub(crate) dport: u16,
    /// 4 or 6; an IPv4-mapped destination is 4.
    pub(crate) family: u8,
}

/// `skc_num`: the port that the socket has, 0 for none.
///
/// Not `inet_sport`, which keeps the last port after a refused connect.
#[inline(always)]
pub(crate) fn num<const TRUSTED: bool>(sk: *const u8) -> Option<u16> {
    read::field::<u16, TRUSTED>(sk, setting!(offsets.skc_num))
}

/// `sk_protocol`, 16 bits since Linux 5.6.
#[inline(always)]
pub(crate) fn protocol<const TRUSTED: bool>(sk: *const u8) -> Option<u16> {
    read::field::<u16, TRUSTED>(sk, setting!(offsets.sk_protocol))
}

/// `inet_sport`, network order. Past the end of `struct sock`, so never a direct load.
#[inline(always)]
pub(crate) fn stale_sport(sk: *const u8) -> u16 {
    read::probe::<u16>(sk, setting!(offsets.inet_sport)).unwrap_or(0)
}

/// Addresses and destination port; `None` for another family or where they can't be read.
///
/// Both are set before the search: `tcp_v4_connect` and `tcp_v6_connect` route first.
#[inline(always)]
pub(crate) fn endpoints<const TRUSTED: bool>(sk: *const u8) -> Option<Endpoints> {
    let family = read::field::<u16, TRUSTED>(sk, setting!(offsets.skc_family))?;
    let dport = u16::from_be(read::field::<u16, TRUSTED>(sk, setting!(offsets.skc_dport))?);
    if family == AF_INET6 {
        let daddr = words::<TRUSTED>(sk, setting!(offsets.skc_v6_daddr))?;
        if !is_mapped(daddr) {
            let saddr = words::<TRUSTED>(sk, setting!(offsets.skc_v6_rcv_saddr))?;
            return Some(Endpoints { saddr, daddr, dport, family: 6 });
        }
        // tcp_v6_connect hands a mapped destination to tcp_v4_connect: the IPv4 fields count.
    } else if family != AF_INET {
        return None;
    }
    let daddr = read::field::<u32, TRUSTED>(sk, setting!(offsets.skc_daddr))?;
    let saddr = read::field::<u32, TRUSTED>(sk, setting!(offsets.skc_rcv_saddr))?;
    Some(Endpoints { saddr: mapped(saddr), daddr: mapped(daddr), dport, family: 4 })
}

#[inline(always)]
fn words<const TRUSTED: bool>(sk: *const u8, offset: u32) -> Option<[u64; 2]> {
    // The two halves of an in6_addr are read as in the kernel's own __addrpair comparisons.
    let high = read::field::<u64, TRUSTED>(sk, offset)?;
    let low = read::field::<u64, TRUSTED>(sk, offset.wrapping_add(8))?;
    Some([high, low])
}

/// `00 00 ff ff` in memory order: what stands before the address in an IPv4-mapped one.
const MAPPED: u64 = 0xffff_0000;

#[inline(always)]
fn is_mapped(addr: [u64; 2]) -> bool {
    addr[0] == 0 && addr[1] & 0xffff_ffff == MAPPED
}

#[inline(always)]
fn mapped(addr: u32) -> [u64; 2] {
    [0, MAPPED | (addr as u64) << 32]
}

/// The socket's `struct net`.
#[inline(always)]
pub(crate) fn net<const TRUSTED: bool>(sk: *const u8) -> *const u8 {
    match read::field::<*const u8, TRUSTED>(sk, setting!(offsets.skc_net)) {
        Some(net) => net,
        None => core::ptr::null(),
    }
}

/// Inode number of a network namespace.
#[inline(always)]
pub(crate) fn inum<const TRUSTED: bool>(net: *const u8) -> Option<u32> {
    read::field::<u32, TRUSTED>(net, setting!(offsets.net_inum))
}

/// The range that is in force: the namespace's and the socket's own, and the step width.
///
/// Not narrowed here: the decoder does it, where it can be tested.
#[inline(always)]
pub(crate) fn ranges(sk: *const u8, net: *const u8, record: *mut AssignmentRecord) {
    let (mut low, mut high, mut is_known) = (0, 0, 0);
    if setting!(features.range_is_packed) != 0 {
        if let Some(packed) = read::probe::<u32>(net, setting!(offsets.net_range)) {
            (low, high, is_known) = (packed as u16, (packed >> 16) as u16, known::RANGE);
        }
    } else if let Some(both) = read::probe::<u64>(net, setting!(offsets.net_range)) {
        (low, high, is_known) = (both as u16, (both >> 32) as u16, known::RANGE);
    }
    let mut own = 0;
    if setting!(offsets.local_port_range) != Offsets::ABSENT {
        own = read::probe::<u32>(sk, setting!(offsets.local_port_range)).unwrap_or(0);
    }
    let mut step_width = 0;
    if setting!(offsets.net_step_width) != Offsets::ABSENT {
        step_width = read::probe::<u32>(net, setting!(offsets.net_step_width)).unwrap_or(0);
    }
    // SAFETY: `record` is the map value of this search, which only its own task writes to.
    let record = unsafe { &mut *record };
    record.netns_low = low;
    record.netns_high = high;
    record.known |= is_known;
    record.socket_low = own as u16;
    record.socket_high = (own >> 16) as u16;
    record.step_width = step_width;
}
