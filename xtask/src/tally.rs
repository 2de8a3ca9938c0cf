//! Counts tests by the output of libtest, and of harnesses like it.

use std::{
    fmt::{Display, Formatter},
    ops::AddAssign,
    process::ExitCode,
};

use crate::say::result;

/// Prefix of a test's name that `cargo test` leaves to a separate stage.
const ELSEWHERE: &str = "test [root] ";

/// Counts from lines `test NAME ... ok` as they arrive, and `test result: …`, which settles them. A
/// run that is cut short keeps its counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    counts: Counts,
    /// Names of the failed tests, as far as a line contained them.
    failures: Vec<String>,
    /// Counts from the lines since the last summary.
    unsettled: Counts,
}

/// Numbers of tests by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u32,
    failed: u32,
    /// Not run, because something is missing, or because of their length.
    skipped: u32,
    /// Not run, because another stage runs them.
    elsewhere: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
        self.elsewhere += more.elsewhere;
    }
}

impl Tally {
    /// Creates a tally of one failure.
    pub(crate) fn one_failure() -> Self {
        let mut tally = Self::default();
        tally.fail();
        tally
    }

    /// Counts one more passed test.
    pub(crate) fn pass(&mut self) {
        self.counts.passed += 1;
    }

    /// Counts one more failed test.
    pub(crate) fn fail(&mut self) {
        self.counts.failed += 1;
    }

    /// Number of passed tests.
    pub(crate) fn passed(&self) -> u32 {
        self.counts.passed
    }

    /// Number of failed tests.
    pub(crate) fn failed(&self) -> u32 {
        self.counts.failed
    }

    /// Prefixes each failure with its place.
    pub(crate) fn place_failures(&mut self, place: &str) {
        for name in &mut self.failures {
            *name = format!("{place}: {name}");
        }
    }

    /// Counts tests left to another stage as skipped: none runs them.
    pub(crate) fn skip_elsewhere(&mut self) {
        self.counts.skipped += std::mem::take(&mut self.counts.elsewhere);
    }

    /// Counts one line of output.
    pub(crate) fn count(&mut self, line: &str) {
        if let Some((_, summary)) = line.split_once("test result: ") {
            let elsewhere = std::mem::take(&mut self.unsettled).elsewhere;
            self.counts += summed_up(summary, elsewhere);
        } else if let Some((name, outcome)) =
            line.strip_prefix("test ").and_then(|test| test.rsplit_once(" ... "))
        {
            let one = one(outcome, line.starts_with(ELSEWHERE));
            if one.failed > 0 {
                self.failures.push(name.trim_start_matches("[root]").trim().to_owned());
            }
            self.unsettled += one;
        }
    }

    /// Ends the run: counts without a summary stay as they are.
    pub(crate) fn finish(&mut self) {
        self.counts += std::mem::take(&mut self.unsettled);
    }

    /// Prints the tally, with the failures by name once more: each may be an hour back.
    pub(crate) fn tell(&self) {
        for name in &self.failures {
            result(format_args!("failed: {name}"));
        }
        result(self);
    }

    /// Returns success if nothing failed.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Counts one test by the end of its line; a reason may follow `ignored`.
fn one(outcome: &str, is_elsewhere: bool) -> Counts {
    let counts = Counts::default();
    match outcome.split([',', ' ']).next() {
        Some("ok") => Counts { passed: 1, ..counts },
        Some("FAILED") => Counts { failed: 1, ..counts },
        // A reason is given by the test itself, in the stage that runs it.
        Some("ignored") if is_elsewhere && outcome == "ignored" => {
            Counts { elsewhere: 1, ..counts }
        }
        Some("ignored") => Counts { skipped: 1, ..counts },
        _ => counts,
    }
}

/// Counts a summary, in which tests of another stage are among the ignored ones.
fn summed_up(summary: &str, elsewhere: u32) -> Counts {
    let mut counts = Counts { elsewhere, ..Counts::default() };
    for part in summary.split([';', '.']) {
        let mut words = part.split_whitespace();
        let number = words.next().and_then(|number| number.parse::<u32>().ok());
        match (number, words.next()) {
            (Some(number), Some("passed")) => counts.passed = number,
            (Some(number), Some("failed")) => counts.failed = number,
            (Some(number), Some("ignored")) => counts.skipped = number.saturating_sub(elsewhere),
            _ => {}
        }
    }
    counts
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.counts += more.counts;
        self.failures.extend(more.failures);
    }
}

impl Display for Tally {
    fn fmt(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        let Counts { passed, failed, skipped, .. } = self.counts;
        write!(to, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.count(line);
        }
        tally.finish();
        tally
    }

    #[test]
    fn summaries_are_added_up_and_settle_what_came_before() {
        let tally = tally(&[
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; finished in 1.20s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 filtered out",
        ]);
        assert_eq!(tally.to_string(), "13 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_run_that_was_cut_short_keeps_what_it_had() {
        let lines = [
            "test a ... ok",
            "test b ... FAILED",
            "test c ... ok",
            "test d ... ignored, takes long",
            "test [root] e::sock_ops   ... ignored (no module here)",
            "test f ... ",
        ];
        let mut tally = tally(&lines);
        assert_eq!(tally.to_string(), "2 passed, 1 failed, 2 skipped");
        tally.place_failures("6.1");
        assert_eq!(tally.failures, ["6.1: b"]);
    }

    #[test]
    fn what_another_stage_runs_is_not_skipped_unless_there_is_no_such_stage() {
        let mut tally = tally(&[
            "test [root] a::auto ... ignored",
            "test        b       ... ok",
            "test        c       ... ignored (no such program)",
            "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out",
            // The first test, in its own stage.
            "test [root] a::auto ... ignored (no such module)",
            "test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 1 filtered out",
        ]);
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 2 skipped");
        tally.skip_elsewhere();
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 3 skipped");
    }
}
