//! The committed figures as tables of docs/performance.md.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    super::document::{grouped, signed},
    figures::{Figures, Row},
    runs::UNTRACED,
};

/// Document with the tables, and the lines around them.
pub(super) const DOCUMENT: &str = "docs/performance.md";
pub(super) const BEGIN: &str = "<!-- printed by `cargo xtask bench --instructions --write` -->";
pub(super) const END: &str = "<!-- end of instructions -->";

/// Formats Markdown tables: one for each load, and one without connects.
pub(super) fn render(figures: &Figures) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "Linux {}, {}, {}.",
        figures.kernel,
        figures.emulator.replace("emulator ", ""),
        figures.compiler
    )?;
    let mut loads: Vec<&str> = Vec::new();
    for row in &figures.rows {
        if !loads.contains(&row.load.as_str()) {
            loads.push(&row.load);
        }
    }
    for load in loads {
        let rows: Vec<_> = figures.rows.iter().filter(|row| row.load == load).collect();
        table(&mut text, load, &rows)?;
    }
    if !figures.idle.is_empty() {
        writeln!(text, "\n| nothing connects | instructions a second |\n|---|--:|")?;
        for idle in &figures.idle {
            writeln!(text, "| {} | {} |", idle.tracer, signed(idle.added_a_second))?;
        }
    }
    Ok(text)
}

fn table(text: &mut String, load: &str, rows: &[&Row]) -> Result<()> {
    writeln!(
        text,
        "\n| {load} | `connect()` p10 | p50 | p90 | all of it | added to `connect()` | in all |"
    )?;
    writeln!(text, "|---|--:|--:|--:|--:|--:|--:|")?;
    for row in rows {
        let [p10, p50, p90, all] = [row.p10, row.p50, row.p90, row.all].map(grouped);
        let added = |instructions| {
            if row.tracer == UNTRACED { String::new() } else { signed(instructions) }
        };
        let (connect, whole) = (added(row.added_connect), added(row.added_all));
        let name = &row.tracer;
        writeln!(text, "| {name} | {p10} | {p50} | {p90} | {all} | {connect} | {whole} |")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::super::document, *};

    #[test]
    fn the_document_has_the_lines() {
        assert!(document::has(DOCUMENT, (BEGIN, END)));
    }
}
