//! `ephtrace ports`: what is in use now, and who holds it.
//!
//! ```text
//! recording ─ replay ─→ Openers ─→ inventory ─→ text, JSON
//! ```

use std::{
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Result, bail};

use crate::{
    cli::PortsArgs,
    inventory::{self, Named, Openers, Which},
    replay::{Item, Recording},
    settings::{self, UsageError},
};

/// Looks, and writes what it sees to standard output.
pub fn run(args: &PortsArgs) -> Result<()> {
    let which = which(&args.netns)?;
    let openers = match &args.from {
        Some(path) => read_openers(path)?,
        None => Openers::default(),
    };
    let inventory = inventory::snapshot(&which, args.limit, &openers)?;
    let mut text = Vec::new();
    if args.json {
        inventory.write_json(&mut text)?;
    } else {
        inventory.write_text(&mut text)?;
    }
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    Ok(out.flush()?)
}

fn which(netns: &[String]) -> Result<Which, UsageError> {
    if netns.is_empty() {
        return Ok(Which::Own);
    }
    if netns.iter().any(|text| text == "all") {
        return Ok(Which::All);
    }
    let named = netns.iter().map(|text| {
        let (netns, path) = settings::namespace(text)?;
        Ok(Named { text: text.clone(), netns, path })
    });
    Ok(Which::These(named.collect::<Result<_, UsageError>>()?))
}

/// Who opened what, as the recording at `path` tells. Lines that can't be read are counted, and said
/// on standard error.
fn read_openers(path: &Path) -> Result<Openers> {
    let mut openers = Openers::default();
    let mut recording = Recording::open(path)?;
    let (mut assignments, mut broken) = (0_u64, 0_u64);
    for item in recording.by_ref() {
        match item? {
            Item::Assignment(assignment) => {
                assignments += 1;
                openers.observe(&assignment);
            }
            Item::Broken(_) => broken += 1,
        }
    }
    let name = recording.name();
    if assignments == 0 && broken > 0 {
        bail!("{name}: nothing in it can be read; `ephtrace -o json` makes a recording");
    }
    if broken > 0 {
        log::warn!("{name}: {broken} lines or packets can't be read");
    }
    Ok(openers)
}
