//! Ping sockets (`SOCK_DGRAM` with ICMP): their port is the identifier of the echo requests.
//!
//! `int ping_get_port(struct sock *sk, unsigned short ident)`: with 0 the kernel chooses. It counts
//! up from the last identifier, through all numbers, whatever the range.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/ping.c#L77>

use ephtrace_common::Origin;

use crate::programs::programs;

programs! {
    "ping_get_port", returns: 2, site: Ping, failure: InUseOrAgain, has_range: false,
    enter: eph_ping eph_ping_2, exit: eph_ping_x eph_ping_x2, probes: eph_kping eph_kping_x
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the macro's contract: bind has calls that assign nothing"
)]
#[inline(always)]
fn origin<const TRUSTED: bool>(_sk: *const u8, ident: u64) -> Option<Origin> {
    // The register may hold anything above the 16 bits of the argument.
    Some(if ident as u16 == 0 { Origin::Ping } else { Origin::Explicit })
}
