//! `ephtrace schema`: the schema of every JSON object that ephtrace writes.
//!
//! The schema is a file, `assets/schema.json`, so that a review shows changed keys. A test derives
//! it from the written types and from the table of columns, and fails if the file differs.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::{cli::SchemaArgs, output::Kind};

/// The schema of all kinds.
pub const SCHEMA: &str = include_str!("../../../../assets/schema.json");

/// Key under which a schema keeps the schemas that it refers to, and the prefix of such a
/// reference.
const DEFS: &str = "$defs";
const REF: &str = "#/$defs/";

/// Prints the schema.
pub fn run(args: &SchemaArgs) -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    match args.kind {
        None => out.write_all(SCHEMA.as_bytes())?,
        Some(kind) => writeln!(out, "{:#}", of(kind)?)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the schema of one kind, with only the schemas that it refers to.
pub fn of(kind: Kind) -> Result<Value> {
    let mut whole: Map<String, Value> = serde_json::from_str(SCHEMA)?;
    let Some(Value::Object(mut defs)) = whole.remove(DEFS) else {
        anyhow::bail!("the schema has no definitions");
    };
    let one = defs.remove(kind.name()).context("the schema lacks this kind")?;
    let mut wanted = BTreeSet::new();
    refer(&one, &defs, &mut wanted);
    defs.retain(|name, _| wanted.contains(name));
    let Value::Object(mut one) = one else { anyhow::bail!("the schema of this kind is no object") };
    one.extend(whole.remove_entry("$schema"));
    if !defs.is_empty() {
        one.insert(DEFS.to_owned(), Value::Object(defs));
    }
    Ok(Value::Object(one))
}

/// Adds all schemas that `schema` refers to, directly or indirectly.
fn refer(schema: &Value, defs: &Map<String, Value>, wanted: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => object.values().for_each(|value| refer(value, defs, wanted)),
        Value::Array(all) => all.iter().for_each(|value| refer(value, defs, wanted)),
        Value::String(text) => {
            let Some(name) = text.strip_prefix(REF) else { return };
            if let Some(found) = defs.get(name)
                && wanted.insert(name.to_owned())
            {
                refer(found, defs, wanted);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
pub(crate) mod tests;
