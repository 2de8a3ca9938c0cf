//! A screen as SVG: text as text, plots and bars as shapes, so that no font moves them.
//!
//! The picture has a paper of its own, like a terminal, and so is the same on light and dark pages.

use std::fmt::Write as _;

use super::screen::{Cell, Style};

/// Width and height of a character, in pixels.
const CELL: (f64, f64) = (8.4, 17.0);
/// Around the screen.
const MARGIN: f64 = 14.0;

const FONTS: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";

const PAPER: &str = "#161b22";
const INK: &str = "#d1d7e0";

/// The colour that a terminal's own becomes where it is dim.
const DIM: usize = 8;

/// The sixteen colours of a terminal.
const COLOURS: [&str; 16] = [
    "#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
    "#8b949e", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#f0f6fc",
];

/// How far up the baseline of a text is, as a share of a line.
const DESCENT: f64 = 0.26;

/// The dots of a Braille character by the bits of its number: column and row.
const DOTS: [(f64, f64); 8] = [
    (0.0, 0.0),
    (0.0, 1.0),
    (0.0, 2.0),
    (1.0, 0.0),
    (1.0, 1.0),
    (1.0, 2.0),
    (0.0, 3.0),
    (1.0, 3.0),
];

/// The picture of a screen that is so many characters wide.
pub(super) fn picture(lines: &[Vec<Cell>], columns: usize, title: &str) -> String {
    let (width, height) = (real(columns) * CELL.0, real(lines.len()) * CELL.1);
    let (outer_width, outer_height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{outer_width:.0}\" \
         height=\"{outer_height:.0}\" viewBox=\"0 0 {outer_width:.1} {outer_height:.1}\">\n\
         <title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"{FONTS}\" transform=\"translate({MARGIN} {MARGIN})\" font-size=\"14\">\n",
        escaped(title)
    );
    for (line, cells) in lines.iter().enumerate() {
        for (first, run) in runs(cells) {
            draw(&mut svg, (first, line), run);
        }
    }
    svg + "</g>\n</svg>\n"
}

/// Neighbours that look the same and are drawn in the same manner, each with its first column.
fn runs(cells: &[Cell]) -> impl Iterator<Item = (usize, &[Cell])> {
    let same = |a: &Cell, b: &Cell| {
        a.style == b.style && Manner::of(a.character) == Manner::of(b.character)
    };
    let mut first = 0;
    cells.chunk_by(same).map(move |run| {
        let begin = first;
        first += run.len();
        (begin, run)
    })
}

/// How a character is drawn.
#[derive(PartialEq, Eq)]
enum Manner {
    Text,
    Dots,
    Bar,
    Line,
}

impl Manner {
    fn of(character: char) -> Self {
        match character {
            '\u{2800}'..='\u{28ff}' => Self::Dots,
            '█' | '▁'..='▇' | '▉'..='▏' => Self::Bar,
            '─' | '│' | '└' => Self::Line,
            _ => Self::Text,
        }
    }
}

fn draw(svg: &mut String, at: (usize, usize), run: &[Cell]) {
    let Some(first) = run.first() else { return };
    let (x, y) = (real(at.0) * CELL.0, real(at.1) * CELL.1);
    let width = real(run.len()) * CELL.0;
    let (ink, paper) = colours(first.style);
    if let Some(paper) = paper {
        let (high, place) = (CELL.1, format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\""));
        element(
            svg,
            &format!(
                "<rect {place} height=\"{high}\" fill=\"{paper}\" \
             shape-rendering=\"crispEdges\"/>"
            ),
        );
    }
    let places = run.iter().zip(at.0..).map(|(cell, column)| (cell.character, column));
    match Manner::of(first.character) {
        Manner::Text => text(svg, at, run, ink),
        Manner::Dots => {
            let path: String = places.map(|(dots, column)| dots_at(dots, column, at.1)).collect();
            element(
                svg,
                &format!(
                    "<path d=\"{path}\" stroke=\"{ink}\" stroke-width=\"2.6\" \
                     stroke-linecap=\"round\"/>"
                ),
            );
        }
        Manner::Line => {
            let path: String = places.map(|(line, column)| line_at(line, column, at.1)).collect();
            element(svg, &format!("<path d=\"{path}\" stroke=\"{ink}\" fill=\"none\"/>"));
        }
        Manner::Bar => {
            let path: String = places.map(|(bar, column)| bar_at(bar, column, at.1)).collect();
            element(svg, &format!("<path d=\"{path}\" fill=\"{ink}\"/>"));
        }
    }
}

fn element(svg: &mut String, element: &str) {
    svg.push_str(element);
    svg.push('\n');
}

/// Text, in pieces that have no two blanks in a row: a reader of SVG may make one of them.
fn text(svg: &mut String, at: (usize, usize), run: &[Cell], ink: &str) {
    let whole: String = run.iter().map(|cell| cell.character).collect();
    let style = run.first().map_or_else(Style::default, |cell| cell.style);
    let bold = if style.is_bold { " font-weight=\"bold\"" } else { "" };
    let line = if style.is_underlined { " text-decoration=\"underline\"" } else { "" };
    let y = (real(at.1) + 1.0 - DESCENT) * CELL.1;
    let mut column = at.0;
    for piece in whole.split("  ") {
        let shown = piece.trim();
        let x = real(column + piece.len() - piece.trim_start().len()) * CELL.0;
        column += piece.chars().count() + 2;
        if shown.is_empty() {
            continue;
        }
        // No font is as wide as a character of the screen.
        let place = format!("x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{:.1}\"", width_of(shown));
        let shown = escaped(shown);
        element(svg, &format!("<text {place} fill=\"{ink}\"{bold}{line}>{shown}</text>"));
    }
}

fn width_of(text: &str) -> f64 {
    real(text.chars().count()) * CELL.0
}

/// A dot for each one of a Braille character, as a line of no length with round ends.
fn dots_at(character: char, column: usize, line: usize) -> String {
    let bits = u32::from(character) - 0x2800;
    let mut path = String::new();
    for (bit, (right, down)) in DOTS.iter().enumerate() {
        if bits >> bit & 1 == 1 {
            let x = (real(column) + 0.25 + right / 2.0) * CELL.0;
            let y = (real(line) + 0.125 + down / 4.0) * CELL.1;
            // Writing to a text does not fail.
            let _ = write!(path, "M{x:.1} {y:.1}h0");
        }
    }
    path
}

fn line_at(character: char, column: usize, line: usize) -> String {
    let (left, top) = (real(column) * CELL.0, real(line) * CELL.1);
    let (x, y) = (left + CELL.0 / 2.0, top + CELL.1 / 2.0);
    let (right, bottom) = (left + CELL.0, top + CELL.1);
    match character {
        '─' => format!("M{left:.1} {y:.1}H{right:.1}"),
        '│' => format!("M{x:.1} {top:.1}V{bottom:.1}"),
        _ => format!("M{x:.1} {top:.1}V{y:.1}H{right:.1}"),
    }
}

/// A bar from the left, or from below, some eighths of a character wide or high.
fn bar_at(character: char, column: usize, line: usize) -> String {
    let eighths = |of: char| f64::from(u32::from(character).abs_diff(u32::from(of))) / 8.0;
    let (wide, high) = match character {
        '▁'..='▇' => (1.0, eighths('▀')),
        '▉'..='▏' => (eighths('▐'), 1.0),
        _ => (1.0, 1.0),
    };
    let (x, y) = (real(column) * CELL.0, (real(line) + 1.0 - high) * CELL.1);
    format!("M{x:.1} {y:.1}h{:.1}v{:.1}h{:.1}z", wide * CELL.0, high * CELL.1, -wide * CELL.0)
}

/// Ink, and paper where it is not that of the whole.
fn colours(style: Style) -> (&'static str, Option<&'static str>) {
    let named = |number: u8| COLOURS[usize::from(number % 16)];
    let own = if style.is_dim { COLOURS[DIM] } else { INK };
    let ink = style.ink.map_or(own, named);
    let paper = style.paper.map(named);
    if style.is_reversed { (paper.unwrap_or(PAPER), Some(ink)) } else { (ink, paper) }
}

/// Numbers of characters are small.
fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::screen;

    fn drawn(text: &str) -> String {
        picture(&screen::read(text).unwrap(), 10, "a & b")
    }

    #[test]
    fn text_stays_text_in_its_colour_and_place() {
        let svg = drawn("  x<y   z\x1b[31mred");
        assert!(svg.contains("<title>a &amp; b</title>"), "{svg}");
        let text = "<text x=\"16.8\" y=\"12.6\" textLength=\"25.2\" fill=\"#d1d7e0\">x&lt;y</text>";
        assert!(svg.contains(text), "{svg}");
        assert!(svg.contains("<text x=\"67.2\" y=\"12.6\" textLength=\"8.4\""), "{svg}");
        assert!(svg.contains("fill=\"#ff7b72\">red</text>"), "{svg}");
    }

    #[test]
    fn plots_and_bars_are_shapes() {
        let svg = drawn("⣀█▏▄└");
        assert!(!svg.contains("<text"), "{svg}");
        // The two lowest dots.
        assert_eq!(svg.matches("h0").count(), 2, "{svg}");
        // A whole character, an eighth of its width, and half of its height.
        let bars = "M8.4 0.0h8.4v17.0h-8.4zM16.8 0.0h1.1v17.0h-1.1zM25.2 8.5h8.4v8.5h-8.4z";
        assert!(svg.contains(bars), "{svg}");
        assert!(svg.contains("M37.8 0.0V8.5H42.0"), "{svg}");
    }

    #[test]
    fn styles_of_text_are_kept() {
        let svg = drawn("\x1b[1;4mab\x1b[22m c\x1b[24;7m[x]");
        assert!(svg.contains("font-weight=\"bold\" text-decoration=\"underline\">ab<"), "{svg}");
        assert!(svg.contains("fill=\"#d1d7e0\" text-decoration=\"underline\">c<"), "{svg}");
        assert!(svg.contains("fill=\"#161b22\">[x]<"), "{svg}");
        let dim = drawn("\x1b[2mab\x1b[22mc");
        assert!(dim.contains(&format!("fill=\"{}\">ab<", COLOURS[DIM])), "{dim}");
        assert!(dim.contains("fill=\"#d1d7e0\">c<"), "{dim}");
    }

    #[test]
    fn what_is_reversed_has_a_paper_of_its_own() {
        let svg = drawn("\x1b[7m[x]");
        assert!(svg.contains("height=\"17\" fill=\"#d1d7e0\" "), "{svg}");
        assert!(svg.contains("fill=\"#161b22\">[x]</text>"), "{svg}");
    }
}
