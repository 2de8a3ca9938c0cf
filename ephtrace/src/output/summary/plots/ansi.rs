//! Writes a buffer as text, with or without escape codes for colours.
//!
//! Supports only what the plots use: the colours that show on every background, bold and dim.

use std::fmt::{self, Write};

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

/// Look of a cell: SGR numbers of its colour, and of bold or dim.
type Attributes = (Option<u8>, Option<u8>);

const PLAIN: Attributes = (None, None);

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

fn change(from: Attributes, (colour, weight): Attributes, out: &mut impl Write) -> fmt::Result {
    if from != PLAIN {
        out.write_str("\x1b[0m")?;
    }
    weight.into_iter().chain(colour).try_for_each(|number| write!(out, "\x1b[{number}m"))
}

/// Returns true for a blank, which looks the same in every colour.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " "
}

fn look(cell: &Cell) -> Attributes {
    let number = match cell.fg {
        Color::Red => Some(31),
        Color::Green => Some(32),
        Color::Blue => Some(34),
        Color::Magenta => Some(35),
        Color::Cyan => Some(36),
        _ => None,
    };
    let weights = [(Modifier::BOLD, 1), (Modifier::DIM, 2)];
    let weight = weights.into_iter().find(|(modifier, _)| cell.modifier.contains(*modifier));
    (number, weight.map(|(_, number)| number))
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
        buffer.set_string(5, 0, "e", Style::new().add_modifier(Modifier::DIM));
        let mut text = String::new();
        write(&buffer, colour, &mut text).unwrap();
        text
    }

    #[test]
    fn without_colour_no_escape_codes() {
        assert_eq!(text(false), "a bcde\n\n");
    }

    #[test]
    fn changes_colour_only_where_it_does() {
        assert_eq!(text(true), "\x1b[31ma b\x1b[0m\x1b[1m\x1b[31mc\x1b[0md\x1b[2me\x1b[0m\n\n");
    }
}
