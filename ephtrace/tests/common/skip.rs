//! Tests that can't be run on this machine: told apart from those that fail, and counted.

use std::fmt::{self, Display};

use anyhow::Result;
use libtest_mimic::{Completion, Failed};

/// Why a test can't be run here, as an error.
#[derive(Debug)]
pub(crate) struct Skip(String);

impl Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Ends a test that lacks something: `why` says what.
pub(crate) fn skip<T>(why: impl Display) -> Result<T> {
    Err(Skip(why.to_string()).into())
}

/// How a test ended, as the harness wants it.
pub(crate) fn completion(done: Result<()>) -> Result<Completion, Failed> {
    match done {
        Ok(()) => Ok(Completion::Completed),
        Err(error) => match error.downcast_ref::<Skip>() {
            // One line, as the harness prints it behind the test's name.
            Some(Skip(why)) => Ok(Completion::ignored_with(why.replace('\n', " "))),
            None => Err(format!("{error:#}").into()),
        },
    }
}
