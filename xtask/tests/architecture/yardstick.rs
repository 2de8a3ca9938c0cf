//! Maximum lengths of functions, files and lines, and existence of the files that are named.

use std::{collections::BTreeSet, fs, path::Path};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::sources::{self, SOURCES};

/// Maximum lines of a function, from `fn` to its last brace.
const FUNCTION: usize = 60;
/// Maximum lines of a file.
const FILE: usize = 400;
/// Maximum columns of a line.
const COLUMNS: usize = 100;

/// Folders whose pages name files.
const PAGES: [&str; 2] = [".", "docs"];
/// Extensions of the files whose names are looked up.
const ENDINGS: [&str; 8] = ["rs", "md", "toml", "json", "sh", "css", "js", "svg"];

/// Collects `(line, name, lines)` of every function in `tokens`, expected output left out.
fn functions(tokens: TokenStream, found: &mut Vec<(usize, String, usize)>) {
    let mut begun: Option<(usize, String)> = None;
    let mut after_fn = None;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "fn" => {
                after_fn = Some(ident.span().start().line);
            }
            TokenTree::Ident(ident) => {
                if let Some(line) = after_fn.take() {
                    begun = Some((line, ident.to_string()));
                }
            }
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace
                    && let Some((line, name)) = begun.take()
                {
                    let mut expected = BTreeSet::new();
                    expected_output(group.stream(), &mut expected);
                    let lines = group.span_close().end().line - line + 1;
                    found.push((line, name, lines - expected.len()));
                }
                functions(group.stream(), found);
            }
            TokenTree::Punct(punct) => {
                after_fn = None;
                if punct.as_char() == ';' {
                    begun = None;
                }
            }
            TokenTree::Literal(_) => {}
        }
    }
}

fn long_functions(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    functions(text.parse().unwrap(), &mut found);
    let long = found.into_iter().filter(|(_, _, lines)| *lines > FUNCTION);
    long.map(|(line, name, lines)| format!("{path}:{line}: {name} has {lines} lines")).collect()
}

fn long_lines(path: &str, text: &str) -> Vec<String> {
    let mut expected = BTreeSet::new();
    expected_output(text.parse().unwrap(), &mut expected);
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.chars().count()));
    let long = lines.filter(|(line, columns)| *columns > COLUMNS && !expected.contains(line));
    long.map(|(line, columns)| format!("{path}:{line} has {columns} columns")).collect()
}

/// Collects the lines of raw strings and of snapshots, which may be of any width.
fn expected_output(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    let mut is_snapshot = false;
    for token in tokens {
        if let TokenTree::Group(group) = &token {
            expected_output(group.stream(), lines);
        }
        if let TokenTree::Literal(literal) = &token
            && (is_snapshot || literal.to_string().starts_with('r'))
        {
            lines.extend(literal.span().start().line..=literal.span().end().line);
        }
        is_snapshot = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '@');
    }
}

/// Returns words of `text` that look like the path of a file in a folder of this repository.
fn named_files(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let words = text.split(move |c: char| !part(c)).map(|word| word.trim_end_matches(['.', '/']));
    words.filter(|word| {
        let ending = word.rsplit_once('.').map_or("", |(_, ending)| ending);
        word.contains('/')
            && !word.starts_with(['/', '-'])
            && !word.contains("//")
            && ENDINGS.contains(&ending)
    })
}

/// Returns files that `text`, in the file at `path`, names and that do not exist.
fn missing_files(path: &str, text: &str) -> Vec<String> {
    let root = sources::root();
    let folder = Path::new(path).parent().unwrap();
    let from =
        ["", "ephtrace", "ephtrace/src", "ephtrace/tests", "xtask/src"].map(|it| root.join(it));
    let there = |name: &str| {
        let beside = folder.ancestors().map(|folder| root.join(folder));
        beside.chain(from.iter().cloned()).any(|folder| folder.join(name).exists())
    };
    let missing = named_files(text).filter(|name| !there(name));
    missing.map(|name| format!("{path} names {name}")).collect()
}

/// Returns the comments of Rust code.
fn comments(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split_once("//").map(|(_, said)| said));
    lines.collect::<Vec<_>>().join("\n")
}

fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for folder in PAGES {
        for entry in fs::read_dir(sources::root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                pages.push((format!("{folder}/{name}"), fs::read_to_string(path).unwrap()));
            }
        }
    }
    pages
}

fn each(check: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    SOURCES.iter().flat_map(|(path, text)| check(path, text)).collect()
}

#[test]
fn no_function_is_too_long() {
    let long = each(long_functions);
    assert!(long.is_empty(), "more than {FUNCTION} lines:\n{}", long.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let lines = SOURCES.iter().map(|(path, text)| (path, text.lines().count()));
    let long: Vec<_> = lines.filter(|(_, lines)| *lines > FILE).collect();
    assert!(long.is_empty(), "more than {FILE} lines: {long:#?}");
}

#[test]
fn no_line_is_too_long() {
    let long = each(long_lines);
    assert!(long.is_empty(), "more than {COLUMNS} columns:\n{}", long.join("\n"));
}

#[test]
fn files_that_are_named_are_there() {
    let mut missing = each(|path, text| missing_files(path, &comments(text)));
    let pages = pages();
    assert!(pages.len() > 5, "only {} pages were found", pages.len());
    missing.extend(pages.iter().flat_map(|(path, text)| missing_files(path, text)));
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_yardstick_measures() {
    let lines = "    let a = 1;\n".repeat(59);
    assert_eq!(long_functions("a.rs", &format!("fn f() {{\n{lines}}}")).len(), 1);
    assert!(long_functions("a.rs", &format!("fn f() {{\n{}}}", &lines[15..])).is_empty());
    assert!(long_functions("a.rs", &format!("type F = fn();\nmod a {{\n{lines}}}")).is_empty());
    let wide = "é".repeat(98);
    assert_eq!(long_lines("a.rs", &format!("// {wide}")), ["a.rs:1 has 101 columns"]);
    assert_eq!(long_lines("a.rs", &format!("f(\"{wide}\")")).len(), 1);
    assert!(long_lines("a.rs", &format!("//{wide}")).is_empty());
    assert!(long_lines("a.rs", &format!("f(r\"{wide}\"); g!(a, @\"{wide}\")")).is_empty());
    assert_eq!(missing_files("docs/a.md", "see `docs/nowhere.md`.").len(), 1);
    assert!(
        missing_files("docs/a.md", "[tour](tour.md), `xtask/src/main.rs`, /proc/a.md").is_empty()
    );
}
