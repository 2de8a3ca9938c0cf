//! How well verdicts do: generated traces of every policy, with the troubles that real ones have.
//!
//! `cargo xtask bench patterns` prints the tables of `docs/patterns.md`. With arguments
//! (`tune|final [seeds] [n,n,…] [norange|nonetns|notime|origin] [clean|hard] [wrong]
//! [policy:seed]`) it prints a part, for tuning: `tune` and `final` draw from different seeds; the
//! tables draw from yet others, which nothing was fitted on.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "generators compute modulo ports, as the kernel does"
)]

mod measure;
mod policy;
mod report;
mod rules;
mod tables;
mod trace;
mod truth;
mod world;

use std::io::{self, Write as _};

use ephtrace::analyse::pattern::Algorithm;

use crate::{
    measure::{Outcome, judge},
    tables::Figures,
    trace::{Class, PORTS_ONLY, Shown, generate},
    truth::Right,
};

struct Arguments {
    base: u64,
    seeds: u64,
    lengths: Vec<usize>,
    shown: Shown,
    wrong: bool,
    level: f64,
    one: Option<(String, u64)>,
}

fn arguments() -> Arguments {
    let mut arguments = Arguments {
        base: 1_000_000,
        seeds: 40,
        lengths: vec![16, 64, 256],
        shown: PORTS_ONLY,
        wrong: false,
        level: 1.0,
        one: None,
    };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "tune" => arguments.base = 0,
            "final" => arguments.base = 1_000_000,
            "ports" => arguments.shown = PORTS_ONLY,
            "norange" => arguments.shown.range = false,
            "nonetns" => arguments.shown.netns = false,
            "notime" => arguments.shown.time = false,
            "origin" => arguments.shown.origin = true,
            "clean" => arguments.level = 0.0,
            "hard" => arguments.level = 2.0,
            "wrong" => arguments.wrong = true,
            other if other.contains(':') => {
                let (class, seed) = other.split_once(':').unwrap_or((other, "0"));
                arguments.one = Some((class.into(), seed.parse().unwrap_or(0)));
            }
            other if other.contains(',') || other.len() > 3 && !other.starts_with('-') => {
                arguments.lengths = other.split(',').filter_map(|n| n.parse().ok()).collect();
            }
            other => {
                if let Ok(seeds) = other.parse() {
                    arguments.seeds = seeds;
                }
            }
        }
    }
    arguments
}

fn classes() -> impl Iterator<Item = Class> {
    let known = Algorithm::ALL.into_iter().filter(|&a| a != Algorithm::Other);
    known.map(Class::Known).chain([Class::Open])
}

fn run(base: u64, seeds: u64, n: usize, shown: Shown, level: f64) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (i, class) in (0_u64..).zip(classes()) {
        for seed in 0..seeds {
            let seed = base + seed + i * 10_000;
            let trace = generate(class, n, seed, level);
            outcomes.push(Outcome {
                class,
                what: format!("{:?}", trace.rules),
                seed,
                n,
                right: Right::of(&trace),
                verdict: judge(&trace, shown),
            });
        }
    }
    outcomes
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    // `cargo bench` itself adds `--bench`.
    if std::env::args().skip(1).all(|argument| argument.starts_with("--")) {
        return report::write(&mut out);
    }
    let arguments = arguments();
    if let Some((class, seed)) = &arguments.one {
        return one(&mut out, &arguments, class, *seed);
    }
    let mut columns = Vec::new();
    for &n in &arguments.lengths {
        let Arguments { base, seeds, shown, level, .. } = arguments;
        let outcomes = run(base, seeds, n, shown, level);
        columns.push((format!("n = {n}"), Figures::of(&outcomes)));
        writeln!(out, "## n = {n}\n\n{}", tables::confusion(&outcomes))?;
        writeln!(out, "Open set, confidently wrong: {:.3?}\n", tables::open(&outcomes))?;
        if arguments.wrong {
            wrong(&mut out, &outcomes)?;
        }
    }
    writeln!(out, "## Figures\n\n{}", tables::figures(&columns))?;
    report::speed(&mut out)
}

/// Lists the wrong guesses.
fn wrong(out: &mut impl io::Write, outcomes: &[Outcome]) -> io::Result<()> {
    for o in outcomes {
        let undecided = o.right.algorithms.len() == 1 && !o.algorithm_answered();
        let undecided_pattern = o.right.patterns.len() == 1 && !o.pattern_answered();
        if o.pattern_right() && o.algorithm_right() && !undecided && !undecided_pattern {
            continue;
        }
        let (pattern, p) = o.guessed_pattern();
        let (algorithm, a) = o.guessed_algorithm();
        let second = o.verdict.algorithms[1];
        writeln!(
            out,
            "{}{} {} seed {} n {}: {pattern} {p:.3}, {algorithm} {a:.3}, {} {:.3}; right {:?} pairs {}",
            if o.pattern_right() { ' ' } else { 'P' },
            if o.algorithm_right() { ' ' } else { 'A' },
            o.what,
            o.seed,
            o.n,
            second.name,
            second.probability,
            o.right.algorithms,
            o.verdict.informative_pairs,
        )?;
    }
    Ok(())
}

/// Prints one trace and its verdict.
fn one(out: &mut impl io::Write, arguments: &Arguments, class: &str, seed: u64) -> io::Result<()> {
    let class = Algorithm::ALL
        .into_iter()
        .find(|a| a.as_str() == class && *a != Algorithm::Other)
        .map_or(Class::Open, Class::Known);
    let trace = generate(class, arguments.lengths[0], seed, arguments.level);
    let mut ids = Vec::new();
    for event in &trace.events {
        let key = event.seen.key;
        let id = ids.iter().position(|k| *k == key).unwrap_or_else(|| {
            ids.push(key);
            ids.len() - 1
        });
        let range = event.seen.range.map_or(0, |r| r.ports.low);
        writeln!(
            out,
            "{:>3} ns{} {} {range} {:?} epoch {}",
            id,
            event.seen.netns % 8,
            event.seen.port,
            event.part,
            event.epoch
        )?;
    }
    writeln!(out, "{:?} {:?}", trace.rules, Right::of(&trace))?;
    writeln!(out, "{:#?}", judge(&trace, arguments.shown))
}
