//! TCP `connect()`, and `listen()` on an unbound socket, without hooks on functions.
//!
//! `tcp_v4_connect` and `tcp_v6_connect` go through these steps in the caller's task: state CLOSE →
//! SYN_SENT (raw tracepoint), port search, then either `tcp_connect`, which calls sock_ops programs
//! with `TCP_CONNECT_CB`, or state SYN_SENT → CLOSE without a port. The first step is the start of
//! the search, the others are its end, each within about a microsecond of it. `listen()` goes
//! through CLOSE → LISTEN, then `TCP_LISTEN_CB` or LISTEN → CLOSE.
//!
//! Neither the course of the search nor its errno is visible to this hook. The errno is inferred:
//! the search has two ways to fail, EADDRNOTAVAIL and, if the kernel can't allocate 64 bytes,
//! ENOMEM.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_SOCK_OPS_TCP_CONNECT_CB, BPF_SOCK_OPS_TCP_LISTEN_CB},
    helpers::generated::bpf_get_socket_cookie,
    macros::{btf_tracepoint, raw_tracepoint, sock_ops},
    programs::{BtfTracePointContext, RawTracePointContext, SockOpsContext},
};
use ephtrace_common::{Counter, Hook, Origin, Protocol, Site, known};

use crate::{
    end::{self, Outcome},
    filter,
    in_flight::{self, Found, InFlight, copy},
    maps::count,
    missed,
    search::{self, Start},
    sock,
};

const TCP_SYN_SENT: i32 = 2;
const TCP_CLOSE: i32 = 7;
const TCP_LISTEN: i32 = 10;
const EADDRINUSE: u32 = 98;
const EADDRNOTAVAIL: u32 = 99;

/// Runs on `inet_sock_set_state(sk, oldstate, newstate)`, Linux 4.16: six calls for each
/// connection, of which all but one leave at once.
///
/// With types (Linux 5.5 and BTF), the socket's fields can be loaded directly.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn eph_state_btf(ctx: BtfTracePointContext) -> i32 {
    state::<true, false>(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// Second copy of [`eph_state_btf`], see `Features::attach_twice`.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn eph_state_btf_2(ctx: BtfTracePointContext) -> i32 {
    state::<true, true>(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// Runs on `inet_sock_set_state` without types, for kernels whose BTF comes from a file.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub(crate) fn eph_state(ctx: RawTracePointContext) -> i32 {
    state::<false, false>(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

/// Second copy of [`eph_state`], see `Features::attach_twice`.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub(crate) fn eph_state_2(ctx: RawTracePointContext) -> i32 {
    state::<false, true>(&ctx, ctx.arg(0), ctx.arg(1), ctx.arg(2));
    0
}

#[inline(always)]
fn state<const TRUSTED: bool, const SECOND: bool>(
    ctx: &impl EbpfContext,
    sk: *const u8,
    old: i32,
    new: i32,
) {
    match (old, new) {
        (TCP_CLOSE, TCP_SYN_SENT) => {
            started::<TRUSTED, SECOND>(ctx, sk, Origin::Connect, Site::Connect);
        }
        (TCP_CLOSE, TCP_LISTEN) => started::<TRUSTED, SECOND>(ctx, sk, Origin::Listen, Site::Bind),
        (TCP_SYN_SENT, TCP_CLOSE) => closed::<TRUSTED>(sk, EADDRNOTAVAIL),
        (TCP_LISTEN, TCP_CLOSE) => closed::<TRUSTED>(sk, EADDRINUSE),
        _ => {}
    }
}

/// Runs nine times for each connection; all but one of the calls leave at once.
#[sock_ops]
pub(crate) fn eph_connected(ctx: SockOpsContext) -> u32 {
    if matches!(ctx.op(), BPF_SOCK_OPS_TCP_CONNECT_CB | BPF_SOCK_OPS_TCP_LISTEN_CB) {
        found(&ctx);
    }
    // The return value: only other ops use it.
    1
}

#[inline(always)]
fn started<const TRUSTED: bool, const SECOND: bool>(
    ctx: &impl EbpfContext,
    sk: *const u8,
    origin: Origin,
    site: Site,
) {
    // The parent socket of MPTCP changes state too; its ports belong to its TCP subflows.
    let protocol = Protocol::Tcp.to_wire();
    if sock::protocol::<TRUSTED>(sk) != Some(protocol) {
        return;
    }
    let is_connect = matches!(site, Site::Connect);
    let mut start = Start::new(Hook::SockOps, origin, site);
    start.has_destination = is_connect;
    if SECOND {
        start.copy = copy::SECOND;
    }
    let port = sock::num::<TRUSTED>(sk);
    if port != Some(0) {
        if is_connect && !SECOND {
            count(Counter::AlreadyBound);
        }
        start.origin = Origin::Explicit;
        start.named_port = port.unwrap_or(0);
    }
    // A listening socket that had its port is assigned none.
    let is_assigned = is_connect || start.origin == Origin::Listen;
    if !is_assigned || !filter::keep_origin(start.origin) {
        missed::pass_over(sk);
        return;
    }
    search::begin::<TRUSTED>(ctx, start, sk, protocol, None);
    if let Some(Found { slot, .. }) = in_flight::find(sk as u64) {
        // SAFETY: the slot is a live map value, and only this task writes to it.
        unsafe { (*slot).stale_sport = u32::from(sock::stale_sport::<TRUSTED>(sk)) };
    }
}

/// Handles a failed connect or listen. Runs for every refused connection too, often in an
/// interrupt: those had their port and are not in flight any more.
#[inline(always)]
fn closed<const TRUSTED: bool>(sk: *const u8, errno: u32) {
    let Some(found) = in_flight::find(sk as u64) else { return };
    let slot = found.slot;
    let sport = sock::stale_sport::<TRUSTED>(sk);
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let was = unsafe { (*slot).stale_sport };
    // A port that came and went: the search succeeded and a later step failed (new route).
    let outcome = if u32::from(sport) == was {
        Outcome { sport: 0, errno, cookie: 0 }
    } else {
        note_deferral(slot);
        Outcome { sport: u16::from_be(sport), errno: 0, cookie: 0 }
    };
    end::end(slot, &outcome);
    found.release();
}

/// Marks a deferred connect. With TCP Fast Open, the SYN may wait for the first write. The end of
/// the search is seen then, or when the socket is closed without a write, so that its latency is
/// unknown.
#[inline(always)]
fn note_deferral(slot: *mut InFlight) {
    // SAFETY: the slot is a live map value, and only this task writes to it. The address goes
    // through the map, since the verifier allows no arithmetic on the context's pointers.
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
    let Some(found) = in_flight::find(sk) else {
        // The kernel never skips this program.
        missed::end_passed_over(sk);
        return;
    };
    note_deferral(found.slot);
    // SAFETY: the context is the argument that the helper demands in this program type.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    let sport = ctx.local_port() as u16;
    end::end(found.slot, &Outcome { sport, errno: 0, cookie });
    found.release();
}
