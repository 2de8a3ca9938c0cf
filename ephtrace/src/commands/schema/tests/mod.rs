//! The schema agrees with the output, it is strict, and a key has the same type everywhere.

mod derived;
mod documented;
mod examples;
pub(crate) mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use clap::ValueEnum as _;
use serde::Serialize as _;
use serde_json::Value;

use super::{SCHEMA, of};
use crate::output::Kind;

/// Path of the file that is the text of `SCHEMA`.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/schema.json");

/// The page for people, and the marks around its tables.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/json.md");
const MARKS: (&str, &str) =
    ("<!-- written by the test of the schema -->\n", "<!-- end of tables -->");

/// Environment variable that makes the test write the files, for an intended change.
const WRITE: &str = "EPHTRACE_WRITE_SCHEMA";

#[test]
fn the_file_is_what_the_types_say() {
    let derived = text(&derived::schema());
    if std::env::var_os(WRITE).is_some() {
        fs::write(FILE, derived).unwrap();
        return;
    }
    let hint = "assets/schema.json is not current; is the change one that docs/json.md \
                allows? `EPHTRACE_WRITE_SCHEMA=1 cargo test -p ephtrace --lib schema` writes it";
    assert!(SCHEMA == derived, "{hint}");
}

#[test]
fn the_documentation_has_every_key() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(MARKS.0).unwrap();
    let (tables, after) = rest.split_once(MARKS.1).unwrap();
    let derived = documented::tables(&derived::schema());
    if std::env::var_os(WRITE).is_some() {
        fs::write(PAGE, [before, MARKS.0, &derived, MARKS.1, after].concat()).unwrap();
        return;
    }
    assert!(tables == derived, "docs/json.md is not current; {WRITE}=1 writes it");
}

/// Returns the schema as text, indented by one space: more would make half of the file blanks.
fn text(schema: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    schema.serialize(&mut serializer).unwrap();
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap()
}

/// Returns the schema of all kinds, which has as many objects as there are types.
fn whole() -> Value {
    let whole = serde_json::from_str(SCHEMA).unwrap();
    let mut count = 0;
    objects(&whole, &mut |_| count += 1);
    assert!(count > 40, "only {count} objects");
    whole
}

/// Calls `visit` with each object schema that names properties.
fn objects(schema: &Value, visit: &mut impl FnMut(&Value)) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") {
                visit(schema);
            }
            object.values().for_each(|value| objects(value, visit));
        }
        Value::Array(all) => all.iter().for_each(|value| objects(value, visit)),
        _ => {}
    }
}

fn keys(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object["properties"].as_object().unwrap().iter()
}

#[test]
fn every_key_is_always_there_and_no_other() {
    objects(&whole(), &mut |object| {
        let named: BTreeSet<&str> = keys(object).map(|(name, _)| name.as_str()).collect();
        let required = object["required"].as_array().unwrap().iter();
        let required: BTreeSet<&str> = required.map(|name| name.as_str().unwrap()).collect();
        assert_eq!(named, required, "{object}");
        assert_eq!(object["additionalProperties"], false, "{object}");
    });
}

#[test]
fn every_key_is_described() {
    objects(&whole(), &mut |object| {
        for (name, schema) in keys(object) {
            let text = schema["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{name} has no description in {object}");
            let is_plain = !text.contains("[`") && !text.contains("::") && !text.contains('\n');
            assert!(is_plain, "{name}: {text}");
        }
    });
}

/// Returns the types that a value may have, without null.
fn types(schema: &Value, defs: &Value) -> BTreeSet<String> {
    if let Some(name) = schema["$ref"].as_str() {
        return types(&defs[name.rsplit('/').next().unwrap()], defs);
    }
    for of in ["anyOf", "oneOf"] {
        if let Some(all) = schema[of].as_array() {
            return all.iter().flat_map(|one| types(one, defs)).collect();
        }
    }
    let all = match &schema["type"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let names = all.iter().map(|name| name.as_str().unwrap_or("any").to_owned());
    names.filter(|name| name != "null").collect()
}

#[test]
fn a_key_has_one_type_everywhere() {
    let whole = whole();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    objects(&whole, &mut |object| {
        for (name, schema) in keys(object) {
            seen.entry(name.clone()).or_default().extend(types(schema, &whole["$defs"]));
        }
    });
    seen.retain(|_, types| types.len() != 1);
    assert!(seen.is_empty(), "{seen:#?}");
}

#[test]
fn one_kind_has_no_more_than_it_needs() {
    let whole = whole();
    for &kind in Kind::value_variants() {
        let one = of(kind).unwrap();
        let text = one.to_string();
        let refs: BTreeSet<&str> =
            text.split("#/$defs/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let defs = one["$defs"].as_object();
        let defs: BTreeSet<&str> =
            defs.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(refs, defs, "{}", kind.name());
        assert_eq!(one["properties"], whole["$defs"][kind.name()]["properties"]);
        assert_eq!(one["$schema"], whole["$schema"]);
    }
}
