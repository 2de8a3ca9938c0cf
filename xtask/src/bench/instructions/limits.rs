//! Limits of growth.
//!
//! The comparison uses the instructions that a tracer adds to an untraced connect of the same
//! guest. They hardly depend on the kernel's version, which moves inside of Debian's suite; a
//! difference from the committed version is reported.

use super::{
    figures::{Figures, Row},
    runs::UNTRACED,
};
use crate::{
    say::{result, say},
    tally::Tally,
};

/// Maximum growth of `connect()` alone, and of the total, in percent.
const SHARE: i64 = 3;

/// Allowed growth of the total, in instructions: the reader's work differs by less than a hundred
/// from one reduced run to another, or by one of the totals of `storm`.
const SLACK_ALL: i64 = 300;

/// Allowed growth of `connect()` alone, in instructions: the figure is exact, but for a program
/// that costs a few hundred, a percentage of it is next to nothing.
const SLACK_CONNECT: i64 = 8;

/// Makes a test for each traced row of the committed figures. A row that was not measured has
/// failed.
pub(super) fn compare(measured: &Figures, committed: &Figures) -> Tally {
    for (what, now, then) in [
        ("kernel", &measured.kernel, &committed.kernel),
        ("emulator", &measured.emulator, &committed.emulator),
        ("compiler", &measured.compiler, &committed.compiler),
    ] {
        if now != then {
            say(format_args!(
                "another {what} than that of the committed figures: {now}, not {then}"
            ));
        }
    }
    let mut tests = Tally::default();
    for then in committed.rows.iter().filter(|row| row.tracer != UNTRACED) {
        let now = measured.row(&then.load, &then.tracer);
        let verdict = now.map_or_else(|| Err("not measured".to_owned()), |now| judge(now, then));
        let (word, why) = match &verdict {
            Ok(why) => ("ok", why),
            Err(why) => ("FAILED", why),
        };
        result(format_args!("instructions of {} ({}) ... {word}: {why}", then.tracer, then.load));
        if verdict.is_ok() { tests.pass() } else { tests.fail() }
    }
    tests
}

/// Returns the tracers of rows that have grown too much.
pub(super) fn grown<'a>(measured: &Figures, committed: &'a Figures) -> Vec<&'a str> {
    let traced = committed.rows.iter().filter(|row| row.tracer != UNTRACED);
    let has_grown = |then: &&Row| {
        measured.row(&then.load, &then.tracer).is_some_and(|now| judge(now, then).is_err())
    };
    traced.filter(has_grown).map(|row| row.tracer.as_str()).collect()
}

/// Compares a row with the committed one; fails if it has grown too much.
fn judge(now: &Row, then: &Row) -> Result<String, String> {
    let connect = Growth::of(now.added_connect, then.added_connect, SLACK_CONNECT);
    let all = Growth::of(now.added_all, then.added_all, SLACK_ALL);
    let text = format!("connect() {connect}; all of it {all}");
    if connect.is_too_much() || all.is_too_much() { Err(text) } else { Ok(text) }
}

/// Added instructions, now and then.
struct Growth {
    now: i64,
    then: i64,
    limit: i64,
}

impl Growth {
    fn of(now: i64, then: i64, slack: i64) -> Self {
        Self { now, then, limit: slack.max(then * SHARE / 100) }
    }

    fn is_too_much(&self) -> bool {
        self.now - self.then > self.limit
    }
}

impl std::fmt::Display for Growth {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { now, then, limit } = self;
        write!(to, "{now:+}, was {then:+}, limit {:+}", then + limit)?;
        // Committed figures that are too high would hide later growth.
        if then - now > *limit {
            write!(
                to,
                " (less than before: commit it, `cargo xtask bench --instructions --write`)"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tracer: &str, added_connect: i64, added_all: i64) -> Row {
        let (load, tracer) = ("a".to_owned(), tracer.to_owned());
        Row { load, tracer, connects: 1, p10: 1, p50: 1, p90: 1, all: 1, added_connect, added_all }
    }

    fn figures(rows: Vec<Row>) -> Figures {
        let mut figures = Figures::new("k".into(), "e".into(), "c".into());
        figures.rows = rows;
        figures
    }

    #[test]
    fn growth_by_more_than_the_limit_fails() {
        let then = row("x", 2_000, 14_000);
        assert!(judge(&row("x", 2_060, 14_420), &then).is_ok());
        assert!(judge(&row("x", 2_061, 14_000), &then).is_err());
        assert!(judge(&row("x", 2_000, 14_421), &then).is_err());
        assert!(judge(&row("x", 1_000, 1_000), &then).unwrap().contains("less than before"));
    }

    #[test]
    fn small_figures_have_slack() {
        let then = row("x", 100, 1_000);
        assert!(judge(&row("x", 108, 1_300), &then).is_ok());
        assert!(judge(&row("x", 109, 1_000), &then).is_err());
        assert!(judge(&row("x", 100, 1_301), &then).is_err());
    }

    #[test]
    fn what_has_grown_is_told_by_its_tracer() {
        let committed = figures(vec![row(UNTRACED, 0, 0), row("x", 10, 10), row("y", 10, 10)]);
        let measured = figures(vec![row(UNTRACED, 0, 0), row("x", 10, 10), row("y", 10, 400)]);
        assert_eq!(grown(&measured, &committed), ["y"]);
    }

    #[test]
    fn a_row_that_was_not_measured_fails() {
        let committed = figures(vec![row(UNTRACED, 0, 0), row("x", 10, 10), row("y", 10, 10)]);
        let tests = compare(&figures(vec![row("x", 10, 10)]), &committed);
        assert_eq!((tests.passed(), tests.failed()), (1, 1));
    }
}
