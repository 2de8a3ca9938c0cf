//! `ephtrace storm`: the kernel half adds up, and this command reads the sums from time to time.
//!
//! ```text
//! run::counting ─→ analyse::storm ─→ analyse::findings ─→ sink::storm
//! ```

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use super::settings::{UsageError, account, build_live_filter, grouping, named_hook, parse};
use crate::{
    analyse::{
        findings::{Facts, Finding, findings},
        storm::{Detector, Interval},
    },
    cli::StormArgs,
    host::{clock::Clock, rights::Account},
    model::{Filter, Hook, grouping::By, losses::Losses},
    output::{
        Paper,
        stuck::unread,
        tables::storm::{IntervalReport, LOOK, WHOLE, write_findings, write_held},
    },
    pipeline::{
        announce::{announce, tell, tell_blinded, tell_module, tell_names},
        counting::{self, Counting, CountingOptions, CumulativeTotals, Naming},
        occupancy::Occupancy,
        rights::{self, Later},
        signals::ShutdownSignals,
        timing::{DRAIN_EVERY, at, block_on},
    },
};

/// Shortest interval: reading the kernel's maps takes some milliseconds.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Settings of `storm`.
#[derive(Clone, Debug)]
pub struct StormSettings {
    /// Time between two looks.
    pub interval: Duration,
    /// Number of looks after which it stops.
    pub count: Option<u64>,
    /// Time after which it stops.
    pub duration: Option<Duration>,
    /// Number of rows to show; `None` for all.
    pub limit: Option<usize>,
    /// True for data in place of tables.
    pub json: bool,
    /// True for all columns and whole lines.
    pub wide: bool,
    /// Number of rows that the kernel keeps room for; `None` for as many as its memory bound
    /// allows.
    pub rows: Option<u32>,
    /// Grouping of the rows.
    pub by: By,
    /// Assignments to count.
    pub filter: Filter,
    /// The named hook; `None` for the first that works.
    pub hook: Option<Hook>,
    /// User to become; `None` to keep the current user.
    pub user: Option<Account>,
    /// File with the kernel's types, if it is not at the usual place.
    pub btf: Option<PathBuf>,
    /// True to write nothing but errors to the notices.
    pub quiet: bool,
}

impl TryFrom<StormArgs> for StormSettings {
    type Error = UsageError;

    fn try_from(args: StormArgs) -> Result<Self, UsageError> {
        let StormArgs { interval, count, duration, limit, json, wide, by, rows, .. } = args;
        let StormArgs { filter, kernel, verbosity, .. } = args;
        Ok(Self {
            interval: parse_interval(&interval)?,
            count,
            duration: duration.map(|text| parse::duration("--duration", &text)).transpose()?,
            limit: (limit > 0).then_some(limit),
            json,
            wide,
            by: grouping(by),
            rows,
            filter: build_live_filter(&filter)?,
            hook: named_hook(kernel.hook),
            user: account(kernel.user.as_deref())?,
            btf: kernel.btf,
            quiet: verbosity.quiet,
        })
    }
}

/// Parses seconds, as `vmstat` takes them, or a time with its unit; not too short.
fn parse_interval(text: &str) -> Result<Duration, UsageError> {
    let interval = parse::duration("INTERVAL", text)?;
    if interval < MIN_INTERVAL {
        return Err(UsageError::Value {
            flag: "INTERVAL",
            value: text.to_owned(),
            reason: "expected at least 100ms".to_owned(),
        });
    }
    Ok(interval)
}

/// Looks until a signal, the requested end, or an error.
///
/// `log_level` is that of the kernel half's own messages: 0 none … 5 trace.
pub fn run(args: StormArgs, log_level: u8) -> Result<ExitCode> {
    block_on(watch(&StormSettings::try_from(args)?, log_level))?;
    Ok(ExitCode::SUCCESS)
}

async fn watch(settings: &StormSettings, log_level: u8) -> Result<()> {
    rights::begin(settings.user.as_ref())?;
    let mut ends = ShutdownSignals::new()?;
    let what = CountingOptions {
        hook: settings.hook,
        btf: settings.btf.as_deref(),
        filter: &settings.filter,
        rows: settings.rows,
        copies: None,
        log_level,
    };
    let counting = Counting::start(what).await?;
    let naming = Naming::new(&settings.filter, settings.by);
    let missing = rights::restrict(&counting.tracer, Later::COUNTING);
    if !settings.quiet {
        announce(&counting.tracer);
        if let Some(unseen) = counting.tracer.unseen_failures() {
            tell(&format!("not seen: {unseen}"));
        }
        missing.tell();
        tell_names(&settings.filter.names);
    }
    let mut storm = Storm::new(settings, counting, naming);
    let begun = Instant::now();
    let end = settings.duration.map(|duration| begun + duration);
    let mut ticks = interval_at(begun + settings.interval, settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut modules = interval(DRAIN_EVERY);
    modules.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut left = settings.count.unwrap_or(u64::MAX);
    while left > 0 {
        tokio::select! {
            biased;
            () = ends.wait() => break,
            _ = ticks.tick() => {
                storm.look().await?;
                tell_blinded(&storm.counting.tracer.blinded());
                left -= 1;
            }
            () = at(end) => break,
            _ = modules.tick(), if storm.counting.tracer.awaits_module() => storm.follow_module(),
        }
    }
    storm.finish().await
}

struct Storm<'a> {
    settings: &'a StormSettings,
    counting: Counting,
    naming: Naming,
    detector: Detector,
    occupancy: Occupancy,
    whole: CumulativeTotals,
    told: BTreeSet<String>,
}

impl<'a> Storm<'a> {
    fn new(settings: &'a StormSettings, counting: Counting, naming: Naming) -> Self {
        Self {
            settings,
            whole: CumulativeTotals::since(counting.since_ns),
            counting,
            naming,
            detector: Detector::default(),
            occupancy: Occupancy::new(settings.interval),
            told: BTreeSet::new(),
        }
    }

    /// Takes the sums since the last look, and shows them.
    async fn look(&mut self) -> Result<()> {
        let (taken, duration_ns) = self.counting.take().await?;
        let end_ns = unix_ns(self.counting.since_ns)?;
        let (rows, other) = (&taken.rows, taken.other.as_ref());
        let naming = &mut self.naming;
        let mut interval = counting::interval(end_ns, duration_ns, rows, other, naming);
        self.whole.add(&taken);
        let mut facts =
            Facts { storm: self.detector.observe(&interval), ..counting::facts(&interval) };
        self.occupancy.count(&interval.rows);
        self.occupancy.look(&mut interval, &mut facts);
        let found = findings(&facts);
        let losses = self.counting.losses()?;
        let tracer = &mut self.counting.tracer;
        tracer.flush_log();
        let seen = (tracer.hook, tracer.unseen_failures());
        let look = IntervalReport::new(LOOK, seen, &interval, &found, losses);
        let mut out = io::stdout().lock();
        if self.settings.json {
            look.write_json(&mut out)?;
        } else {
            let paper = Paper::of(&out, self.settings.wide);
            let mut text = Vec::new();
            look.write_text(&mut text, self.settings.limit, paper)?;
            let (new, held) = news(&mut self.told, found.clone());
            write_findings(&mut text, &new, paper)?;
            write_held(&mut text, &held, paper)?;
            writeln!(text)?;
            out.write_all(&paper.fit(&text))?;
        }
        Ok(out.flush()?)
    }

    /// Attaches to a module soon after it was loaded, to see its ports.
    fn follow_module(&mut self) {
        tell_module(self.counting.tracer.follow_module(), self.settings.quiet);
    }

    /// Detaches, takes the remaining sums, and shows the whole.
    async fn finish(mut self) -> Result<()> {
        let rest = self.counting.finish().await?;
        let end_ns = unix_ns(rest.stopped_ns)?;
        for taken in &rest.taken {
            self.whole.add(taken);
            let (rows, other) = (&taken.rows, taken.other.as_ref());
            let last = counting::interval(end_ns, 0, rows, other, &mut self.naming);
            self.occupancy.count(&last.rows);
        }
        let mut interval = self.whole.interval(end_ns, rest.stopped_ns, &mut self.naming);
        let mut facts = counting::facts(&interval);
        self.occupancy.look(&mut interval, &mut facts);
        let found = findings(&facts);
        if self.settings.quiet { Ok(()) } else { self.show_whole(&interval, &found, rest.losses) }
    }

    fn show_whole(&self, interval: &Interval, found: &[Finding], losses: Losses) -> Result<()> {
        let tracer = &self.counting.tracer;
        let seen = (tracer.hook, tracer.unseen_failures());
        let look = IntervalReport::new(WHOLE, seen, interval, found, losses);
        // If nobody reads the output, somebody may read standard error.
        let is_read = unread().is_none();
        let mut out: Box<dyn Write> =
            if is_read { Box::new(io::stdout().lock()) } else { Box::new(io::stderr()) };
        if self.settings.json && is_read {
            look.write_json(&mut out)?;
        } else {
            let wide = self.settings.wide;
            let (stdout, stderr) = (io::stdout(), io::stderr());
            let paper = if is_read { Paper::of(&stdout, wide) } else { Paper::of(&stderr, wide) };
            let mut text = Vec::new();
            look.write_text(&mut text, self.settings.limit, paper)?;
            write_findings(&mut text, found, paper)?;
            for (stage, lost) in losses.stages().into_iter().filter(|(_, lost)| *lost > 0) {
                writeln!(
                    text,
                    "lost: {lost} assignments are missing from these numbers ({stage})"
                )?;
            }
            out.write_all(&paper.fit(&text))?;
        }
        Ok(out.flush()?)
    }
}

/// Returns the findings that were not reported before, and those that were: only their evidence
/// changes from look to look.
fn news(told: &mut BTreeSet<String>, found: Vec<Finding>) -> (Vec<Finding>, Vec<Finding>) {
    found.into_iter().partition(|finding| told.insert(finding.sentence.clone()))
}

fn unix_ns(monotonic_ns: u64) -> Result<u64> {
    Ok(Clock::read().context("can't read the clocks")?.unix_ns(monotonic_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_seconds_or_times() {
        let ms = |text| parse_interval(text).map(|interval| interval.as_millis()).ok();
        assert_eq!(
            ["1", "0.5", "250ms", "2m", "1h30m"].map(ms),
            [Some(1000), Some(500), Some(250), Some(120_000), Some(5_400_000)]
        );
        assert_eq!(["0", "0.01", "-1", "x", "nan", "1e300"].map(ms), [None; 6]);
    }
}
