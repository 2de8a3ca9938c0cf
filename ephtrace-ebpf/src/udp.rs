//! UDP and UDP-Lite: `bind()` to port 0, and `connect()` or first send on an unbound socket.
//!
//! `int udp_lib_get_port(struct sock *sk, unsigned short snum, unsigned int hash2_nulladdr)`: with
//! `snum` 0 the kernel chooses, before it knows the destination. connect and send get here through
//! `int inet_autobind(struct sock *sk)`, which turns every failure into EAGAIN.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/udp.c#L230>

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use ephtrace_common::Origin;

use crate::{autobind, programs::programs};

programs! {
    "udp_lib_get_port", returns: 3, site: Udp, failure: InUseOrAgain, has_range: true,
    enter: eph_udp eph_udp_2, exit: eph_udp_x eph_udp_x2, probes: eph_kudp eph_kudp_x
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the macro's contract: bind has calls that assign nothing"
)]
#[inline(always)]
fn origin<const TRUSTED: bool>(_sk: *const u8, snum: u64) -> Option<Origin> {
    // The register may hold anything above the 16 bits of the argument.
    Some(if snum as u16 == 0 { Origin::Udp } else { Origin::Explicit })
}

/// Runs when the kernel binds a socket by itself; a failure has another errno there.
#[fentry(function = "inet_autobind")]
pub(crate) fn eph_auto(ctx: FEntryContext) {
    autobind::expect::<true>(ctx.arg(0));
}

/// Second copy of [`eph_auto`], see `Features::attach_twice`.
#[fentry(function = "inet_autobind")]
pub(crate) fn eph_auto_2(ctx: FEntryContext) {
    autobind::expect::<true>(ctx.arg(0));
}

/// Runs when the kernel binds a socket by itself, if fentry is not available.
#[kprobe(function = "inet_autobind")]
pub(crate) fn eph_kauto(ctx: ProbeContext) {
    if let Some(sk) = ctx.arg(0) {
        autobind::expect::<false>(sk);
    }
}
