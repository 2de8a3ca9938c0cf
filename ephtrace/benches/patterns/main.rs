//! Quality of verdicts: generated traces of every policy, with the disturbances of real ones.
//!
//! `cargo xtask bench patterns` prints the tables of `docs/patterns.md`. With arguments
//! (`tune|final [seeds] [n,n,…] [norange|nonetns|notime|origin] [clean|hard] [wrong] [withheld]
//! [kinds] [Class:seed]`) it prints a part, for tuning. `tune` and `final` draw from different
//! seeds; the tables draw from a third set, on which nothing was fitted.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "generators compute modulo ports, as the kernel does"
)]

mod kinds;
mod load;
mod measure;
mod policy;
mod report;
mod rules;
mod tables;
mod trace;
mod truth;
mod world;

use std::io::{self, Write as _};

use crate::{
    kinds::{Kind, cases},
    measure::{Outcome, judge, judge_live, run, run_kind},
    rules::Class,
    trace::{PORTS_ONLY, Row, Shown, generate},
    truth::Right,
};

struct Arguments {
    base: u64,
    seeds: u64,
    lengths: Vec<usize>,
    shown: Shown,
    wrong: bool,
    withheld: bool,
    kinds: bool,
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
        withheld: false,
        kinds: false,
        level: 1.0,
        one: None,
    };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "tune" => arguments.base = 0,
            "final" => arguments.base = 1_000_000,
            "norange" => arguments.shown.range = false,
            "nonetns" => arguments.shown.netns = false,
            "notime" => arguments.shown.time = false,
            "origin" => arguments.shown.origin = true,
            "clean" => arguments.level = 0.0,
            "hard" => arguments.level = 2.0,
            "wrong" => arguments.wrong = true,
            "withheld" => arguments.withheld = true,
            "kinds" => arguments.kinds = true,
            other if other.contains(':') => {
                let (class, seed) = other.split_once(':').unwrap_or((other, "0"));
                arguments.one = Some((class.into(), seed.parse().unwrap_or(0)));
            }
            other if other.contains(',') => {
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
    let Arguments { base, seeds, shown, level, .. } = arguments;
    if arguments.kinds {
        let mut rows = Vec::new();
        for (kind, &n) in
            Kind::ALL.iter().flat_map(|k| arguments.lengths.iter().map(move |n| (k, n)))
        {
            let outcomes = run_kind(*kind, base, seeds, n);
            list(&mut out, &arguments, &outcomes)?;
            rows.push((kind.as_str(), n, outcomes));
        }
        return writeln!(out, "{}", tables::kinds(&rows));
    }
    let mut columns = Vec::new();
    for &n in &arguments.lengths {
        let outcomes = run(base, seeds, n, shown, level);
        writeln!(out, "## n = {n}\n\n{}", tables::confusion(&outcomes))?;
        writeln!(out, "Open set, confidently wrong: {:.3?}\n", tables::open(&outcomes))?;
        writeln!(out, "{}", tables::calibration(&tables::pattern_guesses(&outcomes)))?;
        writeln!(out, "{}", tables::calibration(&tables::algorithm_guesses(&outcomes)))?;
        list(&mut out, &arguments, &outcomes)?;
        columns.push((format!("n = {n}"), outcomes));
    }
    writeln!(out, "## Figures\n\n{}", tables::figures(&columns))?;
    report::speed(&mut out)
}

/// Lists the requested outcomes: wrong guesses, in capitals if they were given as an answer, and
/// patterns that were withheld although there is one right answer (`-`).
fn list(out: &mut impl io::Write, arguments: &Arguments, outcomes: &[Outcome]) -> io::Result<()> {
    for o in outcomes {
        let of_kind = o.class == Class::Open;
        let fine = |right: bool, wrong: bool| if of_kind { !wrong } else { right };
        let pattern_fine = fine(o.pattern_right(), o.pattern_wrong());
        let algorithm_fine = fine(o.algorithm_right(), o.algorithm_wrong());
        let is_wrong = !pattern_fine || !algorithm_fine || o.predictable_wrong();
        let is_withheld = !o.pattern_answered() && o.right.patterns.len() == 1;
        if !(arguments.wrong && is_wrong || arguments.withheld && is_withheld) {
            continue;
        }
        let mark = |fine: bool, wrong: bool, mark: char| match (fine, wrong) {
            (true, _) => ' ',
            (_, true) => mark.to_ascii_uppercase(),
            _ => mark,
        };
        let withheld = if is_withheld { '-' } else { ' ' };
        write!(
            out,
            "{}{}{withheld} ",
            mark(pattern_fine, o.pattern_wrong(), 'p'),
            mark(algorithm_fine, o.algorithm_wrong(), 'a'),
        )?;
        line(out, o)?;
    }
    Ok(())
}

/// Prints one trace with its two best guesses.
fn line(out: &mut impl io::Write, o: &Outcome) -> io::Result<()> {
    let two = |list: Vec<String>| list.into_iter().take(2).collect::<Vec<_>>().join(", ");
    let (patterns, algorithms) = (o.verdict.patterns.iter(), o.verdict.algorithms.iter());
    writeln!(
        out,
        "{:?} {} seed {} n {}: {} | {}; right {:?} {:?} pairs {}",
        o.class,
        o.what,
        o.seed,
        o.n,
        two(patterns.map(|p| format!("{} {:.3}", p.name, p.probability)).collect()),
        two(algorithms.map(|p| format!("{} {:.3}", p.name, p.probability)).collect()),
        o.right.patterns,
        o.right.algorithms,
        o.verdict.informative_pairs,
    )
}

/// Prints one trace (or one recording of a kind) and its verdict.
fn one(out: &mut impl io::Write, arguments: &Arguments, name: &str, seed: u64) -> io::Result<()> {
    let n = arguments.lengths[0];
    let class = Class::KNOWN.into_iter().find(|class| format!("{class:?}") == name);
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| format!("{kind:?}") == name) {
        for case in cases(kind, n, seed) {
            rows(out, &case.rows)?;
            let verdict =
                if case.live { judge_live(&case.rows) } else { judge(&case.rows, PORTS_ONLY) };
            writeln!(out, "{:?}\n{verdict:#?}", case.right)?;
        }
        return Ok(());
    }
    let trace = generate(class.unwrap_or(Class::Open), n, seed, arguments.level);
    rows(out, &trace.rows)?;
    writeln!(out, "{:?} {:?} {:?}", trace.rules, Right::of(&trace), truth::pairs(&trace))?;
    writeln!(out, "{:#?}", judge(&trace.rows, arguments.shown))
}

fn rows(out: &mut impl io::Write, rows: &[Row]) -> io::Result<()> {
    let mut keys = Vec::new();
    for row in rows {
        let key = row.to.key;
        let id = keys.iter().position(|k| *k == key).unwrap_or_else(|| {
            keys.push(key);
            keys.len() - 1
        });
        let since = (row.ts_ns - rows[0].ts_ns.min(row.ts_ns)) as f64 / 1e9;
        writeln!(
            out,
            "{since:>10.4} {id:>3} ns{} {} {} {:?} epoch {}",
            row.to.netns, row.sport, row.range.0, row.part, row.epoch
        )?;
    }
    Ok(())
}
