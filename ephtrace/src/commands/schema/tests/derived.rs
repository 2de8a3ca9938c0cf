//! The schema derived from the written types and from the table of columns.

use clap::ValueEnum as _;
use schemars::{JsonSchema as _, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::super::DEFS;
use crate::{
    analyse::comparison::Comparison,
    commands::{doctor, ports::PortsReport, report, whatif::Estimate},
    model::{
        SCHEMA_VERSION,
        columns::{COLUMNS, Column, Kind as Values},
    },
    output::{
        Kind,
        stream::json::{Begin, LossLine, SummaryLine, empty},
        tables::{
            check::CheckReport,
            explain::Explained,
            ranges::Ranges,
            storm::{IntervalReport, WHOLE},
        },
    },
};

/// Returns the whole schema.
pub(super) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let kinds: Vec<(Kind, Value)> =
        Kind::value_variants().iter().map(|&kind| (kind, of_kind(kind, &mut generator))).collect();
    let mut defs: Map<String, Value> = generator.take_definitions(true).into_iter().collect();
    let one_of: Vec<Value> = kinds
        .iter()
        .map(|(kind, _)| json!({ "$ref": format!("#/{DEFS}/{}", kind.name()) }))
        .collect();
    defs.extend(kinds.into_iter().map(|(kind, schema)| (kind.name().to_owned(), schema)));
    defs.values_mut().for_each(tidy);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What ephtrace writes as JSON",
        "description": "One object, by its key `type`. docs/json.md tells more.",
        "oneOf": one_of,
        DEFS: defs,
    })
}

fn of_kind(kind: Kind, generator: &mut SchemaGenerator) -> Value {
    let mut schema = match kind {
        Kind::Assignment => return assignment(),
        Kind::Stream => stream(generator),
        Kind::Loss => LossLine::json_schema(generator),
        Kind::Summary => SummaryLine::json_schema(generator),
        Kind::Storm => IntervalReport::json_schema(generator),
        Kind::Ports => PortsReport::json_schema(generator),
        Kind::Explain => Explained::json_schema(generator),
        Kind::Ranges => Ranges::json_schema(generator),
        Kind::Check => CheckReport::json_schema(generator),
        Kind::Report => report::Report::json_schema(generator),
        Kind::Comparison => Comparison::json_schema(generator),
        Kind::Doctor => doctor::Report::json_schema(generator),
        Kind::Whatif => Estimate::json_schema(generator),
    };
    begin(&mut schema, kind);
    schema.to_value()
}

/// Returns the schema of the first line, which has an empty value of each column that may be null.
fn stream(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Begin::json_schema(generator);
    let object = schema.ensure_object();
    for column in COLUMNS.iter().filter(|column| column.is_optional) {
        let value = empty(column);
        let r#type = if value.is_string() { "string" } else { "integer" };
        let constant = json!({ "const": value, "type": r#type });
        let what = format!("Empty: shows the type of `{}` in an assignment", column.name);
        let required = object.get_mut("required").and_then(Value::as_array_mut);
        required.unwrap().push(column.name.into());
        let properties = object.get_mut("properties").and_then(Value::as_object_mut);
        properties.unwrap().insert(column.name.to_owned(), described(constant, &what));
    }
    schema
}

/// Adds the keys with which every object but an assignment begins.
fn begin(schema: &mut Schema, kind: Kind) {
    let r#type = match kind {
        Kind::Storm => json!({ "enum": [kind.name(), WHOLE], "type": "string" }),
        _ => json!({ "const": kind.name(), "type": "string" }),
    };
    let version = json!({
        "const": SCHEMA_VERSION,
        "type": "integer",
        "description": "Version of the schema",
    });
    let head =
        [("type", described(r#type, "Which kind of object it is")), ("schema_version", version)];
    let object = schema.ensure_object();
    let required = object.get_mut("required").and_then(Value::as_array_mut);
    required.unwrap().splice(0..0, head.iter().map(|(name, _)| (*name).into()));
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    properties.unwrap().extend(head.map(|(name, schema)| (name.to_owned(), schema)));
}

fn described(mut schema: Value, text: &str) -> Value {
    schema["description"] = text.into();
    schema
}

/// Returns the schema of an assignment's line, from the table of columns.
fn assignment() -> Value {
    let r#type = json!({ "const": Kind::Assignment.name(), "type": "string" });
    let mut properties =
        Map::from_iter([("type".to_owned(), described(r#type, "Which kind of object it is"))]);
    properties.extend(COLUMNS.iter().map(|column| (column.name.to_owned(), of_column(column))));
    let names = COLUMNS.iter().map(|column| column.name);
    let required: Vec<&str> = ["type"].into_iter().chain(names).collect();
    json!({
        "type": "object",
        "description": "One decision of the kernel: this socket gets this local port, or none.",
        "properties": properties,
        "required": required,
    })
}

fn of_column(column: &Column) -> Value {
    let mut schema = match column.kind {
        Values::Unsigned(bits) => {
            let most = u64::MAX >> (64 - bits);
            json!({ "type": "integer", "minimum": 0, "maximum": most })
        }
        Values::Signed => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        Values::Bool => json!({ "type": "boolean" }),
        Values::Text | Values::Address => json!({ "type": "string" }),
        Values::Time => json!({ "type": "string", "format": "date-time" }),
        Values::Words(words) => json!({ "type": "string", "enum": words() }),
    };
    if column.is_optional {
        schema["type"] = json!([schema["type"], "null"]);
        if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            words.push(Value::Null);
        }
    }
    let unit = column.unit.name().map_or_else(String::new, |unit| format!(" ({unit})"));
    let meaning = column.meaning;
    let (first, rest) = meaning.split_at(1);
    described(schema, &format!("{}{rest}{unit}", first.to_uppercase()))
}

/// Forbids keys that are not named, and turns comments of the source into plain text.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove("title");
            // Sizes of Rust's integers are removed; their bounds stay.
            let is_size = |format: &str| format.starts_with("int") || format.starts_with("uint");
            let format = object.get("format").and_then(Value::as_str);
            if format.is_some_and(|format| is_size(format) || matches!(format, "double" | "ip")) {
                object.remove("format");
            }
            if object.contains_key("properties") {
                object.insert("additionalProperties".to_owned(), false.into());
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = plain(text);
            }
            object.values_mut().for_each(tidy);
        }
        Value::Array(all) => all.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Returns a comment without links and line breaks.
fn plain(text: &str) -> String {
    let mut text = text.replace('\n', " ").replace("`None`", "null");
    while let Some((before, after)) = text.split_once("[`") {
        let Some((name, rest)) = after.split_once("`]") else { break };
        let rest = match rest.strip_prefix('(').and_then(|link| link.split_once(')')) {
            Some((_, rest)) => rest,
            None => rest,
        };
        text = format!("{before}`{name}`{rest}");
    }
    text
}
