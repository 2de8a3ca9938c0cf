//! Aligned columns.

use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};

use super::{figures::cut, style::STRONG};
use crate::output::width::{Left, Right};

/// Heading of the column of containers, shown if there are any.
pub(super) const CONTAINER: &str = "CONTAINER";

/// Width of a container's short id.
pub(super) const CONTAINER_WIDTH: u16 = 12;

/// Heading of pods.
pub(super) const POD: &str = "POD";

/// Width of a pod and its namespace; longer ones are cut.
pub(super) const POD_WIDTH: u16 = 24;

/// One column.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) width: u16,
    pub(super) right: bool,
    /// Width of the narrowest view that shows it.
    pub(super) from: u16,
}

impl Column {
    pub(super) const fn left(title: &'static str, width: u16) -> Self {
        Self { title, width, right: false, from: 0 }
    }

    pub(super) const fn right(title: &'static str, width: u16) -> Self {
        Self { title, width, right: true, from: 0 }
    }

    /// Restricts the column to views of this width or more.
    pub(super) const fn from(self, from: u16) -> Self {
        Self { from, ..self }
    }
}

/// Text of one column in one line.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, style: Style::new() }
    }
}

impl Cell {
    pub(super) fn styled(text: String, style: Style) -> Self {
        Self { text, style }
    }
}

/// Returns those of `items`, one for each column, whose column is shown in a view of this width.
pub(super) fn shown<T>(
    columns: &[Column],
    width: u16,
    items: impl IntoIterator<Item = T>,
) -> Vec<T> {
    let all = columns.iter().zip(items);
    all.filter(|(column, _)| width >= column.from).map(|(_, item)| item).collect()
}

/// Returns one line: each text in its column, cut if necessary.
pub(super) fn line(columns: &[Column], cells: Vec<Cell>) -> Line<'static> {
    let mut line = Line::default();
    for (n, (column, Cell { text, style })) in columns.iter().zip(cells).enumerate() {
        if n > 0 {
            line.push_span(Span::raw(" "));
        }
        let width = usize::from(column.width);
        let text = cut(&text, width);
        let text = if column.right {
            Right(&text, width).to_string()
        } else {
            Left(&text, width).to_string()
        };
        line.push_span(Span::styled(text, style));
    }
    line
}

/// Returns the headings; that of the sort column is underlined.
pub(super) fn heading(columns: &[Column], sorted: &str) -> Line<'static> {
    let cells = columns.iter().map(|column| {
        let is_sorted = column.title == sorted;
        let style = if is_sorted { STRONG.add_modifier(Modifier::UNDERLINED) } else { STRONG };
        Cell::styled(column.title.to_owned(), style)
    });
    line(columns, cells.collect())
}

/// Describes the sort order in words.
pub(super) fn sorted(title: &str, reversed: bool) -> String {
    format!("by {title}{}", if reversed { ", reversed" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_keep_the_grid() {
        let columns = [Column::left("A", 6), Column::right("B", 5), Column::left("C", 2)];
        let cells = |a: &str, b: &str| [a, b, "c"].map(|text| Cell::from(text.to_owned()));
        let widths = |a, b| {
            let line = line(&columns, cells(a, b).into());
            line.spans.iter().map(Span::width).collect::<Vec<_>>()
        };
        assert_eq!(widths("ab", "12"), [6, 1, 5, 1, 2]);
        assert_eq!(widths("日本", "語"), [6, 1, 5, 1, 2]);
        assert_eq!(widths("日本語日本語", "日本語"), [6, 1, 5, 1, 2]);
    }
}
