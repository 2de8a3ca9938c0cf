//! TCP `connect()`, and `listen()` on an unbound socket, where no function can be hooked.
//!
//! `tcp_v4_connect` and `tcp_v6_connect` go through these steps in the caller's task: state
//! CLOSE → SYN_SENT (raw tracepoint), port search, then either `tcp_connect`, which calls sock_ops
//! programs with `TCP_CONNECT_CB`, or state SYN_SENT → CLOSE without a port. The first is the start
//! of the search, the others are its end, each within about a microsecond of it. `listen()` goes
//! through CLOSE → LISTEN, then `TCP_LISTEN_CB` or LISTEN → CLOSE.
//!
//! What this can't see: how the search went, and its errno. The latter is inferred: the search has
//! two ways to fail, EADDRNOTAVAIL and, if the kernel can't allocate 64 bytes, ENOMEM.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_SOCK_OPS_TCP_CONNECT_CB, BPF_SOCK_OPS_TCP_LISTEN_CB},
    helpers::generated::bpf_get_socket_cookie,
    macros::{btf_tracepoint, raw_tracepoint, sock_ops},
    programs::{BtfTracePointContext, RawTracePointContext, SockOpsContext},
};
use ephtrace_common::{Counter, Hook, Origin, Protocol, known};

use crate::{
    filter,
    maps::{InFlight, copy, count, site},
    search::{self, Outcome, Start},
    sock,
};

const TCP_SYN_SENT: i32 = 2;
const TCP_CLOSE: i32 = 7;
const TCP_LISTEN: i32 = 10;
const EADDRINUSE: u32 = 98;
const EADDRNOTAVAIL: u32 = 99;

/// `inet_sock_set_state(sk, oldstate, newstate)`, Linux 4.16. Six calls for each connection, of
/// which all but one leave at once.
///
/// With types (Linux 5.5 and BTF): the socket's fields can be loaded directly.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn eph_state_btf(ctx: BtfTracePointContext) -> i32 {
    state::<true, false>(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// Spare copy of [`eph_state_btf`], see `Features::has_spares`.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn eph_state_btf2(ctx: BtfTracePointContext) -> i32 {
    state::<true, true>(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// The same without types, for kernels whose BTF comes from a file.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub(crate) fn eph_state(ctx: RawTracePointContext) -> i32 {
    state::<false, false>(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// Spare copy of [`eph_state`], see `Features::has_spares`.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub(crate) fn eph_state_spare(ctx: RawTracePointContext) -> i32 {
    state::<false, true>(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

#[inline(always)]
fn state<const TRUSTED: bool, const SPARE: bool>(
    ctx: &impl EbpfContext,
    sk: *const u8,
    old: i32,
    new: i32,
) {
    match (old, new) {
        (TCP_CLOSE, TCP_SYN_SENT) => {
            started::<TRUSTED, SPARE>(ctx, sk, Origin::Connect, site::CONNECT);
        }
        (TCP_CLOSE, TCP_LISTEN) => started::<TRUSTED, SPARE>(ctx, sk, Origin::Listen, site::BIND),
        (TCP_SYN_SENT, TCP_CLOSE) => closed(sk, EADDRNOTAVAIL),
        (TCP_LISTEN, TCP_CLOSE) => closed(sk, EADDRINUSE),
        _ => {}
    }
}

/// Called nine times for each connection, of which all but one leave at once.
#[sock_ops]
pub(crate) fn eph_connected(ctx: SockOpsContext) -> u32 {
    if matches!(ctx.op(), BPF_SOCK_OPS_TCP_CONNECT_CB | BPF_SOCK_OPS_TCP_LISTEN_CB) {
        found(&ctx);
    }
    // What a sock_ops program returns goes to whoever asked for a value; this op asks for none.
    1
}

#[inline(always)]
fn started<const TRUSTED: bool, const SPARE: bool>(
    ctx: &impl EbpfContext,
    sk: *const u8,
    origin: Origin,
    site: u32,
) {
    // The parent socket of MPTCP changes state too; its ports belong to its TCP subflows.
    let protocol = Protocol::Tcp.to_wire();
    if sock::protocol::<TRUSTED>(sk) != Some(protocol) {
        return;
    }
    let mut start = Start {
        hook: Hook::SockOps,
        origin,
        site,
        copy: if SPARE { copy::SPARE } else { copy::FIRST },
        principal: core::ptr::null(),
    };
    let is_connect = site == site::CONNECT;
    if sock::num::<TRUSTED>(sk) != Some(0) {
        if is_connect && !SPARE {
            count(Counter::AlreadyBound);
        }
        start.origin = Origin::Explicit;
    }
    // A listening socket that had its port is assigned none.
    let is_assigned = is_connect || start.origin == Origin::Listen;
    if !is_assigned || !filter::keep_origin(start.origin) {
        search::pass_over(sk);
        return;
    }
    search::begin::<TRUSTED>(ctx, start, sk, protocol, None);
    if let Some(slot) = search::in_flight(sk as u64) {
        // SAFETY: the slot is a live map value, and only this task writes to it.
        unsafe { (*slot).stale_sport = u32::from(sock::stale_sport(sk)) };
    }
}

/// The connect, or the listen, failed. Runs for every refused connection too, often in an interrupt: those had
/// their port and are not in flight any more.
#[inline(always)]
fn closed(sk: *const u8, errno: u32) {
    let Some(slot) = search::in_flight(sk as u64) else { return };
    let sport = sock::stale_sport(sk);
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let was = unsafe { (*slot).stale_sport };
    // A port that came and went: the search succeeded and a later step failed (new route).
    let outcome = if u32::from(sport) == was {
        Outcome { sport: 0, errno, cookie: 0 }
    } else {
        note_deferral(slot);
        Outcome { sport: u16::from_be(sport), errno: 0, cookie: 0 }
    };
    search::end(slot, &outcome);
}

/// With TCP Fast Open, the SYN may wait for the first write: that the search has ended is seen then, or
/// when the socket is closed without one, and not how long it took.
#[inline(always)]
fn note_deferral(slot: *mut InFlight) {
    // SAFETY: the slot is a live map value, and only this task writes to it. The address by way of the
    // map, as the verifier allows no arithmetic on what the context says.
    unsafe {
        if sock::is_deferred((&raw const (*slot).sk).read_volatile() as *const u8) {
            (*slot).record.known |= known::DEFERRED;
        }
    }
}

#[inline(always)]
fn found(ctx: &SockOpsContext) {
    // SAFETY: a field of the context, which the verifier turns into a load of the socket's address.
    let sk = unsafe { (*ctx.ops).__bindgen_anon_2.sk } as u64;
    let Some(slot) = search::in_flight(sk) else {
        // The kernel never leaves this program out.
        search::end_passed_over(sk);
        return;
    };
    note_deferral(slot);
    // SAFETY: the context is the argument that the helper demands in this program type.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    let sport = ctx.local_port() as u16;
    search::end(slot, &Outcome { sport, errno: 0, cookie });
}
