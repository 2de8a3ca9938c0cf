//! The columns that are read, from whatever types other programs keep them in.

use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType},
    errors::{ParquetError, Result},
    file::reader::RowGroupReader,
    schema::types::{ColumnDescriptor, SchemaDescriptor},
};

/// Rows that are taken from a row group at once.
pub(super) const BATCH_ROWS: usize = 4096;

/// Columns of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    TsNs,
    Pid,
    Tid,
    Uid,
    Netns,
    CgroupId,
    Sport,
    Dport,
    Errno,
    LatencyNs,
    RangeLow,
    RangeHigh,
    SaltEpoch,
    FirstCandidate,
    Tried,
    Step,
    Cookie,
}

/// Their names, in the order of [`Number`].
const NUMBERS: [&str; 17] = [
    "ts_ns",
    "pid",
    "tid",
    "uid",
    "netns",
    "cgroup_id",
    "sport",
    "dport",
    "errno",
    "latency_ns",
    "range_low",
    "range_high",
    "salt_epoch",
    "first_candidate",
    "tried",
    "step",
    "cookie",
];

/// Columns of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Saddr,
    Daddr,
    Comm,
    Container,
    Protocol,
    Origin,
    RangeSource,
    Pass,
    SearchUnknown,
    Hook,
}

/// Their names, in the order of [`Text`].
const TEXTS: [&str; 10] = [
    "saddr",
    "daddr",
    "comm",
    "container",
    "protocol",
    "origin",
    "range_source",
    "pass",
    "search_unknown",
    "hook",
];

/// Without these it is no recording.
const NEEDED: [&str; 5] = ["ts_ns", "saddr", "sport", "daddr", "dport"];

/// Which leaf of the schema each column is, if it is there.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    numbers: [Option<Leaf>; NUMBERS.len()],
    texts: [Option<Leaf>; TEXTS.len()],
}

#[derive(Clone, Copy, Debug)]
struct Leaf {
    index: usize,
    can_be_null: bool,
    scale: Scale,
}

/// What a number of the file is to be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    One,
    /// 32 bits without a sign.
    Unsigned,
    /// So many nanoseconds.
    Ns(i64),
}

impl Layout {
    /// What the schema has; in words, what is missing or has another type.
    pub(super) fn of(schema: &SchemaDescriptor) -> std::result::Result<Self, String> {
        let missing: Vec<&str> =
            NEEDED.into_iter().filter(|name| find(schema, name).is_none()).collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "" } else { "s" };
            return Err(format!("without the column{plural} {}", missing.join(", ")));
        }
        let mut layout = Self { numbers: [None; NUMBERS.len()], texts: [None; TEXTS.len()] };
        for (leaf, name) in layout.numbers.iter_mut().zip(NUMBERS) {
            *leaf = typed(schema, name, "a number", is_number)?;
        }
        for (leaf, name) in layout.texts.iter_mut().zip(TEXTS) {
            *leaf = typed(schema, name, "text", |kind| kind == Type::BYTE_ARRAY)?;
        }
        Ok(layout)
    }
}

fn is_number(kind: Type) -> bool {
    matches!(kind, Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE)
}

/// A column of that name with one value a row at most.
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
    name: &str,
    wanted: &str,
    fits: fn(Type) -> bool,
) -> std::result::Result<Option<Leaf>, String> {
    let Some(index) = find(schema, name) else { return Ok(None) };
    let column = schema.column(index);
    let kind = column.physical_type();
    if fits(kind) {
        let can_be_null = column.max_def_level() > 0;
        return Ok(Some(Leaf { index, can_be_null, scale: scale(&column) }));
    }
    // What a column of nulls only is written as by some.
    if NEEDED.contains(&name) {
        return Err(format!("whose column {name} is {kind}, not {wanted}"));
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

/// The columns of one row group, and the rows that were taken last.
pub(super) struct Columns {
    numbers: Vec<Option<Column<i64>>>,
    texts: Vec<Option<Column<ByteArray>>>,
}

struct Column<V> {
    reader: ColumnReader,
    leaf: Leaf,
    values: Vec<Option<V>>,
}

impl Columns {
    /// From the beginning of a row group.
    pub(super) fn open(group: &dyn RowGroupReader, layout: &Layout) -> Result<Self> {
        Ok(Self { numbers: open(group, &layout.numbers)?, texts: open(group, &layout.texts)? })
    }

    /// Takes the next rows and says how many; 0 at the end.
    pub(super) fn next_batch(&mut self) -> Result<usize> {
        let mut rows = None;
        for column in self.numbers.iter_mut().flatten() {
            column.read()?;
            same(&mut rows, column.values.len())?;
        }
        for column in self.texts.iter_mut().flatten() {
            column.read()?;
            same(&mut rows, column.values.len())?;
        }
        Ok(rows.unwrap_or(0))
    }

    pub(super) fn number(&self, number: Number, row: usize) -> Option<i64> {
        *self.numbers.get(number as usize)?.as_ref()?.values.get(row)?
    }

    pub(super) fn text(&self, text: Text, row: usize) -> Option<&[u8]> {
        let value = self.texts.get(text as usize)?.as_ref()?.values.get(row)?;
        value.as_ref().map(ByteArray::data)
    }
}

fn open<V>(group: &dyn RowGroupReader, leaves: &[Option<Leaf>]) -> Result<Vec<Option<Column<V>>>> {
    let column = |leaf: &Option<Leaf>| match *leaf {
        Some(leaf) => {
            let reader = group.get_column_reader(leaf.index)?;
            Ok(Some(Column { reader, leaf, values: Vec::new() }))
        }
        None => Ok(None),
    };
    leaves.iter().map(column).collect()
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
            _ => Err(ParquetError::General("a column of numbers has none".to_owned())),
        }
    }
}

impl Column<ByteArray> {
    fn read(&mut self) -> Result<()> {
        match &mut self.reader {
            ColumnReader::ByteArrayColumnReader(reader) => {
                read(reader, self.leaf.can_be_null, &mut self.values, Some)
            }
            _ => Err(ParquetError::General("a column of text has none".to_owned())),
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

/// Programs without whole numbers that can be null write them as fractions.
fn whole(n: f64) -> Option<i64> {
    /// From here on not every whole number is a fraction.
    const MOST: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and small enough")]
    (n.fract() == 0.0 && n.abs() <= MOST).then_some(n as i64)
}
