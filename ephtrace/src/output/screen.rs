//! Settings of pictures for people: whether to draw, how wide, and whether in colour.

use std::{
    env,
    ffi::OsString,
    io::IsTerminal,
    os::fd::AsFd,
    sync::atomic::{AtomicU8, Ordering},
};

use terminal_size::{Width, terminal_size_of};

use super::summary::plots;

/// Setting for drawing and for colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plot {
    /// On a terminal.
    #[default]
    Auto,
    /// Also in pipes and files.
    Always,
    /// Never.
    Never,
}

/// An area to draw in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Number of columns.
    pub width: u16,
    /// True if it shows colours.
    pub colour: bool,
}

impl Screen {
    /// Returns the screen of `out`, if pictures are to be drawn there. Dots are Braille patterns,
    /// which only UTF-8 has.
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

/// Value of `--color`, set once, before any output: 0 auto, 1 always, 2 never.
static COLOUR: AtomicU8 = AtomicU8::new(0);

/// Sets when to use colours, from now on.
pub fn set_colour(when: Plot) {
    let number = match when {
        Plot::Auto => 0,
        Plot::Always => 1,
        Plot::Never => 2,
    };
    COLOUR.store(number, Ordering::Relaxed);
}

/// Returns true if output to `out` is coloured.
pub fn shows_colour(out: &impl IsTerminal) -> bool {
    match COLOUR.load(Ordering::Relaxed) {
        0 => out.is_terminal() && has_colour(),
        colour => colour == 1,
    }
}

/// Returns true if a view that has the terminal to itself is coloured.
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

/// Returns false if the user wants no colours (<https://no-color.org>) or the terminal has none.
fn has_colour() -> bool {
    set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}

fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns true if the locale uses UTF-8. The default locale is C, which uses ASCII.
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
