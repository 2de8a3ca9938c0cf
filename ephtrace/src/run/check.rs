//! `ephtrace check`: counts for a moment, looks at what is in use, and answers in one line.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;
use tokio::time::{Instant, interval};

use super::{
    DRAIN_EVERY, block_on,
    counting::{Counting, What, Whole},
};
use crate::{
    analyse::{
        findings::{DestinationFacts, Facts, findings},
        storm::Interval,
    },
    check::{Answer, Seen},
    enrich::clock::monotonic_ns,
    inventory::{self, Openers, netns},
    settings::check::CheckSettings,
    situation,
};

/// Destinations that are looked at one by one.
const LISTED: usize = 16;

/// Answers on standard output, whatever happens: a plugin that says nothing tells nobody.
pub fn check(settings: Result<CheckSettings>) -> Result<ExitCode> {
    let answer = settings.and_then(|settings| {
        let seen = look(&settings)?;
        Ok(Answer::new(&seen, &settings.limits))
    });
    let answer = answer.unwrap_or_else(|error| Answer::unknown(&format!("{error:#}")));
    writeln!(io::stdout(), "{}", answer.line)?;
    Ok(ExitCode::from(answer.state.code()))
}

fn look(settings: &CheckSettings) -> Result<Seen> {
    let counted = match settings.count_for {
        None => None,
        Some(_) => Some(block_on(count(settings))?),
    };
    let inventory = inventory::snapshot(&settings.which, LISTED, &Openers::default())?;
    let rows = counted.iter().flat_map(|(interval, _)| &interval.rows);
    let destinations = rows.map(DestinationFacts::of_row).collect();
    let own_netns = netns::own().ok();
    let mut facts = Facts { destinations, own_netns, ..Facts::default() };
    situation::add_inventory(&mut facts, &inventory);
    let fullest = situation::of_inventory(&inventory).destinations.into_iter().next();
    let lost = counted.as_ref().map_or(0, |(_, lost)| *lost);
    let counted = counted.map(|(interval, _)| interval.all);
    Ok(Seen { fullest, counted, lost, findings: findings(&facts) })
}

/// Adds up in the kernel for as long as was asked. Returns what was lost, too.
async fn count(settings: &CheckSettings) -> Result<(Interval, u64)> {
    let what = What {
        hook: settings.hook,
        btf: settings.btf.as_deref(),
        filter: &settings.filter,
        rows: None,
        log_level: 0,
    };
    let mut counting = Counting::start(what).await?;
    let mut whole = Whole::since(counting.since_ns);
    let end = Instant::now() + settings.count_for.unwrap_or_default();
    let mut modules = interval(DRAIN_EVERY);
    while modules.tick().await < end {
        // What can't be attached is none of the answer.
        let _ = counting.tracer.follow_module();
    }
    let now_ns = monotonic_ns()?;
    let (rest, losses) = counting.finish().await?;
    for taken in &rest {
        whole.add(taken);
    }
    Ok((whole.interval(0, now_ns), losses.total()))
}
