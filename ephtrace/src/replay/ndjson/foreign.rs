//! Lines of other tools that use a key of ours for something else.

use serde_json::{Map, Value};

use super::line::OLD_RANGE;
use crate::model::columns::{COLUMNS, Column, ERRNO, NEEDED, Read};

/// The line without what other tools have under keys of ours; `None` where that isn't what is wrong
/// with it. What an assignment needs, and whether it failed, must be right.
pub(super) fn without_foreign(text: &str) -> Option<String> {
    let mut line: Map<String, Value> = serde_json::from_str(text).ok()?;
    let before = line.len();
    line.retain(|key, value| {
        let column = COLUMNS.iter().find(|column| column.name == key);
        let fits_column = |column| is_needed(column) || fits(&column.read, value);
        column.map_or_else(|| key != OLD_RANGE || is_range(value), fits_column)
    });
    (line.len() < before).then(|| Value::Object(line).to_string())
}

fn is_needed(column: &Column) -> bool {
    column.name == ERRNO.name || NEEDED.contains(&column.name)
}

/// Whether the value is what ephtrace once had under [`OLD_RANGE`].
fn is_range(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|ends| ends.iter().all(Value::is_u64))
}

/// Whether the value is of the type that the column has.
fn fits(read: &Read, value: &Value) -> bool {
    let below = |end: u64| value.as_u64().is_some_and(|number| number <= end);
    value.is_null()
        || match read {
            Read::Derived => true,
            Read::U64(_) => below(u64::MAX),
            Read::U32(_) => below(u32::MAX.into()),
            Read::U16(_) | Read::Port(_) => below(u16::MAX.into()),
            Read::I32(_) => value.is_i64(),
            Read::Address(_) | Read::Text(_) => value.is_string(),
        }
}
