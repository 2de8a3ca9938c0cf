//! Why a command line can't be run.

use thiserror::Error;

use crate::{kernel::filter::TooManyValues, model::escape::escape_for_terminal as escape};

/// The command line can't be meant like this: exit code 2.
///
/// The text names the flag, what is wrong with it, and what to do.
#[derive(Debug, Error)]
pub enum UsageError {
    /// A value has not the form that its flag takes.
    #[error("invalid value '{}' for '{flag}': {}", escape(value), escape(reason))]
    Value {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What was typed.
        value: String,
        /// What was expected, or what is wrong with it.
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
    /// A name stands for nothing on this machine.
    #[error("invalid value '{}' for '{flag}': {}; {advice}", escape(name), escape(reason))]
    Unknown {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What was typed.
        name: String,
        /// Why it stands for nothing.
        reason: String,
        /// What to do.
        advice: String,
    },
}
