//! Rows of the growing row group, column by column; and that group in bytes.

use std::{fmt::Display, net::IpAddr, sync::Arc};

use parquet::{
    column::writer::ColumnWriterImpl,
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    errors::{ParquetError, Result},
    file::{
        metadata::RowGroupMetaData,
        writer::{SerializedColumnWriter, SerializedRowGroupWriter, TrackedWrite},
    },
};
use rustc_hash::FxHashMap;

use super::schema::{FIELDS, Field, Plan, Storage};
use crate::model::{Assignment, columns::Value};

/// Rows by columns; 20 MiB when full.
pub(super) struct Rows {
    columns: Vec<Cells>,
    len: usize,
}

/// Non-null values of one column, and for each row whether it has one.
struct Cells {
    field: Field,
    values: Values,
    /// 1 or 0 for each row (a definition level); empty if the column has no nulls.
    defined: Vec<i16>,
}

enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Bool(Vec<bool>),
    Text(Texts),
}

/// Texts by number, each stored once.
#[derive(Default)]
struct Texts {
    numbers: Vec<u32>,
    known: Vec<ByteArray>,
    words: FxHashMap<&'static str, u32>,
    addresses: FxHashMap<IpAddr, u32>,
    others: FxHashMap<Box<str>, u32>,
}

impl Rows {
    pub(super) fn new() -> Self {
        Self { columns: FIELDS.iter().copied().map(Cells::new).collect(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, assignment: &Assignment) {
        for cells in &mut self.columns {
            cells.push((cells.field.column.value)(assignment));
        }
        self.len += 1;
    }

    pub(super) fn clear(&mut self) {
        self.columns.iter_mut().for_each(Cells::clear);
        self.len = 0;
    }

    /// Encodes the rows as row group number `ordinal`, which is to be at `offset` of the file.
    pub(super) fn encode(
        &self,
        plan: &Plan,
        ordinal: i32,
        offset: u64,
    ) -> Result<(Vec<u8>, RowGroupMetaData)> {
        let mut out = TrackedWrite::new(Vec::new());
        let (schema, properties) = (Arc::clone(&plan.schema), Arc::clone(&plan.properties));
        let mut group = SerializedRowGroupWriter::new(schema, properties, &mut out, ordinal, None);
        for cells in &self.columns {
            let missing = || ParquetError::General("more columns than the schema has".to_owned());
            let mut writer = group.next_column()?.ok_or_else(missing)?;
            cells.write(&mut writer)?;
            writer.close()?;
        }
        let metadata = group.close()?;
        Ok((out.into_inner()?, placed(&metadata, offset)?))
    }
}

impl Cells {
    fn new(field: Field) -> Self {
        let values = match field.storage {
            Storage::Int32 => Values::Int32(Vec::new()),
            Storage::Int64 | Storage::Id64 => Values::Int64(Vec::new()),
            Storage::Bool => Values::Bool(Vec::new()),
            Storage::Text => Values::Text(Texts::default()),
        };
        Self { field, values, defined: Vec::new() }
    }

    fn push(&mut self, value: Value<'_>) {
        let is_defined = value != Value::Null;
        if self.field.column.is_optional {
            self.defined.push(is_defined.into());
        }
        if is_defined {
            self.values.push(value);
        }
    }

    fn clear(&mut self) {
        self.defined.clear();
        match &mut self.values {
            Values::Int32(values) => values.clear(),
            Values::Int64(values) => values.clear(),
            Values::Bool(values) => values.clear(),
            Values::Text(texts) => texts.clear(),
        }
    }

    fn write(&self, writer: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let defined = self.field.column.is_optional.then_some(&*self.defined);
        match &self.values {
            Values::Int32(values) => write(writer.typed::<Int32Type>(), values, defined),
            Values::Int64(values) => write(writer.typed::<Int64Type>(), values, defined),
            Values::Bool(values) => write(writer.typed::<BoolType>(), values, defined),
            Values::Text(texts) => {
                write(writer.typed::<ByteArrayType>(), &texts.spelled_out(), defined)
            }
        }
    }
}

fn write<T: DataType>(
    writer: &mut ColumnWriterImpl<'_, T>,
    values: &[T::T],
    defined: Option<&[i16]>,
) -> Result<()> {
    writer.write_batch(values, defined, None).map(drop)
}

impl Values {
    /// Appends a value. A column has one kind of value (see `columns`); one of 64 bits is stored
    /// bit by bit.
    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Int32(values), Value::U64(n)) => {
                values.push(i32::try_from(n).unwrap_or(i32::MAX));
            }
            (Self::Int32(values), Value::I64(n)) => {
                values.push(i32::try_from(n).unwrap_or(i32::MAX));
            }
            (Self::Int64(values), Value::U64(n) | Value::Time(n)) => values.push(n.cast_signed()),
            (Self::Int64(values), Value::I64(n)) => values.push(n),
            (Self::Bool(values), Value::Bool(yes)) => values.push(yes),
            (Self::Text(texts), Value::Name(name)) => texts.push_word(name),
            (Self::Text(texts), Value::Ip(address)) => texts.push_address(address),
            (Self::Text(texts), Value::Str(text)) => texts.push_other(text),
            (values, value) => values.push_misfit(value),
        }
    }

    /// Appends a placeholder for a value of another kind than `columns` says. The lengths must
    /// still fit.
    fn push_misfit(&mut self, value: Value<'_>) {
        debug_assert!(false, "{value:?} does not fit its column");
        match self {
            Self::Int32(values) => values.push(0),
            Self::Int64(values) => values.push(0),
            Self::Bool(values) => values.push(false),
            Self::Text(texts) => texts.push_word(""),
        }
    }
}

impl Texts {
    fn push_word(&mut self, word: &'static str) {
        let Self { numbers, known, words, .. } = self;
        numbers.push(*words.entry(word).or_insert_with(|| learn(known, word)));
    }

    fn push_address(&mut self, address: IpAddr) {
        let Self { numbers, known, addresses, .. } = self;
        numbers.push(*addresses.entry(address).or_insert_with(|| learn(known, address)));
    }

    fn push_other(&mut self, text: &str) {
        let Self { numbers, known, others, .. } = self;
        let number = match others.get(text) {
            Some(&number) => number,
            None => *others.entry(text.into()).or_insert_with(|| learn(known, text)),
        };
        numbers.push(number);
    }

    fn spelled_out(&self) -> Vec<ByteArray> {
        let text = |&number: &u32| self.known.get(number as usize).cloned().unwrap_or_default();
        self.numbers.iter().map(text).collect()
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.known.clear();
        self.words.clear();
        self.addresses.clear();
        self.others.clear();
    }
}

/// Stores a text and returns its number; there are at most as many as rows.
fn learn(known: &mut Vec<ByteArray>, text: impl Display) -> u32 {
    let number = u32::try_from(known.len()).unwrap_or(u32::MAX);
    known.push(ByteArray::from(text.to_string().into_bytes()));
    number
}

/// Returns the row group, moved from the beginning of a file to `offset`.
fn placed(metadata: &RowGroupMetaData, offset: u64) -> Result<RowGroupMetaData> {
    let offset = i64::try_from(offset)?;
    let columns = metadata.columns().iter().map(|column| {
        let data = column.data_page_offset() + offset;
        let dictionary = column.dictionary_page_offset().map(|at| at + offset);
        let builder = column.clone().into_builder();
        builder.set_data_page_offset(data).set_dictionary_page_offset(dictionary).build()
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    metadata.clone().into_builder().set_column_metadata(columns).set_file_offset(offset).build()
}
