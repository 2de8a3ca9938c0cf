//! Reads the fields of a record from `struct sock`.

use aya_ebpf::helpers::generated::bpf_skc_to_tcp_sock;
use ephtrace_common::{AssignmentRecord, Offsets, known};

use crate::{globals::setting, read};

const TCP_LISTEN: u8 = 10;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Addresses and destination port of a search.
pub(crate) struct Endpoints {
    /// Source address as two words in memory order, IPv4 as `::ffff:a.b.c.d`.
    pub(crate) saddr: [u64; 2],
    /// Destination address likewise.
    pub(crate) daddr: [u64; 2],
    /// Destination port, host order.
    pub(crate) dport: u16,
    /// Address family: 4 or 6; an IPv4-mapped destination is 4.
    pub(crate) family: u8,
}

/// Returns `skc_num`: the port that the socket has, 0 for none.
///
/// `inet_sport` would not do: it keeps the last port after a refused connect.
#[inline(always)]
pub(crate) fn num<const TRUSTED: bool>(sk: *const u8) -> Option<u16> {
    read::field::<u16, TRUSTED>(sk, setting!(offsets.skc_num))
}

/// Returns `skc_dport`: the destination port in host order, 0 for none.
#[inline(always)]
pub(crate) fn dport(sk: *const u8) -> u16 {
    u16::from_be(read::probe::<u16>(sk, setting!(offsets.skc_dport)).unwrap_or(0))
}

/// Returns `skc_cookie`: 0 until the socket's cookie was first requested.
#[inline(always)]
pub(crate) fn stored_cookie<const TRUSTED: bool>(sk: *const u8) -> u64 {
    read::field::<u64, TRUSTED>(sk, setting!(offsets.skc_cookie)).unwrap_or(0)
}

/// Returns `sk_protocol`, 16 bits since Linux 5.6.
#[inline(always)]
pub(crate) fn protocol<const TRUSTED: bool>(sk: *const u8) -> Option<u16> {
    read::field::<u16, TRUSTED>(sk, setting!(offsets.sk_protocol))
}

/// Returns a TCP socket with its type: direct loads through `sk` end with `struct sock`, so that
/// the fields of `inet_sock` and `tcp_sock` take a call each.
#[inline(always)]
fn tcp<const TRUSTED: bool>(sk: *const u8) -> Option<*const u8> {
    if !TRUSTED || setting!(features.typed_tcp) == 0 {
        return None;
    }
    // SAFETY: the socket is an argument of the traced function, as the helper demands.
    let tcp = unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast()) }.cast::<u8>().cast_const();
    if tcp.is_null() { None } else { Some(tcp) }
}

/// Reads a field past the end of `struct sock`.
#[inline(always)]
fn past_sock<T: Copy, const TRUSTED: bool>(sk: *const u8, offset: u32) -> Option<T> {
    match tcp::<TRUSTED>(sk) {
        Some(tcp) => read::field::<T, true>(tcp, offset),
        None => read::probe::<T>(sk, offset),
    }
}

/// Returns both ends of `IP_LOCAL_PORT_RANGE`, 0 if unset.
#[inline(always)]
fn own_range<const TRUSTED: bool>(sk: *const u8) -> (u16, u16) {
    let offset = setting!(offsets.local_port_range);
    if offset == Offsets::ABSENT {
        return (0, 0);
    }
    if let Some(tcp) = tcp::<TRUSTED>(sk) {
        // The field is a structure of two numbers up to Linux 6.7, and one number after it.
        let half = |offset| read::field::<u16, true>(tcp, offset).unwrap_or(0);
        return (half(offset), half(offset.wrapping_add(2)));
    }
    let both = read::probe::<u32>(sk, offset).unwrap_or(0);
    (both as u16, (both >> 16) as u16)
}

/// Returns `inet_sport`, network order.
#[inline(always)]
pub(crate) fn stale_sport<const TRUSTED: bool>(sk: *const u8) -> u16 {
    past_sock::<u16, TRUSTED>(sk, setting!(offsets.inet_sport)).unwrap_or(0)
}

/// Returns whether sockets have IPv6 addresses. If they have none, the verifier refuses to load
/// them.
#[inline(always)]
fn has_ipv6() -> bool {
    setting!(offsets.skc_v6_daddr) != Offsets::ABSENT
        && setting!(offsets.skc_v6_rcv_saddr) != Offsets::ABSENT
}

/// Returns whether the SYN waits for the first write (TCP Fast Open), although the port has been
/// chosen.
#[inline(always)]
pub(crate) fn is_deferred(sk: *const u8) -> bool {
    if setting!(offsets.defer_connect) == Offsets::ABSENT {
        return false;
    }
    let flags = read::probe::<u8>(sk, setting!(offsets.defer_connect)).unwrap_or(0);
    u32::from(flags) & setting!(offsets.defer_connect_mask) != 0
}

/// Returns whether the program has requested that (`TCP_FASTOPEN_CONNECT`).
#[inline(always)]
pub(crate) fn may_defer<const TRUSTED: bool>(sk: *const u8) -> bool {
    if setting!(offsets.fastopen_connect) == Offsets::ABSENT {
        return false;
    }
    let flags = past_sock::<u8, TRUSTED>(sk, setting!(offsets.fastopen_connect)).unwrap_or(0);
    u32::from(flags) & setting!(offsets.fastopen_connect_mask) != 0
}

/// Returns addresses and destination port; family 0 for another family or if they can't be read.
///
/// Both are set before the search: `tcp_v4_connect` and `tcp_v6_connect` route first. The result is
/// no `Option`: moving one copies bytes that were never written, which Linux 5.10 refuses.
#[inline(always)]
pub(crate) fn endpoints<const TRUSTED: bool>(sk: *const u8) -> Endpoints {
    let mut ends = Endpoints { saddr: [0; 2], daddr: [0; 2], dport: 0, family: 0 };
    let (Some(family), Some(dport)) = (
        read::field::<u16, TRUSTED>(sk, setting!(offsets.skc_family)),
        read::field::<u16, TRUSTED>(sk, setting!(offsets.skc_dport)),
    ) else {
        return ends;
    };
    ends.dport = u16::from_be(dport);
    if family == AF_INET6 {
        if !has_ipv6() {
            return ends;
        }
        ends.daddr = words::<TRUSTED>(sk, setting!(offsets.skc_v6_daddr));
        if !is_mapped(ends.daddr) {
            ends.saddr = words::<TRUSTED>(sk, setting!(offsets.skc_v6_rcv_saddr));
            ends.family = 6;
            return ends;
        }
        // tcp_v6_connect passes a mapped destination to tcp_v4_connect: the IPv4 fields count.
    } else if family != AF_INET {
        return ends;
    }
    let address = |offset| read::field::<u32, TRUSTED>(sk, offset).unwrap_or(0);
    ends.daddr = mapped(address(setting!(offsets.skc_daddr)));
    ends.saddr = mapped(address(setting!(offsets.skc_rcv_saddr)));
    ends.family = 4;
    ends
}

/// Returns the endpoints of a socket that is bound or sends for the first time: it has no
/// destination yet, and its address is the one that the program bound it to.
#[inline(always)]
pub(crate) fn local_end<const TRUSTED: bool>(sk: *const u8) -> Endpoints {
    match read::field::<u16, TRUSTED>(sk, setting!(offsets.skc_family)) {
        Some(AF_INET6) if has_ipv6() => {
            bound_to(words::<TRUSTED>(sk, setting!(offsets.skc_v6_rcv_saddr)))
        }
        Some(AF_INET) => {
            let address = read::field::<u32, TRUSTED>(sk, setting!(offsets.skc_rcv_saddr));
            bound_to_ipv4(address.unwrap_or(0))
        }
        _ => Endpoints { saddr: [0; 2], daddr: [0; 2], dport: 0, family: 0 },
    }
}

/// Returns the endpoints of a socket that is bound to the address at `addr`, a `sockaddr_in` or
/// `sockaddr_in6`.
#[inline(always)]
pub(crate) fn named_by(addr: *const u8) -> Endpoints {
    match read::probe::<u16>(addr, 0) {
        Some(AF_INET6) => bound_to(words::<false>(addr, 8)),
        Some(AF_INET) => bound_to_ipv4(read::probe::<u32>(addr, 4).unwrap_or(0)),
        _ => Endpoints { saddr: [0; 2], daddr: [0; 2], dport: 0, family: 0 },
    }
}

/// Returns the endpoints of a socket that is bound to this address, IPv6, or IPv4 in its mapped
/// form.
#[inline(always)]
pub(crate) fn bound_to(saddr: [u64; 2]) -> Endpoints {
    if is_mapped(saddr) {
        return Endpoints { saddr, daddr: mapped(0), dport: 0, family: 4 };
    }
    Endpoints { saddr, daddr: [0; 2], dport: 0, family: 6 }
}

/// Returns the endpoints of a socket that is bound to this IPv4 address.
#[inline(always)]
pub(crate) fn bound_to_ipv4(address: u32) -> Endpoints {
    Endpoints { saddr: mapped(address), daddr: mapped(0), dport: 0, family: 4 }
}

/// Returns whether the socket is about to listen: `inet_csk_listen_start` sets the state, then asks
/// for a port.
#[inline(always)]
pub(crate) fn is_listening<const TRUSTED: bool>(sk: *const u8) -> bool {
    read::field::<u8, TRUSTED>(sk, setting!(offsets.skc_state)) == Some(TCP_LISTEN)
}

#[inline(always)]
fn words<const TRUSTED: bool>(sk: *const u8, offset: u32) -> [u64; 2] {
    let word = |offset| read::field::<u64, TRUSTED>(sk, offset).unwrap_or(0);
    [word(offset), word(offset.wrapping_add(8))]
}

/// `00 00 ff ff` in memory order: the prefix of an IPv4-mapped address.
const MAPPED: u64 = 0xffff_0000;

#[inline(always)]
fn is_mapped(addr: [u64; 2]) -> bool {
    addr[0] == 0 && addr[1] & 0xffff_ffff == MAPPED
}

#[inline(always)]
fn mapped(addr: u32) -> [u64; 2] {
    [0, MAPPED | u64::from(addr) << 32]
}

/// Returns the socket's `struct net`.
#[inline(always)]
pub(crate) fn net<const TRUSTED: bool>(sk: *const u8) -> *const u8 {
    match read::field::<*const u8, TRUSTED>(sk, setting!(offsets.skc_net)) {
        Some(net) => net,
        None => core::ptr::null(),
    }
}

/// Returns the inode number of a network namespace.
#[inline(always)]
pub(crate) fn inum<const TRUSTED: bool>(net: *const u8) -> Option<u32> {
    read::field::<u32, TRUSTED>(net, setting!(offsets.net_inum))
}

/// Reads the range in force: the namespace's and the socket's own, and the step width.
///
/// The range is not narrowed here: the decoder does it, where it can be tested.
#[inline(always)]
pub(crate) fn ranges<const TRUSTED: bool>(
    sk: *const u8,
    net: *const u8,
    record: *mut AssignmentRecord,
) {
    let (mut low, mut high, mut is_known) = (0, 0, 0);
    if setting!(features.range_is_packed) != 0 {
        if let Some(packed) = read::field::<u32, TRUSTED>(net, setting!(offsets.net_range)) {
            (low, high, is_known) = (packed as u16, (packed >> 16) as u16, known::RANGE);
        }
    } else if let Some(both) = read::field::<u64, TRUSTED>(net, setting!(offsets.net_range)) {
        (low, high, is_known) = (both as u16, (both >> 32) as u16, known::RANGE);
    }
    let mut step_width = 0;
    if setting!(offsets.net_step_width) != Offsets::ABSENT {
        step_width =
            read::field::<u32, TRUSTED>(net, setting!(offsets.net_step_width)).unwrap_or(0);
    }
    // SAFETY: `record` is the map value of this search, which only its own task writes to.
    let record = unsafe { &mut *record };
    record.netns_low = low;
    record.netns_high = high;
    record.known |= is_known;
    (record.socket_low, record.socket_high) = own_range::<TRUSTED>(sk);
    record.step_width = step_width.min(u32::from(u16::MAX)) as u16;
}
