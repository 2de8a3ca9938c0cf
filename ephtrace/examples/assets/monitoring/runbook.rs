//! The words of an alert: its section of the runbook in docs/always-on.md.

use anyhow::{Context as _, Result, ensure};

const PAGE: &str = include_str!("../../../../docs/always-on.md");

/// Page that an alert leads to.
const PATH: &str = "docs/always-on.md";

/// Text of a section.
pub(crate) struct Section {
    /// The first paragraph: the meaning.
    pub(crate) meaning: String,
    /// The items of the list: what to do.
    pub(crate) remedies: Vec<String>,
    /// The section's address.
    pub(crate) url: String,
}

impl Section {
    /// Reads the section with this heading.
    pub(crate) fn of(heading: &str) -> Result<Self> {
        let lacks = || format!("{PATH} has no section `### {heading}` with a text and a list");
        let (_, rest) = PAGE.split_once(&format!("\n### {heading}\n")).with_context(lacks)?;
        let section = rest.split("\n#").next().unwrap_or_default();
        let meaning = section.split("\n\n").next().unwrap_or_default();
        let remedies = section.lines().filter_map(|line| line.strip_prefix("- "));
        let remedies: Vec<String> = remedies.map(plain).collect();
        ensure!(meaning.ends_with('.') && !remedies.is_empty(), lacks());
        Ok(Self {
            meaning: plain(meaning),
            remedies,
            url: format!("{PATH}#{}", heading.to_lowercase()),
        })
    }

    /// The meaning, up to its first colon or stop.
    pub(crate) fn headline(&self) -> &str {
        let end = self.meaning.find([':', '.']).unwrap_or(self.meaning.len());
        self.meaning.get(..end).unwrap_or_default()
    }
}

/// Returns a text without marks of Markdown, in one line.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.trim();
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let (name, after) = link.split_once(']').unwrap_or((link, ""));
        plain.push_str(name);
        let target = after.strip_prefix('(').and_then(|after| after.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    plain.push_str(rest);
    plain.replace('`', "").replace('\n', " ")
}
