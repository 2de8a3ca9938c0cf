//! Where pictures for people are drawn: whether at all, how wide, and whether in colour.

use std::{
    env,
    ffi::OsString,
    io::IsTerminal,
    os::fd::AsFd,
    sync::atomic::{AtomicU8, Ordering},
};

use terminal_size::{Width, terminal_size_of};

use super::summary::plots;

/// When to draw, and when to colour.
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
    /// What `out` offers, if anything is to be drawn there. Dots are Braille patterns, which other
    /// character sets than UTF-8 lack.
    pub fn of(out: &(impl AsFd + IsTerminal), plot: Plot) -> Option<Self> {
        let draws = match plot {
            Plot::Auto => out.is_terminal() && has_utf8(),
            Plot::Always => true,
            Plot::Never => false,
        };
        let size = terminal_size_of(out).filter(|(Width(width), _)| *width > 0);
        draws.then(|| Self {
            width: size.map_or(plots::DEFAULT_WIDTH, |(Width(width), _)| width),
            colour: shows_colour(out),
        })
    }
}

/// Value of `--color`, set once, before anything is written: 0 auto, 1 always, 2 never.
static COLOUR: AtomicU8 = AtomicU8::new(0);

/// Says when to colour, from now on.
pub fn set_colour(when: Plot) {
    let number = match when {
        Plot::Auto => 0,
        Plot::Always => 1,
        Plot::Never => 2,
    };
    COLOUR.store(number, Ordering::Relaxed);
}

/// Whether what is written to `out` is coloured.
pub fn shows_colour(out: &impl IsTerminal) -> bool {
    match COLOUR.load(Ordering::Relaxed) {
        0 => out.is_terminal() && has_colour(),
        colour => colour == 1,
    }
}

/// Whether a view that has the terminal to itself is coloured.
pub(crate) fn wants_colour() -> bool {
    match COLOUR.load(Ordering::Relaxed) {
        0 => has_colour(),
        colour => colour == 1,
    }
}

/// Whether a view that has the terminal to itself may draw with all of Unicode.
pub(crate) fn shows_utf8() -> bool {
    has_utf8()
}

/// <https://no-color.org>, and terminals that have none.
fn has_colour() -> bool {
    set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}

fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Whether the locale has UTF-8. Without a locale it is that of C, which has ASCII.
fn has_utf8() -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    is_utf8(names.into_iter().find_map(set))
}

fn is_utf8(locale: Option<OsString>) -> bool {
    let locale = locale.map(|locale| locale.to_string_lossy().to_ascii_lowercase());
    locale.is_some_and(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_with_utf8() {
        for (locale, is) in
            [("de_DE.UTF-8", true), ("C.utf8", true), ("C", false), ("de_DE@euro", false)]
        {
            assert_eq!(is_utf8(Some(locale.into())), is, "{locale}");
        }
        assert!(!is_utf8(None));
    }
}
