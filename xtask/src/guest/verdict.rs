//! How a guest's run ended, and the tests it counted.

use std::{
    fmt::{Display, Formatter},
    ops::AddAssign,
    path::PathBuf,
    time::Duration,
};

use crate::say::{result, say};

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The command ended by itself, with this code.
    Exited(i32),
    /// The kernel gave up, or the machine did: no word from the init.
    Died(String),
    /// Killed, for it took too long.
    TimedOut,
}

/// A finished run.
pub(crate) struct Outcome {
    pub(crate) kernel: String,
    pub(crate) verdict: Verdict,
    pub(crate) tests: Tests,
    /// What the kernel complained about although it went on.
    pub(crate) warnings: Vec<String>,
    /// The last lines of the kernel's log, where they matter.
    pub(crate) last_words: Vec<String>,
    /// The kernel's whole log, kept if there is something to read in it.
    pub(crate) log: Option<PathBuf>,
    pub(crate) took: Duration,
}

/// Counted from the lines `test result: …` of libtest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tests {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl Tests {
    /// Takes in one line of output.
    pub(crate) fn count(&mut self, line: &str) {
        let Some((_, summary)) = line.split_once("test result: ") else { return };
        for part in summary.split([';', '.']) {
            let mut words = part.split_whitespace();
            match (words.next().and_then(|number| number.parse::<u32>().ok()), words.next()) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

impl AddAssign for Tests {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
    }
}

impl Display for Tests {
    fn fmt(&self, to: &mut Formatter<'_>) -> std::fmt::Result {
        write!(to, "{} passed, {} failed", self.passed, self.failed)
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

/// One line for each guest, and the tests of all. A guest that did not come to its end, or that
/// counted no test, is one failed test more: it must not pass for having said nothing.
pub(crate) fn report(outcomes: &[Outcome]) -> Tests {
    let mut total = Tests::default();
    for outcome in outcomes {
        say(outcome);
        let mut tests = outcome.tests;
        let sound = match outcome.verdict {
            Verdict::Exited(0) => tests.passed > 0 && tests.failed == 0,
            Verdict::Exited(_) => tests.failed > 0,
            _ => false,
        };
        if !sound {
            tests.failed += 1;
        }
        result(format_args!("guest {}: {tests}", outcome.kernel));
        total += tests;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::Tests;

    #[test]
    fn summaries_are_added_up() {
        let mut tests = Tests::default();
        tests.count("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s");
        tests.count(
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        tests.count("test passed ... ok");
        assert_eq!(tests, Tests { passed: 13, failed: 2 });
    }
}
