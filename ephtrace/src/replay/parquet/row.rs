//! One row, read column by column along the table of columns, like a line of NDJSON.

use parquet::data_type::ByteArray;

use super::columns::{Column, Columns};
use crate::{
    model::{
        Assignment, Draft,
        columns::{Read, TS_NS},
    },
    replay::names,
};

/// Maximum length of a value, in bytes: that of a line of NDJSON.
const MAX_VALUE_BYTES: usize = 64 << 10;

/// A row while it is read.
#[derive(Default)]
pub(super) struct Row {
    draft: Draft,
    /// Value of each text column in the last row: neighbours often share it.
    last: Vec<Last>,
}

/// Last value of a text column; at first empty text, which no row is taken to share.
struct Last {
    is_null: bool,
    text: Vec<u8>,
}

impl Last {
    const NOTHING: Self = Self { is_null: false, text: Vec::new() };

    fn is(&self, text: Option<&[u8]>) -> bool {
        match text {
            Some(text) => !self.is_null && self.text == text && !text.is_empty(),
            None => self.is_null,
        }
    }

    fn replace(&mut self, text: Option<&[u8]>) {
        self.is_null = text.is_none();
        self.text.clear();
        self.text.extend_from_slice(text.unwrap_or_default());
    }
}

impl Row {
    /// Returns the assignment of a row, or the error in it.
    pub(super) fn read(&mut self, columns: &Columns, row: usize) -> Result<Assignment, String> {
        let Self { draft, last } = self;
        for column in &columns.numbers {
            set_number(draft, column, row)?;
        }
        last.resize_with(columns.texts.len(), || Last::NOTHING);
        for (column, last) in columns.texts.iter().zip(last) {
            let text = column.value(row).map(ByteArray::data);
            if !last.is(text) {
                if let Some(text) = text.filter(|text| text.len() > MAX_VALUE_BYTES) {
                    return Err(too_long(column.name(), text));
                }
                // An unreadable value is not shared by the next row.
                last.replace(Some(&[]));
                set_text(draft, column, text)?;
                last.replace(text);
            }
        }
        draft.assignment()
    }
}

fn too_long(name: &str, text: &[u8]) -> String {
    format!("`{name}` has {} bytes, but at most {MAX_VALUE_BYTES} are allowed", text.len())
}

/// Sets a number column; unknown if the value is too large.
fn set_number(draft: &mut Draft, column: &Column<i64>, row: usize) -> Result<(), String> {
    let value = column.value(row).copied();
    // Ids are unsigned numbers of 64 bits, which Parquet stores as signed ones; a time is not.
    if column.name() == TS_NS.name && value.is_some_and(i64::is_negative) {
        return Err(format!("`{}` is before 1970", TS_NS.name));
    }
    match column.how_to_read() {
        Read::U64(set) => set(draft, value.map(i64::cast_unsigned)),
        Read::U32(set) => set(draft, value.and_then(|n| n.try_into().ok())),
        Read::U16(set) => set(draft, value.and_then(|n| n.try_into().ok())),
        Read::I32(set) => set(draft, value.and_then(|n| n.try_into().ok())),
        Read::Port(set) => {
            let port = value.map(u16::try_from).transpose();
            set(draft, port.map_err(|_| format!("`{}` is not from 0 to 65535", column.name()))?);
        }
        Read::Derived | Read::Address(_) | Read::Text(_) => {}
    }
    Ok(())
}

/// Sets a text column; unknown if the value is not UTF-8.
fn set_text(
    draft: &mut Draft,
    column: &Column<ByteArray>,
    bytes: Option<&[u8]>,
) -> Result<(), String> {
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    match column.how_to_read() {
        Read::Text(set) => set(draft, text),
        Read::Address(set) => {
            let address = text.and_then(names::address);
            set(draft, address);
            if let (Some(bytes), None) = (bytes, address) {
                let text: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
                let name = column.name();
                return Err(format!("`{name}` '{}' is not an IP address", text.escape_debug()));
            }
        }
        Read::Derived
        | Read::U64(_)
        | Read::U32(_)
        | Read::U16(_)
        | Read::I32(_)
        | Read::Port(_) => {}
    }
    Ok(())
}
