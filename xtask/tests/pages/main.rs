//! The pages for people: each link leads somewhere, the README is short and leads to every page of
//! `docs/`, and each of these begins with what it answers.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod links;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that have pages.
const FOLDERS: [&str; 2] = ["", "docs"];

/// Lines of the README at most: a reader gets to its end.
const README: usize = 180;

/// What follows the title of a page of `docs/`.
const ANSWERS: &str = "**Answers:** ";

/// The root of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each page, by its path from the root, and its text.
fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                pages.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(pages.len() > 12, "only {} pages", pages.len());
    pages
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

#[test]
fn the_readme_is_short() {
    let lines = readme().lines().count();
    assert!(lines <= README, "{lines} lines: what not everybody needs belongs to docs/");
}

#[test]
fn the_readme_leads_to_every_page() {
    let readme = readme();
    let is_linked = |name: &str| readme.contains(&format!("]({name})"));
    let pages = pages();
    let docs = pages.iter().map(|(name, _)| name).filter(|name| name.starts_with("docs/"));
    let missing: Vec<_> = docs.filter(|name| !is_linked(name)).collect();
    assert!(missing.is_empty(), "the README has no link to {missing:?}");
}

/// Whether a page has what it answers below its title, as questions.
fn begins_with_questions(text: &str) -> bool {
    let mut lines = text.lines().skip_while(|line| line.starts_with("# ") || line.is_empty());
    let first: String = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    first.starts_with(ANSWERS) && first.trim_end().ends_with('?')
}

#[test]
fn each_page_begins_with_what_it_answers() {
    let pages = pages();
    let docs = pages.iter().filter(|(name, _)| name.starts_with("docs/"));
    let others: Vec<_> =
        docs.filter(|(_, text)| !begins_with_questions(text)).map(|(name, _)| name).collect();
    assert!(others.is_empty(), "no paragraph `{ANSWERS}…?` below the title: {others:?}");
}

#[test]
fn what_a_page_answers_is_told_from_other_beginnings() {
    assert!(begins_with_questions("# Title\n\n**Answers:** Who? And\nwhy?\n\nText.\n"));
    assert!(!begins_with_questions("# Title\n\n**Answers:** All of it.\n\nWho?\n"));
    assert!(!begins_with_questions("# Title\n\nText.\n\n**Answers:** Who?\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let (mut count, mut broken) = (0, Vec::new());
    for (name, text) in &pages {
        for link in links::of(text) {
            count += 1;
            if !links::leads_somewhere(&root(), name, &link) {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    assert!(count > 100, "only {count} links were found");
}
