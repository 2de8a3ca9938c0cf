//! `ephtrace check`: counts for a moment, looks at what is in use, and answers in one line.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use tokio::time::sleep;

use super::{GRACE, SETTLE, block_on};
use crate::{
    analyse::{
        findings::{DestinationFacts, Facts, findings},
        storm::Interval,
    },
    check::{Answer, Seen},
    enrich::clock::monotonic_ns,
    inventory::{self, Openers},
    kernel::{
        attach::{self, Options, Totals},
        support::Support,
        totals,
    },
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
    let interval = match settings.count_for {
        None => None,
        Some(_) => Some(block_on(count(settings))?),
    };
    let inventory = inventory::snapshot(&settings.which, LISTED, &Openers::default())?;
    let rows = interval.iter().flat_map(|interval| &interval.rows);
    let destinations = rows.map(DestinationFacts::of_row).collect();
    let mut facts = Facts { destinations, ..Facts::default() };
    situation::add_inventory(&mut facts, &inventory);
    let fullest = situation::of_inventory(&inventory).destinations.into_iter().next();
    let counted = interval.map(|interval| interval.all);
    Ok(Seen { fullest, counted, findings: findings(&facts) })
}

/// Adds up in the kernel for as long as was asked.
async fn count(settings: &CheckSettings) -> Result<Interval> {
    let support = Support::gather(settings.btf.as_deref());
    let options = Options {
        filter: &settings.filter,
        ring_bytes: super::storm::RING_BYTES,
        totals: Totals::Only(None),
        log_level: 0,
    };
    let mut tracer = attach::attach(settings.hook, &support, &options)?;
    let mut reader = tracer.take_totals().context("the eBPF object has no totals")?;
    sleep(SETTLE).await;
    let began_ns = monotonic_ns()?;
    sleep(settings.count_for.unwrap_or_default()).await;
    let duration_ns = monotonic_ns()?.saturating_sub(began_ns);
    tracer.detach_start();
    sleep(GRACE).await;
    tracer.detach_end();
    reader.switch()?;
    sleep(totals::GRACE).await;
    let taken = reader.take()?;
    Ok(Interval::new(0, duration_ns, &taken.rows, taken.other.as_ref()))
}
