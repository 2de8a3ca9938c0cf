//! The schema as the tables of docs/json.md.

use std::fmt::Write as _;

use clap::ValueEnum as _;
use serde_json::{Map, Value};

use super::super::DEFS;
use crate::output::Kind;

/// Returns a table for each kind, then one for each object inside of them.
pub(super) fn tables(schema: &Value) -> String {
    let defs = schema[DEFS].as_object().unwrap();
    let kinds = Kind::value_variants().iter().map(|kind| kind.name());
    let is_kind = |name: &str| kinds.clone().any(|kind| kind == name);
    let inside = defs.keys().map(String::as_str).filter(|name| !is_kind(name));
    let mut text = String::new();
    for name in kinds.clone().chain(inside) {
        let Some(names) = defs[name]["required"].as_array() else { continue };
        let about = defs[name]["description"].as_str().unwrap_or_default();
        write!(text, "\n### {name}\n{about}\n\n").unwrap();
        text += "| key | type | null | meaning |\n|---|---|---|---|\n";
        for key in names.iter().filter_map(Value::as_str) {
            let schema = &defs[name]["properties"][key];
            let null = if may_be_null(schema) { "yes" } else { "" };
            let meaning = schema["description"].as_str().unwrap_or_default();
            let row = format!("| `{key}` | {} | {null} | {meaning} |", kind_of(schema, defs));
            writeln!(text, "{}", row.replace("|  |", "| |")).unwrap();
        }
    }
    text
}

fn may_be_null(schema: &Value) -> bool {
    let is_null = |one: &Value| one == "null" || one["type"] == "null";
    [&schema["type"], &schema["anyOf"]]
        .into_iter()
        .filter_map(Value::as_array)
        .any(|all| all.iter().any(is_null))
}

/// Returns the text of the column of types.
fn kind_of(schema: &Value, defs: &Map<String, Value>) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap();
        return match defs[name].get("properties") {
            Some(_) => format!("[{name}](#{})", name.to_lowercase()),
            None => kind_of(&defs[name], defs),
        };
    }
    if let Some(all) = schema["anyOf"].as_array() {
        return kind_of(all.iter().find(|one| one["type"] != "null").unwrap(), defs);
    }
    let words: Vec<&Value> = match (&schema["const"], &schema["enum"], &schema["oneOf"]) {
        (Value::Null, Value::Array(all), _) => all.iter().filter(|one| !one.is_null()).collect(),
        (Value::Null, _, Value::Array(all)) => all.iter().map(|one| &one["const"]).collect(),
        (one, ..) => vec![one],
    };
    if words.iter().all(|word| !word.is_null()) {
        let shown = |word: &&Value| format!("`{}`", word.to_string().trim_matches('"'));
        return words.iter().map(shown).collect::<Vec<_>>().join(", ");
    }
    if schema.get("properties").is_some() {
        let names: Vec<String> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| format!("`{}`", name.as_str().unwrap()))
            .collect();
        return format!("object: {}", names.join(", "));
    }
    let name = match &schema["type"] {
        Value::Array(all) => all[0].as_str(),
        one => one.as_str(),
    };
    match name {
        Some("array") if schema.get("items").is_some() => {
            format!("list of {}", kind_of(&schema["items"], defs))
        }
        Some("array") => "[first, last]".to_owned(),
        Some(name) => name.to_owned(),
        None => "any".to_owned(),
    }
}
