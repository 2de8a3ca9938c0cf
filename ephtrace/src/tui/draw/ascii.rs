//! The view where the locale has no UTF-8: each character that is not of ASCII has one that stands
//! for it, as wide.

use ratatui::buffer::Buffer;

/// Where Braille patterns begin; the offset from there has a bit for each dot.
const BRAILLE: u32 = 0x2800;

/// Dots of the upper two lines of four.
const UPPER: u32 = 0b0001_1011;

/// Replaces them all.
pub(super) fn only(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let stands = cell.symbol().chars().next().map_or(' ', stand_in);
            cell.set_char(stands);
        }
    }
}

fn stand_in(c: char) -> char {
    match c {
        '\u{2800}'..='\u{28ff}' => dots(u32::from(c) - BRAILLE),
        '▁' | '▂' => '_',
        '▅' | '▆' => '=',
        '▇' | '█' => '#',
        '×' => 'x',
        '▃' | '▄' | '–' | '−' | '─' => '-',
        '│' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' => '+',
        '…' => '~',
        '½' => 'h',
        '→' => '>',
        'µ' => 'u',
        '·' => '.',
        '•' | '●' => '*',
        _ => '?',
    }
}

/// Dots in the upper half, in the lower, in both; many of them.
fn dots(bits: u32) -> char {
    match (bits & UPPER, bits & !UPPER, bits.count_ones()) {
        (0, 0, _) => ' ',
        (_, _, 5..) => '#',
        (_, 0, _) => '\'',
        (0, _, _) => '.',
        _ => ':',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn each_has_one_of_the_same_width() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 13, 1));
        buffer.set_string(0, 0, "⠁⢀⡁⣿⠀▁█×–½é日", ratatui::style::Style::new());
        only(&mut buffer);
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(text, "'.:# _#x-h?? ");
    }
}
