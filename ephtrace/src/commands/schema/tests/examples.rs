//! Keys that pages name: each is one of the schema.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{MARKS, PAGE, objects, whole};

/// Pages whose tables of keys are written by hand.
const BY_HAND: [&str; 1] = ["ports.md"];

/// Keys of all objects of the schema.
fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    objects(&whole(), &mut |object| {
        keys.extend(object["properties"].as_object().unwrap().keys().cloned());
    });
    keys
}

/// Words that values may have, and names of objects.
fn words(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            found.extend(object.get("const").and_then(Value::as_str).map(str::to_owned));
            let listed = object.get("enum").and_then(Value::as_array).into_iter().flatten();
            found.extend(listed.filter_map(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| words(value, found));
        }
        Value::Array(all) => all.iter().for_each(|value| words(value, found)),
        _ => {}
    }
}

fn docs() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let docs = fs::read_dir(format!("{folder}/docs")).unwrap();
    let mut paths: Vec<_> = docs.map(|entry| entry.unwrap().path()).collect();
    paths.push(format!("{folder}/README.md").into());
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Whether a name is written like a key, and is no part of one.
fn is_key(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A program of jq without its texts, as words and signs.
fn tokens(program: &str) -> Vec<String> {
    let code: String = program.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let mut tokens: Vec<String> = Vec::new();
    let mut is_word = false;
    for character in code.chars() {
        let continues = character.is_ascii_alphanumeric() || character == '_';
        match tokens.last_mut().filter(|_| continues && is_word) {
            Some(word) => word.push(character),
            None => tokens.push(character.to_string()),
        }
        is_word = continues;
    }
    tokens.retain(|token| token != " ");
    tokens
}

/// Keys that a program of jq reads: `.key`.
fn read(program: &str) -> Vec<String> {
    let tokens = tokens(program);
    let pairs = tokens.windows(2).filter(|pair| pair[0] == "." && is_key(&pair[1]));
    pairs.map(|pair| pair[1].clone()).collect()
}

/// Keys that it makes: `{key: …}`.
fn made(program: &str) -> Vec<String> {
    let tokens = tokens(program);
    let triples = tokens.windows(3).filter(|three| {
        ["{", ","].contains(&three[0].as_str()) && is_key(&three[1]) && three[2] == ":"
    });
    triples.map(|three| three[1].clone()).collect()
}

/// Keys of ephtrace's in the lines of a page that pipe to or from jq.
fn in_examples(page: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for line in page.lines() {
        for (at, _) in line.match_indices("jq ") {
            let (before, after) = line.split_at(at);
            let mut quoted = after.split('\'');
            let (program, rest) = (quoted.nth(1).unwrap_or_default(), quoted.next());
            if before.contains("ephtrace") {
                keys.extend(read(program));
            } else if rest.is_some_and(|rest| rest.contains("ephtrace")) {
                keys.extend(made(program));
            }
        }
    }
    keys
}

/// Names in backticks that look like keys, outside of blocks.
fn in_backticks(page: &str) -> Vec<String> {
    let mut is_block = false;
    let mut names = Vec::new();
    for line in page.lines() {
        is_block ^= line.starts_with("```");
        if !is_block {
            names.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    names.retain(|name| is_key(name));
    names
}

/// Keys in the first column of tables, in backticks.
fn in_tables(page: &str) -> Vec<String> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let firsts = cells.filter_map(|cells| cells.split(" | ").next());
    let names = firsts.flat_map(|first| first.split('`').step_by(2));
    names.filter(|name| is_key(name)).map(str::to_owned).collect()
}

#[test]
fn examples_of_jq_have_keys_of_the_schema() {
    let keys = keys();
    let mut count = 0;
    for (name, page) in docs() {
        for key in in_examples(&page) {
            count += 1;
            assert!(keys.contains(&key), "{name}: an example has .{key}, and nothing else has");
        }
    }
    assert!(count > 20, "only {count} keys were found");
}

/// Names of the page that are neither keys nor words of values: a command, and a program.
const OTHERS: [&str; 2] = ["trace", "jsonschema"];

#[test]
fn the_page_names_keys_of_the_schema() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(MARKS.0).unwrap();
    let after = rest.split_once(MARKS.1).unwrap().1;
    let mut known = keys();
    words(&whole(), &mut known);
    known.extend(OTHERS.map(str::to_owned));
    let names = in_backticks(&[before, after].concat());
    let unknown: Vec<_> = names.iter().filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "docs/json.md names {unknown:?}, which the schema does not have");
    assert!(names.len() > 40, "only {} names were found", names.len());
}

#[test]
fn tables_by_hand_have_keys_of_the_schema() {
    let keys = keys();
    for (name, page) in docs() {
        if !BY_HAND.contains(&name.as_str()) {
            continue;
        }
        let found = in_tables(&page);
        let unknown: Vec<_> = found.iter().filter(|key| !keys.contains(*key)).collect();
        assert!(unknown.is_empty(), "{name} has {unknown:?}, which the schema does not have");
        assert!(found.len() > 30, "only {} keys in {name}", found.len());
    }
}

#[test]
fn keys_are_found_where_they_stand() {
    let page = "`a_b`, `A`, `a.b` `_ns`\n```\n`c`\n```\n| `d`, `e` | `f` |\n\
                # ephtrace | jq 'select(.g == \".no\") | [.h[].i, .j.k[0]]' | less\n\
                $ jq -c '{l: (.x * 1e9), m: .y}' FILE | ephtrace report -\n";
    assert_eq!(in_examples(page), ["g", "h", "i", "j", "k", "l", "m"]);
    assert_eq!(in_tables(page), ["d", "e"]);
    assert_eq!(in_backticks(page), ["a_b", "d", "e", "f"]);
}
