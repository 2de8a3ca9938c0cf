//! Tests that can't run on this machine: they are told apart from those that fail, and counted.

use std::fmt::{self, Display};

use anyhow::Result;
use libtest_mimic::{Completion, Failed};

/// Reason why a test can't run here, as an error.
#[derive(Debug)]
pub(crate) struct Skip(String);

impl Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Skips a test that lacks something; `why` names it.
pub(crate) fn skip<T>(why: impl Display) -> Result<T> {
    Err(Skip(why.to_string()).into())
}

/// Returns the end of a test in the form that the harness expects.
pub(crate) fn completion(done: Result<()>) -> Result<Completion, Failed> {
    match done {
        Ok(()) => Ok(Completion::Completed),
        Err(error) => match error.downcast_ref::<Skip>() {
            // One line, because the harness prints it after the test's name.
            Some(Skip(why)) => Ok(Completion::ignored_with(why.replace('\n', " "))),
            None => Err(format!("{error:#}").into()),
        },
    }
}
