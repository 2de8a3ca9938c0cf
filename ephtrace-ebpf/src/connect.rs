//! TCP (and DCCP) `connect()`: hooks on the function that chooses the port.
//!
//! `int __inet_hash_connect(struct inet_timewait_death_row *death_row, struct sock *sk,
//! u64 port_offset, [u32 hash_port0,] check_established)`: `inet_hash_connect` and
//! `inet6_hash_connect` both end in it, and only it is given the hash. The fourth argument came with
//! Linux 6.15; the hash had 32 bits before 5.10.119.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/inet_hashtables.c#L994>

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use ephtrace_common::{Counter, Hook, Origin};

use crate::{
    filter,
    globals::setting,
    maps::{copy, count, site},
    search::{self, Start},
    sock,
};

/// The search begins. Minimum kernel 5.5 with BTF; costs a direct call.
#[fentry(function = "__inet_hash_connect")]
pub(crate) fn eph_enter(ctx: FEntryContext) {
    begin::<true, false>(&ctx, Hook::Fentry, ctx.arg(1), ctx.arg(2));
}

/// Spare copy of [`eph_enter`], see `Features::has_spares`.
#[fentry(function = "__inet_hash_connect")]
pub(crate) fn eph_enter_spare(ctx: FEntryContext) {
    begin::<true, true>(&ctx, Hook::Fentry, ctx.arg(1), ctx.arg(2));
}

/// The search has ended, in the same task. For kernels where it takes four arguments: the return
/// value stands behind them (`bpf_get_func_ret` came with Linux 5.17).
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn eph_exit4(ctx: FExitContext) {
    ended(ctx.arg(1), ctx.arg(2), ctx.arg(4));
}

/// The same for kernels where it takes five. A program of its own, as the compiler would merge both
/// loads into one from a computed address, which the verifier refuses.
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn eph_exit5(ctx: FExitContext) {
    ended(ctx.arg(1), ctx.arg(2), ctx.arg(5));
}

/// Spare copy of [`eph_exit4`], see `Features::has_spares`.
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn eph_exit4_spare(ctx: FExitContext) {
    ended(ctx.arg(1), ctx.arg(2), ctx.arg(4));
}

/// Spare copy of [`eph_exit5`], see `Features::has_spares`.
#[fexit(function = "__inet_hash_connect")]
pub(crate) fn eph_exit5_spare(ctx: FExitContext) {
    ended(ctx.arg(1), ctx.arg(2), ctx.arg(5));
}

#[inline(always)]
fn ended(sk: *const u8, hash_offset: u64, ret: i32) {
    let Some(slot) = search::in_flight(sk as u64) else {
        // Without a hash there was no search: the socket had its port.
        if hash_offset != 0 && filter::keep_origin(Origin::Connect) {
            search::end_unseen(sk as u64);
        }
        return;
    };
    search::end_traced(slot, sk, ret);
}

/// The search begins, where fentry can't be had. Costs a breakpoint or an ftrace call.
#[kprobe(function = "__inet_hash_connect")]
pub(crate) fn eph_kprobe(ctx: ProbeContext) {
    let (Some(sk), Some(hash)) = (ctx.arg(1), ctx.arg(2)) else { return };
    begin::<false, false>(&ctx, Hook::Kprobe, sk, hash);
}

/// The search has ended. A return probe may be missed when more tasks search than it has slots for.
#[kretprobe(function = "__inet_hash_connect")]
pub(crate) fn eph_kretprobe(ctx: RetProbeContext) {
    search::end_probed(site::CONNECT, ctx.ret());
}

#[inline(always)]
fn begin<const TRUSTED: bool, const SPARE: bool>(
    ctx: &impl EbpfContext,
    hook: Hook,
    sk: *const u8,
    hash_offset: u64,
) {
    let mut start = Start {
        hook,
        origin: Origin::Connect,
        site: site::CONNECT,
        copy: if SPARE { copy::SPARE } else { copy::FIRST },
        principal: core::ptr::null(),
    };
    let mut hash_offset = match setting!(features.hash_offset_bytes) {
        8 => Some(hash_offset),
        _ => None,
    };
    if sock::num::<TRUSTED>(sk) != Some(0) {
        if !SPARE {
            count(Counter::AlreadyBound);
        }
        start.origin = Origin::Explicit;
        hash_offset = None;
    }
    if filter::keep_origin(start.origin) {
        let protocol = sock::protocol::<TRUSTED>(sk).unwrap_or(0);
        search::begin::<TRUSTED>(ctx, start, sk, protocol, hash_offset);
    }
}
