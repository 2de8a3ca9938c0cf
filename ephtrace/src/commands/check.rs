//! `ephtrace check`: counts for a moment, examines the ports in use, and answers in one line.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;
use tokio::time::{Instant, interval};

use super::settings::{UsageError, account, build_live_filter, named_hook, parse, which};
use crate::{
    analyse::{
        findings::{DestinationFacts, Facts, findings},
        storm::Interval,
    },
    cli::{CheckArgs, FilterArgs},
    host::{
        netns,
        rights::{Account, Rights},
        snapshot::{self, Which},
        taken_by,
    },
    inventory::{Inventory, PastOwners, facts},
    model::{Filter, Hook, grouping::By},
    output::{
        Kind,
        tables::check::{CheckInput, CheckReport, CheckStatus, Limits, Thresholds},
        write_object,
    },
    pipeline::{
        announce,
        counting::{Counting, CountingOptions, CumulativeTotals, Naming},
        rights::{self, Later},
        timing::{DRAIN_EVERY, block_on},
    },
};

/// Number of destinations that are examined one by one.
const LISTED: usize = 16;

/// Settings of `check`.
#[derive(Clone, Debug)]
pub struct CheckSettings {
    /// Thresholds.
    pub limits: Limits,
    /// Time to count; `None` to only examine the ports in use.
    pub count_for: Option<Duration>,
    /// Namespaces to examine.
    pub which: Which,
    /// Assignments to count: those of the same namespaces.
    pub filter: Filter,
    /// The named hook; `None` for the first that works.
    pub hook: Option<Hook>,
    /// User to become; `None` to keep the current user.
    pub user: Option<Account>,
    /// File with the kernel's types, if it is not at the usual place.
    pub btf: Option<PathBuf>,
}

impl TryFrom<CheckArgs> for CheckSettings {
    type Error = UsageError;

    fn try_from(args: CheckArgs) -> Result<Self, UsageError> {
        let CheckArgs { r#use, failures, p99, span, no_trace, netns, kernel, json: _ } = args;
        let which = which(&netns)?;
        // Count where the ports in use are examined, and nowhere else.
        let netns = match &which {
            Which::Own => netns::own().map(|own| own.to_string()).into_iter().collect(),
            Which::All => Vec::new(),
            Which::These(_) => netns,
        };
        let filter = build_live_filter(&FilterArgs { netns, ..FilterArgs::default() })?;
        let span = parse::duration("--for", &span)?;
        Ok(Self {
            limits: Limits {
                used: pair("--use", &r#use, |text| percent("--use", text))?,
                failures: pair("--failures", &failures, |text| percent("--failures", text))?,
                p99_ns: pair("--p99", &p99, |text| {
                    Ok(parse::duration("--p99", text)?.as_secs_f64() * 1e9)
                })?,
            },
            count_for: (!no_trace).then_some(span),
            which,
            filter,
            hook: named_hook(kernel.hook),
            user: account(kernel.user.as_deref())?,
            btf: kernel.btf,
        })
    }
}

fn pair(
    flag: &'static str,
    text: &str,
    value: impl Fn(&str) -> Result<f64, UsageError>,
) -> Result<Thresholds, UsageError> {
    let wrong = |reason: &str| UsageError::Value {
        flag,
        value: text.to_owned(),
        reason: reason.to_owned(),
    };
    let (warning, critical) =
        text.split_once(',').ok_or_else(|| wrong("expected two values, WARN,CRIT"))?;
    let thresholds = Thresholds { warning: value(warning)?, critical: value(critical)? };
    if thresholds.warning > thresholds.critical {
        return Err(wrong("expected WARN to be at most CRIT"));
    }
    Ok(thresholds)
}

fn percent(flag: &'static str, text: &str) -> Result<f64, UsageError> {
    let number = text.trim_end_matches('%').parse().ok().filter(|n| (0.0..=100.0).contains(n));
    number.ok_or_else(|| UsageError::Value {
        flag,
        value: text.to_owned(),
        reason: "expected a percentage from 0 to 100".to_owned(),
    })
}

/// Answers on standard output in any case: a monitoring plugin must never be silent.
pub fn run(args: CheckArgs) -> Result<ExitCode> {
    let json = args.json;
    let answer = CheckSettings::try_from(args).map_err(anyhow::Error::from).and_then(|settings| {
        let seen = look(&settings)?;
        Ok(CheckReport::new(&seen, &settings.limits))
    });
    let answer = answer.unwrap_or_else(|error| CheckReport::unknown(&format!("{error:#}")));
    let mut out = io::stdout();
    let written = if json {
        write_object(&mut out, Kind::Check, &answer)
    } else {
        writeln!(out, "{}", answer.line)
    };
    let state = match written.and_then(|()| out.flush()) {
        Ok(()) => answer.state,
        // Nobody reads the line; the exit code still tells the state.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => answer.state,
        Err(error) => {
            log::error!("can't write the result: {error}");
            CheckStatus::Unknown
        }
    };
    Ok(ExitCode::from(state.code()))
}

fn look(settings: &CheckSettings) -> Result<CheckInput> {
    rights::begin(settings.user.as_ref())?;
    let counted = match settings.count_for {
        None => {
            rights::look_only(Rights::empty());
            None
        }
        Some(_) => Some(block_on(count(settings))?),
    };
    let inventory = snapshot::snapshot(&settings.which, LISTED, &PastOwners::default())?;
    let (interval, losses, mut unseen) = match counted {
        Some((interval, losses, unseen)) => (Some(interval), losses, unseen),
        None => (None, 0, Vec::new()),
    };
    unseen.extend(not_listed(&inventory));
    if settings.which == Which::Own {
        unseen.extend(announce::not_looked_at());
    }
    let rows = interval.as_ref().map_or_else(Vec::new, |interval| interval.rows.clone());
    let destinations = rows.iter().map(DestinationFacts::of_row).collect();
    let self_connects = interval.as_ref().and_then(Interval::self_connects);
    let own_netns = netns::own().ok();
    let mut facts = Facts { destinations, own_netns, self_connects, ..Facts::default() };
    facts::add_inventory(&mut facts, &inventory);
    taken_by::add(&mut facts.destinations);
    let Facts { destinations, asked, .. } = facts::of_inventory(&inventory);
    let counted = interval.map(|interval| interval.all);
    let findings = findings(&facts);
    let namespaces = match &*inventory.namespaces {
        [_] if settings.which != Which::All => Vec::new(),
        several => several.iter().map(|one| (one.place.netns, one.place.shown())).collect(),
    };
    Ok(CheckInput {
        destinations,
        asked,
        counted,
        rows,
        lost: losses,
        findings,
        unseen,
        namespaces,
    })
}

/// Returns the sockets that the inventory does not list, in words.
fn not_listed(inventory: &Inventory) -> Vec<String> {
    let mut unseen = Vec::new();
    let mut namespaces = inventory.namespaces.iter();
    if namespaces.any(|one| one.bound.bound_only.is_none()) {
        unseen.push("sockets that are only bound (Linux 6.8 and later list them)".to_owned());
    }
    let unreadable = inventory.unreadable.len();
    if unreadable > 0 {
        let s = if unreadable == 1 { "" } else { "s" };
        unseen.push(format!("{unreadable} unreadable namespace{s}"));
    }
    if inventory.namespaces.iter().any(|one| one.tcp.interrupted || one.tcp.left_out > 0) {
        unseen.push("sockets that opened or closed meanwhile".to_owned());
    }
    unseen
}

/// Lets the kernel half add up for the given time. Also returns the losses, and the attempts that
/// this hook can't see.
async fn count(settings: &CheckSettings) -> Result<(Interval, u64, Vec<String>)> {
    let what = CountingOptions {
        hook: settings.hook,
        btf: settings.btf.as_deref(),
        filter: &settings.filter,
        rows: None,
        copies: None,
        log_level: 0,
    };
    let mut counting = Counting::start(what).await?;
    let mut naming = Naming::new(&settings.filter, By::Process);
    // The one-line answer has no room for missing rights.
    let _ = rights::restrict(&counting.tracer, Later::COUNTING);
    let mut whole = CumulativeTotals::since(counting.since_ns);
    let end = Instant::now() + settings.count_for.unwrap_or_default();
    let mut modules = interval(DRAIN_EVERY);
    while modules.tick().await < end {
        // A module that can't be attached is not part of the answer.
        let _ = counting.tracer.follow_module();
    }
    let rest = counting.finish().await?;
    for taken in &rest.taken {
        whole.add(taken);
    }
    let interval = whole.interval(0, rest.stopped_ns, &mut naming);
    let unseen = counting.tracer.unseen_failures().into_iter().collect();
    Ok((interval, rest.losses.total(), unseen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut CheckArgs)) -> Result<CheckSettings, UsageError> {
        let texts = ["50,90", "0,1", "1ms,10ms", "2s"].map(str::to_owned);
        let [r#use, failures, p99, span] = texts;
        let mut args = CheckArgs { r#use, failures, p99, span, ..CheckArgs::default() };
        change(&mut args);
        CheckSettings::try_from(args)
    }

    #[test]
    fn thresholds_are_pairs() {
        let limits = settings(|_| {}).unwrap().limits;
        assert_eq!(limits.p99_ns, Thresholds { warning: 1e6, critical: 1e7 });
        for wrong in ["90,50", "50", "x,9", "5,101", "-1,5", "nan,5"] {
            assert!(settings(|args| args.r#use = wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn looking_only_counts_nothing() {
        assert_eq!(settings(|args| args.no_trace = true).unwrap().count_for, None);
    }
}
