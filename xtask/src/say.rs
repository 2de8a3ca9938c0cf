//! Progress lines on stderr: what is being done, why, and what was chosen.
//!
//! The only place in xtask that prints for people. Results (test output, a command's output) go
//! through [`result`], on stdout.

use std::{fmt::Display, io::Write};

/// One line of progress.
pub(crate) fn say(message: impl Display) {
    line(&mut std::io::stderr(), format_args!("xtask: {message}"));
}

/// The error that ends the run, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    line(&mut std::io::stderr(), format_args!("xtask: error: {error:#}"));
}

/// One line of what the user asked for, on stdout.
pub(crate) fn result(message: impl Display) {
    line(&mut std::io::stdout(), message);
}

/// Writes one whole line. A closed pipe has nobody left to tell, so failing to write is no error.
fn line(to: &mut dyn Write, message: impl Display) {
    let _nobody_listens = to.write_all(format!("{message}\n").as_bytes());
}
