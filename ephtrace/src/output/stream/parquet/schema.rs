//! Columns of a Parquet recording: selection from `columns.rs`, types, encodings.
//!
//! All integers are signed: with unsigned ones, `sport - first_candidate` is an error in DuckDB if
//! the first candidate is higher. Only ids, which nobody subtracts, are unsigned. Times are plain
//! numbers, because most versions of Spark refuse timestamps with nanoseconds.

use std::sync::{Arc, LazyLock};

use parquet::{
    basic::{Compression, Encoding, LogicalType, Repetition, Type as Physical, ZstdLevel},
    errors::Result,
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr},
    schema::types::{ColumnPath, SchemaDescPtr, SchemaDescriptor, Type, TypePtr},
};
use serde::Serialize;

use crate::model::columns::{self, Column};

/// Number of rows of one row group. Writing it stops the reading of the ring buffer for some 50 ms,
/// in which the fastest storm fills a fifth of it; larger groups would take no fewer bytes per row.
pub(super) const MAX_ROWS: usize = 64 << 10;

/// Default level of zstd: most columns are already well packed before it.
const ZSTD_LEVEL: i32 = 3;

/// Storage type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    /// Ports, differences.
    Int32,
    /// Numbers that can be larger.
    Int64,
    /// Ids of 64 bits.
    Id64,
    /// Text.
    Text,
    /// Yes or no.
    Bool,
}

/// Encoding that packs a column best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    /// Few different values, each stored once and then referred to by number.
    Dictionary,
    /// Differences, for values close to the previous one.
    Delta,
    /// Plain values.
    Plain,
}

/// One column of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Name, unit, meaning, nullability, and source of the value.
    pub(super) column: Column,
    /// Storage type.
    pub(super) storage: Storage,
    packing: Packing,
}

const fn field(column: Column, storage: Storage, packing: Packing) -> Field {
    Field { column, storage, packing }
}

use Packing::{Delta, Dictionary, Plain};
use Storage::{Bool, Id64, Int32, Int64, Text};

/// All columns, in their order in the file.
pub(super) const FIELDS: [Field; 36] = [
    field(columns::TS_NS, Int64, Delta),
    field(columns::PID, Int64, Dictionary),
    field(columns::TID, Int64, Dictionary),
    field(columns::COMM, Text, Dictionary),
    field(columns::UID, Int64, Dictionary),
    field(columns::NETNS, Int64, Dictionary),
    field(columns::CGROUP_ID, Id64, Dictionary),
    field(columns::CONTAINER, Text, Dictionary),
    field(columns::CONTAINER_NAME, Text, Dictionary),
    field(columns::IMAGE, Text, Dictionary),
    field(columns::POD, Text, Dictionary),
    field(columns::POD_NAMESPACE, Text, Dictionary),
    field(columns::UNIT, Text, Dictionary),
    field(columns::FAMILY, Int32, Dictionary),
    field(columns::PROTOCOL, Text, Dictionary),
    field(columns::ORIGIN, Text, Dictionary),
    field(columns::SADDR, Text, Dictionary),
    field(columns::SPORT, Int32, Delta),
    field(columns::DADDR, Text, Dictionary),
    field(columns::DPORT, Int32, Dictionary),
    field(columns::ERRNO, Int32, Dictionary),
    field(columns::ERROR, Text, Dictionary),
    field(columns::LATENCY_NS, Int64, Plain),
    field(columns::RANGE_LOW, Int32, Dictionary),
    field(columns::RANGE_HIGH, Int32, Dictionary),
    field(columns::RANGE_SOURCE, Text, Dictionary),
    field(columns::SALT_EPOCH, Int64, Dictionary),
    field(columns::FIRST_CANDIDATE, Int32, Delta),
    field(columns::TRIED, Int64, Dictionary),
    field(columns::PASS, Text, Dictionary),
    field(columns::SEARCH_UNKNOWN, Text, Dictionary),
    field(columns::STEP, Int32, Dictionary),
    field(columns::SELF_CONNECT, Bool, Plain),
    field(columns::COOKIE, Id64, Delta),
    field(columns::HOOK, Text, Dictionary),
    field(columns::HOST_PID, Int64, Dictionary),
];

/// Returns the columns of a file, for its reader.
pub fn columns() -> impl Iterator<Item = Column> {
    FIELDS.into_iter().map(|field| field.column)
}

/// Description of a column in the file's metadata.
#[derive(Serialize)]
struct About {
    name: &'static str,
    unit: Option<&'static str>,
    meaning: &'static str,
}

/// Returns the columns as JSON: name, unit, meaning.
pub(super) fn described() -> String {
    let about = FIELDS.iter().map(|Field { column, .. }| About {
        name: column.name,
        unit: column.unit.name(),
        meaning: column.meaning,
    });
    let about: Vec<About> = about.collect();
    // Plain strings can always be serialized.
    serde_json::to_string(&about).unwrap_or_default()
}

/// Schema and properties for the parquet crate.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) schema: SchemaDescPtr,
    pub(super) properties: WriterPropertiesPtr,
}

/// Returns the plan, which is the same for each file.
pub(super) fn plan() -> Result<Plan> {
    static PLAN: LazyLock<std::result::Result<Plan, String>> =
        LazyLock::new(|| make_plan().map_err(|error| error.to_string()));
    PLAN.clone().map_err(parquet::errors::ParquetError::General)
}

fn make_plan() -> Result<Plan> {
    let fields = FIELDS.iter().map(column_type).collect::<Result<Vec<TypePtr>>>()?;
    let root = Type::group_type_builder("assignments").with_fields(fields).build()?;
    let schema = Arc::new(SchemaDescriptor::new(Arc::new(root)));
    Ok(Plan { schema, properties: Arc::new(properties()?) })
}

fn column_type(field: &Field) -> Result<TypePtr> {
    let (physical, logical) = match field.storage {
        Int32 => (Physical::INT32, None),
        Int64 => (Physical::INT64, None),
        Id64 => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Bool => (Physical::BOOLEAN, None),
    };
    let repetition =
        if field.column.is_optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let primitive = Type::primitive_type_builder(field.column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()?;
    Ok(Arc::new(primitive))
}

/// Writes one page for each column and row group, because row groups are short, and only statistics
/// of the row group, by which readers skip it.
fn properties() -> Result<WriterProperties> {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_data_page_row_count_limit(usize::MAX)
        .set_write_batch_size(MAX_ROWS);
    for Field { column, packing, .. } in FIELDS {
        let path = ColumnPath::from(column.name);
        builder = match packing {
            Dictionary => builder,
            Delta => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Plain => builder.set_column_dictionary_enabled(path, false),
        };
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a line of the table in docs/recording.md.
    fn line(field: &Field) -> String {
        let Field { column, storage, .. } = field;
        let kind = match storage {
            Int32 => "int32",
            Int64 => "int64",
            Id64 => "uint64",
            Text => "string",
            Bool => "bool",
        };
        let null = if column.is_optional { "yes" } else { "" };
        let unit = column.unit.name().unwrap_or_default();
        let cells = ["", &format!("`{}`", column.name), kind, null, unit, column.meaning, ""];
        cells.join(" | ").replace("|  |", "| |").replace("|  |", "| |").trim().to_owned()
    }

    #[test]
    fn the_documentation_has_all_columns() {
        let documentation = include_str!("../../../../../docs/recording.md");
        let missing: Vec<String> =
            FIELDS.iter().map(line).filter(|line| !documentation.contains(line)).collect();
        assert!(missing.is_empty(), "docs/recording.md lacks:\n{}", missing.join("\n"));
    }

    #[test]
    fn each_column_of_the_others_is_here_or_replaced() {
        let names = FIELDS.map(|field| field.column.name);
        let absent = columns::COLUMNS.map(|column| column.name).into_iter();
        let absent: Vec<&str> = absent.filter(|name| !names.contains(name)).collect();
        assert_eq!(absent, ["ts"]);
    }
}
