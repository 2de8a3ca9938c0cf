//! The figures as tables.

use std::fmt::Write as _;

use ephtrace::analyse::pattern::Algorithm;

use crate::{
    measure::{Outcome, bins, calibration_error, macro_share},
    rules::Class,
};

/// Name and value of each figure.
type Row = (&'static str, fn(&[Outcome]) -> f64);

const ROWS: [Row; 14] = [
    ("predictable or not, forced", |o| macro_share(o, Outcome::binary_right)),
    ("predictable or not, answered", |o| macro_share(o, Outcome::predictable_answered)),
    ("predictable or not, confidently wrong", |o| macro_share(o, |o| Some(o.predictable_wrong()))),
    ("pattern, forced", |o| macro_share(o, |o| Some(o.pattern_right()))),
    ("algorithm, forced", |o| macro_share(o, |o| Some(o.algorithm_right()))),
    ("pattern, answered", |o| {
        macro_share(o, |o| (o.right.patterns.len() == 1).then(|| o.pattern_answered()))
    }),
    ("algorithm, answered", |o| {
        macro_share(o, |o| (o.right.algorithms.len() == 1).then(|| o.algorithm_answered()))
    }),
    ("pattern, answered, of all", |o| macro_share(o, |o| Some(o.pattern_answered()))),
    ("pattern, right when answered", |o| {
        macro_share(o, |o| o.pattern_answered().then(|| !o.pattern_wrong()))
    }),
    ("algorithm, right when answered", |o| {
        macro_share(o, |o| o.algorithm_answered().then(|| !o.algorithm_wrong()))
    }),
    ("pattern, confidently wrong", |o| macro_share(o, |o| Some(o.pattern_wrong()))),
    ("algorithm, confidently wrong", |o| macro_share(o, |o| Some(o.algorithm_wrong()))),
    ("pattern, calibration error", |o| calibration_error(&pattern_guesses(o))),
    ("algorithm, calibration error", |o| calibration_error(&algorithm_guesses(o))),
];

fn known(outcomes: &[Outcome]) -> impl Iterator<Item = &Outcome> {
    outcomes.iter().filter(|o| o.class != Class::Open)
}

/// Returns confidence and outcome of the traces that have one right pattern.
pub(crate) fn pattern_guesses(outcomes: &[Outcome]) -> Vec<(f64, bool)> {
    let one = known(outcomes).filter(|o| o.right.patterns.len() == 1);
    one.map(|o| (o.guessed_pattern().1, o.pattern_right())).collect()
}

/// Returns confidence and outcome of the traces that have one right algorithm.
pub(crate) fn algorithm_guesses(outcomes: &[Outcome]) -> Vec<(f64, bool)> {
    let one = known(outcomes).filter(|o| o.right.algorithms.len() == 1);
    one.map(|o| (o.guessed_algorithm().1, o.algorithm_right())).collect()
}

/// Returns the main table: a row for each figure, a column for each set of outcomes.
pub(crate) fn figures(columns: &[(String, Vec<Outcome>)]) -> String {
    let mut table = String::from("| |");
    for (name, _) in columns {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"--:|".repeat(columns.len()));
    table.push('\n');
    for (name, figure) in ROWS {
        let _ = write!(table, "| {name} |");
        for (_, outcomes) in columns {
            let _ = write!(table, " {:.3} |", figure(outcomes));
        }
        table.push('\n');
    }
    table
}

/// Returns a table with a row for each kind of recording: answered, and confidently wrong.
pub(crate) fn kinds(rows: &[(&str, usize, Vec<Outcome>)]) -> String {
    let mut table = String::from(
        "| kind | n | verdicts | pattern answered | pattern wrong | algorithm answered | \
         algorithm wrong | predictable answered | predictable wrong |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (kind, n, outcomes) in rows {
        let share = |test: fn(&Outcome) -> bool| {
            outcomes.iter().filter(|o| test(o)).count() as f64 / outcomes.len().max(1) as f64
        };
        let _ = writeln!(
            table,
            "| {kind} | {n} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            outcomes.len(),
            share(Outcome::pattern_answered),
            share(Outcome::pattern_wrong),
            share(Outcome::algorithm_answered),
            share(Outcome::algorithm_wrong),
            share(|o| o.predictable_answered() == Some(true)),
            share(Outcome::predictable_wrong),
        );
    }
    table
}

/// Returns the table of counts: truth down, best guess across.
pub(crate) fn confusion(outcomes: &[Outcome]) -> String {
    let mut table = String::from("| truth |");
    for guess in Algorithm::ALL {
        let _ = write!(table, " {guess} |");
    }
    let _ =
        writeln!(table, " pattern | algorithm |\n|---|{}", "--:|".repeat(Algorithm::ALL.len() + 2));
    for class in Class::KNOWN.into_iter().chain([Class::Open]) {
        let of_class: Vec<_> = outcomes.iter().filter(|o| o.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        let _ = write!(table, "| {class:?} |");
        for guess in Algorithm::ALL {
            let count = of_class.iter().filter(|o| o.guessed_algorithm().0 == guess).count();
            let _ = if count == 0 { write!(table, " |") } else { write!(table, " {count} |") };
        }
        let share = |test: fn(&Outcome) -> bool| {
            of_class.iter().filter(|o| test(o)).count() as f64 / of_class.len() as f64
        };
        let (pattern, algorithm) = (share(Outcome::pattern_right), share(Outcome::algorithm_right));
        let _ = writeln!(table, " {pattern:.3} | {algorithm:.3} |");
    }
    table
}

/// Returns the calibration table.
pub(crate) fn calibration(guesses: &[(f64, bool)]) -> String {
    let mut table =
        String::from("| confidence | traces | mean confidence | right |\n|---|--:|--:|--:|\n");
    for bin in bins(guesses) {
        let _ = writeln!(
            table,
            "| {:.2} to {:.2} | {} | {:.3} | {:.3} |",
            bin.from, bin.to, bin.count, bin.confidence, bin.right
        );
    }
    table
}

/// Returns the confidently wrong shares for policies that are none of the known ones: pattern,
/// algorithm, either.
pub(crate) fn open(outcomes: &[Outcome]) -> [f64; 3] {
    let open: Vec<_> = outcomes.iter().filter(|o| o.class == Class::Open).collect();
    let share = |test: &dyn Fn(&Outcome) -> bool| {
        open.iter().filter(|o| test(o)).count() as f64 / open.len().max(1) as f64
    };
    let either = |o: &Outcome| o.pattern_wrong() || o.algorithm_wrong();
    [share(&Outcome::pattern_wrong), share(&Outcome::algorithm_wrong), share(&either)]
}
