//! Start and end of a live trace, whatever shows it.

use anyhow::Result;
use tokio::time::sleep;

use super::{
    announce::{announce, tell_names, tell_recording},
    live::Pipeline,
    rights::{self, Later},
    settings::TraceSettings,
    timing::{GRACE, SETTLE},
};
use crate::{
    host::priority,
    kernel::{
        attach,
        options::{Options, TotalsMode},
        preflight,
        support::Support,
        tracer::Tracer,
    },
};

/// Returns the features of this machine, or the rights that tracing needs and this process lacks:
/// without them, no other error matters.
pub(crate) fn support(settings: &TraceSettings) -> Result<Support> {
    let support = Support::gather(settings.btf.as_deref());
    preflight::check_rights(&support)?;
    Ok(support)
}

/// Attaches the kernel half as requested by `settings`.
///
/// `log_level` is that of the kernel half's own messages: 0 none … 5 trace.
pub(crate) fn attach(settings: &TraceSettings, support: &Support, log_level: u8) -> Result<Tracer> {
    let options = Options {
        filter: &settings.filter,
        ring_bytes: settings.ring_bytes,
        totals: TotalsMode::Fallback,
        log_level,
    };
    Ok(attach::attach(settings.hook, support, &options)?)
}

/// Discards the searches that were in flight during the attachment, which lack a start, and
/// announces the trace.
///
/// From then on, this process keeps only the rights that `later` needs.
pub(crate) async fn settle(
    pipeline: &mut Pipeline,
    settings: &TraceSettings,
    later: Later,
) -> Result<()> {
    match priority::raise() {
        Ok(()) => log::info!("this thread has raised priority (nice -10)"),
        Err(error) => log::info!("this thread has normal priority: {error}"),
    }
    sleep(SETTLE).await;
    pipeline.settle()?;
    let missing = rights::restrict(pipeline.tracer(), later);
    if !settings.view.quiet {
        announce(pipeline.tracer());
        tell_recording(settings);
        missing.tell();
        tell_names(&settings.filter.names);
    }
    Ok(())
}

/// Stops seeing searches begin, lets those in flight end, and sums up.
pub(crate) async fn finish(mut pipeline: Pipeline) -> Result<()> {
    pipeline.detach_start();
    sleep(GRACE).await;
    pipeline.finish()
}
