//! Free choices of other writers: encoding and compression of texts, version of pages.

use parquet::{
    basic::{Compression, Encoding, GzipLevel, Repetition, ZstdLevel},
    data_type::DataType,
    file::properties::WriterVersion,
    schema::types::ColumnPath,
};

use super::*;

/// Way of writing a file.
#[derive(Clone, Copy, Debug)]
struct Way {
    encoding: Option<Encoding>,
    version: WriterVersion,
    compression: Compression,
    page_rows: usize,
}

/// Writes a recording with these containers, in that way.
fn written(containers: &[Option<String>], way: Way) -> Vec<u8> {
    let leaf = |name: &str, physical, repetition| {
        let leaf = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        Arc::new(leaf.build().unwrap())
    };
    let required = |(name, physical)| leaf(name, physical, Repetition::REQUIRED);
    let mut fields: Vec<_> = [
        ("ts_ns", Physical::INT64),
        ("saddr", Physical::BYTE_ARRAY),
        ("sport", Physical::INT64),
        ("daddr", Physical::BYTE_ARRAY),
        ("dport", Physical::INT64),
    ]
    .into_iter()
    .map(required)
    .collect();
    fields.push(leaf("container", Physical::BYTE_ARRAY, Repetition::OPTIONAL));
    let schema = Type::group_type_builder("s").with_fields(fields).build().unwrap();
    let mut properties = WriterProperties::builder()
        .set_writer_version(way.version)
        .set_compression(way.compression)
        .set_data_page_row_count_limit(way.page_rows)
        .set_write_batch_size(1);
    if let Some(encoding) = way.encoding {
        properties = properties.set_dictionary_enabled(false);
        for name in ["saddr", "daddr", "container"] {
            properties = properties.set_column_encoding(ColumnPath::from(name), encoding);
        }
    }
    let properties = Arc::new(properties.build());
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties).unwrap();
    let mut group = file.next_row_group().unwrap();
    let rows = containers.len();
    let addresses: Vec<ByteArray> =
        (0..rows).map(|n| format!("10.0.{}.1", n % 3).into_bytes().into()).collect();
    let known: Vec<ByteArray> =
        containers.iter().flatten().map(|name| name.clone().into_bytes().into()).collect();
    let levels: Vec<i16> = containers.iter().map(|name| name.is_some().into()).collect();
    let mut column = |write: &mut dyn FnMut(&mut SerializedColumnWriter<'_>)| {
        let mut column = group.next_column().unwrap().unwrap();
        write(&mut column);
        column.close().unwrap();
    };
    column(&mut |column| put::<Int64Type>(column, &(1..).take(rows).collect::<Vec<_>>()));
    column(&mut |column| put::<ByteArrayType>(column, &addresses));
    column(&mut |column| put::<Int64Type>(column, &vec![40_000; rows]));
    column(&mut |column| put::<ByteArrayType>(column, &addresses));
    column(&mut |column| put::<Int64Type>(column, &vec![443; rows]));
    column(&mut |column| {
        let texts = column.typed::<ByteArrayType>();
        texts.write_batch(&known, Some(&levels), None).unwrap();
    });
    group.close().unwrap();
    file.into_inner().unwrap()
}

fn put<T: DataType>(column: &mut SerializedColumnWriter<'_>, values: &[T::T]) {
    column.typed::<T>().write_batch(values, None, None).unwrap();
}

fn ways() -> impl Strategy<Value = Way> {
    let encodings = [
        None,
        Some(Encoding::PLAIN),
        Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        Some(Encoding::DELTA_BYTE_ARRAY),
    ];
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    let select = prop::sample::select::<Compression>;
    (
        prop::sample::select(encodings.to_vec()),
        prop::sample::select(versions.to_vec()),
        select(compressions.to_vec()),
        1_usize..400,
    )
        .prop_map(|(encoding, version, compression, page_rows)| Way {
            encoding,
            version,
            compression,
            page_rows,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The texts come back, however they are written: delta-encoded ones are not left to the
    /// library.
    #[test]
    fn texts_come_back(
        way in ways(),
        containers in prop::collection::vec(prop::option::of("(ab|abc)?[a-d]{0,200}"), 1..700),
    ) {
        let (read, broken, _) = read(written(&containers, way));
        prop_assert!(broken.is_empty(), "{:?}", broken);
        let read: Vec<Option<String>> =
            read.into_iter().map(|one| one.container.map(|name| name.to_string())).collect();
        prop_assert_eq!(read, containers);
    }
}

#[test]
fn a_long_name_is_refused_and_the_next_row_read() {
    let names = ["a".repeat(256), "b".repeat(257), "b".repeat(257), "a".to_owned()].map(Some);
    let way = Way {
        encoding: None,
        version: WriterVersion::PARQUET_1_0,
        compression: Compression::SNAPPY,
        page_rows: 100,
    };
    let (rows, broken, _) = read(written(&names, way));
    assert_eq!(rows.len(), 2);
    insta::assert_snapshot!(broken.join("\n"), @"
    row 2: `container` has 257 bytes, but at most 256 are allowed
    row 3: `container` has 257 bytes, but at most 256 are allowed
    ");
}
