//! TCP (and DCCP) `connect()`: hooks on the function that chooses the port.
//!
//! `int __inet_hash_connect(struct inet_timewait_death_row *death_row, struct sock *sk, u64
//! port_offset, [u32 hash_port0,] check_established)`: `inet_hash_connect` and `inet6_hash_connect`
//! both end in it, and only it receives the hash. The fourth argument came with Linux 6.15; the
//! hash had 32 bits before 5.10.119.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/inet_hashtables.c#L994>

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use ephtrace_common::{Counter, Hook, Origin, Site};

use crate::{
    end::{self, Failure},
    filter,
    globals::setting,
    in_flight::{self, InFlight, copy},
    maps::count,
    missed,
    search::{self, Start},
    sock,
};

/// Runs when the search begins. Minimum kernel 5.5 with BTF; costs a direct call.
#[fentry(function = "__inet_hash_connect")]
pub(crate) fn eph_connect(ctx: FEntryContext) {
    begin::<true, false>(&ctx, Hook::Fentry, ctx.arg(1), ctx.arg(2));
}

/// Second copy of [`eph_connect`], see `Features::attach_twice`.
#[fentry(function = "__inet_hash_connect")]
pub(crate) fn eph_connect_2(ctx: FEntryContext) {
    begin::<true, true>(&ctx, Hook::Fentry, ctx.arg(1), ctx.arg(2));
}

/// Runs when the search has ended, in the same task, on kernels where the function takes four
/// arguments: the return value is behind them (`bpf_get_func_ret` came with Linux 5.17).
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn eph_connect4_x(ctx: FExitContext) {
    ended::<{ copy::FIRST }>(ctx.arg(1), ctx.arg(2), ctx.arg(4));
}

/// Runs when the search has ended, on kernels where the function takes five arguments. A separate
/// program, since the compiler would merge both loads into one from a computed address, which the
/// verifier refuses.
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn eph_connect5_x(ctx: FExitContext) {
    ended::<{ copy::FIRST }>(ctx.arg(1), ctx.arg(2), ctx.arg(5));
}

/// Second copy of [`eph_connect4_x`], see `Features::attach_twice`.
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn eph_connect4_x2(ctx: FExitContext) {
    ended::<{ copy::SECOND }>(ctx.arg(1), ctx.arg(2), ctx.arg(4));
}

/// Second copy of [`eph_connect5_x`], see `Features::attach_twice`.
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn eph_connect5_x2(ctx: FExitContext) {
    ended::<{ copy::SECOND }>(ctx.arg(1), ctx.arg(2), ctx.arg(5));
}

#[inline(always)]
fn ended<const COPY: u32>(sk: *const u8, hash_offset: u64, ret: i32) {
    // Without a hash there was no search: the socket had its port.
    let is_search = hash_offset != 0;
    if let Some(slot) = in_flight::on_socket(sk as u64).filter(|&slot| began(slot, is_search)) {
        end::end_traced(slot, sk, ret, Failure::AsReturned, COPY);
    } else {
        let is_wanted = is_search && filter::keep_origin(Origin::Connect);
        missed::end_unseen(sk as u64, COPY, is_wanted);
    }
}

/// Returns whether the call in flight is the one that has ended. Otherwise it is a call on a socket
/// that was at the same address before, and all copies of the program have missed its end and the
/// start of this one.
#[inline(always)]
fn began(slot: *mut InFlight, is_search: bool) -> bool {
    if setting!(features.attach_twice) == 0 {
        return true;
    }
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let slot = unsafe { &mut *slot };
    let is_same = (slot.record.origin == Origin::Connect as u8) == is_search;
    if !is_same {
        missed::abandon(slot);
    }
    is_same
}

/// Runs when the search begins, if fentry is not available. Costs a breakpoint or an ftrace call.
#[kprobe(function = "__inet_hash_connect")]
pub(crate) fn eph_kconnect(ctx: ProbeContext) {
    let (Some(sk), Some(hash)) = (ctx.arg(1), ctx.arg(2)) else { return };
    begin::<false, false>(&ctx, Hook::Kprobe, sk, hash);
}

/// Runs when the search has ended, if fexit is not available. A return probe may be missed when
/// more tasks search than it has slots for.
#[kretprobe(function = "__inet_hash_connect")]
pub(crate) fn eph_kconnect_x(ctx: RetProbeContext) {
    end::end_probed(Site::Connect, ctx.ret(), Failure::AsReturned);
}

#[inline(always)]
fn begin<const TRUSTED: bool, const SECOND: bool>(
    ctx: &impl EbpfContext,
    hook: Hook,
    sk: *const u8,
    hash_offset: u64,
) {
    let mut start = Start::new(hook, Origin::Connect, Site::Connect);
    start.has_destination = true;
    if SECOND {
        start.copy = copy::SECOND;
    }
    let mut hash_offset = match setting!(features.hash_offset_bytes) {
        8 => Some(hash_offset),
        _ => None,
    };
    let port = sock::num::<TRUSTED>(sk);
    if port != Some(0) {
        if !SECOND {
            count(Counter::AlreadyBound);
        }
        start.origin = Origin::Explicit;
        start.named_port = port.unwrap_or(0);
        hash_offset = None;
    }
    if !filter::keep_origin(start.origin) {
        search::pass_over(start, sk);
        return;
    }
    let protocol = sock::protocol::<TRUSTED>(sk).unwrap_or(0);
    search::begin::<TRUSTED>(ctx, start, sk, protocol, hash_offset);
}
