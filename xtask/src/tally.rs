//! Counting tests by what libtest says about them.

use std::{
    fmt::{Display, Formatter},
    ops::AddAssign,
    process::ExitCode,
};

/// Counted from libtest's lines: `test NAME ... ok` as they come, and `test result: …`, which
/// settles them. A run that is cut short keeps what it had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    unsettled: (u32, u32),
}

impl Tally {
    /// Nothing but one failure.
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, unsettled: (0, 0) };

    /// Takes in one line of output.
    pub(crate) fn count(&mut self, line: &str) {
        if let Some((_, summary)) = line.split_once("test result: ") {
            self.unsettled = (0, 0);
            self.settle(summary);
        } else if line.starts_with("test ") && line.ends_with(" ... ok") {
            self.unsettled.0 += 1;
        } else if line.starts_with("test ") && line.ends_with(" ... FAILED") {
            self.unsettled.1 += 1;
        }
    }

    fn settle(&mut self, summary: &str) {
        for part in summary.split([';', '.']) {
            let mut words = part.split_whitespace();
            match (words.next().and_then(|number| number.parse::<u32>().ok()), words.next()) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                _ => {}
            }
        }
    }

    /// The run is over: what no summary settled counts as it is.
    pub(crate) fn finish(&mut self) {
        let (passed, failed) = std::mem::take(&mut self.unsettled);
        self.passed += passed;
        self.failed += failed;
    }
}

impl Tally {
    /// Success if nothing failed.
    pub(crate) fn exit_code(self) -> ExitCode {
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
    }
}

impl Display for Tally {
    fn fmt(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn summaries_are_added_up_and_settle_what_came_before() {
        let mut tally = Tally::default();
        tally.count("test a ... ok");
        tally.count("test result: ok. 12 passed; 0 failed; 1 ignored; finished in 1.20s");
        tally.count("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 filtered out");
        tally.finish();
        assert_eq!((tally.passed, tally.failed), (13, 2));
    }

    #[test]
    fn a_run_that_was_cut_short_keeps_what_it_had() {
        let mut tally = Tally::default();
        for line in ["test a ... ok", "test b ... FAILED", "test c ... ok", "test d ... "] {
            tally.count(line);
        }
        tally.finish();
        assert_eq!(tally.to_string(), "2 passed, 1 failed");
    }
}
