//! Where pictures for people are drawn: whether at all, how wide, and whether in colour.

use std::{env, io::IsTerminal, os::fd::AsFd};

use terminal_size::{Width, terminal_size_of};

use super::summary::plots;

/// When to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plot {
    /// On a terminal.
    #[default]
    Auto,
    /// Into pipes and files, too.
    Always,
    /// Not at all.
    Never,
}

/// A place to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns.
    pub width: u16,
    /// Whether it shows colours.
    pub colour: bool,
}

impl Screen {
    /// What `out` offers, if anything is to be drawn there.
    pub fn of(out: &(impl AsFd + IsTerminal), plot: Plot) -> Option<Self> {
        let is_terminal = out.is_terminal();
        let draws = match plot {
            Plot::Auto => is_terminal,
            Plot::Always => true,
            Plot::Never => false,
        };
        let size = terminal_size_of(out).filter(|(Width(width), _)| *width > 0);
        draws.then(|| Self {
            width: size.map_or(plots::DEFAULT_WIDTH, |(Width(width), _)| width),
            colour: is_terminal && wants_colour(),
        })
    }
}

/// <https://no-color.org>, and terminals that have none.
pub(crate) fn wants_colour() -> bool {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}
