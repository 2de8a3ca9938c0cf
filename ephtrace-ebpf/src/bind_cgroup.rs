//! `bind()` without hooks on functions: TCP and UDP, as seen by programs on the root cgroup.
//!
//! `inet_bind` and `inet6_bind` run `bind4` or `bind6` programs before the search and `post_bind4`
//! or `post_bind6` after it, unless it failed. Therefore nothing is counted before the end, and a
//! failure is seen as the call returns (see [`crate::failed_call`]), if at all. With
//! `IP_BIND_ADDRESS_NO_PORT` there is no search, and no `post_bind`.

use aya_ebpf::{
    macros::{cgroup_sock, cgroup_sock_addr},
    programs::{SockAddrContext, SockContext},
};
use ephtrace_common::{Hook, Origin, Protocol, Site};

use crate::{
    end, filter,
    globals::setting,
    in_flight::{self, state},
    search::{self, Start},
    sock::{self, Endpoints},
    task,
};

/// Return value of a program on a cgroup that allows the call.
const GO_ON: i32 = 1;

/// Runs when the program asks for a port over IPv4. Minimum kernel 4.17.
#[cgroup_sock_addr(bind4)]
pub(crate) fn eph_cbind4(ctx: SockAddrContext) -> i32 {
    begin::<false>(&ctx);
    GO_ON
}

/// Runs when the program asks for a port over IPv6. Minimum kernel 4.17.
#[cgroup_sock_addr(bind6)]
pub(crate) fn eph_cbind6(ctx: SockAddrContext) -> i32 {
    begin::<true>(&ctx);
    GO_ON
}

/// Runs when an IPv4 socket has its port. Minimum kernel 4.17.
#[cgroup_sock(post_bind4)]
pub(crate) fn eph_cbound4(ctx: SockContext) -> i32 {
    ended(ctx.sock as u64);
    GO_ON
}

/// Runs when an IPv6 socket has its port. Minimum kernel 4.17.
#[cgroup_sock(post_bind6)]
pub(crate) fn eph_cbound6(ctx: SockContext) -> i32 {
    ended(ctx.sock as u64);
    GO_ON
}

#[inline(always)]
fn begin<const IPV6: bool>(ctx: &SockAddrContext) {
    forget_last();
    // SAFETY: fields of the context, which the verifier turns into loads of the call's arguments.
    let (port, protocol) =
        unsafe { ((*ctx.sock_addr).user_port, (*ctx.sock_addr).protocol as u16) };
    // The port is in network order.
    let port = u16::from_be(port as u16);
    let Some(origin) = origin(port, protocol) else { return };
    let sees_failures = setting!(features.bind_exit) != 0;
    let is_vain = filter::keeps_failures_only(origin as u8) && !sees_failures;
    if !filter::keep_origin(origin) || is_vain {
        return;
    }
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it. The pointer goes
    // through the map, since the verifier allows no arithmetic on the context's pointers. It does
    // not go through `sk`: another search of this task may be in flight, and this bind may not be
    // wanted.
    let sk = unsafe {
        (&raw mut (*slot).passing).write_volatile((*ctx.sock_addr).__bindgen_anon_1.sk as u64);
        (&raw const (*slot).passing).read_volatile() as *const u8
    };
    let owner = task::read_owner();
    // No return probe looks for the site.
    let mut start = Start::new(Hook::SockOps, origin, Site::Bind);
    start.is_tentative = true;
    start.named_port = port;
    search::begin_for::<false>(start, &owner, &ends::<IPV6>(ctx), sk, protocol, None);
}

/// Returns the origin of a bind to `port`; `None` for sockets that are not followed here.
#[inline(always)]
pub(crate) fn origin(port: u16, protocol: u16) -> Option<Origin> {
    let is_udp = protocol == Protocol::Udp.to_wire() || protocol == Protocol::UdpLite.to_wire();
    let is_tcp = protocol == Protocol::Tcp.to_wire() || protocol == Protocol::Dccp.to_wire();
    match (port, is_tcp, is_udp) {
        (0, true, _) => Some(Origin::Bind),
        (0, _, true) => Some(Origin::Udp),
        (_, false, false) => None,
        _ => Some(Origin::Explicit),
    }
}

/// Discards the task's last bind, if it has failed or needed no port, so that it does not pass for
/// this one.
#[inline(always)]
pub(crate) fn forget_last() {
    let Some(slot) = in_flight::existing_slot() else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let slot = unsafe { &mut *slot };
    if slot.state == state::TENTATIVE {
        slot.state = state::IDLE;
    }
}

/// Returns the address that the program binds to: the socket does not have it yet.
#[inline(always)]
fn ends<const IPV6: bool>(ctx: &SockAddrContext) -> Endpoints {
    // SAFETY: as in `begin`. Volatile, since up to Linux 5.8 the verifier accepts 32-bit loads
    // only.
    unsafe {
        if !IPV6 {
            return sock::bound_to_ipv4((&raw const (*ctx.sock_addr).user_ip4).read_volatile());
        }
        let word = |n: usize| u64::from((&raw const (*ctx.sock_addr).user_ip6[n]).read_volatile());
        sock::bound_to([word(0) | word(1) << 32, word(2) | word(3) << 32])
    }
}

#[inline(always)]
fn ended(sk: u64) {
    let Some(slot) = in_flight::existing_slot() else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let (bound, was) = unsafe { ((&raw const (*slot).sk).read_volatile(), (*slot).state) };
    if was != state::TENTATIVE || bound != sk {
        return;
    }
    end::end_read(slot, bound as *const u8, 0);
    in_flight::release(slot);
}
