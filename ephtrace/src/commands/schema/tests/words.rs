//! Schemas of enumerations that are written as words, and of ranges.

use std::borrow::Cow;

use ephtrace_common::{Hook, Origin, Protocol};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{
    analyse::{
        findings::Rule,
        pattern::{Algorithm, Pattern, Predictable},
    },
    model::PortRange,
};

/// Returns the schema of one of these words or null.
fn or_null(words: impl Iterator<Item = &'static str>) -> Schema {
    let words: Vec<Option<&str>> = words.map(Some).chain([None]).collect();
    json_schema!({ "type": ["string", "null"], "enum": words })
}

pub(crate) fn hook(_: &mut SchemaGenerator) -> Schema {
    or_null(Hook::ALL.iter().map(|hook| hook.name()))
}

pub(crate) fn origin(_: &mut SchemaGenerator) -> Schema {
    or_null(Origin::ALL.iter().map(|origin| origin.name()))
}

pub(crate) fn protocol(_: &mut SchemaGenerator) -> Schema {
    or_null(Protocol::ALL.iter().map(|protocol| protocol.name()))
}

macro_rules! words {
    ($($type:ident: $all:expr;)*) => { $(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let words: Vec<&str> = $all.into_iter().collect();
                json_schema!({ "type": "string", "enum": words })
            }
        }
    )* };
}

words! {
    Predictable: [Self::Yes, Self::No, Self::Unknown].map(Self::as_str);
    Pattern: Self::ALL.into_iter().chain([Self::Undetermined]).map(Self::as_str);
    Algorithm: Self::ALL.into_iter().chain([Self::Undetermined]).map(Self::as_str);
    Rule: Self::ALL.iter().map(|rule| rule.name());
}

impl JsonSchema for PortRange {
    fn schema_name() -> Cow<'static, str> {
        "PortRange".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut pair = <(u16, u16)>::json_schema(generator);
        pair.insert("description".to_owned(), "First and last port, both inclusive".into());
        pair
    }
}
