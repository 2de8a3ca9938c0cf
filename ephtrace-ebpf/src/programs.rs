//! The six programs of one function that looks for a port.

/// Defines them: fentry and fexit with a spare copy each (see `Features::has_spares`), kprobe and
/// kretprobe where fentry can't be had. Costs a direct call each, or a breakpoint or an ftrace call.
///
/// The function takes the socket and the wanted port first, and its return value is argument `$ret`
/// of a program that sees its end. The module has `fn origin::<TRUSTED>(sk, snum) -> Option<Origin>`:
/// how it came about, `None` if nothing is assigned.
macro_rules! programs {
    (
        $function:literal, returns: $ret:literal, site: $site:expr,
        enter: $enter:ident $enter_spare:ident, exit: $exit:ident $exit_spare:ident,
        probes: $probe:ident $ret_probe:ident
    ) => {
        #[aya_ebpf::macros::fentry(function = $function)]
        pub(crate) fn $enter(ctx: aya_ebpf::programs::FEntryContext) {
            begin::<true, false>(&ctx, ephtrace_common::Hook::Fentry, ctx.arg(0), ctx.arg(1));
        }

        #[aya_ebpf::macros::fentry(function = $function)]
        pub(crate) fn $enter_spare(ctx: aya_ebpf::programs::FEntryContext) {
            begin::<true, true>(&ctx, ephtrace_common::Hook::Fentry, ctx.arg(0), ctx.arg(1));
        }

        #[aya_ebpf::macros::fexit(function = $function)]
        pub(crate) fn $exit(ctx: aya_ebpf::programs::FExitContext) {
            ended(ctx.arg(0), ctx.arg(1), ctx.arg($ret));
        }

        #[aya_ebpf::macros::fexit(function = $function)]
        pub(crate) fn $exit_spare(ctx: aya_ebpf::programs::FExitContext) {
            ended(ctx.arg(0), ctx.arg(1), ctx.arg($ret));
        }

        #[aya_ebpf::macros::kprobe(function = $function)]
        pub(crate) fn $probe(ctx: aya_ebpf::programs::ProbeContext) {
            let (Some(sk), Some(snum)) = (ctx.arg(0), ctx.arg(1)) else { return };
            begin::<false, false>(&ctx, ephtrace_common::Hook::Kprobe, sk, snum);
        }

        #[aya_ebpf::macros::kretprobe(function = $function)]
        pub(crate) fn $ret_probe(ctx: aya_ebpf::programs::RetProbeContext) {
            crate::search::end_probed($site, ctx.ret());
        }

        #[inline(always)]
        fn begin<const TRUSTED: bool, const SPARE: bool>(
            ctx: &impl aya_ebpf::EbpfContext,
            hook: ephtrace_common::Hook,
            sk: *const u8,
            snum: u64,
        ) {
            let Some(origin) = origin::<TRUSTED>(sk, snum) else { return };
            if crate::filter::keep_origin(origin) {
                let protocol = crate::sock::protocol::<TRUSTED>(sk).unwrap_or(0);
                let start = crate::search::Start {
                    hook,
                    origin,
                    site: $site,
                    copy: if SPARE { crate::maps::copy::SPARE } else { crate::maps::copy::FIRST },
                    principal: core::ptr::null(),
                };
                crate::search::begin::<TRUSTED>(ctx, start, sk, protocol, None);
            }
        }

        #[inline(always)]
        fn ended(sk: *const u8, snum: u64, ret: i32) {
            if let Some(slot) = crate::search::in_flight(sk as u64) {
                crate::search::end_traced(slot, sk, ret);
            } else if origin::<true>(sk, snum).is_some_and(crate::filter::keep_origin) {
                crate::search::end_unseen(sk as u64);
            }
        }
    };
}
pub(crate) use programs;
