//! Outcome of a guest's run, and the tests that it counted.

use std::{
    fmt::{Display, Formatter},
    path::PathBuf,
    time::Duration,
};

use crate::{say::result, tally::Tally};

/// End of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The command ended by itself, with this code.
    Exited(i32),
    /// The kernel crashed, or the machine did: no message from the init.
    Died(String),
    /// Killed, because it took too long.
    TimedOut,
}

/// A finished run.
pub(crate) struct Outcome {
    pub(crate) kernel: String,
    pub(crate) verdict: Verdict,
    pub(crate) tests: Tally,
    /// Warnings of the kernel that it survived.
    pub(crate) warnings: Vec<String>,
    /// Last lines of the kernel's log, if they matter.
    pub(crate) last_words: Vec<String>,
    /// The kernel's whole log, kept if there is something to read in it.
    pub(crate) log: Option<PathBuf>,
    pub(crate) took: Duration,
}

impl Outcome {
    /// Returns whether the guest ended by itself, and the kernel had no warnings.
    pub(crate) fn is_uneventful(&self) -> bool {
        matches!(self.verdict, Verdict::Exited(_)) && self.warnings.is_empty()
    }
}

impl Display for Outcome {
    fn fmt(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        write!(to, "guest {}: ", self.kernel)?;
        match &self.verdict {
            Verdict::Exited(code) => write!(to, "exit {code}")?,
            Verdict::Died(why) => write!(to, "died: {why}")?,
            Verdict::TimedOut => write!(to, "timed out")?,
        }
        write!(to, " after {} s", self.took.as_secs())?;
        for line in &self.warnings {
            write!(to, "\n  kernel: {line}")?;
        }
        for line in &self.last_words {
            write!(to, "\n  | {line}")?;
        }
        if let Some(log) = &self.log {
            write!(to, "\n  the kernel's log: {}", log.display())?;
        }
        Ok(())
    }
}

/// Prints one line for each guest, and the tests of all. A guest that did not complete, or that
/// counted no test, counts as one more failed test: its silence must not pass for success.
pub(crate) fn report(outcomes: &[Outcome]) -> Tally {
    let mut total = Tally::default();
    for outcome in outcomes {
        let mut tests = outcome.tests.clone();
        let sound = match outcome.verdict {
            Verdict::Exited(0) => tests.passed() > 0 && tests.failed() == 0,
            Verdict::Exited(_) => tests.failed() > 0,
            _ => false,
        };
        if !sound {
            tests.fail();
        }
        let guest = format!("guest {}", outcome.kernel);
        result(format_args!("{guest}: {tests}"));
        tests.place_failures(&guest);
        total += tests;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict, lines: &[&str]) -> Outcome {
        let mut tests = Tally::default();
        for line in lines {
            tests.count(line);
        }
        tests.finish();
        Outcome {
            kernel: "6.12".to_owned(),
            verdict,
            tests,
            warnings: Vec::new(),
            last_words: Vec::new(),
            log: None,
            took: Duration::ZERO,
        }
    }

    fn reported(verdict: Verdict, lines: &[&str]) -> String {
        report(&[outcome(verdict, lines)]).to_string()
    }

    #[test]
    fn a_guest_that_did_not_come_to_a_sound_end_is_a_failed_test() {
        let passed = ["test a ... ok", "test b ... ignored (nothing to test with)"];
        assert_eq!(reported(Verdict::Exited(0), &passed), "1 passed, 0 failed, 1 skipped");
        assert_eq!(reported(Verdict::Exited(0), &[]), "0 passed, 1 failed, 0 skipped");
        assert_eq!(reported(Verdict::Exited(0), &passed[1..]), "0 passed, 1 failed, 1 skipped");
        assert_eq!(reported(Verdict::TimedOut, &passed), "1 passed, 1 failed, 1 skipped");
        assert_eq!(reported(Verdict::Exited(101), &passed), "1 passed, 1 failed, 1 skipped");
        let failed = ["test a ... ok", "test b ... FAILED"];
        assert_eq!(reported(Verdict::Exited(101), &failed), "1 passed, 1 failed, 0 skipped");
        assert_eq!(reported(Verdict::Exited(0), &failed), "1 passed, 2 failed, 0 skipped");
        assert_eq!(
            reported(Verdict::Died("oops".into()), &failed),
            "1 passed, 2 failed, 0 skipped"
        );
    }
}
