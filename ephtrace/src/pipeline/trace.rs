//! The live trace into an output, or a recording in its place.

use anyhow::Result;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::{
    announce::{tell_blinded, tell_module},
    attach,
    live::Pipeline,
    output,
    rights::{self, Later},
    settings::TraceSettings,
    signals::ShutdownSignals,
    timing::{DRAIN_EVERY, LOOK_EVERY, at, block_on},
    trace_recording::trace_recording,
};
/// Traces until a signal, the requested end, or an error; or plays a recording.
///
/// `log_level` is that of the kernel half's own messages: 0 none … 5 trace.
pub fn trace(settings: &TraceSettings, log_level: u8) -> Result<()> {
    if !settings.from.is_empty() {
        return trace_recording(settings, &settings.from);
    }
    block_on(run(settings, log_level))
}

async fn run(settings: &TraceSettings, log_level: u8) -> Result<()> {
    rights::begin(settings.user.as_ref())?;
    // Before the file: a signal that ends ephtrace at once would leave an empty one.
    let mut ends = ShutdownSignals::new()?;
    // Before anything is attached: a bad path must not cost a single event. The file's contents
    // stay until there is certainly something to write.
    let later = Later::of_trace(settings, false);
    let support = attach::support(settings)?;
    let output = output::open(settings)?;
    let tracer = attach::attach(settings, &support, log_level)?;
    let mut pipeline = Pipeline::new(settings, tracer, output)?;
    attach::settle(&mut pipeline, settings, later).await?;
    pipeline.look()?;
    let end = settings.duration.map(|duration| Instant::now() + duration);
    let mut drain = interval(DRAIN_EVERY);
    drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !pipeline.is_full() {
        tokio::select! {
            biased;
            () = ends.wait() => break,
            () = at(end) => break,
            _ = look.tick() => {
                pipeline.look()?;
                tell_blinded(&pipeline.blinded());
            }
            _ = drain.tick() => {
                pipeline.drain()?;
                tell_module(pipeline.follow_module(), settings.view.quiet);
            }
        }
    }
    attach::finish(pipeline).await
}
