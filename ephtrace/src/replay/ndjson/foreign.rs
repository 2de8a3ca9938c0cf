//! Lines of other tools that use a key of ephtrace for something else, or write numbers as text.

use serde_json::{Map, Value};

use super::line::OLD_RANGE;
use crate::model::columns::{COLUMNS, Column, ERRNO, NEEDED, Read};

/// Returns the line with numbers that were text or fractions, and without foreign values under
/// ephtrace's keys, whose names are returned; `None` if that is not the line's problem. The keys
/// that an assignment needs, and its success or failure, must be right.
pub(super) fn fitting(text: &str) -> Option<(String, Vec<&'static str>)> {
    let line: Map<String, Value> = serde_json::from_str(text).ok()?;
    let (mut kept, mut left_out, mut is_changed) = (Map::new(), Vec::new(), false);
    for (key, value) in line {
        let Some(column) = COLUMNS.iter().find(|column| column.name == key) else {
            if key == OLD_RANGE && !is_range(&value) {
                left_out.push(OLD_RANGE);
            } else {
                kept.insert(key, value);
            }
            continue;
        };
        match as_number(&column.read, &value) {
            Some(number) => {
                is_changed = true;
                kept.insert(key, number);
            }
            None if is_needed(column) || fits(&column.read, &value) => {
                kept.insert(key, value);
            }
            None => left_out.push(column.name),
        }
    }
    is_changed |= !left_out.is_empty();
    is_changed.then(|| (Value::Object(kept).to_string(), left_out))
}

fn is_needed(column: &Column) -> bool {
    column.name == ERRNO.name || NEEDED.contains(&column.name)
}

/// Converts a number written as text, or with a decimal point though it counts whole units; the
/// fraction of a nanosecond is dropped.
fn as_number(read: &Read, value: &Value) -> Option<Value> {
    if !matches!(read, Read::U64(_) | Read::U32(_) | Read::U16(_) | Read::Port(_) | Read::I32(_)) {
        return None;
    }
    match value {
        Value::String(text) => {
            let text = text.trim();
            let whole = text.parse::<i64>().map(Value::from);
            let whole = whole.or_else(|_| text.parse::<u64>().map(Value::from)).ok();
            whole.or_else(|| without_point(read, text.parse().ok()?))
        }
        Value::Number(number) if number.is_f64() => without_point(read, number.as_f64()?),
        _ => None,
    }
}

fn without_point(read: &Read, number: f64) -> Option<Value> {
    let may_have_fraction = matches!(read, Read::U64(_));
    let is_ours = number.abs() < 1e19 && (may_have_fraction || number.fract() == 0.0);
    #[expect(clippy::cast_possible_truncation, reason = "below 2^64")]
    let whole = is_ours.then_some(number as i128)?;
    let unsigned = u64::try_from(whole).map(Value::from);
    unsigned.or_else(|_| i64::try_from(whole).map(Value::from)).ok()
}

/// Returns whether the value is what ephtrace once had under [`OLD_RANGE`].
fn is_range(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|ends| ends.iter().all(Value::is_u64))
}

/// Returns whether the value has the type of the column.
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
