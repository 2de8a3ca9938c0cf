//! The part of JSON Schema that `ephtrace schema` uses, for guests, which have no Python. A keyword
//! that the validator does not know is a problem, so that it skips nothing.

use serde_json::{Map, Value};

/// A schema and all schemas that it refers to.
pub(crate) struct Validator(Value);

impl Validator {
    /// Creates a validator from the schema of all kinds.
    pub(crate) fn new(schema: Value) -> Self {
        Self(schema)
    }

    /// Returns the problems of an object, by the kind that its type names.
    pub(crate) fn problems(&self, object: &Value) -> Vec<String> {
        let kind = object["type"].as_str().unwrap_or_default();
        let kind = kind.strip_suffix("_total").unwrap_or(kind);
        let mut problems = Vec::new();
        self.check(&self.0["$defs"][kind], object, kind, &mut problems);
        problems
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        let Some(keywords) = schema.as_object() else {
            return problems.push(format!("{at}: no schema"));
        };
        for (keyword, wanted) in keywords {
            let fits = match keyword.as_str() {
                "description" | "additionalProperties" | "format" => true,
                "$ref" => {
                    let name = wanted.as_str().and_then(|name| name.rsplit('/').next());
                    self.check(&self.0["$defs"][name.unwrap_or_default()], value, at, problems);
                    true
                }
                "anyOf" | "oneOf" => self.is_any(wanted, value, at),
                "properties" => {
                    self.members(keywords, value, at, problems);
                    true
                }
                "items" | "prefixItems" => {
                    self.items(wanted, value, at, problems);
                    true
                }
                "required" => strings(wanted).all(|name| value.get(name).is_some()),
                "type" => has_type(wanted, value),
                "const" => value == wanted,
                "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
                "minimum" => number(value, wanted, |value, least| value >= least),
                "maximum" => number(value, wanted, |value, most| value <= most),
                "minItems" => length(value) >= wanted.as_u64(),
                "maxItems" => length(value) <= wanted.as_u64(),
                _ => false,
            };
            if !fits {
                problems.push(format!("{at}: {value} is against {keyword} {wanted}"));
            }
        }
    }

    fn is_any(&self, all: &Value, value: &Value, at: &str) -> bool {
        let mut each = all.as_array().into_iter().flatten();
        each.any(|one| {
            let mut problems = Vec::new();
            self.check(one, value, at, &mut problems);
            problems.is_empty()
        })
    }

    fn members(
        &self,
        keywords: &Map<String, Value>,
        value: &Value,
        at: &str,
        problems: &mut Vec<String>,
    ) {
        for (name, member) in value.as_object().into_iter().flatten() {
            match keywords["properties"].get(name) {
                Some(schema) => self.check(schema, member, &format!("{at}.{name}"), problems),
                None => problems.push(format!("{at}: {name} is no key of it")),
            }
        }
    }

    fn items(&self, wanted: &Value, value: &Value, at: &str, problems: &mut Vec<String>) {
        for (nth, item) in value.as_array().into_iter().flatten().enumerate() {
            let schema = wanted.get(nth).unwrap_or(wanted);
            self.check(schema, item, &format!("{at}[{nth}]"), problems);
        }
    }
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        _ => false,
    };
    wanted.as_str().map_or_else(|| strings(wanted).any(is), is)
}

/// A bound applies to numbers only.
fn number(value: &Value, bound: &Value, fits: fn(i128, i128) -> bool) -> bool {
    let whole =
        |value: &Value| value.as_u64().map(i128::from).or_else(|| value.as_i64().map(i128::from));
    whole(value).zip(whole(bound)).is_none_or(|(value, bound)| fits(value, bound))
}

fn length(value: &Value) -> Option<u64> {
    value.as_array().map(|all| all.len() as u64)
}
