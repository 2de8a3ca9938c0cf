//! Errors of the command line.

use thiserror::Error;

use crate::{kernel::filter::TooManyValues, model::escape::escape_for_terminal as escape};

/// An error of the command line: exit code 2.
///
/// The text names the flag, what is wrong with it, and what to do.
#[derive(Debug, Error)]
pub enum UsageError {
    /// A value does not have the form that its flag takes.
    #[error("invalid value '{}' for '{flag}': {}", escape(value), escape(reason))]
    Value {
        /// The flag, with its dashes.
        flag: &'static str,
        /// The given value.
        value: String,
        /// Expected form, or the problem with the value.
        reason: String,
    },
    /// A filter has more values than the kernel half compares.
    #[error(transparent)]
    TooMany(#[from] TooManyValues),
    /// There is no terminal to draw on.
    #[error("top needs a terminal, and stdout is not a TTY; `ephtrace trace` writes lines instead")]
    NoTerminal,
    /// There is one that can't move its cursor.
    #[error(
        "top can't draw on this terminal: TERM is 'dumb'; set TERM to what the terminal is, such \
         as xterm-256color, or use `ephtrace trace`, which writes lines instead"
    )]
    DumbTerminal,
    /// A name that does not exist on this machine.
    #[error("invalid value '{}' for '{flag}': {}; {advice}", escape(name), escape(reason))]
    Unknown {
        /// The flag, with its dashes.
        flag: &'static str,
        /// The given name.
        name: String,
        /// Reason why it does not exist.
        reason: String,
        /// Remedy.
        advice: String,
    },
}
