//! The whole evaluation, as it stands in `docs/patterns.md`.

use std::{fmt::Write as _, io, time::Instant};

use ephtrace::analyse::pattern::Algorithm;

use crate::{
    measure::{Outcome, judge},
    rules::Class,
    run,
    tables::{self, Figures},
    trace::{PORTS_ONLY, Shown, generate},
};

/// Seeds of the final tables; constants were fitted on others.
const FINAL: u64 = 2_000_000;

/// Lengths of the traces, and how many of each policy: fewer of the long ones, for the time.
const LENGTHS: [(usize, u64); 6] =
    [(8, 300), (16, 300), (64, 300), (256, 300), (1000, 100), (10_000, 20)];

/// Writes all tables.
pub(crate) fn write(out: &mut impl io::Write) -> io::Result<()> {
    let mut columns = Vec::new();
    let mut all: Vec<Outcome> = Vec::new();
    let mut confusions = Vec::new();
    let mut open = String::from("| n | pattern | algorithm | either |\n|--:|--:|--:|--:|\n");
    for (n, seeds) in LENGTHS {
        let outcomes = run(FINAL, seeds, n, PORTS_ONLY, 1.0);
        columns.push((format!("n = {n}"), Figures::of(&outcomes)));
        confusions.push((n, tables::confusion(&outcomes)));
        let [pattern, algorithm, either] = tables::open(&outcomes);
        let _ = writeln!(open, "| {n} | {pattern:.3} | {algorithm:.3} | {either:.3} |");
        all.extend(outcomes.into_iter().filter(|o| o.class != Class::Open));
    }
    writeln!(out, "### Figures\n\n{}", tables::figures(&columns))?;
    writeln!(out, "### None of the known policies: confidently wrong\n\n{open}")?;
    writeln!(out, "### Calibration of the pattern\n")?;
    writeln!(out, "{}", tables::calibration(&tables::pattern_guesses(&all)))?;
    writeln!(out, "### Calibration of the algorithm\n")?;
    writeln!(out, "{}", tables::calibration(&tables::algorithm_guesses(&all)))?;
    ablation(out)?;
    for (n, confusion) in confusions {
        writeln!(out, "### Truth and best guess, n = {n}\n\n{confusion}")?;
    }
    speed(out)
}

/// What each input is worth, and how far the troubles go.
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
            .map(|(name, shown, level)| {
                ((*name).to_owned(), Figures::of(&run(FINAL, 100, n, *shown, *level)))
            })
            .collect();
        writeln!(out, "### Inputs and troubles, n = {n}\n\n{}", tables::figures(&columns))?;
    }
    Ok(())
}

/// Time for ten thousand assignments of each policy, best of seven.
pub(crate) fn speed(out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "### Time for 10,000 assignments\n\n| policy | ms |\n|---|--:|")?;
    for algorithm in Algorithm::ALL {
        if algorithm == Algorithm::Other {
            continue;
        }
        let trace = generate(Class::Known(algorithm), 10_000, 7, 1.0);
        let best = (0..7)
            .map(|_| {
                let started = Instant::now();
                std::hint::black_box(judge(&trace, PORTS_ONLY));
                started.elapsed()
            })
            .min();
        if let Some(best) = best {
            writeln!(out, "| {algorithm} | {:.1} |", best.as_secs_f64() * 1e3)?;
        }
    }
    Ok(())
}
