//! Wires the stages of the live trace; nothing else knows them all.
//!
//! One thread, one loop: a timer drains the ring through the `pipeline`, a slower one looks after
//! clocks, losses and cost. Every end goes the same way: detach what sees searches begin, let those
//! in flight end, detach the rest, drain, sum up.

mod check;
mod counting;
mod counts;
mod ends;
mod facts;
mod occupancy;
mod pipeline;
mod playback;
mod reader;
mod recording;
mod storm;
mod top;
mod view;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, sleep, sleep_until};

pub use self::{check::check, playback::play, storm::storm, top::top};
use self::{ends::Ends, pipeline::Pipeline};
use crate::{
    event::{Origin, hook_name, origin_name},
    kernel::{
        attach,
        hooks::{self, Hook},
        module::Change,
        options::{Options, Totals},
        sites::{self, Site},
        support::Support,
        tracer::Tracer,
    },
    settings::Settings,
};

/// How often the ring is drained. The default ring holds what the fastest storm makes in a hundred
/// times as long, and a person sees no delay.
const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// How often clocks, losses and cost are looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before the first count.
const SETTLE: Duration = Duration::from_millis(5);

/// How long searches in flight get to end: the longest one walks a whole range, some milliseconds.
const GRACE: Duration = Duration::from_millis(50);

/// Traces until a signal, the end that was asked for, or an error; or plays a recording.
///
/// `log_level` is that of the kernel half's own messages: 0 none … 5 trace.
pub fn trace(settings: &Settings, log_level: u8) -> Result<()> {
    if let Some(from) = &settings.from {
        return recording::play(settings, from);
    }
    block_on(run(settings, log_level))
}

/// Runs `task` to its end, on this thread.
fn block_on<T>(task: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the event loop")?
        .block_on(task)
}

async fn run(settings: &Settings, log_level: u8) -> Result<()> {
    // Before anything is attached: a bad path must not cost a single event. What is in the file stays
    // until it is known that there will be another.
    let output = pipeline::open_output(settings)?;
    let mut ends = Ends::new()?;
    let support = Support::gather(settings.btf.as_deref());
    let options = Options {
        filter: &settings.filter,
        ring_bytes: settings.ring_bytes,
        totals: Totals::Fallback,
        log_level,
    };
    let tracer = attach::attach(settings.hook, &support, &options)?;
    let mut pipeline = Pipeline::new(settings, tracer, output)?;
    // What was in flight while the hook was attached half ends now, and is none of ours.
    sleep(SETTLE).await;
    pipeline.settle()?;
    pipeline.look()?;
    if !settings.view.quiet {
        announce(pipeline.tracer());
    }
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
            _ = look.tick() => pipeline.look()?,
            _ = drain.tick() => {
                pipeline.drain()?;
                tell_module(pipeline.follow_module(), settings.view.quiet);
            }
        }
    }
    pipeline.detach_start();
    sleep(GRACE).await;
    pipeline.finish()
}

/// At `end`; never, if there is none.
async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Origins that were asked for and can't be seen.
fn unseen(tracer: &Tracer) -> Vec<&'static str> {
    for (site, why) in &tracer.unseen {
        log::info!("{}: {why}", sites::row(*site).function);
    }
    for (site, what) in &tracer.seen_in_part {
        log::info!("{}: {what}", sites::row(*site).function);
    }
    let origins = tracer.unseen.iter().flat_map(|(site, _)| sites::row(*site).origins);
    let chosen = origins.filter(|&&origin| origin != Origin::Explicit);
    let mut names: Vec<&str> = chosen.map(|&origin| origin_name(origin)).collect();
    if tracer.seen_in_part.iter().any(|(site, _)| *site == Site::Udp) {
        names.push("udp without bind");
    }
    names
}

/// One line once a module that was waited for is there.
fn tell_module(change: Option<Change>, quiet: bool) {
    if let Some(change) = change.filter(|_| !quiet) {
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "ephtrace: {}", about_module(&change));
    }
}

fn about_module(change: &Change) -> String {
    let outcome = match &change.attached {
        Ok(()) => "its ports are seen from now on, by kprobe".to_owned(),
        Err(error) => format!("its ports are not seen: {error}"),
    };
    format!("module {} was loaded: {outcome}", change.module.name)
}

/// One line: the hook, and what it can't see.
fn announce(tracer: &Tracer) {
    let row = hooks::row(tracer.hook);
    let mut line = format!("ephtrace: tracing with hook {}", hook_name(tracer.hook));
    let unseen = unseen(tracer);
    if !unseen.is_empty() {
        line = format!("{line} (not seen here: {})", unseen.join(", "));
    }
    if tracer.hook == Hook::SockOps {
        line += ", which can't see the search itself: TRIED is unknown";
    }
    for (better, why) in &tracer.passed_over {
        log::info!("hook {} can't be used: {why}", hook_name(*better));
    }
    if !tracer.passed_over.is_empty() {
        line += "; `ephtrace doctor` says why no better hook";
    }
    log::info!("attached: {}", row.attaches());
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{line}");
}
