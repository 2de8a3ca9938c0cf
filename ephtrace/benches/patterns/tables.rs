//! The figures as tables.

use std::fmt::Write as _;

use ephtrace::analyse::pattern::{Algorithm, Pattern};

use crate::{
    measure::{Outcome, bins, calibration_error, macro_share},
    rules::Class,
};

/// The figures of one set of outcomes of equal length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) binary: f64,
    pub(crate) pattern: f64,
    pub(crate) algorithm: f64,
    pub(crate) one_pattern: f64,
    pub(crate) one_algorithm: f64,
    pub(crate) strict_pattern: f64,
    pub(crate) strict_algorithm: f64,
    pub(crate) pattern_answered: f64,
    pub(crate) algorithm_answered: f64,
    pub(crate) pattern_answered_all: f64,
    pub(crate) algorithm_answered_all: f64,
    pub(crate) pattern_right: f64,
    pub(crate) algorithm_right: f64,
    pub(crate) pattern_error: f64,
    pub(crate) algorithm_error: f64,
    pub(crate) pattern_wrong: f64,
    pub(crate) algorithm_wrong: f64,
}

impl Figures {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        Self {
            binary: macro_share(outcomes, Outcome::binary_right),
            pattern: macro_share(outcomes, |o| Some(o.pattern_right())),
            algorithm: macro_share(outcomes, |o| Some(o.algorithm_right())),
            one_pattern: macro_share(outcomes, |o| {
                (o.right.patterns.len() == 1).then(|| o.pattern_right())
            }),
            one_algorithm: macro_share(outcomes, |o| {
                (o.right.algorithms.len() == 1).then(|| o.algorithm_right())
            }),
            strict_pattern: macro_share(outcomes, |o| {
                Some(o.right.patterns[0] == o.guessed_pattern().0)
            }),
            strict_algorithm: macro_share(outcomes, |o| {
                Some(o.right.algorithms[0] == o.guessed_algorithm().0)
            }),
            pattern_answered: macro_share(outcomes, |o| {
                (o.right.patterns.len() == 1).then(|| o.pattern_answered())
            }),
            algorithm_answered: macro_share(outcomes, |o| {
                (o.right.algorithms.len() == 1).then(|| o.algorithm_answered())
            }),
            pattern_answered_all: macro_share(outcomes, |o| Some(o.pattern_answered())),
            algorithm_answered_all: macro_share(outcomes, |o| Some(o.algorithm_answered())),
            pattern_right: macro_share(outcomes, |o| {
                o.pattern_answered().then(|| o.pattern_right())
            }),
            algorithm_right: macro_share(outcomes, |o| {
                o.algorithm_answered().then(|| o.algorithm_right())
            }),
            pattern_error: calibration_error(&pattern_guesses(outcomes)),
            algorithm_error: calibration_error(&algorithm_guesses(outcomes)),
            pattern_wrong: macro_share(outcomes, |o| {
                Some(o.pattern_answered() && !o.pattern_right())
            }),
            algorithm_wrong: macro_share(outcomes, |o| {
                Some(o.algorithm_answered() && !o.algorithm_right())
            }),
        }
    }
}

/// Confidence and outcome of the traces that have one right pattern.
pub(crate) fn pattern_guesses(outcomes: &[Outcome]) -> Vec<(f64, bool)> {
    let one = outcomes.iter().filter(|o| o.right.patterns.len() == 1);
    one.map(|o| (o.guessed_pattern().1, o.pattern_right())).collect()
}

/// Confidence and outcome of the traces that have one right algorithm.
pub(crate) fn algorithm_guesses(outcomes: &[Outcome]) -> Vec<(f64, bool)> {
    let one = outcomes.iter().filter(|o| o.right.algorithms.len() == 1);
    one.map(|o| (o.guessed_algorithm().1, o.algorithm_right())).collect()
}

/// The main table: a row for each figure, a column for each length.
pub(crate) fn figures(columns: &[(String, Figures)]) -> String {
    type Row = (&'static str, fn(&Figures) -> f64);
    let rows: [Row; 17] = [
        ("random or predictable", |f| f.binary),
        ("pattern, forced", |f| f.pattern),
        ("algorithm, forced", |f| f.algorithm),
        ("pattern, answered", |f| f.pattern_answered),
        ("algorithm, answered", |f| f.algorithm_answered),
        ("pattern, answered, of all", |f| f.pattern_answered_all),
        ("algorithm, answered, of all", |f| f.algorithm_answered_all),
        ("pattern, right when answered", |f| f.pattern_right),
        ("algorithm, right when answered", |f| f.algorithm_right),
        ("pattern, confidently wrong", |f| f.pattern_wrong),
        ("algorithm, confidently wrong", |f| f.algorithm_wrong),
        ("pattern, calibration error", |f| f.pattern_error),
        ("algorithm, calibration error", |f| f.algorithm_error),
        ("pattern, forced, where one answer is right", |f| f.one_pattern),
        ("algorithm, forced, where one answer is right", |f| f.one_algorithm),
        ("pattern, forced, one name only", |f| f.strict_pattern),
        ("algorithm, forced, one name only", |f| f.strict_algorithm),
    ];
    let mut table = String::from("| |");
    for (name, _) in columns {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"--:|".repeat(columns.len()));
    table.push('\n');
    for (name, figure) in rows {
        let _ = write!(table, "| {name} |");
        for (_, figures) in columns {
            let _ = write!(table, " {:.3} |", figure(figures));
        }
        table.push('\n');
    }
    table
}

/// Truth down, best guess across, counts.
pub(crate) fn confusion(outcomes: &[Outcome]) -> String {
    let mut table = String::from("| truth |");
    for guess in Algorithm::ALL {
        let _ = write!(table, " {guess} |");
    }
    let _ = writeln!(table, " right |\n|---|{}", "--:|".repeat(Algorithm::ALL.len() + 1));
    let classes = Algorithm::ALL.map(Class::Known).into_iter().chain([Class::Open]);
    for class in classes {
        let of_class: Vec<_> = outcomes.iter().filter(|o| o.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        let name = match class {
            Class::Known(algorithm) => algorithm.as_str(),
            Class::Open => "none of them",
        };
        let _ = write!(table, "| {name} |");
        for guess in Algorithm::ALL {
            let count = of_class.iter().filter(|o| o.guessed_algorithm().0 == guess).count();
            let _ = if count == 0 { write!(table, " |") } else { write!(table, " {count} |") };
        }
        let right = of_class.iter().filter(|o| o.algorithm_right()).count();
        let _ = writeln!(table, " {:.3} |", right as f64 / of_class.len() as f64);
    }
    table
}

/// The calibration table.
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

/// Policies that are none of the known ones: confidently wrong pattern, algorithm, either.
pub(crate) fn open(outcomes: &[Outcome]) -> [f64; 3] {
    let open: Vec<_> = outcomes.iter().filter(|o| o.class == Class::Open).collect();
    let share = |test: &dyn Fn(&Outcome) -> bool| {
        open.iter().filter(|o| test(o)).count() as f64 / open.len().max(1) as f64
    };
    let pattern = |o: &Outcome| {
        o.verdict.pattern != Pattern::Undetermined && !o.right.patterns.contains(&o.verdict.pattern)
    };
    let algorithm = |o: &Outcome| o.algorithm_answered() && !o.algorithm_right();
    [share(&pattern), share(&algorithm), share(&|o| pattern(o) || algorithm(o))]
}
