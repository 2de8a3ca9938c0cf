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
    helpers::generated::bpf_get_socket_cookie,
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use ephtrace_common::{Counter, Hook};

use crate::{
    globals::setting,
    maps::{IN_FLIGHT, count, state},
    read,
    search::{self, Outcome},
    sock, task,
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
        if hash_offset != 0 {
            search::end_unseen(sk as u64);
        }
        return;
    };
    let cookie = if setting!(features.cookie_in_tracing) != 0 {
        // SAFETY: `sk` is the function's own argument, as the helper demands.
        unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) }
    } else {
        stored_cookie::<true>(sk)
    };
    let sport = if ret == 0 { sock::num::<true>(sk).unwrap_or(0) } else { 0 };
    search::end(slot, &Outcome { sport, errno: errno(ret), cookie });
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
    let Some(slot) = IN_FLIGHT.get_ptr_mut(task::current()) else { return };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let (sk, was) = unsafe { ((*slot).sk as *const u8, (*slot).state) };
    if was != state::WANTED && was != state::UNWANTED {
        return;
    }
    let ret: i32 = ctx.ret();
    let sport = if ret == 0 { sock::num::<false>(sk).unwrap_or(0) } else { 0 };
    let cookie = stored_cookie::<false>(sk);
    search::end(slot, &Outcome { sport, errno: errno(ret), cookie });
}

#[inline(always)]
fn begin<const TRUSTED: bool, const SPARE: bool>(
    ctx: &impl EbpfContext,
    hook: Hook,
    sk: *const u8,
    hash_offset: u64,
) {
    if sock::num::<TRUSTED>(sk) != Some(0) {
        if !SPARE {
            count(Counter::AlreadyBound);
        }
        return;
    }
    let hash_offset = match setting!(features.hash_offset_bytes) {
        8 => Some(hash_offset),
        _ => None,
    };
    let protocol = sock::protocol::<TRUSTED>(sk).unwrap_or(0);
    search::begin::<TRUSTED>(ctx, hook, sk, protocol, hash_offset);
}

/// `skc_cookie`: 0 until somebody has asked for the socket's cookie.
#[inline(always)]
fn stored_cookie<const TRUSTED: bool>(sk: *const u8) -> u64 {
    read::field::<u64, TRUSTED>(sk, setting!(offsets.skc_cookie)).unwrap_or(0)
}

#[inline(always)]
fn errno(ret: i32) -> u32 {
    if ret < 0 { ret.unsigned_abs() } else { 0 }
}
