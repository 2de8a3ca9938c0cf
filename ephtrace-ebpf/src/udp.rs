//! UDP and UDP-Lite: `bind()` to port 0, and `connect()` or first send on an unbound socket.
//!
//! `int udp_lib_get_port(struct sock *sk, unsigned short snum, unsigned int hash2_nulladdr)`: `snum` 0
//! asks the kernel to choose, before it knows where to. connect and send come here through
//! `int inet_autobind(struct sock *sk)`, which turns every failure into EAGAIN.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/udp.c#L230>

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};
use ephtrace_common::Origin;

use crate::{maps::site, programs::programs, search};

programs! {
    "udp_lib_get_port", returns: 3, site: site::UDP,
    enter: eph_udp eph_udp_spare, exit: eph_udp_x eph_udp_x2, probes: eph_kudp eph_kudp_x
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

/// The kernel binds a socket of its own accord: tells apart what a failure is called.
#[fentry(function = "inet_autobind")]
pub(crate) fn eph_auto(ctx: FEntryContext) {
    search::autobind::<true>(ctx.arg(0));
}

/// Spare copy of [`eph_auto`], see `Features::has_spares`.
#[fentry(function = "inet_autobind")]
pub(crate) fn eph_auto_spare(ctx: FEntryContext) {
    search::autobind::<true>(ctx.arg(0));
}

/// The same where fentry can't be had.
#[kprobe(function = "inet_autobind")]
pub(crate) fn eph_kauto(ctx: ProbeContext) {
    if let Some(sk) = ctx.arg(0) {
        search::autobind::<false>(sk);
    }
}
