//! `ephtrace top`: the live trace into the live view.

use std::{fs, io, process::ExitCode};

use anyhow::Result;
use jiff::tz::TimeZone;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::settings::UsageError;
use crate::{
    analyse::findings::{DestinationFacts, Facts, Severity, findings},
    cli::{TopArgs, TraceArgs},
    host::netns,
    inventory::{PastOwners, facts},
    output::Notices,
    pipeline::{
        announce::{about_blinded, about_module},
        attach,
        live::Pipeline,
        occupancy::InventoryPoller,
        playback::play,
        remembering::{Remembering, Seen},
        settings::TraceSettings,
        signals::ShutdownSignals,
        timing::{DRAIN_EVERY, LOOK_EVERY, at, block_on},
        view::{self, View},
    },
    tui::{About, Effect, InUse, Input, LiveSink, TallySnapshot, terminal::Terminal},
};

/// Shows what happens, or a recording, until the quit key, a signal, the end that was asked for, or
/// an error.
///
/// `log_level` is that of the kernel half's own messages: 0 none … 5 trace.
pub fn run(args: TopArgs, log_level: u8) -> Result<ExitCode> {
    if !Terminal::is_there() {
        return Err(UsageError::NoTerminal.into());
    }
    match &args.from {
        Some(file) => play(file, args.speed, args.verbosity.quiet)?,
        None => {
            block_on(watch(&TraceSettings::try_from(TraceArgs::from(args))?, log_level))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn watch(settings: &TraceSettings, log_level: u8) -> Result<()> {
    let mut ends = ShutdownSignals::of_terminal()?;
    let tracer = attach::attach(settings, log_level)?;
    let about = About {
        source: format!("hook {}", tracer.hook.name()),
        host: host(),
        started_ns: None,
        now_ns: 0,
        zone: TimeZone::system(),
        colour: Terminal::has_colour(),
    };
    let (mut state, seen) = (None, Seen::default());
    let mut pipeline = Pipeline::with_sink(settings, tracer, |started_ns| {
        let about = About { started_ns: Some(started_ns), now_ns: started_ns, ..about };
        let shared = state.insert(view::shared(about));
        let notices =
            Notices::new(io::stderr(), settings.view.quiet).with_plots(settings.view.plot);
        let sink = LiveSink::new(shared.clone(), notices);
        Ok(Box::new(Remembering { sink, seen: seen.clone() }))
    })?;
    attach::settle(&mut pipeline, settings).await?;
    if let Some(state) = state {
        let view = View::open(state)?;
        show(&mut pipeline, view, (&mut ends, settings), &seen).await?;
    }
    attach::finish(pipeline).await
}

/// Shows until the end. The terminal is as before when this returns, with an error, too.
async fn show(
    pipeline: &mut Pipeline,
    mut view: View,
    (ends, settings): (&mut ShutdownSignals, &TraceSettings),
    seen: &Seen,
) -> Result<()> {
    let end = settings.duration.map(|duration| Instant::now() + duration);
    let mut poller = InventoryPoller::new(LOOK_EVERY);
    let mut drain = interval(DRAIN_EVERY);
    drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = interval_at(Instant::now(), LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !pipeline.is_full() {
        tokio::select! {
            biased;
            () = ends.wait() => break,
            () = at(end) => break,
            _ = look.tick() => {
                pipeline.look()?;
                let snapshot = pipeline.snapshot(&view.wanted())?;
                let facts = pipeline.facts();
                tell_use(&view, (&mut poller, &seen.borrow()), &snapshot, facts);
                view.tell(Input::TallySnapshot(snapshot));
                for line in about_blinded(&pipeline.blinded()) {
                    view.tell(Input::Notice(line));
                }
            }
            _ = drain.tick() => {
                pipeline.drain()?;
                // Show failures only.
                if let Some(change) = pipeline.follow_module()
                    && change.attached.is_err()
                {
                    view.tell(Input::Notice(about_module(&change)));
                }
                match view.turn(pipeline.now_ns()?)? {
                    Effect::None => {}
                    Effect::Quit => break,
                    Effect::Reset => {
                        pipeline.reset()?;
                        view.tell(Input::TallySnapshot(pipeline.snapshot(&[])?));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Tells the view what is in use for the destinations that it shows, and what is wrong, with those
/// that it does not show, too.
fn tell_use(
    view: &View,
    (poller, past_owners): (&mut InventoryPoller, &PastOwners),
    snapshot: &TallySnapshot,
    destinations: Vec<DestinationFacts>,
) {
    let shown = &snapshot.destinations;
    let mut facts = Facts { destinations, own_netns: netns::own().ok(), ..Facts::default() };
    let places = shown.iter().filter_map(|(lane, _)| Some((lane.flow.netns?, None)));
    let inventories = poller.look(places, past_owners);
    let mut in_use = Vec::new();
    for inventory in &inventories {
        facts::add_inventory(&mut facts, inventory);
        for namespace in &inventory.namespaces {
            in_use.extend(namespace.destinations.iter().map(|one| {
                let range = shown.iter().find(|(lane, _)| lane.flow == one.flow);
                let range = range.and_then(|(_, one)| one.range);
                let part = namespace.settings.part(range);
                let of = namespace.settings.usable_in(part);
                let ports = of.saturating_sub(namespace.left_in(one, part));
                (one.flow, InUse { ports, of })
            }));
        }
    }
    if !inventories.is_empty() {
        view.tell(Input::InUse(in_use));
    }
    for finding in findings(&facts).into_iter().filter(|f| f.severity != Severity::Note) {
        view.tell(Input::Finding(finding));
    }
}

/// The name of this host.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
