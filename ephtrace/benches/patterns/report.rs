//! The whole evaluation, as in `docs/patterns.md`.

use std::{fmt::Write as _, io, time::Instant};

use ephtrace::analyse::pattern::{Judge, WHOLE};

use crate::{
    kinds::Kind,
    measure::{Outcome, judge, run, run_kind},
    rules::Class,
    tables,
    trace::{Maker, PORTS_ONLY, Shown, generate},
};

/// First seed of the final tables; constants were fitted on others.
const FINAL: u64 = 9_000_000;

/// Lengths of the traces, and the number of traces of each policy: fewer long ones, to save time.
const LENGTHS: [(usize, u64); 6] =
    [(8, 200), (16, 200), (64, 200), (256, 200), (1000, 60), (10_000, 10)];

/// Number of recordings of each kind: enough to tell one mistake in a hundred from two.
const OF_KIND: u64 = 1000;

/// Number of rows of the longest trace.
const LONGEST: usize = 10_000_000;

/// Writes all tables.
pub(crate) fn write(out: &mut impl io::Write) -> io::Result<()> {
    let mut columns = Vec::new();
    let mut confusions = Vec::new();
    let mut open = String::from("| n | pattern | algorithm | either |\n|--:|--:|--:|--:|\n");
    for (n, seeds) in LENGTHS {
        let outcomes = run(FINAL, seeds, n, PORTS_ONLY, 1.0);
        confusions.push((n, tables::confusion(&outcomes)));
        let [pattern, algorithm, either] = tables::open(&outcomes);
        let _ = writeln!(open, "| {n} | {pattern:.3} | {algorithm:.3} | {either:.3} |");
        columns.push((format!("n = {n}"), outcomes));
    }
    writeln!(out, "### Figures\n\n{}", tables::figures(&columns))?;
    let all: Vec<Outcome> = columns.into_iter().flat_map(|(_, outcomes)| outcomes).collect();
    writeln!(out, "### None of the known policies: confidently wrong\n\n{open}")?;
    kinds(out)?;
    writeln!(out, "### Calibration of the pattern\n")?;
    writeln!(out, "{}", tables::calibration(&tables::pattern_guesses(&all)))?;
    writeln!(out, "### Calibration of the algorithm\n")?;
    writeln!(out, "{}", tables::calibration(&tables::algorithm_guesses(&all)))?;
    ablation(out)?;
    for (n, confusion) in confusions {
        writeln!(out, "### Truth and best guess, n = {n}\n\n{confusion}")?;
    }
    longest(out)?;
    speed(out)
}

fn kinds(out: &mut impl io::Write) -> io::Result<()> {
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        for n in [16, 64, 256] {
            rows.push((kind.as_str(), n, run_kind(kind, FINAL, OF_KIND, n)));
        }
    }
    writeln!(out, "### Other kinds of recordings\n\n{}", tables::kinds(&rows))
}

/// Writes the worth of each input, and the effect of the disturbances.
fn ablation(out: &mut impl io::Write) -> io::Result<()> {
    let origin = Shown { origin: true, ..PORTS_ONLY };
    let rows = [
        ("range, namespace, time", PORTS_ONLY, 1.0),
        ("and origin, epoch", origin, 1.0),
        ("no range", Shown { range: false, ..PORTS_ONLY }, 1.0),
        ("no namespace", Shown { netns: false, ..PORTS_ONLY }, 1.0),
        ("no time", Shown { time: false, ..PORTS_ONLY }, 1.0),
        ("no troubles", PORTS_ONLY, 0.0),
        ("twice the troubles", PORTS_ONLY, 2.0),
    ];
    for n in [16, 256] {
        let columns: Vec<_> = rows
            .iter()
            .map(|(name, shown, level)| ((*name).to_owned(), run(FINAL, 60, n, *shown, *level)))
            .collect();
        writeln!(out, "### Inputs and troubles, n = {n}\n\n{}", tables::figures(&columns))?;
    }
    Ok(())
}

/// Writes the verdicts on traces of ten million rows, which are made and judged row by row.
fn longest(out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "### Ten million rows\n\n| policy | verdict | n judged |\n|---|---|--:|")?;
    for class in [Class::Linux518, Class::SeqUp, Class::Linux2] {
        let mut maker = Maker::new(class, 100_000, FINAL, 1.0);
        let mut judge = Judge::new(WHOLE);
        for event in 0..LONGEST {
            let row = maker.next(event);
            if let Some(seen) = row.and_then(|row| row.observation(PORTS_ONLY)) {
                judge.observe(&seen);
            }
        }
        let verdict = judge.verdict();
        let (pattern, algorithm) = (verdict.pattern, verdict.algorithm);
        writeln!(out, "| {class:?} | {pattern}, {algorithm} | {} |", verdict.n)?;
    }
    writeln!(out)
}

/// Writes the time for ten thousand assignments of each policy, best of seven.
pub(crate) fn speed(out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "### Time for 10,000 assignments\n\n| policy | ms |\n|---|--:|")?;
    for class in Class::KNOWN {
        let trace = generate(class, 10_000, 7, 1.0);
        let best = (0..7)
            .map(|_| {
                let started = Instant::now();
                std::hint::black_box(judge(&trace.rows, PORTS_ONLY));
                started.elapsed()
            })
            .min();
        if let Some(best) = best {
            writeln!(out, "| {class:?} | {:.1} |", best.as_secs_f64() * 1e3)?;
        }
    }
    Ok(())
}
