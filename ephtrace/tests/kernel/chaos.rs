//! Whatever happens beside a trace, its counters add up, and it leaves nothing in the kernel.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use nix::{kmod::delete_module, sys::signal::Signal};

use crate::{
    assign::Assign,
    bpf,
    cgroups::Containers,
    modules,
    notes::{print, say},
    ports::books::in_new_netns,
    setup::{self, Scratch},
    tracer::{CONNECT_ONLY, Tracer},
    wait,
};

tests! {
    first_hook: counters_add_up_whatever_happens;
}

/// Events beside a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Several threads connect at once.
    Burst,
    /// Ports of each kind are assigned; some attempts fail.
    Ways,
    /// A network namespace is made, used and removed.
    Namespace,
    /// A cgroup is made, used and removed.
    Cgroup,
    /// Threads start and end.
    Threads,
    /// A program is killed in the middle of its connects.
    Killed,
    /// Another trace begins and ends.
    SecondTrace,
    /// Another trace is killed.
    SecondTraceKilled,
    /// A module is loaded, and unloaded if nothing uses it; in guests only.
    Module,
    /// A processor goes offline and comes back; in guests only.
    Processor,
}

use Event::{
    Burst, Cgroup, Killed, Module, Namespace, Processor, SecondTrace, SecondTraceKilled, Threads,
    Ways,
};

const EVENTS: [Event; 10] = [
    Burst,
    Ways,
    Namespace,
    Cgroup,
    Threads,
    Killed,
    SecondTrace,
    SecondTraceKilled,
    Module,
    Processor,
];

/// Maximum number of events in one sequence.
const MOST: usize = 5;

fn counters_add_up_whatever_happens(hook: &str) -> Result<()> {
    let sequences = setup::sequences()?;
    let mut happened = BTreeMap::new();
    for seed in 0..sequences {
        let mut random = Rng::with_seed(seed);
        let events: Vec<Event> = (0..random.usize(1..=MOST))
            .map(|_| EVENTS[random.usize(..EVENTS.len())])
            .filter(|event| can_happen(*event))
            .collect();
        sequence(hook, &mut random, &events)
            .with_context(|| format!("sequence {seed}: {events:?}"))?;
        for event in events {
            *happened.entry(event).or_insert(0) += 1;
        }
        if (seed + 1) % 100 == 0 {
            // A thousand sequences take a guest more than an hour.
            print(&format!("{} sequences added up", seed + 1));
        }
    }
    say(&format!("hook {hook}, {sequences} sequences: {happened:?}"));
    Ok(())
}

/// Modules and processors are changed in guests only.
fn can_happen(event: Event) -> bool {
    match event {
        Module => modules::are_here("sctp"),
        Processor => modules::are_here("sctp") && Path::new(PROCESSOR).exists(),
        _ => true,
    }
}

fn sequence(hook: &str, random: &mut Rng, events: &[Event]) -> Result<()> {
    let scratch = Scratch::new()?;
    let before = bpf::programs()?;
    // Attaching to all origins takes an emulated guest seconds.
    let origins = if random.u8(..8) == 0 { &[][..] } else { &CONNECT_ONLY };
    let ring = ["--ring-size", if random.bool() { "4k" } else { "1M" }];
    let tracer = Tracer::start(&scratch, hook, &[origins, &ring].concat())?;
    for event in events {
        happen(*event, hook, &scratch).with_context(|| format!("{event:?}"))?;
    }
    match random.u8(..3) {
        // The trace is killed, perhaps in the middle of a line: its output is not judged.
        0 => drop(tracer),
        1 => add_up(tracer, Signal::SIGINT)?,
        _ => add_up(tracer, Signal::SIGTERM)?,
    }
    wait::until("programs stay in the kernel", || {
        Ok((&bpf::programs()? - &before).is_empty().then_some(()))
    })
}

/// Checks that every search is in exactly one counter.
fn add_up(tracer: Tracer, signal: Signal) -> Result<()> {
    tracer.signal(signal)?;
    let trace = tracer.wait()?;
    let summary = trace.ended_well()?;
    let lost = |stage: &str| summary.losses.get(stage).copied().unwrap_or(0);
    let kernel = &summary.kernel;
    let counted = summary.overflow.as_ref().map_or(0, |overflow| overflow.all.assignments);
    // The totals count the events that the ring buffer has no room for.
    ensure!(counted == lost("ring_full"), "{counted} counted: {summary:?}");
    let lost = lost("ring_full") + lost("in_flight_full") + lost("return_missed");
    ensure!(kernel.seen == kernel.filtered + kernel.emitted + lost, "{lost} lost: {summary:?}");
    ensure!(kernel.emitted == summary.assignments, "emitted, but not told: {summary:?}");
    Ok(())
}

fn happen(event: Event, hook: &str, scratch: &Scratch) -> Result<()> {
    match event {
        Burst => storm(scratch, &["--connects", "2000", "--threads", "4"]),
        Threads => storm(scratch, &["--connects", "200", "--per-thread", "5"]),
        Ways => {
            let only = "ipv4,ipv6,tcp_bind,udp_bind,exhausted,listen";
            Assign::start(scratch, &["ways", "--times", "2", "--only", only])?.truth().map(drop)
        }
        Namespace => in_new_netns(|| storm(scratch, &["--connects", "50"])),
        Cgroup => {
            let containers = Containers::new()?;
            let assign = Assign::start(scratch, &["storm", "--connects", "50", "--wait"])?;
            assign.move_to(&containers.0[0])?;
            assign.output().map(drop)
        }
        Killed => {
            // Dropping it kills the program, whatever it is doing.
            Assign::start(scratch, &["storm", "--seconds", "60"]).map(drop)
        }
        SecondTrace => Tracer::start(scratch, hook, &CONNECT_ONLY)?.stop()?.ended_well().map(drop),
        SecondTraceKilled => {
            let tracer = Tracer::start(scratch, hook, &CONNECT_ONLY)?;
            tracer.signal(Signal::SIGKILL)?;
            tracer.wait().map(drop)
        }
        Module => {
            modules::load("sctp")?;
            // At worst, sockets or our own programs still hold the module.
            let _ = delete_module(c"sctp", nix::kmod::DeleteModuleFlags::O_NONBLOCK);
            Ok(())
        }
        Processor => {
            fs::write(PROCESSOR, "0").context("taking a processor away")?;
            let stormed = storm(scratch, &["--connects", "200"]);
            fs::write(PROCESSOR, "1").context("giving it back")?;
            stormed
        }
    }
}

const PROCESSOR: &str = "/sys/devices/system/cpu/cpu1/online";

fn storm(scratch: &Scratch, args: &[&str]) -> Result<()> {
    Assign::start(scratch, &[&["storm"], args].concat())?.output().map(drop)
}
