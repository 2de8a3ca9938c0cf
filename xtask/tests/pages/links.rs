//! Links of pages, and the headings that they may lead to.

use std::{collections::BTreeMap, fs, path::Path};

/// Where the links and pictures of a page lead to; code is left out.
pub(crate) fn of(page: &str) -> Vec<String> {
    let text = prose(page);
    let markdown = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let html = ["src=\"", "srcset=\"", "href=\""]
        .into_iter()
        .flat_map(|name| text.split(name).skip(1).filter_map(|rest| rest.split('"').next()));
    markdown.chain(html).map(str::to_owned).collect()
}

/// A page without blocks of code and code between backticks.
fn prose(page: &str) -> String {
    let mut text = String::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            text.extend(line.split('`').step_by(2));
            text.push('\n');
        }
    }
    text
}

/// Whether a link of the page `from` leads to a file that is there, and to a heading of it. What is
/// on the network is not looked up.
pub(crate) fn leads_somewhere(root: &Path, from: &str, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let page = root.join(from);
    let file = if path.is_empty() { page } else { page.parent().unwrap().join(path) };
    if anchor.is_empty() {
        return file.exists();
    }
    fs::read_to_string(file).is_ok_and(|text| anchors(&text).any(|name| name == anchor))
}

/// The anchors that GitHub gives to headings, and those that a page names itself.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    let mut is_code = false;
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !is_code && heading.len() < line.len() && heading.starts_with(' ') {
            let name = slug(heading.trim());
            let earlier = seen.entry(name.clone()).or_default();
            found.push(if *earlier == 0 { name } else { format!("{name}-{earlier}") });
            *earlier += 1;
        }
        found.extend(
            line.split("id=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned),
        );
    }
    found.into_iter()
}

/// Small letters, digits, `-` and `_` of a heading, with `-` for each blank.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter_map(|character| match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ => character.is_alphanumeric().then_some(character),
    });
    kept.collect::<String>().to_lowercase()
}

#[test]
fn links_are_found_outside_of_code() {
    let page = "[a](b.md), `[c](d.md)` ![e](f.png)\n```\n[g](h.md)\n```\n<img src=\"i.svg\">\n";
    assert_eq!(of(page), ["b.md", "f.png", "i.svg"]);
}

#[test]
fn headings_have_the_anchors_of_github() {
    let page = "# A `b` c: d, e?\n```\n# no\n```\n## Who\n## Who\n#none\n";
    assert_eq!(anchors(page).collect::<Vec<_>>(), ["a-b-c-d-e", "who", "who-1"]);
}

#[test]
fn a_link_that_leads_nowhere_is_told() {
    let root = crate::root();
    let leads = |link: &str| leads_somewhere(&root, "docs/json.md", link);
    assert!(leads("https://example.org/nowhere") && leads("#kinds") && leads("../README.md"));
    assert!(leads("storms.md#findings") && leads("images/report.png"));
    assert!(!leads("#nowhere") && !leads("nowhere.md") && !leads("storms.md#nowhere"));
    assert!(!leads("README.md") && !leads("images/nowhere.png#kinds"));
}
