//! A screen as `tmux capture-pane -e` prints it: lines of text, colours as escape sequences.

use anyhow::{Context as _, Result, bail};

/// How a character looks.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// One of the sixteen colours of a terminal, or the terminal's own.
    pub(super) ink: Option<u8>,
    pub(super) paper: Option<u8>,
    pub(super) is_bold: bool,
    pub(super) is_dim: bool,
    pub(super) is_underlined: bool,
    pub(super) is_reversed: bool,
}

/// One character of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) character: char,
    pub(super) style: Style,
}

/// The lines of a screen. An escape sequence that no picture needs so far is an error, as it may
/// change what is seen.
pub(super) fn read(text: &str) -> Result<Vec<Vec<Cell>>> {
    let mut style = Style::default();
    text.lines().map(|line| read_line(line, &mut style)).collect()
}

fn read_line(line: &str, style: &mut Style) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    let mut rest = line;
    while let Some((before, sequence)) = rest.split_once('\x1b') {
        cells.extend(before.chars().map(|character| Cell { character, style: *style }));
        let (numbers, after) = sequence
            .strip_prefix('[')
            .and_then(|sequence| sequence.split_once('m'))
            .with_context(|| format!("no sequence for a style: {sequence:?}"))?;
        style.change(numbers).with_context(|| format!("a style that no picture has: {numbers}"))?;
        rest = after;
    }
    cells.extend(rest.chars().map(|character| Cell { character, style: *style }));
    Ok(cells)
}

impl Style {
    /// Does what the numbers of a sequence say.
    fn change(&mut self, numbers: &str) -> Result<()> {
        let number = |text: &str| if text.is_empty() { Ok(0) } else { text.parse() };
        let codes: Vec<u8> = numbers.split(';').map(number).collect::<Result<_, _>>()?;
        let mut rest = &codes[..];
        while let &[code, ref others @ ..] = rest {
            rest = match (code, others) {
                // The first sixteen of 256 colours are those that have a name.
                (38, &[5, colour @ 0..=15, ref others @ ..]) => {
                    self.ink = Some(colour);
                    others
                }
                (48, &[5, colour @ 0..=15, ref others @ ..]) => {
                    self.paper = Some(colour);
                    others
                }
                _ => {
                    self.change_one(code)?;
                    others
                }
            };
        }
        Ok(())
    }

    fn change_one(&mut self, code: u8) -> Result<()> {
        match code {
            0 => *self = Self::default(),
            1 => self.is_bold = true,
            2 => self.is_dim = true,
            4 => self.is_underlined = true,
            7 => self.is_reversed = true,
            22 => (self.is_bold, self.is_dim) = (false, false),
            24 => self.is_underlined = false,
            27 => self.is_reversed = false,
            30..=37 => self.ink = Some(code - 30),
            39 => self.ink = None,
            40..=47 => self.paper = Some(code - 40),
            49 => self.paper = None,
            90..=97 => self.ink = Some(code - 90 + 8),
            100..=107 => self.paper = Some(code - 100 + 8),
            _ => bail!("{code}"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inks(line: &[Cell]) -> Vec<(char, Option<u8>)> {
        line.iter().map(|cell| (cell.character, cell.style.ink)).collect()
    }

    #[test]
    fn styles_hold_until_they_change_also_in_the_next_line() {
        let lines = read("a\x1b[31mb\x1b[1m\nc\x1b[39md\x1b[38;5;8me\x1b[mf").unwrap();
        assert_eq!(inks(&lines[0]), [('a', None), ('b', Some(1))]);
        assert_eq!(inks(&lines[1]), [('c', Some(1)), ('d', None), ('e', Some(8)), ('f', None)]);
        let bold: Vec<bool> = lines[1].iter().map(|cell| cell.style.is_bold).collect();
        assert_eq!(bold, [true, true, true, false]);
    }

    #[test]
    fn what_would_be_drawn_wrongly_is_an_error() {
        assert!(read("\x1b[5mblinks").is_err());
        assert!(read("\x1b[38;5;200mrare").is_err());
        assert!(read("\x1b[2Jclears").is_err());
        assert!(read("\x1b]0;title\x07").is_err());
    }
}
