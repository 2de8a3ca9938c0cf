//! `ephtrace top`: shows the live trace, or a recording, in the live view.

use std::{fs, io, process::ExitCode};

use anyhow::Result;
use jiff::tz::TimeZone;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::settings::{UsageError, parse};
use crate::{
    analyse::{
        findings::{DestinationFacts, Facts, Severity, findings},
        lanes::LaneKey,
        summary::DestinationSummary,
    },
    cli::{TopArgs, TraceArgs},
    host::netns,
    inventory::{Namespace, PastOwners, facts},
    model::{FlowKey, PortRange, Protocol},
    output::Notices,
    pipeline::{
        announce::{about_blinded, about_module},
        attach,
        live::Pipeline,
        occupancy::InventoryPoller,
        playback::play,
        remembering::{Remembering, Seen},
        rights::{self, Later},
        settings::TraceSettings,
        signals::ShutdownSignals,
        timing::{DRAIN_EVERY, LOOK_EVERY, at, block_on},
        view::{self, View},
    },
    tui::{About, Effect, InUse, Input, LiveSink, TallySnapshot, terminal::Terminal},
};

/// Shows assignments as they happen, or a recording, until the quit key, a signal, the requested
/// end, or an error.
///
/// `log_level` is that of the kernel half's own messages: 0 none … 5 trace.
pub fn run(args: TopArgs, log_level: u8) -> Result<ExitCode> {
    if !Terminal::is_there() {
        return Err(UsageError::NoTerminal.into());
    }
    if Terminal::is_dumb() {
        return Err(UsageError::DumbTerminal.into());
    }
    if args.from.is_empty() {
        block_on(watch(&TraceSettings::try_from(TraceArgs::from(args))?, log_level))?;
    } else {
        play((&args.from, parse::max_memory(&args.read)?), args.speed, args.verbosity.quiet)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn watch(settings: &TraceSettings, log_level: u8) -> Result<()> {
    rights::begin(settings.user.as_ref())?;
    let mut ends = ShutdownSignals::new()?;
    let tracer = attach::attach(settings, &attach::support(settings)?, log_level)?;
    let about = About {
        source: format!("hook {}", tracer.hook.name()),
        host: host(),
        started_ns: None,
        now_ns: 0,
        zone: TimeZone::system(),
        colour: Terminal::has_colour(),
        utf8: Terminal::has_utf8(),
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
    attach::settle(&mut pipeline, settings, Later::of_trace(settings, true)).await?;
    if let Some(state) = state {
        let view = View::open(state)?;
        show(&mut pipeline, view, (&mut ends, settings), &seen).await?;
    }
    attach::finish(pipeline).await
}

/// Shows until the end. When this returns, even with an error, the terminal is as before.
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
                // Only failures are shown.
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

/// Tells the view the ports in use for the destinations that it shows, and the problems found,
/// including those of other destinations.
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
        in_use.extend(inventory.namespaces.iter().flat_map(|one| in_use_in(one, shown)));
    }
    if !inventories.is_empty() {
        view.tell(Input::InUse(in_use));
    }
    for finding in findings(&facts).into_iter().filter(|f| f.severity != Severity::Note) {
        view.tell(Input::Finding(finding));
    }
}

/// Returns the use of the destinations of a namespace, and of those that are `shown` without a port
/// in use: bound ports are taken for them, too.
fn in_use_in(
    namespace: &Namespace,
    shown: &[(LaneKey, DestinationSummary)],
) -> Vec<(FlowKey, InUse)> {
    let counted = |flow: FlowKey, range: Option<PortRange>, left: &dyn Fn(PortRange) -> u32| {
        let part = namespace.settings.part(range);
        let of = namespace.settings.usable_in(part);
        (flow, InUse { ports: of.saturating_sub(left(part)), of })
    };
    let range_of = |flow: FlowKey| {
        shown.iter().find(|(lane, _)| lane.flow == flow).and_then(|(_, one)| one.range)
    };
    let used = namespace
        .destinations
        .iter()
        .map(|one| counted(one.flow, range_of(one.flow), &|part| namespace.left_in(one, part)));
    let is_unused = |lane: &LaneKey| {
        lane.protocol == Some(Protocol::Tcp)
            && lane.flow.netns == Some(namespace.place.netns)
            && lane.flow.has_destination()
            // The use of an unlisted destination is unknown.
            && namespace.others.is_none()
            && namespace.destinations.iter().all(|one| one.flow != lane.flow)
    };
    let unused = shown
        .iter()
        .filter(|(lane, _)| is_unused(lane))
        .map(|(lane, one)| counted(lane.flow, one.range, &|part| namespace.left_for_others(part)));
    used.chain(unused).collect()
}

/// Returns the name of this host.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analyse::tally::Tally,
        inventory::{
            census::{Census, Listing, tests::sysctls},
            namespace::NetnsRef,
            owners::{OpenSockets, Owners},
            socket::{Socket, TcpState},
        },
        model::{Assignment, Origin},
    };

    /// Returns a namespace with a range of ten ports: three are in use for port 443, one has a
    /// listener.
    fn namespace() -> Namespace {
        let here = [10, 0, 0, 1].into();
        let open = |sport| Socket::new(here, here, sport, 443, TcpState::Established);
        let listens = Socket::new(here, [0, 0, 0, 0].into(), 40_009, 0, TcpState::Listen);
        let in_range = (40_000..40_003).map(open).chain([listens]).collect();
        let listing = Listing { in_range, ..Listing::default() };
        let census = Census::new(
            NetnsRef { netns: 7, ..NetnsRef::default() },
            sysctls(40_000, 40_009, &[]),
            listing,
        );
        let (open, past_owners) = (OpenSockets::default(), PastOwners::default());
        census.describe(9, Owners::new(&open, &past_owners))
    }

    #[test]
    fn a_destination_with_nothing_in_use_is_known_to_have_nothing() {
        let assigned = |netns, dport| Assignment {
            flow: FlowKey {
                netns: Some(netns),
                saddr: [10, 0, 0, 1].into(),
                daddr: Some([10, 0, 0, 1].into()),
                dport: Some(dport),
            },
            protocol: Some(Protocol::Tcp),
            origin: Some(Origin::Connect),
            sport: Some(40_000),
            ..Assignment::default()
        };
        let mut tally = Tally::new(Some(0));
        let mut shown = Vec::new();
        for assignment in [assigned(7, 443), assigned(7, 80), assigned(8, 80)] {
            tally.observe(&assignment);
            let lane = LaneKey::of(&assignment);
            shown.push((lane, tally.destination(&lane).unwrap()));
        }
        let used = in_use_in(&namespace(), &shown);
        let told: Vec<_> = used.iter().map(|(flow, it)| (flow.dport, it.ports, it.of)).collect();
        assert_eq!(told, [(Some(443), 4, 10), (Some(80), 1, 10)]);
    }
}
