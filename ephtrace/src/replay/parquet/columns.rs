//! The columns that are read, from any types in which other programs store them.

use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type},
    column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader},
    data_type::{ByteArray, DataType},
    errors::{ParquetError, Result},
    file::reader::RowGroupReader,
    schema::types::{ColumnDescriptor, SchemaDescriptor},
};

use super::{pages::Pages, source::Source};
use crate::{
    model::columns::{Column as Named, NEEDED, Read},
    output::stream::parquet::columns,
    replay::budget::Account,
};

/// Number of rows taken from a row group at once.
pub(super) const BATCH_ROWS: usize = 4096;

/// Columns of the schema that are read.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    numbers: Vec<Leaf>,
    texts: Vec<Leaf>,
}

/// A column, and the index of its leaf in the schema.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    name: &'static str,
    read: Read,
    index: usize,
    can_be_null: bool,
    scale: Scale,
}

/// Conversion of a number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    One,
    /// An unsigned number of 32 bits.
    Unsigned,
    /// A unit of this many nanoseconds.
    Ns(i64),
}

impl Layout {
    /// Finds the columns in the schema; the error describes a column that is missing or has another
    /// type.
    pub(super) fn of(schema: &SchemaDescriptor) -> std::result::Result<Self, String> {
        let missing: Vec<&str> =
            NEEDED.into_iter().filter(|name| find(schema, name).is_none()).collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "" } else { "s" };
            return Err(format!("without the column{plural} {}", missing.join(", ")));
        }
        let mut layout = Self { numbers: Vec::new(), texts: Vec::new() };
        for column in columns() {
            match column.read {
                Read::Derived => {}
                Read::Address(_) | Read::Text(_) => {
                    let leaf = typed(schema, column, "text", |kind| kind == Type::BYTE_ARRAY)?;
                    layout.texts.extend(leaf);
                }
                Read::U64(_) | Read::U32(_) | Read::U16(_) | Read::I32(_) | Read::Port(_) => {
                    layout.numbers.extend(typed(schema, column, "a number", is_number)?);
                }
            }
        }
        Ok(layout)
    }
}

fn is_number(kind: Type) -> bool {
    matches!(kind, Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE)
}

/// Returns the index of a column of that name with at most one value a row.
fn find(schema: &SchemaDescriptor, name: &str) -> Option<usize> {
    let fits = |column: &ColumnDescriptor| {
        let path = column.path().parts();
        path.len() == 1
            && path[0] == name
            && column.max_rep_level() == 0
            && column.max_def_level() <= 1
    };
    schema.columns().iter().position(|column| fits(column))
}

fn typed(
    schema: &SchemaDescriptor,
    Named { name, read, .. }: Named,
    wanted: &str,
    fits: fn(Type) -> bool,
) -> std::result::Result<Option<Leaf>, String> {
    let Some(index) = find(schema, name) else { return Ok(None) };
    let column = schema.column(index);
    let kind = column.physical_type();
    if fits(kind) {
        let can_be_null = column.max_def_level() > 0;
        return Ok(Some(Leaf { name, read, index, can_be_null, scale: scale(&column) }));
    }
    // Some writers use such a type for a column of only nulls.
    if NEEDED.contains(&name) {
        return Err(format!("in which the column {name} is {kind}, not {wanted}"));
    }
    Ok(None)
}

fn scale(column: &ColumnDescriptor) -> Scale {
    match column.logical_type_ref() {
        Some(LogicalType::Timestamp(time)) => match time.unit {
            TimeUnit::MILLIS => Scale::Ns(1_000_000),
            TimeUnit::MICROS => Scale::Ns(1_000),
            TimeUnit::NANOS => Scale::One,
        },
        Some(LogicalType::Integer(int)) if !int.is_signed => Scale::Unsigned,
        _ => match column.converted_type() {
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 => {
                Scale::Unsigned
            }
            ConvertedType::TIMESTAMP_MILLIS => Scale::Ns(1_000_000),
            ConvertedType::TIMESTAMP_MICROS => Scale::Ns(1_000),
            _ => Scale::One,
        },
    }
}

/// Columns of one row group, and the rows that were taken last.
pub(super) struct Columns {
    pub(super) numbers: Vec<Column<i64>>,
    pub(super) texts: Vec<Column<ByteArray>>,
}

/// One column and its values.
pub(super) struct Column<V> {
    reader: ColumnReader,
    leaf: Leaf,
    values: Vec<Option<V>>,
}

impl Columns {
    /// Opens the columns at the beginning of a row group of `source`; its pages are charged to
    /// `account`.
    pub(super) fn open(
        group: &dyn RowGroupReader,
        layout: &Layout,
        source: &Source,
        account: &Account,
    ) -> Result<Self> {
        let open_one = |leaf: &Leaf| open(group, leaf.index, leaf.name, source, account);
        Ok(Self { numbers: all(&layout.numbers, open_one)?, texts: all(&layout.texts, open_one)? })
    }

    /// Takes the next rows and returns their number; 0 at the end.
    pub(super) fn next_batch(&mut self) -> Result<usize> {
        let mut rows = None;
        for column in &mut self.numbers {
            column.read()?;
            same(&mut rows, column.values.len())?;
        }
        for column in &mut self.texts {
            column.read()?;
            same(&mut rows, column.values.len())?;
        }
        Ok(rows.unwrap_or(0))
    }
}

impl<V> Column<V> {
    pub(super) fn name(&self) -> &'static str {
        self.leaf.name
    }

    pub(super) fn how_to_read(&self) -> Read {
        self.leaf.read
    }

    pub(super) fn value(&self, row: usize) -> Option<&V> {
        self.values.get(row)?.as_ref()
    }
}

fn all<V>(leaves: &[Leaf], open: impl Fn(&Leaf) -> Result<ColumnReader>) -> Result<Vec<Column<V>>> {
    let column = |leaf: &Leaf| Ok(Column { reader: open(leaf)?, leaf: *leaf, values: Vec::new() });
    leaves.iter().map(column).collect()
}

fn open(
    group: &dyn RowGroupReader,
    index: usize,
    name: &'static str,
    source: &Source,
    account: &Account,
) -> Result<ColumnReader> {
    let (about, chunk) = (group.metadata(), group.metadata().column(index));
    let rows = u64::try_from(about.num_rows()).unwrap_or(0);
    let inner = group.get_column_page_reader(index)?;
    let pages = Pages::new(inner, source, (name, chunk), rows, account);
    Ok(get_column_reader(chunk.column_descr_ptr(), Box::new(pages)))
}

fn same(rows: &mut Option<usize>, len: usize) -> Result<()> {
    match *rows.get_or_insert(len) {
        rows if rows == len => Ok(()),
        _ => Err(ParquetError::General("its columns have different lengths".to_owned())),
    }
}

impl Column<i64> {
    fn read(&mut self) -> Result<()> {
        let Self { reader, leaf, values } = self;
        let Leaf { can_be_null, scale, .. } = *leaf;
        let scaled = |n: i64| match scale {
            Scale::Ns(ns) => n.checked_mul(ns),
            Scale::One | Scale::Unsigned => Some(n),
        };
        let small = |n: i32| match scale {
            Scale::Unsigned => Some(n.cast_unsigned().into()),
            Scale::One | Scale::Ns(_) => scaled(n.into()),
        };
        match reader {
            ColumnReader::Int32ColumnReader(reader) => read(reader, can_be_null, values, small),
            ColumnReader::Int64ColumnReader(reader) => read(reader, can_be_null, values, scaled),
            ColumnReader::FloatColumnReader(reader) => {
                read(reader, can_be_null, values, |n| whole(n.into()))
            }
            ColumnReader::DoubleColumnReader(reader) => read(reader, can_be_null, values, whole),
            _ => Err(ParquetError::General("a column of numbers has no numbers".to_owned())),
        }
    }
}

impl Column<ByteArray> {
    fn read(&mut self) -> Result<()> {
        match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(reader) => {
                read(reader, self.leaf.can_be_null, &mut self.values, Some)
            }
            _ => Err(ParquetError::General("a column of text has no text".to_owned())),
        }
    }
}

/// Replaces `out` by the next rows.
fn read<T: DataType, V>(
    reader: &mut ColumnReaderImpl<T>,
    can_be_null: bool,
    out: &mut Vec<Option<V>>,
    convert: impl Fn(T::T) -> Option<V>,
) -> Result<()> {
    out.clear();
    let (mut defined, mut values) = (Vec::new(), Vec::new());
    let levels = can_be_null.then_some(&mut defined);
    reader.read_records(BATCH_ROWS, levels, None, &mut values)?;
    let mut values = values.into_iter();
    if can_be_null {
        let value = |level: i16| (level > 0).then(|| values.next()).flatten();
        out.extend(defined.into_iter().map(value).map(|value| value.and_then(&convert)));
    } else {
        out.extend(values.map(convert));
    }
    Ok(())
}

/// Converts a fraction: programs without nullable integers write those as fractions.
fn whole(n: f64) -> Option<i64> {
    /// Limit beyond which not every whole number is a fraction.
    const MOST: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and small enough")]
    (n.fract() == 0.0 && n.abs() <= MOST).then_some(n as i64)
}
