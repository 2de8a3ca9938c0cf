//! A line as ephtrace itself writes it: columns in their order, without white space or escapes.
//!
//! `serde_json` takes 15,000 instructions for such a line of some thirty keys, five sixths of what
//! `report` does with it. In a fixed order, each key is one comparison. Any other line is left to
//! serde, and so is each doubt: what is accepted here means the same there.

use std::sync::LazyLock;

use super::line::forget;
use crate::{
    model::{
        Draft,
        columns::{COLUMNS, Column, NEEDED, Read},
    },
    replay::names,
};

/// The beginning of a line.
const BEGINNING: &str = r#"{"type":"assignment""#;

/// The key of each column, in front of its value.
static KEYS: LazyLock<Vec<String>> =
    LazyLock::new(|| COLUMNS.iter().map(|column| format!(",\"{}\":", column.name)).collect());

/// Stores a line in the draft. `None` if it is written otherwise, or is wrong: the draft is half
/// filled then, and each column of it must be set again.
pub(super) fn read(line: &str, draft: &mut Draft) -> Option<()> {
    let mut rest = line.trim_ascii_end().strip_prefix(BEGINNING)?;
    for (column, key) in COLUMNS.iter().zip(&*KEYS) {
        match rest.strip_prefix(key.as_str()) {
            Some(behind) => rest = value(column, behind, draft)?,
            // Another version has other columns.
            None if NEEDED.contains(&column.name) => return None,
            None => forget(draft, &column.read),
        }
    }
    (rest == "}").then_some(())
}

/// Stores the value at the beginning of `text` in its column; returns the rest.
fn value<'t>(column: &Column, text: &'t str, draft: &mut Draft) -> Option<&'t str> {
    let (value, rest) = Value::split(text)?;
    match (&column.read, value) {
        (Read::Derived, _) => {}
        (read, Value::Null) => forget(draft, read),
        (Read::U64(set), Value::Number(number)) => set(draft, Some(number)),
        (Read::U32(set), Value::Number(number)) => set(draft, Some(number.try_into().ok()?)),
        (Read::U16(set) | Read::Port(set), Value::Number(number)) => {
            set(draft, Some(number.try_into().ok()?));
        }
        (Read::I32(set), Value::Number(number)) => set(draft, Some(number.try_into().ok()?)),
        (Read::I32(set), Value::Negative(below)) => {
            set(draft, Some(i32::try_from(below).ok()?.checked_neg()?));
        }
        (Read::Address(set), Value::Text(text)) => set(draft, Some(names::address(text)?)),
        (Read::Text(set), Value::Text(text)) => set(draft, Some(text)),
        _ => return None,
    }
    Some(rest)
}

/// A value of JSON, of the kinds that ephtrace writes most.
enum Value<'t> {
    Null,
    Bool,
    Number(u64),
    /// A number below zero, without its sign.
    Negative(u64),
    Text(&'t str),
}

impl<'t> Value<'t> {
    /// Returns the value at the beginning of `text`, and the text behind it.
    fn split(text: &'t str) -> Option<(Self, &'t str)> {
        match text.as_bytes().first()? {
            b'"' => {
                let text = text.get(1..)?;
                let is_end = |c: &u8| *c == b'"' || *c == b'\\' || *c < b' ';
                let (value, rest) =
                    text.split_at_checked(text.as_bytes().iter().position(is_end)?)?;
                // Anything but a quotation mark is an escape, or wrong.
                Some((Self::Text(value), rest.strip_prefix('"')?))
            }
            b'0'..=b'9' => number(text).map(|(value, rest)| (Self::Number(value), rest)),
            b'-' => {
                let (below, rest) = number(text.get(1..)?)?;
                Some((Self::Negative(below), rest))
            }
            b'n' => Some((Self::Null, text.strip_prefix("null")?)),
            b't' => Some((Self::Bool, text.strip_prefix("true")?)),
            b'f' => Some((Self::Bool, text.strip_prefix("false")?)),
            _ => None,
        }
    }
}

/// Returns the whole number at the beginning of `text`, and the text behind it, which no number
/// goes on with.
fn number(text: &str) -> Option<(u64, &str)> {
    let (mut number, mut digits) = (0_u64, 0);
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
        digits += 1;
    }
    let rest = text.get(digits..)?;
    let has_zero_ahead = digits > 1 && text.starts_with('0');
    let is_whole = digits > 0 && !has_zero_ahead && !rest.starts_with(['.', 'e', 'E']);
    is_whole.then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use std::{io, net::IpAddr, sync::Arc};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{Assignment, Comm, FlowKey, Origin, Protocol, RangeInForce, task_names::Names},
        output::{Notices, Sink as _, stream::json::JsonSink},
        replay::ndjson::draft_of,
    };

    fn line(assignment: &Assignment) -> String {
        let mut sink = JsonSink::new(Vec::new(), Notices::new(io::sink(), true));
        sink.event(assignment).unwrap();
        sink.finish().unwrap();
        let text = String::from_utf8(sink.target().clone()).unwrap();
        text.lines().find(|line| line.contains("saddr")).unwrap().to_owned()
    }

    fn any_assignment() -> impl Strategy<Value = Assignment> {
        let times = (any::<u64>(), any::<Option<u64>>(), any::<Option<u32>>());
        let flow = (any::<IpAddr>(), any::<Option<IpAddr>>(), any::<u16>(), any::<Option<u32>>());
        let rest = (any::<Option<i32>>(), 1_u16.., "[a-z ü\"\\\\]{0,15}", any::<bool>());
        let named = (any::<u8>(), "[a-z]{1,9}", "[a-z0-9./:-]{1,20}");
        (times, flow, rest, named).prop_map(|(times, flow, rest, named)| {
            let (step, sport, name, is_failed) = rest;
            Assignment {
                names: names(named),
                ts_ns: times.0,
                cookie: times.1,
                pid: times.2,
                comm: Some(Comm::new(&name)),
                flow: FlowKey {
                    netns: flow.3,
                    saddr: flow.0.to_canonical(),
                    daddr: flow.1.map(|address| address.to_canonical()),
                    dport: Some(flow.2),
                },
                protocol: Some(Protocol::Tcp),
                origin: Some(Origin::Connect),
                sport: Some(sport).filter(|_| !is_failed),
                errno: Some(if is_failed { 99 } else { 0 }),
                range: Some(RangeInForce::of_socket(32_768, 60_999)),
                step,
                ..Assignment::default()
            }
        })
    }

    /// Returns names of which the bits of `known` say which are known.
    fn names((known, name, image): (u8, String, String)) -> Option<Arc<Names>> {
        let of = |bit: u32, text: &str| (known >> bit & 1 == 1).then(|| Arc::from(text));
        let names = Names {
            container_name: of(0, &name),
            image: of(1, &image),
            pod: of(2, &name),
            pod_namespace: of(3, &name),
            unit: of(4, &image),
        };
        (!names.is_empty()).then(|| Arc::new(names))
    }

    fn by_serde(line: &str) -> Option<Result<Assignment, String>> {
        let mut draft = Draft::default();
        draft_of(line, &mut draft).ok().map(|()| draft.assignment())
    }

    fn the_short_way(line: &str) -> Option<Result<Assignment, String>> {
        let mut draft = Draft::default();
        read(line, &mut draft).map(|()| draft.assignment())
    }

    /// Another version has other columns.
    #[test]
    fn a_column_may_be_missing() {
        let flow = FlowKey { saddr: [10, 0, 0, 1].into(), ..FlowKey::default() };
        let full = line(&Assignment { sport: Some(1), flow, ..Assignment::default() });
        for key in &*KEYS {
            let (before, value) = full.split_once(key.as_str()).unwrap();
            let rest = value.find([',', '}']).map(|end| &value[end..]).unwrap();
            let line = format!("{before}{rest}");
            let read = the_short_way(&line);
            assert_eq!(read.is_none(), by_serde(&line).is_none(), "{line}");
            assert!(read.is_none() || read == by_serde(&line), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_ephtrace_writes_is_read_the_short_way(assignment in any_assignment()) {
            let line = line(&assignment);
            let has_escapes = line.contains('\\');
            let read = the_short_way(&line);
            prop_assert_eq!(read.is_none(), has_escapes, "{}", line);
            prop_assert_eq!(by_serde(&line), Some(Ok(assignment.clone())), "{}", line);
            prop_assert!(read.is_none_or(|read| read == Ok(assignment)), "{}", line);
        }

        /// A damaged line means what serde says it means, or is left to it.
        #[test]
        fn the_short_way_never_differs(
            assignment in any_assignment(),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), "[-0-9a\"\\\\ ,:{}.en]{0,2}"),
                1..4,
            ),
        ) {
            let mut line = line(&assignment);
            for (at, text) in changes {
                let at = at.index(line.len());
                if line.is_char_boundary(at) && line.is_char_boundary(at + 1) {
                    line.replace_range(at..=at, &text);
                }
            }
            let read = the_short_way(&line);
            prop_assert!(read.is_none() || read == by_serde(&line), "{}", line);
        }
    }
}
