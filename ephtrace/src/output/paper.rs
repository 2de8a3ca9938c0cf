//! Medium of text for people: its number of columns, and whether it shows colours.
//!
//! In pipes and files, nothing is dropped, broken or coloured. On a terminal, tables drop columns
//! (`output::table`), and all other lines that are too long are broken at spaces and continue
//! indented.

use std::{
    fmt::{self, Display, Formatter},
    io::IsTerminal,
    os::fd::AsFd,
};

use terminal_size::{Width, terminal_size_of};
use unicode_width::UnicodeWidthChar as _;

use super::screen::shows_colour;

/// Medium of text; by default, lines are unlimited and without colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paper {
    /// Number of columns; `None` if unlimited.
    pub columns: Option<usize>,
    /// True if it shows colours.
    pub colour: bool,
}

/// Least number of columns for which lines are broken; fewer hold no sentence.
const FEWEST_COLUMNS: usize = 40;

/// Widest label (`range       32768-60999`) below whose text a broken line continues.
const WIDEST_LABEL: usize = 18;

impl Paper {
    /// Returns the medium of `out`; with `wide`, all columns and whole lines, however narrow a
    /// terminal is.
    pub fn of(out: &(impl AsFd + IsTerminal), wide: bool) -> Self {
        let size = terminal_size_of(out).filter(|_| out.is_terminal() && !wide);
        let columns = size.map(|(Width(columns), _)| usize::from(columns));
        let columns = columns.filter(|columns| *columns > 0);
        Self { columns: columns.map(|n| n.max(FEWEST_COLUMNS)), colour: shows_colour(out) }
    }

    /// Returns true if a line of this many columns fits.
    pub(crate) fn holds(self, columns: usize) -> bool {
        self.columns.is_none_or(|all| columns <= all)
    }

    /// Returns `text` in the style of failures.
    pub(crate) fn failed<T: Display>(self, text: T) -> Styled<T> {
        Styled { text, code: self.colour.then_some("31") }
    }

    /// Returns `text` in the style of the most severe problems.
    pub(crate) fn alarm<T: Display>(self, text: T) -> Styled<T> {
        Styled { text, code: self.colour.then_some("1;31") }
    }

    /// Returns `text` in the style of a warning. Yellow is unreadable on white.
    pub(crate) fn warning<T: Display>(self, text: T) -> Styled<T> {
        Styled { text, code: self.colour.then_some("35") }
    }

    /// Breaks each line of `text` that does not fit at spaces; text between backticks, such as a
    /// command, stays in one piece if it fits a line.
    pub fn fit(self, text: &[u8]) -> Vec<u8> {
        let (Some(columns), Ok(text)) = (self.columns, std::str::from_utf8(text)) else {
            return text.to_vec();
        };
        let mut fitted = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            if shown_width(line) <= columns {
                fitted.push_str(line);
            } else {
                break_line(line, columns, &mut fitted);
            }
        }
        fitted.into_bytes()
    }
}

/// A text in a colour of the terminal's own palette, or without colour.
pub(crate) struct Styled<T> {
    text: T,
    code: Option<&'static str>,
}

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}

/// Returns the columns that `text` takes; escape codes of colours take none.
fn shown_width(text: &str) -> usize {
    let mut in_code = false;
    let columns = text.chars().map(|c| {
        let was_in_code = in_code;
        in_code = if in_code { c != 'm' } else { c == '\x1b' };
        if was_in_code || in_code { 0 } else { c.width().unwrap_or(0) }
    });
    columns.sum()
}

fn break_line(line: &str, columns: usize, fitted: &mut String) {
    let indent = indent(line).min(columns / 3);
    let mut taken = 0;
    for (gap, word) in words(line.trim_end(), columns - indent) {
        let (gap_width, word_width) = (gap.len(), shown_width(word));
        if taken > indent && taken + gap_width + word_width > columns {
            fitted.push('\n');
            fitted.extend(std::iter::repeat_n(' ', indent));
            taken = indent + word_width;
        } else {
            fitted.push_str(gap);
            taken += gap_width + word_width;
        }
        fitted.push_str(word);
    }
    fitted.push('\n');
}

/// Returns the indent of the second line: below the text of a label, else a little to the right.
fn indent(line: &str) -> usize {
    let text = line.trim_start_matches(' ');
    let before = line.len() - text.len();
    let label = text.find("  ").map(|end| {
        let gap = text[end..].len() - text[end..].trim_start_matches(' ').len();
        before + shown_width(&text[..end]) + gap
    });
    label.filter(|end| *end <= WIDEST_LABEL).unwrap_or(before + 4)
}

/// Returns the words of `line`, each with the spaces before it.
fn words(line: &str, most: usize) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let start = rest.len() - rest.trim_start_matches(' ').len();
        let (gap, text) = rest.split_at(start);
        let (word, left) = text.split_at(word_end(text, most));
        words.push((gap, word));
        rest = left;
    }
    words
}

/// Returns the end of the first word of `text`: a space that is not between backticks.
fn word_end(text: &str, most: usize) -> usize {
    let space = text.find(' ').unwrap_or(text.len());
    let mut ticks = text.match_indices('`').map(|(at, _)| at);
    let Some(first) = ticks.next().filter(|first| *first < space) else { return space };
    let close = ticks.next().unwrap_or(first);
    let end = text[close..].find(' ').map_or(text.len(), |end| close + end);
    if shown_width(&text[..end]) <= most { end.max(space) } else { space }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fitted(text: &str, columns: usize) -> String {
        let paper = Paper { columns: Some(columns), colour: true };
        String::from_utf8(paper.fit(text.as_bytes())).unwrap()
    }

    #[test]
    fn long_lines_go_on_below_their_text() {
        let text = "short\n\
            range       32768-60999: 28232 ports usable, half mark at 14116\n  \
            remedy:   raise the range with `sysctl -w net.ipv4.ip_local_port_range=\"1 2\"` now\n\
            critical: connects to 10.0.0.5:5432 fail, for there is no free port\n";
        insta::assert_snapshot!(fitted(text, 46), @r#"
        short
        range       32768-60999: 28232 ports usable,
                    half mark at 14116
          remedy:   raise the range with `sysctl -w
                    net.ipv4.ip_local_port_range="1
                    2"` now
        critical: connects to 10.0.0.5:5432 fail, for
            there is no free port
        "#);
    }

    #[test]
    fn a_colour_takes_no_room() {
        let paper = Paper { columns: Some(46), colour: true };
        let text = format!("{} {}\n", paper.alarm("critical:"), "x ".repeat(18));
        assert_eq!(fitted(&text, 46), text);
        assert_eq!(Paper::default().alarm("x").to_string(), "x");
    }

    proptest! {
        #[test]
        fn nothing_but_spaces_changes(text in "[a-z` ]{0,200}", columns in 40_usize..100) {
            let text = format!("{text}\n");
            let broken = fitted(&text, columns);
            let is_text = |c: &char| !c.is_whitespace();
            prop_assert!(broken.chars().filter(is_text).eq(text.chars().filter(is_text)));
            let room = |line: &str| line.trim_start().contains(' ');
            let is_narrow = |line: &str| shown_width(line) <= columns || !room(line);
            prop_assert!(broken.lines().all(is_narrow), "{broken}");
        }
    }
}
