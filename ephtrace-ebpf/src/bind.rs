//! TCP (and DCCP) `bind()` to port 0 and `listen()` on an unbound socket.
//!
//! `int inet_csk_get_port(struct sock *sk, unsigned short snum)`: with `snum` 0 the kernel chooses.
//! `listen()` on a socket that has its port calls it too, with that port: nothing is assigned then.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/inet_connection_sock.c#L505>

use ephtrace_common::Origin;

use crate::{programs::programs, sock};

programs! {
    "inet_csk_get_port", returns: 2, site: Bind, failure: InUse, has_range: true,
    enter: eph_bind eph_bind_2, exit: eph_bind_x eph_bind_x2, probes: eph_kbind eph_kbind_x
}

#[inline(always)]
fn origin<const TRUSTED: bool>(sk: *const u8, snum: u64) -> Option<Origin> {
    // The register may hold anything above the 16 bits of the argument.
    match (snum as u16, sock::is_listening::<TRUSTED>(sk)) {
        (0, false) => Some(Origin::Bind),
        (0, true) => Some(Origin::Listen),
        (_, false) => Some(Origin::Explicit),
        (_, true) => None,
    }
}
