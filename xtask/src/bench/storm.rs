//! A storm of connects, traced and untraced in turn.
//!
//! A shared machine's speed drifts by more than the measured effect, so each traced storm is
//! compared with the untraced one just before it, and the median of these ratios counts.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::tracer::{self, Tracer, Work};
use crate::{
    artifacts, process,
    say::{result, say},
    workspace,
};

/// What `bench storm` takes.
#[derive(clap::Args)]
pub(super) struct StormArgs {
    /// How many pairs of an untraced and a traced storm for each tracer
    #[arg(long, default_value_t = 15)]
    pairs: usize,
    /// How many connects each storm makes
    #[arg(long, default_value_t = 60_000)]
    connects: u64,
    /// How many threads connect
    #[arg(long, default_value_t = 2)]
    threads: u32,
    /// How the storm gets ports: connect, bind, udp-bind, udp
    #[arg(long, default_value = "connect")]
    by: String,
    /// Only tracers whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// One storm, as reported by the program that made it.
struct Storm {
    rate: f64,
    cpu_s: f64,
}

/// An untraced storm and a traced one right after it.
struct Pair {
    untraced: Storm,
    traced: Storm,
    work: Work,
}

pub(super) fn compare(args: &StormArgs) -> Result<()> {
    let built = artifacts::bench_programs()?;
    let (ephtrace, assign) = (built.path("ephtrace")?, built.path("assign")?);
    let folder = workspace::target().join("bench");
    std::fs::create_dir_all(&folder)?;
    let tracers = tracer::all(ephtrace);
    let wanted = |t: &&Tracer| args.only.as_ref().is_none_or(|text| t.name.contains(text.as_str()));
    let tracers: Vec<&Tracer> = tracers.iter().filter(wanted).collect();
    let mut pairs: Vec<Vec<Pair>> = tracers.iter().map(|_| Vec::new()).collect();
    storm(assign, args)?;
    for round in 1..=args.pairs {
        say(format_args!("round {round} of {}", args.pairs));
        for (tracer, pairs) in tracers.iter().zip(&mut pairs) {
            pairs.push(pair(tracer, assign, args, &folder)?);
        }
    }
    result(format_args!(
        "storms of {} ports by {}, threads: {}; medians of {} alternating pairs",
        args.connects, args.by, args.threads, args.pairs
    ));
    result(format_args!(
        "{:<26} {:>7} {:>15} {:>12} {:>14} {:>9} {:>9} {:>8}",
        "tracer",
        "rate",
        "(quartiles)",
        "CPU/connect",
        "tracer CPU",
        "kernel ns",
        "peak KiB",
        "lost"
    ));
    for (tracer, pairs) in tracers.iter().zip(&pairs) {
        result(row(tracer.name, pairs, args.connects));
    }
    Ok(())
}

fn pair(tracer: &Tracer, assign: &Path, args: &StormArgs, folder: &Path) -> Result<Pair> {
    let untraced = storm(assign, args)?;
    let running = tracer.start(folder)?;
    let traced = storm(assign, args);
    let work = running.stop()?;
    Ok(Pair { untraced, traced: traced?, work })
}

fn storm(assign: &Path, args: &StormArgs) -> Result<Storm> {
    let mut command = Command::new(assign);
    command.args(["storm", "--threads", &args.threads.to_string(), "--by", &args.by]);
    command.args(["--connects", &args.connects.to_string()]);
    let report: Value = serde_json::from_str(&process::output(&mut command)?)?;
    let number = |name: &str| {
        report[name].as_f64().with_context(|| format!("the storm's report has no {name}"))
    };
    Ok(Storm { rate: number("rate")?, cpu_s: number("cpu_user_s")? + number("cpu_sys_s")? })
}

/// Formats one line of the table.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn row(name: &str, pairs: &[Pair], connects: u64) -> String {
    let of = |figure: &dyn Fn(&Pair) -> f64| Quartiles::of(pairs.iter().map(figure).collect());
    let rate = of(&|p| 100.0 * p.traced.rate / p.untraced.rate);
    let cpu = of(&|p| 100.0 * (p.traced.cpu_s + p.work.cpu_s) / p.untraced.cpu_s);
    let tracer_ns = of(&|p| p.work.cpu_s * 1e9 / connects as f64);
    let kernel = of(&|p| kernel_ns(&p.work).unwrap_or(f64::NAN));
    let peak = of(&|p| p.work.peak_kib as f64);
    let lost: u64 = pairs.iter().filter_map(|p| lost(&p.work)).sum();
    let is_ours = pairs.iter().any(|p| p.work.summary.is_some());
    format!(
        "{name:<26} {:>6.1}% {:>15} {:>11.1}% {:>11.0} ns {:>9} {:>9.0} {:>8}",
        rate.median,
        format!("({:.1}-{:.1})", rate.low, rate.high),
        cpu.median,
        tracer_ns.median,
        if kernel.median.is_nan() { "-".into() } else { format!("{:.0}", kernel.median) },
        peak.median,
        if is_ours { lost.to_string() } else { "?".into() },
    ) + &if is_ours {
        String::new()
    } else {
        let lines = of(&|p| p.work.lines as f64 / connects as f64);
        format!("  ({:.2} lines a connect)", lines.median)
    }
}

/// Kernel side's cost of one search, in nanoseconds, the kernel's own measurement included.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn kernel_ns(work: &Work) -> Option<f64> {
    let cost = work.summary.as_ref()?.get("kernel_cost")?;
    Some(cost["run_time_ns"].as_u64()? as f64 / cost["searches"].as_u64()? as f64)
}

fn lost(work: &Work) -> Option<u64> {
    let losses = work.summary.as_ref()?.get("losses")?.as_object()?;
    Some(losses.values().filter_map(Value::as_u64).sum())
}

/// Median and quartiles.
struct Quartiles {
    low: f64,
    median: f64,
    high: f64,
}

impl Quartiles {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |part: usize| {
            let last = figures.len().saturating_sub(1);
            figures.get(last * part / 4).copied().unwrap_or(f64::NAN)
        };
        Self { low: at(1), median: at(2), high: at(3) }
    }
}
