//! Writes a buffer as text, with or without escape codes for colours.
//!
//! Supports only what the plots use: the eight colours, their bright forms, and bold.

use std::fmt::{self, Write};

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

/// Look of a cell: SGR number of its colour, and true if it is bold.
type Attributes = (Option<u8>, bool);

const PLAIN: Attributes = (None, false);

/// Writes each row of `buffer` as a line, without trailing blanks.
pub(crate) fn write(buffer: &Buffer, colour: bool, out: &mut impl Write) -> fmt::Result {
    for row in buffer.content.chunks(usize::from(buffer.area.width).max(1)) {
        let end = row.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
        write_row(&row[..end], colour, out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn write_row(row: &[Cell], colour: bool, out: &mut impl Write) -> fmt::Result {
    let mut now = PLAIN;
    for cell in row {
        let wanted = if colour && !is_blank(cell) { look(cell) } else { now };
        if wanted != now {
            change(now, wanted, out)?;
            now = wanted;
        }
        out.write_str(cell.symbol())?;
    }
    if now == PLAIN { Ok(()) } else { out.write_str("\x1b[0m") }
}

fn change(from: Attributes, (colour, bold): Attributes, out: &mut impl Write) -> fmt::Result {
    if from != PLAIN {
        out.write_str("\x1b[0m")?;
    }
    if bold {
        out.write_str("\x1b[1m")?;
    }
    colour.map_or(Ok(()), |number| write!(out, "\x1b[{number}m"))
}

/// Returns true for a blank, which looks the same in every colour.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " "
}

fn look(cell: &Cell) -> Attributes {
    let number = match cell.fg {
        Color::Red => Some(31),
        Color::Green => Some(32),
        Color::Yellow => Some(33),
        Color::Blue => Some(34),
        Color::Magenta => Some(35),
        Color::Cyan => Some(36),
        Color::Gray => Some(37),
        Color::DarkGray => Some(90),
        Color::LightBlue => Some(94),
        _ => None,
    };
    (number, cell.modifier.contains(Modifier::BOLD))
}

#[cfg(test)]
mod tests {
    use ratatui::{layout::Rect, style::Style};

    use super::*;

    fn text(colour: bool) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 2));
        buffer.set_string(0, 0, "a b", Style::new().fg(Color::Red));
        buffer.set_string(3, 0, "c", Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
        buffer.set_string(4, 0, "d", Style::new());
        let mut text = String::new();
        write(&buffer, colour, &mut text).unwrap();
        text
    }

    #[test]
    fn without_colour_no_escape_codes() {
        assert_eq!(text(false), "a bcd\n\n");
    }

    #[test]
    fn changes_colour_only_where_it_does() {
        assert_eq!(text(true), "\x1b[31ma b\x1b[0m\x1b[1m\x1b[31mc\x1b[0md\n\n");
    }
}
