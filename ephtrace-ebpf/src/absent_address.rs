//! `bind()` to an address that no interface has, seen by hooks on functions: the kernel refuses
//! with EADDRNOTAVAIL before it searches for a port, so that no hook on a search sees it.
//!
//! `int __inet_bind(struct sock *sk, struct sockaddr *uaddr, int addr_len, u32 flags)`, for TCP and
//! UDP, and `__inet6_bind` alike, return EADDRNOTAVAIL for no other reason. With fexit, a call that
//! succeeds, or fails for lack of a port, costs one comparison. A return probe sees no arguments,
//! so with kprobes they are kept from the start.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/af_inet.c#L474>

use aya_ebpf::{
    EbpfContext,
    macros::{fexit, kprobe, kretprobe},
    programs::{FExitContext, ProbeContext, RetProbeContext},
};
use ephtrace_common::{Counter, Hook, Site, known};

use crate::{
    bind_cgroup,
    end::{self, Outcome},
    filter,
    globals::setting,
    in_flight::{self, copy, state},
    maps::count,
    mptcp, read,
    search::{self, Start},
    sock, task,
};

const EADDRNOTAVAIL: i32 = 99;

/// `sockaddr_in.sin_port` and `sockaddr_in6.sin6_port`, network order.
const PORT: u32 = 2;

/// Runs when a call over IPv4 returns. The return value is behind the four arguments.
#[fexit(function = "__inet_bind")]
pub(crate) fn eph_absent4(ctx: FExitContext) {
    returned::<{ copy::FIRST }>(&ctx);
}

/// Second copy of [`eph_absent4`], see `Features::attach_twice`.
#[fexit(function = "__inet_bind")]
pub(crate) fn eph_absent4_2(ctx: FExitContext) {
    returned::<{ copy::SECOND }>(&ctx);
}

/// Runs when a call over IPv6 returns, also with an IPv4 address in its mapped form.
#[fexit(function = "__inet6_bind")]
pub(crate) fn eph_absent6(ctx: FExitContext) {
    returned::<{ copy::FIRST }>(&ctx);
}

/// Second copy of [`eph_absent6`], see `Features::attach_twice`.
#[fexit(function = "__inet6_bind")]
pub(crate) fn eph_absent6_2(ctx: FExitContext) {
    returned::<{ copy::SECOND }>(&ctx);
}

/// Runs when a call over IPv4 begins, if fentry is not available.
#[kprobe(function = "__inet_bind")]
pub(crate) fn eph_kaddr4(ctx: ProbeContext) {
    asked(&ctx);
}

/// Runs when a call over IPv6 begins, if fentry is not available.
#[kprobe(function = "__inet6_bind")]
pub(crate) fn eph_kaddr6(ctx: ProbeContext) {
    asked(&ctx);
}

/// Runs when a call over IPv4 returns, if fexit is not available.
#[kretprobe(function = "__inet_bind")]
pub(crate) fn eph_kabsent4(ctx: RetProbeContext) {
    returned_probed(&ctx);
}

/// Runs when a call over IPv6 returns, if fexit is not available.
#[kretprobe(function = "__inet6_bind")]
pub(crate) fn eph_kabsent6(ctx: RetProbeContext) {
    returned_probed(&ctx);
}

#[inline(always)]
fn returned<const COPY: u32>(ctx: &FExitContext) {
    if ctx.arg::<i32>(4) != -EADDRNOTAVAIL {
        return;
    }
    let sk: *const u8 = ctx.arg(0);
    if setting!(features.attach_twice) == 0 || is_first(sk as u64, COPY) {
        tell::<true>(ctx, Hook::Fentry, sk, ctx.arg(1));
    }
}

/// Returns whether no other copy of the program has seen this call return. A copy that has seen the
/// last call for `sk` itself sees a new one now.
#[inline(always)]
fn is_first(sk: u64, copy: u32) -> bool {
    // Without room for the state, `tell` counts it as lost, possibly twice.
    let Some(slot) = in_flight::slot(task::current()) else { return true };
    // SAFETY: the slot is a live map value, and only this task writes to it.
    let slot = unsafe { &mut *slot };
    if slot.refused_sk == sk && slot.refused_by & copy == 0 {
        slot.refused_by |= copy;
        return false;
    }
    slot.refused_sk = sk;
    slot.refused_by = copy;
    true
}

#[inline(always)]
fn asked(ctx: &ProbeContext) {
    let (Some(sk), Some(addr)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1)) else { return };
    let Some(slot) = in_flight::slot(task::current()) else { return };
    // SAFETY: as in `is_first`.
    unsafe {
        (*slot).refused_sk = sk;
        (*slot).refused_addr = addr;
    }
}

#[inline(always)]
fn returned_probed(ctx: &RetProbeContext) {
    if ctx.ret::<i32>() != -EADDRNOTAVAIL {
        return;
    }
    let Some(slot) = in_flight::existing_slot() else {
        count(Counter::HookMissed);
        return;
    };
    // SAFETY: as in `is_first`.
    let (sk, addr) = unsafe {
        let sk = (*slot).refused_sk;
        (*slot).refused_sk = 0;
        (sk as *const u8, (*slot).refused_addr as *const u8)
    };
    // The start was not seen. The stored state is of the previous call, which gave its socket a
    // port.
    if sk.is_null() || sock::num::<false>(sk) != Some(0) {
        count(Counter::HookMissed);
        return;
    }
    // The address is on the caller's stack, which is still valid here.
    tell::<false>(ctx, Hook::Kprobe, sk, addr);
}

/// Records the failure. Nothing was searched for, so there is no latency, and the outcome is known
/// at once.
#[inline(always)]
fn tell<const TRUSTED: bool>(ctx: &impl EbpfContext, hook: Hook, sk: *const u8, addr: *const u8) {
    let protocol = sock::protocol::<TRUSTED>(sk).unwrap_or(0);
    let port = u16::from_be(read::probe::<u16>(addr, PORT).unwrap_or(0));
    let Some(origin) = bind_cgroup::origin(port, protocol) else { return };
    if !filter::keep_origin(origin) {
        return;
    }
    // No return probe looks for the site.
    let mut start = Start::new(hook, origin, Site::Bind);
    start.is_tentative = true;
    start.named_port = port;
    let mut owner = task::owner::<TRUSTED>(ctx);
    start.principal = mptcp::principal(sk);
    if !start.principal.is_null() {
        // SAFETY: a live map value.
        let principal = unsafe { &*start.principal };
        owner = principal.owner();
    }
    let ends = sock::named_by(addr);
    search::begin_for::<TRUSTED>(start, &owner, &ends, sk, protocol, None);
    let Some(slot) = in_flight::existing_slot() else { return };
    // SAFETY: as in `is_first`.
    unsafe {
        if (*slot).state != state::TENTATIVE {
            return;
        }
        (*slot).record.known |= known::DEFERRED;
    }
    let cookie = if TRUSTED { end::traced_cookie(sk) } else { sock::stored_cookie::<false>(sk) };
    end::end(slot, &Outcome { sport: 0, errno: EADDRNOTAVAIL.cast_unsigned(), cookie });
    if setting!(features.attach_twice) == 0 {
        in_flight::release(slot);
    }
}
