//! SCTP: `bind()` to port 0, and `listen()`, `connect()` or first send on an unbound socket.
//!
//! `static int sctp_get_port_local(struct sock *sk, union sctp_addr *addr)`: with port 0 in `addr`
//! the kernel chooses. The function is in a module, whose types aya does not read, so kprobes serve
//! every hook. It is also called for a socket that has its port, for a second address or to listen.
//!
//! `sctp_autobind` can't be hooked on Linux 5.10 to 7.2, since compilers inline it into its
//! callers. `sctp_bind` is hooked instead: if it was not called before, the kernel binds by itself.
//!
//! <https://github.com/torvalds/linux/blob/v6.12/net/sctp/socket.c>

use aya_ebpf::{
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use ephtrace_common::{Hook, Origin, Site};

use crate::{
    autobind,
    end::{self, Failure},
    filter, missed, read, search, sock, task,
};

/// `sockaddr_in.sin_port` and `sockaddr_in6.sin6_port`, network order.
const PORT: u32 = 2;

/// Runs when a search begins.
#[kprobe(function = "sctp_get_port_local")]
pub(crate) fn eph_ksctp(ctx: ProbeContext) {
    if let (Some(sk), Some(addr)) = (ctx.arg(0), ctx.arg(1)) {
        begin(&ctx, sk, addr);
    }
}

/// Runs when the search ends.
#[kretprobe(function = "sctp_get_port_local")]
pub(crate) fn eph_ksctp_x(ctx: RetProbeContext) {
    end::end_probed(Site::Sctp, ctx.ret(), Failure::InUseOrAgain);
}

/// Runs when the program asks to bind: `static int sctp_bind(struct sock *sk, struct sockaddr
/// *addr, int addr_len)`.
#[kprobe(function = "sctp_bind")]
pub(crate) fn eph_ksbind(ctx: ProbeContext) {
    if let (Some(sk), Some(addr)) = (ctx.arg(0), ctx.arg(1)) {
        autobind::asked_to_bind(sk, addr);
    }
}

#[inline(always)]
fn begin(ctx: &ProbeContext, sk: *const u8, addr: *const u8) {
    if sock::num::<false>(sk) != Some(0) {
        missed::close(Hook::Kprobe);
        return;
    }
    let Some(port) = read::probe::<u16>(addr, PORT) else { return };
    let origin = if port == 0 { Origin::Sctp } else { Origin::Explicit };
    if !filter::keep_origin(origin) {
        missed::close(Hook::Kprobe);
        return;
    }
    let owner = task::owner::<false>(ctx);
    // The socket's own address is set once it has its port.
    let ends = sock::named_by(addr);
    let protocol = sock::protocol::<false>(sk).unwrap_or(0);
    let mut start = search::Start::new(Hook::Kprobe, origin, Site::Sctp);
    start.named_port = u16::from_be(port);
    search::begin_for::<false>(start, &owner, &ends, sk, protocol, None);
    autobind::unless_asked(sk, addr);
}
