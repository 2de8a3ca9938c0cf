//! Boots guests for the measurements, two at a time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::{
    evidence,
    figures::Figures,
    runs::PEERS,
    wire::{MARK, Measured, ORDER_FILE, Order, Run},
};
use crate::{
    apt,
    artifacts::Executables,
    guest::counting::{Guests, Task},
    process,
    say::say,
    workspace,
};

/// Number of guests at a time: a guest has one processor.
const AT_A_TIME: usize = 2;

/// Timeout for all of a guest's runs.
const TIMEOUT: Duration = Duration::from_hours(3);

/// Time to wait after boot, in seconds, while a kernel has other work: waiting takes no time.
const SETTLE_S: u64 = 120;

/// Number of untraced runs before all others that don't count.
const UNCOUNTED: usize = 2;
const UNCOUNTED_CONNECTS: u32 = 20_000;

/// Measures all runs, those of one list in one guest.
pub(super) fn measure(
    programs: &Executables,
    kernel: &str,
    guests: Vec<Vec<Run>>,
) -> Result<Figures> {
    let here = Guests::new(kernel)?;
    let compiler = process::output(Command::new("rustc").arg("--version"))?;
    let mut figures =
        Figures::new(here.kernel().to_owned(), Guests::emulator()?, compiler.trim_end().to_owned());
    say(format_args!("counting instructions on {}, guests: {}", here.kernel(), guests.len()));
    let count = guests.len();
    let waiting = Mutex::new(guests.into_iter().enumerate());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
    let work = || {
        let mut done = Vec::new();
        while let Some((nth, runs)) = next() {
            done.push((nth, one_guest(&here, programs, runs)?));
        }
        anyhow::Ok(done)
    };
    let mut done = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME.min(count)).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(
                worker.join().map_err(|_| anyhow!("a thread that watched a guest panicked"))??,
            );
        }
        anyhow::Ok(all)
    })?;
    done.sort_by_key(|(nth, _)| *nth);
    for (_, measured) in &done {
        figures.add(measured)?;
    }
    Ok(figures)
}

fn one_guest(guests: &Guests, programs: &Executables, runs: Vec<Run>) -> Result<Vec<Measured>> {
    let first = runs.iter().find(|run| run.command.is_empty()).context("nothing is untraced")?;
    let cost = vec![format!("--connects={UNCOUNTED_CONNECTS}")];
    let uncounted = vec![Run { cost, ..first.clone() }; UNCOUNTED];
    let expected = runs.len();
    let peers = peers_of(&runs);
    let floor = calls(&runs, "floor").then_some("floor");
    let ours = ["ephtrace", "assign", "guest-meter"].into_iter().chain(floor);
    let order = Order { settle_s: SETTLE_S, runs: uncounted.into_iter().chain(runs).collect() };
    let order_file = write_order(&order)?;
    let mut files = vec![(ORDER_FILE.to_owned(), order_file.clone())];
    for name in ours {
        files.push((format!("/bin/{name}"), programs.path(name)?.clone()));
    }
    let task = Task {
        files,
        host_programs: &peers,
        command: vec!["/bin/guest-meter".into()],
        timeout: TIMEOUT,
    };
    let mut results = Vec::new();
    let ended = guests.run(programs, task, &mut |line| {
        if let Some(measured) = line.strip_prefix(MARK) {
            let measured = serde_json::from_str::<Measured>(measured);
            if let Ok(run) = &measured {
                say(format_args!("measured: {}, {}", run.tracer, run.load));
            }
            results.push(measured);
        } else if !line.is_empty() {
            say(format_args!("guest: {line}"));
        }
    });
    fs::remove_file(&order_file).context("cannot remove the order")?;
    ended?;
    let measured: Result<Vec<_>, _> = results.into_iter().collect();
    let measured = measured.context("cannot read what a guest measured")?;
    let counted = measured.into_iter().skip(UNCOUNTED).collect::<Vec<_>>();
    if counted.len() != expected {
        bail!("a guest measured {} of {expected} runs", counted.len());
    }
    counted.iter().try_for_each(evidence::check)?;
    Ok(counted)
}

/// Returns the host's programs that the runs call.
fn peers_of(runs: &[Run]) -> Vec<PathBuf> {
    PEERS.iter().filter(|name| calls(runs, name)).filter_map(|name| peer(name)).collect()
}

fn calls(runs: &[Run], name: &str) -> bool {
    runs.iter().any(|run| run.command.first().is_some_and(|program| program.ends_with(name)))
}

/// Finds a peer. Debian's libbpf-tools install in a folder that only root has on PATH.
fn peer(name: &str) -> Option<PathBuf> {
    let places = process::find(name).into_iter().chain([Path::new("/usr/sbin").join(name)]);
    places.into_iter().find(|place| place.is_file())
}

/// Returns the peers that are available here, and reports those that are not.
pub(super) fn peers() -> Vec<PathBuf> {
    if PEERS.iter().any(|name| peer(name).is_none())
        && let Err(why) = apt::require("measuring peers", &["libbpf-tools"])
    {
        say(format_args!("{why:#}"));
    }
    let found = PEERS.iter().map(|name| (name, peer(name)));
    found
        .filter_map(|(name, program)| {
            if program.is_none() {
                say(format_args!("skipped: {name} is not installed"));
            }
            program
        })
        .collect()
}

fn write_order(order: &Order) -> Result<PathBuf> {
    let folder = workspace::target().join("guest");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Each of several parallel guests begins with another run.
    let id = format!("{:?}", thread::current().id()).replace(['(', ')'], "-");
    let path = folder.join(format!("order-{}-{id}.json", std::process::id()));
    fs::write(&path, serde_json::to_vec(order)?).context("cannot write the order")?;
    Ok(path)
}
