//! `ephtrace ports`: the ports in use now, and their holders.
//!
//! ```text
//! recording ─ replay ─→ Openers ─→ inventory ─→ findings ─→ text, JSON
//! ```

use std::{
    io::{self, Write as _},
    panic,
    path::Path,
    process::ExitCode,
    thread,
};

use anyhow::{Result, bail};

use serde::Serialize;

use super::settings::{self, parse};
use crate::{
    analyse::findings::{Finding, findings},
    cli::PortsArgs,
    host::{
        rights::Rights,
        snapshot::{self, Which},
    },
    inventory::{Inventory, PastOwners, facts},
    output::{
        Kind, Paper,
        tables::{self, storm::write_findings},
        write_object,
    },
    pipeline::{announce::tell_not_looked_at, input::Input, replay::Replay, rights, sandbox},
    replay::{MaxMemory, Recording, sorting::Reach},
};

/// Number of destinations that are examined in each namespace, listed or not: problems affect the
/// fullest ones.
const LOOKED_AT: usize = 16;

/// Examines the ports in use, and writes the result to standard output.
pub fn run(args: &PortsArgs) -> Result<ExitCode> {
    rights::look_only(Rights::empty());
    let which = settings::which(&args.netns)?;
    let past_owners = match &args.from {
        Some(path) => read_openers(path, parse::max_memory(&args.read)?)?,
        None => PastOwners::default(),
    };
    let mut inventory = snapshot::snapshot_by(
        settings::grouping(args.by),
        &which,
        args.limit.max(LOOKED_AT),
        &past_owners,
    )?;
    let found = findings(&facts::of_inventory(&inventory));
    let mut text = Vec::new();
    if args.json {
        inventory.cut(args.limit);
        let answer = PortsReport { inventory: &inventory, findings: &found };
        write_object(&mut text, Kind::Ports, &answer)?;
    } else {
        let paper = Paper::of(&io::stdout(), args.wide);
        tables::ports::write(&mut text, &inventory, args.limit, paper)?;
        if !found.is_empty() {
            writeln!(text)?;
            write_findings(&mut text, &found, paper)?;
        }
        text = paper.fit(&text);
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    if which == Which::Own {
        tell_not_looked_at();
    }
    Ok(ExitCode::SUCCESS)
}

/// The data that is printed.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PortsReport<'a> {
    #[serde(flatten)]
    inventory: &'a Inventory,
    /// Problems with evidence and remedies, worst first.
    findings: &'a [Finding],
}

/// Returns the openers of ports from the recording at `path`. Lines that can't be read are counted,
/// and reported on standard error.
///
/// A thread in a sandbox reads it: the code that runs later needs all rights of the process.
pub(super) fn read_openers(path: &Path, max: MaxMemory) -> Result<PastOwners> {
    let in_a_sandbox = || {
        sandbox::of(&[path.to_owned()]).enter();
        read(path, max)
    };
    thread::scope(|scope| match scope.spawn(in_a_sandbox).join() {
        Ok(read) => read,
        Err(panic) => panic::resume_unwind(panic),
    })
}

fn read(path: &Path, max: MaxMemory) -> Result<PastOwners> {
    let mut past_owners = PastOwners::default();
    let recording = Recording::open_within(path, max)?;
    let mut replay = Replay::new(Input::Direct(recording.into()), Reach::Window, io::sink());
    let mut assignments = 0_u64;
    replay.advance(u64::MAX, usize::MAX, |assignment| {
        assignments += 1;
        past_owners.observe(assignment);
        Ok(true)
    })?;
    let (name, broken) = (replay.input().name(), replay.broken());
    if assignments == 0 && broken > 0 {
        bail!("{name}: no readable records; make a recording with `ephtrace -o json`");
    }
    if broken > 0 {
        log::warn!("{name}: {broken} lines or packets are unreadable");
    }
    Ok(past_owners)
}
