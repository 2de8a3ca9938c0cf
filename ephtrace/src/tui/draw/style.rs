//! Styles that all parts of the view share, and text made safe.

use ratatui::style::{Color, Modifier, Style};

use crate::output::escape::printable;
pub(super) use crate::output::summary::plots::hues::QUIET;

pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const ALARM: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
pub(super) const CURSOR: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Returns text from outside with escapes for everything that a terminal would not show as it is.
pub(super) fn safe(text: &str) -> String {
    let mut safe = Vec::new();
    printable(&mut safe, text);
    String::from_utf8_lossy(&safe).into_owned()
}
