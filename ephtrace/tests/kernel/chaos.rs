//! Whatever happens beside a trace, its counters add up, and nothing of it stays in the kernel.

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

/// What happens beside a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Connects by several threads at once.
    Burst,
    /// Ports of each kind, failures among them.
    Ways,
    /// A network namespace comes, is used, and goes.
    Namespace,
    /// The same of a cgroup.
    Cgroup,
    /// Threads that come and go.
    Threads,
    /// A program ends in the middle of its connects.
    Killed,
    /// Another trace begins and ends.
    SecondTrace,
    /// Another trace is killed.
    SecondTraceKilled,
    /// A module is loaded, and unloaded if nothing uses it. In guests alone.
    Module,
    /// A processor goes, and comes back. In guests alone.
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

/// Most events of one sequence.
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
            // A thousand take a guest more than an hour.
            print(&format!("{} sequences added up", seed + 1));
        }
    }
    say(&format!("hook {hook}, {sequences} sequences: {happened:?}"));
    Ok(())
}

/// Modules and processors are a guest's own.
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
    // All origins take an emulated guest seconds to attach.
    let origins = if random.u8(..8) == 0 { &[][..] } else { &CONNECT_ONLY };
    let ring = ["--ring-size", if random.bool() { "4k" } else { "1M" }];
    let tracer = Tracer::start(&scratch, hook, &[origins, &ring].concat())?;
    for event in events {
        happen(*event, hook, &scratch).with_context(|| format!("{event:?}"))?;
    }
    match random.u8(..3) {
        // Killed, in the middle of a line as well: nothing of what it wrote is held against it.
        0 => drop(tracer),
        1 => add_up(tracer, Signal::SIGINT)?,
        _ => add_up(tracer, Signal::SIGTERM)?,
    }
    wait::until("programs stay in the kernel", || {
        Ok((&bpf::programs()? - &before).is_empty().then_some(()))
    })
}

/// All that was seen is somewhere.
fn add_up(tracer: Tracer, signal: Signal) -> Result<()> {
    tracer.signal(signal)?;
    let trace = tracer.wait()?;
    let summary = trace.ended_well()?;
    let lost = |stage: &str| summary.losses.get(stage).copied().unwrap_or(0);
    let kernel = &summary.kernel;
    let counted = summary.overflow.as_ref().map_or(0, |overflow| overflow.all.assignments);
    // What the ring has no room for is counted in the totals.
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
            // Killed as it is dropped, wherever it is.
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
            // Held by sockets or by programs of ours at worst.
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
