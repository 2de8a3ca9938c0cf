//! Progress lines on stderr: the present task, its reason, and choices.
//!
//! Nothing else in xtask prints for people. Results (test output, a command's output) go through
//! [`result`], on stdout.

use std::{fmt::Display, io::Write};

/// Prints one line of progress.
pub(crate) fn say(message: impl Display) {
    line(&mut std::io::stderr(), format_args!("xtask: {message}"));
}

/// Prints the error that ends the run, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    line(&mut std::io::stderr(), format_args!("xtask: error: {error:#}"));
}

/// Prints one line of the requested result, on stdout.
pub(crate) fn result(message: impl Display) {
    line(&mut std::io::stdout(), message);
}

/// Writes one whole line. A closed pipe has no reader left, so failing to write is no error.
fn line(to: &mut dyn Write, message: impl Display) {
    let _nobody_listens = to.write_all(format!("{message}\n").as_bytes());
}
