//! `ephtrace top`: the live trace into the live view.

use std::{fs, io};

use anyhow::Result;
use jiff::tz::TimeZone;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep};

use super::{
    DRAIN_EVERY, GRACE, LOOK_EVERY, SETTLE, announce, at, block_on,
    pipeline::Pipeline,
    playback::play,
    view::{self, Ends, View},
};
use crate::{
    cli::TopArgs,
    event::hook_name,
    kernel::{
        attach::{self, Options},
        support::Support,
    },
    settings::{Settings, UsageError},
    sink::{
        Notices,
        live::{About, Effect, Input, LiveSink, terminal::Terminal},
    },
};

/// Shows what happens, or a recording, until the quit key, a signal, the end that was asked for, or an
/// error.
///
/// `log_level` is that of the kernel half's own messages: 0 none … 5 trace.
pub fn top(args: TopArgs, log_level: u8) -> Result<()> {
    if !Terminal::is_there() {
        return Err(UsageError::NoTerminal.into());
    }
    match &args.from {
        Some(file) => play(file, args.speed, args.verbosity.quiet),
        None => block_on(watch(&Settings::try_from(crate::cli::TraceArgs::from(args))?, log_level)),
    }
}

async fn watch(settings: &Settings, log_level: u8) -> Result<()> {
    let mut ends = Ends::new()?;
    let support = Support::gather(settings.btf.as_deref());
    let options = Options { filter: &settings.filter, ring_bytes: settings.ring_bytes, log_level };
    let tracer = attach::attach(settings.hook, &support, &options)?;
    let about = About {
        source: format!("hook {}", hook_name(tracer.hook)),
        host: host(),
        started_ns: None,
        now_ns: 0,
        zone: TimeZone::system(),
        colour: Terminal::has_colour(),
    };
    let mut state = None;
    let mut pipeline = Pipeline::with_sink(settings, tracer, |started_ns| {
        let about = About { started_ns: Some(started_ns), now_ns: started_ns, ..about };
        let shared = state.insert(view::shared(about));
        let notices =
            Notices::new(io::stderr(), settings.view.quiet).with_plots(settings.view.plot);
        Box::new(LiveSink::new(shared.clone(), notices))
    })?;
    // What was in flight while the hook was attached half ends now, and is none of ours.
    sleep(SETTLE).await;
    pipeline.settle()?;
    if !settings.view.quiet {
        announce(pipeline.tracer());
    }
    if let Some(state) = state {
        let view = View::open(state)?;
        show(&mut pipeline, view, &mut ends, settings).await?;
    }
    pipeline.detach_start();
    sleep(GRACE).await;
    pipeline.finish()
}

/// Shows until the end. The terminal is as before when this returns, with an error, too.
async fn show(
    pipeline: &mut Pipeline,
    mut view: View,
    ends: &mut Ends,
    settings: &Settings,
) -> Result<()> {
    let end = settings.duration.map(|duration| Instant::now() + duration);
    let mut drain = interval(DRAIN_EVERY);
    drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = interval_at(Instant::now(), LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !pipeline.is_full() {
        tokio::select! {
            biased;
            () = ends.recv() => break,
            () = at(end) => break,
            _ = look.tick() => {
                pipeline.look()?;
                view.tell(Input::Glance(pipeline.glance(&view.wanted())?));
            }
            _ = drain.tick() => {
                pipeline.drain()?;
                match view.turn(pipeline.now_ns()?)? {
                    Effect::None => {}
                    Effect::Quit => break,
                    Effect::Reset => {
                        pipeline.reset()?;
                        view.tell(Input::Glance(pipeline.glance(&[])?));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The name of this host.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
