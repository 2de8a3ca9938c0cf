//! The six programs of one function that searches for a port.

/// Defines them: two copies of fentry and fexit each (see `Features::attach_twice`), and kprobe and
/// kretprobe for systems without fentry.
///
/// The function takes the socket and the wanted port first, and its return value is argument
/// `returns` of a program that sees its end. The module has `fn origin::<TRUSTED>(sk, snum) ->
/// Option<Origin>`, which returns the origin of the assignment, or `None` if nothing is assigned.
macro_rules! programs {
    (
        $function:literal, returns: $ret:literal, site: $site:ident, failure: $failure:ident,
        has_range: $has_range:literal,
        enter: $enter:ident $enter_2:ident, exit: $exit:ident $exit_2:ident,
        probes: $probe:ident $ret_probe:ident
    ) => {
        #[aya_ebpf::macros::fentry(function = $function)]
        pub(crate) fn $enter(ctx: aya_ebpf::programs::FEntryContext) {
            begin::<true, false>(&ctx, ephtrace_common::Hook::Fentry, ctx.arg(0), ctx.arg(1));
        }

        #[aya_ebpf::macros::fentry(function = $function)]
        pub(crate) fn $enter_2(ctx: aya_ebpf::programs::FEntryContext) {
            begin::<true, true>(&ctx, ephtrace_common::Hook::Fentry, ctx.arg(0), ctx.arg(1));
        }

        #[aya_ebpf::macros::fexit(function = $function)]
        pub(crate) fn $exit(ctx: aya_ebpf::programs::FExitContext) {
            ended::<{ crate::in_flight::copy::FIRST }>(ctx.arg(0), ctx.arg(1), ctx.arg($ret));
        }

        #[aya_ebpf::macros::fexit(function = $function)]
        pub(crate) fn $exit_2(ctx: aya_ebpf::programs::FExitContext) {
            ended::<{ crate::in_flight::copy::SECOND }>(ctx.arg(0), ctx.arg(1), ctx.arg($ret));
        }

        #[aya_ebpf::macros::kprobe(function = $function)]
        pub(crate) fn $probe(ctx: aya_ebpf::programs::ProbeContext) {
            let (Some(sk), Some(snum)) = (ctx.arg(0), ctx.arg(1)) else { return };
            begin::<false, false>(&ctx, ephtrace_common::Hook::Kprobe, sk, snum);
        }

        #[aya_ebpf::macros::kretprobe(function = $function)]
        pub(crate) fn $ret_probe(ctx: aya_ebpf::programs::RetProbeContext) {
            let site = ephtrace_common::Site::$site;
            crate::end::end_probed(site, ctx.ret(), crate::end::Failure::$failure);
        }

        #[inline(always)]
        fn begin<const TRUSTED: bool, const SECOND: bool>(
            ctx: &impl aya_ebpf::EbpfContext,
            hook: ephtrace_common::Hook,
            sk: *const u8,
            snum: u64,
        ) {
            let wanted = origin::<TRUSTED>(sk, snum).filter(|&o| crate::filter::keep_origin(o));
            // The origin does not matter for a call that is ignored.
            let origin = wanted.unwrap_or(ephtrace_common::Origin::Explicit);
            let mut start = crate::search::Start::new(hook, origin, ephtrace_common::Site::$site);
            if SECOND {
                start.copy = crate::in_flight::copy::SECOND;
            }
            if wanted.is_none() {
                crate::search::pass_over(start, sk);
                return;
            }
            let protocol = crate::sock::protocol::<TRUSTED>(sk).unwrap_or(0);
            start.has_range = $has_range;
            if matches!(origin, ephtrace_common::Origin::Explicit) {
                start.named_port = snum as u16;
            }
            crate::search::begin::<TRUSTED>(ctx, start, sk, protocol, None);
        }

        #[inline(always)]
        fn ended<const COPY: u32>(sk: *const u8, snum: u64, ret: i32) {
            if let Some(slot) = crate::in_flight::on_socket(sk as u64) {
                crate::end::end_traced(slot, sk, ret, crate::end::Failure::$failure, COPY);
            } else {
                let is_wanted = origin::<true>(sk, snum).is_some_and(crate::filter::keep_origin);
                crate::missed::end_unseen(sk as u64, COPY, is_wanted);
            }
        }
    };
}
pub(crate) use programs;
