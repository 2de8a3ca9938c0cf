//! The figures: the result of each run, compared with the untraced one of the same guest.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::{runs::UNTRACED, wire::Measured};
use crate::workspace;

/// File with the committed figures.
pub(super) const FILE: &str = "docs/instructions.json";

const NS_A_SECOND: i64 = 1_000_000_000;

/// The committed file.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Committed {
    /// Figures of all runs.
    pub(super) full: Option<Figures>,
    /// Figures of the reduced runs of each check.
    pub(super) reduced: Option<Figures>,
}

/// Figures that were measured at one time.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Figures {
    /// Kernel of the guests.
    pub(super) kernel: String,
    /// Emulator of the processor.
    pub(super) emulator: String,
    /// Compiler of the user side.
    pub(super) compiler: String,
    /// Runs with connects.
    pub(super) rows: Vec<Row>,
    /// Runs without connects.
    pub(super) idle: Vec<Idle>,
}

/// Instructions of one connect.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// Target of the connects.
    pub(super) load: String,
    /// Tracer of the run.
    pub(super) tracer: String,
    /// Number of measured connects.
    pub(super) connects: u64,
    /// 10th percentile of `connect()` alone.
    pub(super) p10: u64,
    /// Median of `connect()` alone.
    pub(super) p50: u64,
    /// 90th percentile of `connect()` alone.
    pub(super) p90: u64,
    /// Instructions of the whole run, divided by the number of connects.
    pub(super) all: u64,
    /// Difference of `p50` to that of the untraced run.
    pub(super) added_connect: i64,
    /// Difference of `all` to that of the untraced run.
    pub(super) added_all: i64,
}

/// Instructions while nothing connects.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Idle {
    /// Tracer of the run.
    pub(super) tracer: String,
    /// Instructions a second that it takes nevertheless.
    pub(super) added_a_second: i64,
}

impl Figures {
    /// Creates figures without runs.
    pub(super) fn new(kernel: String, emulator: String, compiler: String) -> Self {
        Self { kernel, emulator, compiler, rows: Vec::new(), idle: Vec::new() }
    }

    /// Adds the results of one guest; each load must have been measured untraced first.
    pub(super) fn add(&mut self, measured: &[Measured]) -> Result<()> {
        for run in measured {
            let is_base = |base: &&Measured| base.load == run.load && base.tracer == UNTRACED;
            let base = measured.iter().find(is_base).with_context(|| {
                format!("{} was not measured untraced in the same guest", run.load)
            })?;
            let is_known = self.row(&run.load, &run.tracer).is_some();
            if is_known && run.tracer == UNTRACED {
                // Another guest measured the same.
                continue;
            }
            if run.cost.connects > 0 {
                self.rows.push(row(run, base)?);
            } else if run.tracer != UNTRACED {
                self.idle.push(idle(run, base)?);
            }
        }
        Ok(())
    }

    /// Replaces the figures of the loads that were measured later; the others stay.
    pub(super) fn replace(&mut self, newer: Self) -> Result<()> {
        let versions = |figures: &Self| {
            [figures.kernel.clone(), figures.emulator.clone(), figures.compiler.clone()]
        };
        if versions(self) != versions(&newer) {
            bail!("figures of {} don't go with those of {}", newer.kernel, self.kernel);
        }
        self.rows.retain(|row| newer.rows.iter().all(|new| new.load != row.load));
        self.rows.extend(newer.rows);
        if !newer.idle.is_empty() {
            self.idle = newer.idle;
        }
        Ok(())
    }

    /// Takes the lower figures of each row that was measured again.
    pub(super) fn take_less(&mut self, again: &Self) {
        for row in &mut self.rows {
            if let Some(new) = again.row(&row.load, &row.tracer) {
                row.added_connect = row.added_connect.min(new.added_connect);
                row.added_all = row.added_all.min(new.added_all);
            }
        }
    }

    /// Returns the row of a run.
    pub(super) fn row(&self, load: &str, tracer: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.load == load && row.tracer == tracer)
    }
}

fn row(run: &Measured, base: &Measured) -> Result<Row> {
    let all = |of: &Measured| of.cost.total_ns.checked_div(of.cost.connects).context("no connects");
    Ok(Row {
        load: run.load.clone(),
        tracer: run.tracer.clone(),
        connects: run.cost.connects,
        p10: run.cost.p10_ns,
        p50: run.cost.p50_ns,
        p90: run.cost.p90_ns,
        all: all(run)?,
        added_connect: difference(run.cost.p50_ns, base.cost.p50_ns)?,
        added_all: difference(all(run)?, all(base)?)?,
    })
}

fn idle(run: &Measured, base: &Measured) -> Result<Idle> {
    let added = difference(run.cost.total_ns, base.cost.total_ns)?;
    let total = i64::try_from(run.cost.total_ns)?;
    if total == 0 {
        bail!("an empty loop took no time");
    }
    Ok(Idle { tracer: run.tracer.clone(), added_a_second: added * NS_A_SECOND / total })
}

fn difference(of: u64, from: u64) -> Result<i64> {
    Ok(i64::try_from(of)? - i64::try_from(from)?)
}

fn path() -> PathBuf {
    workspace::root().join(FILE)
}

impl Committed {
    /// Reads the file; nothing is committed if there is none.
    pub(super) fn read() -> Result<Self> {
        if !path().exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path()).with_context(|| format!("cannot read {FILE}"))?;
        serde_json::from_str(&text).with_context(|| format!("{FILE} is not as it is written"))
    }

    /// Writes the file.
    pub(super) fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path(), text).with_context(|| format!("cannot write {FILE}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::instructions::wire::Cost;

    fn measured(load: &str, tracer: &str, connects: u64, p50_ns: u64, total_ns: u64) -> Measured {
        Measured {
            load: load.into(),
            tracer: tracer.into(),
            is_ephtrace: false,
            made: None,
            cost: Cost { connects, p10_ns: p50_ns, p50_ns, p90_ns: p50_ns, total_ns },
            last_line: String::new(),
            said: String::new(),
            bytes: 0,
        }
    }

    #[test]
    fn figures_are_differences_to_the_untraced_run_of_the_same_load() {
        let mut figures = Figures::new("k".into(), "e".into(), "c".into());
        let runs = [
            measured("a", UNTRACED, 10, 100, 2_000),
            measured("b", UNTRACED, 10, 500, 9_000),
            measured("a", "x", 5, 130, 1_200),
            measured("nothing", UNTRACED, 0, 0, 1_000_000_000),
            measured("nothing", "x", 0, 0, 2_000_000_000),
        ];
        figures.add(&runs).unwrap();
        let row = figures.row("a", "x").unwrap();
        assert_eq!((row.added_connect, row.added_all, row.all), (30, 40, 240));
        assert_eq!(figures.row("b", UNTRACED).unwrap().added_all, 0);
        assert_eq!(figures.idle, [Idle { tracer: "x".into(), added_a_second: 500_000_000 }]);
        assert!(figures.add(&[measured("c", "x", 1, 1, 1)]).is_err());
    }

    #[test]
    fn newer_figures_take_the_place_of_those_under_the_same_load() {
        let figures = |runs: &[Measured]| {
            let mut figures = Figures::new("k".into(), "e".into(), "c".into());
            figures.add(runs).unwrap();
            figures
        };
        let mut old = figures(&[
            measured("a", UNTRACED, 10, 100, 2_000),
            measured("b", UNTRACED, 10, 500, 9_000),
            measured("b", "x", 10, 510, 9_000),
        ]);
        old.replace(figures(&[measured("b", UNTRACED, 10, 400, 8_000)])).unwrap();
        assert_eq!(old.rows.len(), 2);
        assert_eq!(old.row("b", UNTRACED).unwrap().p50, 400);
        let other = Figures::new("another kernel".into(), "e".into(), "c".into());
        assert!(old.replace(other).is_err());
    }

    #[test]
    fn of_two_measurements_the_lesser_figures_stay() {
        let figures = |connect, all| {
            let mut figures = Figures::new("k".into(), "e".into(), "c".into());
            let traced = measured("a", "x", 10, connect, all);
            figures.add(&[measured("a", UNTRACED, 10, 100, 2_000), traced]).unwrap();
            figures
        };
        let mut first = figures(150, 5_000);
        first.take_less(&figures(160, 3_000));
        let row = first.row("a", "x").unwrap();
        assert_eq!((row.added_connect, row.added_all), (50, 100));
    }

    #[test]
    fn the_committed_figures_can_be_read() {
        let committed = Committed::read().unwrap();
        for figures in [committed.reduced, committed.full].into_iter().flatten() {
            assert!(!figures.rows.is_empty());
        }
    }
}
